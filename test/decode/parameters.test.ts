// Bad parameters: one sentence each that names the field, what came and what was expected.

import { expect, test } from "vitest";
import { type DecodeParameters, decodingOf } from "../../src/decode/parameters.ts";

test.each<[DecodeParameters, string]>([
  [{ maxTokens: 0 }, "maxTokens: got 0, expected a whole number ≥ 1"],
  [{ defaultMaxTokens: 0 }, "defaultMaxTokens: got 0, expected a whole number ≥ 1"],
  [{ maxTokens: -5 }, "maxTokens: got -5, expected a whole number ≥ 1"],
  [{ maxTokens: 1.5 }, "maxTokens: got 1.5, expected a whole number ≥ 1"],
  [{ maxTokens: 51 }, "maxTokens: 51 tokens do not fit, expected at most 50 after this prompt"],
  [{ temperature: Number.NaN }, "temperature: got NaN, expected a number ≥ 0"],
  [{ temperature: -1 }, "temperature: got -1, expected a number ≥ 0"],
  [{ temperature: Infinity }, "temperature: got Infinity, expected a number ≥ 0"],
  [{ temperature: "1" as unknown as number }, 'temperature: got "1", expected a number'],
  [{ topK: -1 }, "topK: got -1, expected a whole number ≥ 0"],
  [{ topP: 1.1 }, "topP: got 1.1, expected a number from 0 to 1"],
  [{ topP: Number.NaN }, "topP: got NaN, expected a number from 0 to 1"],
  [{ minP: -0.1 }, "minP: got -0.1, expected a number from 0 to 1"],
  [{ frequencyPenalty: 2.5 }, "frequencyPenalty: got 2.5, expected a number from -2 to 2"],
  [{ presencePenalty: -3 }, "presencePenalty: got -3, expected a number from -2 to 2"],
  [{ repetitionPenalty: 0 }, "repetitionPenalty: got 0, expected a number > 0"],
  [{ seed: 0.5 }, "seed: got 0.5, expected a whole number from -2^63 to 2^63 - 1"],
  [{ logprobs: 1000 }, "logprobs: got 1000, expected a whole number from 0 to 100"],
  [{ logitBias: { 100: 1 } }, "logitBias: got the token id 100, expected a whole number from 0 to 99"],
  [{ logitBias: { 5: 101 } }, "logitBias.5: got 101, expected a number from -100 to 100"],
  [{ stop: "" }, "stop: it is empty, expected at least one character"],
  [{ stop: ["a", ""] }, "stop[1]: it is empty, expected at least one character"],
])("%o", (parameters, message) => {
  expect(() => decodingOf(parameters, 100, 50)).toThrow(message);
});

test("without parameters: everything that the context leaves, at most 4096 tokens", () => {
  expect(decodingOf({}, 100, 50).maxTokens).toBe(50);
  expect(decodingOf({}, 100, 100_000).maxTokens).toBe(4096);
  expect(decodingOf({ defaultMaxTokens: 7 }, 100, 100_000).maxTokens).toBe(7);
  expect(decodingOf({ defaultMaxTokens: 70 }, 100, 50).maxTokens).toBe(50);
  expect(decodingOf({ defaultMaxTokens: 7, maxTokens: 9 }, 100, 50).maxTokens).toBe(9);
});
