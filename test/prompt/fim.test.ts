// Fill in the middle: ids against transformers, where the vocabulary has tokens for it.

import { describe, expect, test } from "vitest";
import { fimFormat } from "../../src/prompt/fim.ts";
import { idsOf, promptOf } from "../../src/prompt/segments.ts";
import { createTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { family, goldens } from "./chat-families.ts";

const idsFor = (tokenizer: Tokenizer, prefix: string, suffix: string, room = 1000) => {
  const format = fimFormat(tokenizer);
  if (!format) throw new Error("no form");
  const limits = { dModel: 4, vocabSize: tokenizer.vocabSize };
  return idsOf(promptOf(format.prompt({ prefix, suffix, room }), tokenizer, limits));
};

const withFim = Object.keys(goldens.families).filter((name) => goldens.families[name].fim);

test.each(withFim)("%s: ids as transformers gives them", (name) => {
  const { tokenizer } = family(name);
  const made = goldens.gaps.map(([prefix, suffix]) => idsFor(tokenizer, prefix, suffix));
  expect(made).toEqual(goldens.families[name].fim);
  expect(withFim).toHaveLength(3);
});

test("a vocabulary without such tokens has no form", () => {
  expect(fimFormat(family("llama3").tokenizer)).toBeNull();
  expect(fimFormat(family("mistral").tokenizer)).toBeNull();
});

test.each(withFim)("%s: no text becomes a control token", (name) => {
  const { tokenizer } = family(name);
  const control = tokenizer.addedTokens.filter((token) => token.control);
  const ids = new Set(control.map(({ id }) => id));
  const only = (list: readonly number[]) => list.filter((id) => ids.has(id));
  const harmless = only(idsFor(tokenizer, "a", "b"));
  for (const { content } of control) expect(only(idsFor(tokenizer, content, content))).toEqual(harmless);
});

describe("what does not fit is cut from the far ends", () => {
  const { tokenizer } = family("default");
  const [bos, begin, hole, end] = [0, ...["begin", "hole", "end"].map((at) => tokenizer.idOf(`<｜fim▁${at}｜>`))];
  const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  const numbers = Array.from({ length: 60 }, (_, i) => `${i}, `).join("");
  const long = encode(numbers);
  const short = encode("x = 1");

  test.each<[string, string, string, number, number[], number[]]>([
    ["both long: half each", numbers, numbers, 4 + 20, long.slice(-10), long.slice(0, 10)],
    ["an odd token goes before", numbers, numbers, 4 + 21, long.slice(-11), long.slice(0, 10)],
    ["a short suffix leaves its room", numbers, "x = 1", 4 + 20, long.slice(short.length - 20), short],
    ["a short prefix leaves its room", "x = 1", numbers, 4 + 20, short, long.slice(0, 20 - short.length)],
    ["no room for either", numbers, numbers, 4, [], []],
    ["all fits to the token", numbers, "x = 1", 4 + long.length + short.length, long, short],
  ])("%s", (_, prefix, suffix, room, before, after) => {
    expect(idsFor(tokenizer, prefix, suffix, room)).toEqual([bos, begin, ...before, hole, ...after, end]);
  });

  test("no room at all", () => {
    expect(() => idsFor(tokenizer, "a", "b", 3)).toThrow(
      "room: the context leaves room for 3 tokens, expected at least 4",
    );
  });
});

test("the ids that end a middle are the form's own", () => {
  const { tokenizer } = family("qwen3");
  const ends = fimFormat(tokenizer)?.endIds.map((id) => tokenizer.tokenOf(id));
  for (const token of ["<|endoftext|>", "<|fim_pad|>", "<|file_sep|>", "<|fim_prefix|>", "<|fim_middle|>"])
    expect(ends).toContain(token);
  expect(ends).not.toContain("<|im_start|>");
});

test("Code Llama's suffix is the inside of a text: no space is put before it", () => {
  // A vocabulary in SentencePiece's manner, with Code Llama's tokens.
  const texts = [
    "<unk>",
    "<s>",
    "\u2581",
    "a",
    "b",
    "\u2581a",
    "\u263a",
    "\u2581<PRE>",
    "\u2581<SUF>",
    "\u2581<MID>",
    "\u2581<EOT>",
  ];
  const tokenizer = createTokenizer({
    normalizer: {
      type: "Sequence",
      normalizers: [
        { type: "Prepend", prepend: "\u2581" },
        { type: "Replace", pattern: { String: " " }, content: "\u2581" },
      ],
    },
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>" } }, { Sequence: { id: "A" } }],
      special_tokens: { "<s>": { ids: [1] } },
    },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(texts.map((text, id) => [text, id])),
      merges: ["\u2581 a"],
      unk_token: "<unk>",
    },
    added_tokens: [1, 7, 8, 9, 10].map((id) => ({ id, content: texts[id], special: true, normalized: false })),
    decoder: null,
  });
  const shown = idsFor(tokenizer, "a", "ab").map((id) => texts[id]);
  expect(shown).toEqual(["<s>", "\u2581<PRE>", "\u2581a", "\u2581<SUF>", "a", "b", "\u2581<MID>"]);
  expect(idsFor(tokenizer, "", "").map((id) => texts[id])).toEqual([
    "<s>",
    "\u2581<PRE>",
    "\u2581<SUF>",
    "\u2581<MID>",
  ]);
});
