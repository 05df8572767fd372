// A model that thinks aloud: thoughts, answer and their tokens stay apart, streamed and whole. The events are written here,
// because the model that ships does not think aloud.

import { expect, test } from "vitest";
import type { GenerateEvent } from "../../../src/engine/generate.ts";
import { chatOutput } from "../../../src/prompt/chat-output.ts";
import { toolFormatOf } from "../../../src/prompt/tool-formats.ts";
import { chatChoice, chatWriter } from "../../../src/server/wire/chat-answer.ts";
import { servedModel } from "../start.ts";

const served = await servedModel();
const format = {
  toolFormat: toolFormatOf("", () => false),
  thinkTags: { open: "<think>", close: "</think>" },
  specialTexts: [],
};
const usage = { promptTokens: 1, embedTokens: 0, cachedTokens: 0, completionTokens: 0, totalTokens: 1 };

/** A control token, for the tag: this vocabulary has none of its own. */
const tag = served.tokenizer.idOf("<|EOT|>") as number;

/** The events of a text, cut as given; ids are those of the first token of each piece. */
function eventsOf(pieces: string[]): GenerateEvent[] {
  return [
    { type: "prompt", promptTokens: 1, embedTokens: 0, cachedTokens: 0 },
    ...pieces.map((text) => ({
      type: "token" as const,
      id: text === "</think>" ? tag : served.tokenizer.encode(text, { addSpecialTokens: false })[0],
      text,
      logprob: -0.5,
      topLogprobs: [],
    })),
    {
      type: "end",
      text: pieces.join(""),
      ids: [],
      finishReason: "stop",
      usage,
      timings: { firstTokenMs: 0, decodeMs: 0 },
    },
  ];
}

test("thoughts and answer are told apart, with their log-probabilities and counts", () => {
  const output = chatOutput({ format, startsInReasoning: true });
  const writer = chatWriter(served.tokenizer, 0, output, { scored: true, startsInReasoning: true });
  const pieces = eventsOf(["I", " think", ".", "</think>", "Yes", "!"]).flatMap((event) => writer.pieces(event));
  expect(pieces[0].delta).toEqual({ role: "assistant", content: null, reasoning_content: "" });
  expect(pieces.slice(1, -1).map(({ delta }) => delta)).toEqual([
    { content: null, reasoning_content: "I" },
    { content: null, reasoning_content: " think" },
    { content: null, reasoning_content: "." },
    { content: "Yes", reasoning_content: null },
    { content: "!", reasoning_content: null },
  ]);
  const { add, choice } = chatChoice(0, true);
  for (const piece of pieces) add(piece);
  expect(choice().message).toEqual({ role: "assistant", content: "Yes!", reasoning_content: "I think." });
  const tokens = (list: readonly { token: string }[] | undefined) => list?.map(({ token }) => token);
  expect(tokens(choice().logprobs?.reasoning_content)).toEqual(["I", " think", "."]);
  expect(tokens(choice().logprobs?.content)).toEqual(["Yes", "!"]);
  expect(writer.reasoningTokens).toBe(4); // the tag that ends thinking is one of its tokens
});
