// The corpus of the default model: what counts in the loss, how rows are filled, the chat template against the conversations
// that training writes, and that the held-out set shares nothing with training that it should not.

import { readFileSync } from "node:fs";
import { Template } from "@huggingface/jinja";
import { describe, expect, test } from "vitest";
import { createTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { learnBpe } from "../../weights/make-default/bpe.ts";
import { toolCalls, toolList, toolOutputs, turn } from "../../weights/make-default/chat-form.ts";
import { document, firstMix, lateMix, vocabularyMix, wideMix } from "../../weights/make-default/corpus.ts";
import { seeded } from "../../weights/make-default/draw.ts";
import { fimCase, heldOut, jsonCase, ownWords, passageCase, toolCase } from "../../weights/make-default/held-out.ts";
import { batchAt, encoded, phases, rateAt, steps } from "../../weights/make-default/plan.ts";
import { countWords, tokenizerJson } from "../../weights/make-default/tokenizer.ts";

const read = (path: string) => readFileSync(new URL(path, import.meta.url), "utf8");

const words = new Map<string, number>();
const random = seeded("test");
for (let i = 0; i < 300; i++) countWords(document(random, vocabularyMix).text, words);
const tokenizer = createTokenizer(tokenizerJson(words, 700));

test("the same merges as huggingface/tokenizers learns", () => {
  const golden = JSON.parse(read("../golden/bpe.json"));
  const counts = new Map<string, number>(Object.entries(golden.words));
  const { vocab, merges } = learnBpe(counts, Object.keys(golden.vocab).length, ["<s>", "</s>"]);
  expect(merges).toEqual(golden.merges);
  expect(vocab).toEqual(golden.vocab);
});

test("too few words are refused", () => {
  expect(() => learnBpe(new Map([["ab", 1]]), 300, [])).toThrow("the words give 257 tokens, not 300");
});

describe("documents", () => {
  test("every document comes back from its ids", () => {
    for (const mix of [firstMix, vocabularyMix]) {
      for (let i = 0; i < 100; i++) {
        const one = document(random, mix);
        const { ids } = encoded(one, tokenizer);
        const text = tokenizer.decode(ids.slice(1));
        expect(text.endsWith("<｜end▁of▁sentence｜>")).toBe(true);
        expect(text.replace(/<｜end▁of▁sentence｜>$/, "")).toBe(one.text.replace(/<｜end▁of▁sentence｜>$/, ""));
      }
    }
  });

  test("of a conversation only the answers count, each with its end", () => {
    const { ids, learned } = encoded(
      { text: `Be kind.${turn("One?", "Yes.")}${turn("Two?", "No.")}`, learn: "answers" },
      tokenizer,
    );
    const counted = tokenizer.decode(ids.filter((_, i) => learned[i]));
    expect(counted).toBe("Yes.<｜end▁of▁sentence｜>No.<｜end▁of▁sentence｜>");
  });

  test("of a tool call the call and the answer count, what the tool returns does not", () => {
    const text = `S<｜User｜>Q<｜Assistant｜>${toolCalls([{ name: "f", arguments: { a: 1 } }])}<｜end▁of▁sentence｜>${toolOutputs(["42"])}It is 42.<｜end▁of▁sentence｜>`;
    const { ids, learned } = encoded({ text, learn: "answers" }, tokenizer);
    const counted = tokenizer.decode(ids.filter((_, i) => learned[i]));
    expect(counted).toBe(
      `${toolCalls([{ name: "f", arguments: { a: 1 } }])}<｜end▁of▁sentence｜>It is 42.<｜end▁of▁sentence｜>`,
    );
  });
});

describe("batches", () => {
  test("depend on the step alone and fill their rows, each from the start of a document", () => {
    for (const step of [0, 5, steps - 1]) {
      const one = batchAt(step, tokenizer);
      expect(batchAt(step, tokenizer)).toEqual(one);
      expect(one.ids.length).toBe(one.sequences * one.positions);
      for (let row = 0; row < one.sequences; row++) expect(one.ids[row * one.positions]).toBe(0);
      expect(Math.max(...one.ids)).toBeLessThan(tokenizer.vocabSize);
    }
    expect(batchAt(0, tokenizer).ids).not.toEqual(batchAt(1, tokenizer).ids);
    expect(batchAt(steps, tokenizer).positions).toBe(phases[phases.length - 1].positions); // on and on
  });

  test("the rate rises, stays and falls", () => {
    const rates = Array.from({ length: steps }, (_, step) => rateAt(step));
    expect(rates[0]).toBeLessThan(0.02);
    expect(Math.max(...rates)).toBe(1);
    expect(rates[phases[0].steps]).toBe(1);
    expect(rates[steps - 1]).toBeLessThan(0.05);
  });
});

test("the chat template writes what training writes", () => {
  const template = new Template(read("../../weights/make-default/chat-template.jinja").trimEnd());
  const parameters = { type: "object" as const, properties: { city: { type: "string" } }, required: ["city"] };
  const tool = { name: "get_time", description: "Get the time.", parameters };
  const call = { name: "get_time", arguments: { city: "Rome" } };
  const asked = { type: "function", function: { name: call.name, arguments: '{"city": "Rome"}' } };
  const begin = "<｜begin▁of▁sentence｜>";
  const messages = [
    { role: "system", content: "Be kind." },
    { role: "user", content: "Time?" },
    { role: "assistant", content: null, tool_calls: [asked, asked] },
    { role: "tool", content: "4:00" },
    { role: "tool", content: "5:00" },
    { role: "assistant", content: "It is late." },
    { role: "user", content: "Thanks!" },
    { role: "assistant", content: "You are welcome!" },
  ];
  expect(template.render({ messages, tools: [{ type: "function", function: tool }], bos_token: begin })).toBe(
    `${begin}Be kind.\n\n${toolList([tool])}<｜User｜>Time?<｜Assistant｜>${toolCalls([call, call])}<｜end▁of▁sentence｜>` +
      `${toolOutputs(["4:00", "5:00"])}It is late.<｜end▁of▁sentence｜>${turn("Thanks!", "You are welcome!")}`,
  );
  const waiting = template.render({ messages: messages.slice(0, 5), bos_token: begin, add_generation_prompt: true });
  expect(waiting.endsWith(toolOutputs(["4:00", "5:00"]))).toBe(true);
  const plain = template.render({
    messages: [{ role: "user", content: "Hi" }],
    bos_token: begin,
    add_generation_prompt: true,
  });
  expect(plain).toBe(`${begin}<｜User｜>Hi<｜Assistant｜>`);
});

describe("held out", () => {
  test("training has none of its names and values", () => {
    const corpus = [wideMix, lateMix, vocabularyMix]
      .flatMap((mix) => Array.from({ length: 1500 }, () => document(random, mix).text))
      .join("\n");
    expect(ownWords.length).toBeGreaterThan(100);
    expect(ownWords.filter((word) => new RegExp(`\\b${word}\\b`).test(corpus))).toEqual([]);
  });

  test("every answer stands in its prompt, and the cases differ", () => {
    const passages = heldOut("test");
    const prompts = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const { prompt, right } = passageCase(passages);
      prompts.add(prompt);
      const names = right.slice(1).match(/[A-Z][a-z]+|\d+/g) ?? [];
      for (const name of names) expect(prompt, right).toContain(name);
    }
    expect(prompts.size).toBe(200);
    for (let i = 0; i < 50; i++) {
      const one = jsonCase(passages);
      const { answer } = JSON.parse(one.right);
      expect(one.prompt).toContain(answer);
      const { prompt, name, arguments: values } = toolCase(passages, i % 2 === 0);
      expect(prompt).toContain(`### ${name}\n`);
      for (const value of Object.values(values)) expect(prompt).toContain(String(value));
      const hole = fimCase(passages);
      expect(hole.right.length).toBeGreaterThan(0);
    }
  });
});
