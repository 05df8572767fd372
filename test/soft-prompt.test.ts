// A soft prompt before everything: the rows themselves, in every method, and what does not fit is refused.

import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load, type Plainformer, readSoftPrompt, type Segment, withSoftPrompt, writeSoftPrompt } from "../src/index.ts";
import { runHere } from "./cli/in-process.ts";

let folder = "";
let model: Plainformer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "plainformer-soft-"));
  model = await load();
});
afterAll(async () => {
  await model.close();
  await rm(folder, { recursive: true });
});

const shape = [4, 256] as const;
const embeds = Float32Array.from({ length: 4 * 256 }, (_, i) => 0.3 * Math.sin(i * 1.7));
const rows: Segment = { embeds, shape };

describe("before everything", () => {
  const targets = [" the", " a fox"];
  const input = "Once upon a time";

  test("text, segments, scores and traces are as with the rows themselves", async () => {
    const tuned = withSoftPrompt(model, { embeds, shape });
    const expected = await model.score({ input: [rows, { text: input }], targets });
    expect(await tuned.score({ input, targets })).toEqual(expected);
    expect(await tuned.score({ input: [{ text: input }], targets })).toEqual(expected);
    expect(await model.score({ input, targets })).not.toEqual(expected);
    const trace = { names: ["final"] };
    expect(await tuned.trace({ input, ...trace })).toEqual(
      await model.trace({ input: [rows, { text: input }], ...trace }),
    );
  });

  test("special tokens stand behind the rows as they did in training; of PEFT's, as the tokenizer has them", async () => {
    const without = await model.score({ input: [rows, { ids: [] }, { text: input }], targets });
    const scored = (specialTokens?: boolean) =>
      withSoftPrompt(model, { embeds, shape, specialTokens }).score({ input, targets });
    expect(await scored(false)).toEqual(without);
    expect(await scored(true)).toEqual(await scored());
    const file = join(folder, "kept.safetensors");
    await writeSoftPrompt(file, { embeds, shape, specialTokens: false });
    expect(await readSoftPrompt(file)).toMatchObject({ specialTokens: false });
  });

  test("conversations and gaps", async () => {
    const tuned = withSoftPrompt(model, { embeds, shape });
    const usageOf = async (events: AsyncIterable<{ type: string; usage?: { promptTokens: number } }>) => {
      for await (const event of events) if (event.type === "end") return event.usage?.promptTokens ?? 0;
      return 0;
    };
    const chat = { messages: [{ role: "user" as const, content: "Hello" }], maxTokens: 2 };
    expect(await usageOf(tuned.chat(chat))).toBe((await usageOf(model.chat(chat))) + 4);
    const gap = { prefix: "def f(", suffix: ")", maxTokens: 2 };
    expect(await usageOf(tuned.fim(gap))).toBe((await usageOf(model.fim(gap))) + 4);
  });

  test("gradients of the caller's rows, and what is no input is the model's to refuse", async () => {
    const tuned = withSoftPrompt(model, { embeds, shape });
    const own = [{ id: "x", embeds: embeds.subarray(0, 256), shape: [1, 256] as const }];
    const { gradients } = await tuned.gradients({ input: own, targets: ["a"] });
    expect(Object.keys(gradients)).toEqual(["x"]);
    await expect(tuned.score({ input: 3 as never, targets })).rejects.toThrow("input: ");
  });
});

test("rows of another model are one sentence, with the flag before it", async () => {
  const of = async (name: string, soft: Parameters<typeof writeSoftPrompt>[1]) => {
    const path = join(folder, name);
    await writeSoftPrompt(path, soft);
    return (await runHere(["score", "a", " b", "--soft-prompt", path])).err;
  };
  expect(await of("narrow", { embeds: new Float32Array(6), shape: [2, 3] })).toBe(
    "plainformer: --soft-prompt: its rows are 3 wide, expected 256, as this model's are\n",
  );
  expect(await of("other", { embeds, shape, fingerprint: "abc" })).toMatch(
    /^plainformer: --soft-prompt: it belongs to the model with fingerprint abc, expected one of this model, [0-9a-f]{64}\n$/,
  );
  const { code, err } = await runHere(["score", "a", " b", "--soft-prompt", join(folder, "nowhere")]);
  expect([code, err.split("\n").length]).toEqual([1, 2]);
  expect(err).toContain("nowhere");
});

describe("tune", () => {
  const conversation = (question: string, answer: string) =>
    JSON.stringify({
      messages: [
        { role: "user", content: question },
        { role: "assistant", content: answer },
      ],
    });

  test("takes conversations, prints a line at each evaluation, and what it writes is taken by score and chat", async () => {
    const data = join(folder, "chat.jsonl");
    await writeFile(data, Array.from({ length: 6 }, (_, i) => conversation(`Number ${i}?`, "seven")).join("\n"));
    const out = join(folder, "tuned");
    const run = await runHere([
      ...[
        "tune",
        "--data",
        data,
        "--out",
        out,
        "--tokens",
        "3",
        "--steps",
        "4",
        "--batch",
        "2",
        "--evaluate-every",
        "2",
      ],
    ]);
    expect(run.code).toBe(0);
    expect(run.err).toMatch(/^(step [24] of 4: loss \d+\.\d{4}; held out \d+\.\d % right, loss \d+\.\d{4}\n){2}$/);
    const { log } = JSON.parse(await readFile(join(out, "log.json"), "utf8"));
    expect(log.at(-1).heldOut.loss).toBeLessThan(log[0].heldOut.loss);
    const soft = await readSoftPrompt(out);
    expect(soft).toMatchObject({ shape: [3, 256], specialTokens: false, fingerprint: model.fingerprint });
    const [plain, tuned] = [
      await runHere(["score", "a", " b"]),
      await runHere(["score", "a", " b", "--soft-prompt", out]),
    ];
    expect([plain.code, tuned.code]).toEqual([0, 0]);
    expect(tuned.out).not.toBe(plain.out);
  });

  test.each([
    [
      '{"messages":[{"role":"user","content":"a"}]}',
      "line 1: messages: got an array of 1, expected at least a question",
    ],
    [
      conversation("a", ""),
      'line 1: messages[1]: got role "assistant" and content "", expected an assistant\'s message',
    ],
    ['{"messages":"a"}', 'line 1: messages: got "a", expected at least a question and its answer'],
    ['{"messages":[{"role":"wizard","content":"a"},{"role":"assistant","content":"b"}]}', "line 1: messages[0].role"],
    [
      `${conversation("a", "b")}\n{"prompt":"a","completion":"b"}`,
      "line 2: expected the fields of the lines before, messages",
    ],
  ])("refuses %s", async (text, message) => {
    const data = join(folder, "bad.jsonl");
    await writeFile(data, text);
    const { code, err } = await runHere(["tune", "--data", data, "--out", join(folder, "bad")]);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});

test("tokenize takes the text as its argument", async () => {
  const { out } = await runHere(["tokenize", "--json", "Hello there"]);
  expect(JSON.parse(out)).toEqual(model.tokenizer.encode("Hello there"));
  await mkdir(join(folder, "texts"), { recursive: true });
  const both = await runHere(["tokenize", "a", "--file", "b"]);
  expect([both.code, both.err]).toEqual([2, "plainformer: text: there is --file too, expected one of them\n"]);
});
