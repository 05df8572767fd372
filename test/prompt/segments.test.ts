// Inputs → rows; and each bad input with its sentence.

import { describe, expect, test } from "vitest";
import { defaultModel } from "../../src/plainformer.ts";
import { type Input, promptOf } from "../../src/prompt/segments.ts";
import { resolveSoftPrompts } from "../../src/prompt/soft-prompts.ts";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";

const tokenizer = await loadTokenizer(defaultModel);
const limits = { dModel: 4, vocabSize: tokenizer.vocabSize };
const bos = tokenizer.encode("")[0];
const hello = tokenizer.encode("hello", { addSpecialTokens: false });
const embeds = { embeds: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), shape: [2, 4] as const };

test("text begins with the tokenizer's special token where the sequence begins, and nowhere else", () => {
  const ids = (input: Input) =>
    promptOf(input, tokenizer, limits).runs.map((run) => ("ids" in run ? [...run.ids] : `${run.rows} rows`));
  expect(ids("hello")).toEqual([[bos, ...hello]]);
  expect(ids([{ ids: [] }, { text: "hello" }])).toEqual([hello]);
  expect(ids([embeds, { text: "hello" }])).toEqual(["2 rows", [bos, ...hello]]);
  expect(ids([{ ids: [7] }, embeds, { text: "hello" }])).toEqual([[7], "2 rows", hello]);
  expect(ids([{ text: "" }, embeds, { ids: [] }])).toEqual([[bos], "2 rows"]);
});

test("neighboring texts are one text, wherever it was cut", () => {
  const text = "Once upon a time, there were two  foxes.\n\n";
  const whole = promptOf(text, tokenizer, limits).runs;
  for (let cut = 0; cut <= text.length; cut++) {
    const halves = [{ text: text.slice(0, cut) }, { text: text.slice(cut), parseSpecialTokens: true }];
    expect(promptOf(halves, tokenizer, limits).runs).toEqual(whole);
  }
});

test("a control token is taken only where one text that may hold some holds the whole of it", () => {
  const user = tokenizer.idOf("<｜User｜>") as number;
  const ids = (...input: Exclude<Input, string>) =>
    promptOf(input, tokenizer, limits).runs.flatMap((run) => ("ids" in run ? run.ids : []));
  const parsed = (text: string) => ({ text, parseSpecialTokens: true });
  expect(ids(parsed("<｜Us"), parsed("er｜>"))).toContain(user);
  expect(ids(parsed("<｜Us"), { text: "er｜>" })).not.toContain(user);
  expect(ids({ text: "<｜Us" }, parsed("er｜>"))).not.toContain(user);
  expect(ids({ text: "<｜User｜" }, parsed(">"))).not.toContain(user);
  expect(ids({ text: "<｜User｜>" }, parsed("<｜User｜>"), { text: "<｜User｜>" }).filter((id) => id === user)).toEqual(
    [user],
  );
  // Half a token of the user's before a whole one of the program's hides nothing.
  expect(ids({ text: "<｜User" }, parsed("<｜User｜>"))).toContain(user);
});

test("a soft prompt is rows by name", async () => {
  const find = async (name: string) => (name === "poet" ? embeds : undefined);
  const resolved = (softPrompt: string) => resolveSoftPrompts([{ softPrompt }], find, "this model");
  expect(promptOf(await resolved("poet"), tokenizer, limits)).toMatchObject({ rows: 2, embedRows: 2 });
  const cook = await resolved("cook");
  expect(() => promptOf(cook, tokenizer, limits)).toThrow('input[0].softPrompt: there is none named "cook"');
});

test("rows are counted, embeddings among them", () => {
  const prompt = promptOf([embeds, { ids: [1, 2, 3] }, embeds], tokenizer, limits);
  expect(prompt.rows).toBe(7);
  expect(prompt.embedRows).toBe(4);
});

test("the text of every special token stays text", () => {
  const special = tokenizer.addedTokens.filter((token) => token.control);
  expect(special.length).toBeGreaterThan(10);
  for (const { id, content } of special) {
    const { runs } = promptOf([{ ids: [bos] }, { text: `a ${content} b` }], tokenizer, limits);
    expect(runs.slice(1).flatMap((run) => ("ids" in run ? run.ids : []))).not.toContain(id);
  }
});

test("a segment may say that its text holds control tokens", () => {
  const text = "<｜User｜>hello<｜Assistant｜>";
  const { runs } = promptOf([{ text, parseSpecialTokens: true }], tokenizer, limits);
  const ids = [bos, tokenizer.idOf("<｜User｜>"), ...hello, tokenizer.idOf("<｜Assistant｜>")];
  expect(runs).toEqual([{ ids }]);
});

describe("bad input", () => {
  const matrix = (values: number[], shape: number[]) =>
    [{ embeds: Float32Array.from(values), shape }] as unknown as Input;
  test.each<[string, Input, string]>([
    ["nothing", [], "input: it has no rows, expected at least one token or embedding"],
    ["an object", {} as Input, "input: got object, expected a string or a list of segments"],
    ["a number", [5] as unknown as Input, "input[0]: expected an object, got 5"],
    [
      "unknown fields",
      [{ tokens: [1] }] as unknown as Input,
      "input[0]: got fields tokens, expected text, ids, embeds or softPrompt",
    ],
    ["text of another type", [{ text: 5 }] as unknown as Input, "input[0].text: got number, expected a string"],
    [
      "an id too large",
      [{ ids: [1, limits.vocabSize] }],
      `input[0].ids: token 1 is ${limits.vocabSize}, expected a whole number from 0 to ${limits.vocabSize - 1}`,
    ],
    [
      "a negative id",
      [{ ids: [-1] }],
      `input[0].ids: token 0 is -1, expected a whole number from 0 to ${limits.vocabSize - 1}`,
    ],
    [
      "half an id",
      [{ ids: [0.5] }],
      `input[0].ids: token 0 is 0.5, expected a whole number from 0 to ${limits.vocabSize - 1}`,
    ],
    [
      "ids of another type",
      [{ ids: "12" }] as unknown as Input,
      "input[0].ids: got string, expected a list of token ids",
    ],
    ["another width", matrix([1, 2, 3], [1, 3]), "input[0].shape: rows are 3 wide, expected the model's width of 4"],
    ["too few values", matrix([1, 2, 3, 4], [2, 4]), "input[0].embeds: got 4 values, expected 2 · 4 = 8"],
    [
      "NaN",
      matrix([1, 2, 3, 4, 5, NaN, 7, 8], [2, 4]),
      "input[0].embeds: row 1, column 1 is NaN in f32, expected finite numbers",
    ],
    [
      "infinity",
      matrix([1, 2, 3, -Infinity], [1, 4]),
      "input[0].embeds: row 0, column 3 is -Infinity in f32, expected finite numbers",
    ],
    ["three dimensions", matrix([1, 2, 3, 4], [1, 1, 4]), "input[0].shape: got [1,1,4], expected [rows, 4]"],
    ["a negative shape", matrix([], [-1, 4]), "input[0].shape: got [-1,4], expected [rows, 4]"],
    [
      "plain arrays",
      [{ embeds: [[1, 2, 3, 4]], shape: [1, 4] }] as unknown as Input,
      "input[0].embeds: expected a Float32Array of rows",
    ],
    ["no rows of embeddings", matrix([], [0, 4]), "input: it has no rows, expected at least one token or embedding"],
  ])("%s", (_, input, message) => {
    expect(() => promptOf(input, tokenizer, limits)).toThrow(message);
  });
});
