// A model that thinks aloud: thoughts, answer and their tokens stay apart, streamed and whole. The events are written here,
// because the model that ships does not think aloud.

import { expect, test } from "vitest";
import { createChatReader } from "../../../src/chat-reader.ts";
import type { GenerateEvent } from "../../../src/engine/generate.ts";
import { chatOutput } from "../../../src/prompt/chat-output.ts";
import { toolFormatOf } from "../../../src/prompt/tool-formats.ts";
import { type ChatPiece, chatChoice, chatPieces } from "../../../src/server/wire/chat-answer.ts";
import { servedModel } from "../start.ts";

const { tokenizer } = await servedModel();
const format = {
  toolFormat: toolFormatOf("", () => false),
  thinkTags: { open: "<think>", close: "</think>" },
  specialTexts: [],
};
const usage = { promptTokens: 1, embedTokens: 0, cachedTokens: 0, completionTokens: 0, totalTokens: 1 };

/** A control token, for the tag: this vocabulary has none of its own. */
const tag = tokenizer.idOf("<|EOT|>") as number;

/** The events of a text, cut as given; ids are those of the first token of each piece. */
function eventsOf(pieces: string[]): GenerateEvent[] {
  return [
    { type: "prompt", promptTokens: 1, embedTokens: 0, cachedTokens: 0 },
    ...pieces.map((text) => ({
      type: "token" as const,
      id: text === "</think>" ? tag : tokenizer.encode(text, { addSpecialTokens: false })[0],
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

test("thoughts and answer are told apart, with their log-probabilities and counts", async () => {
  const options = { startsInReasoning: true, scored: true, warnings: [] };
  const turn = {
    startsInReasoning: true,
    reader: () => createChatReader(tokenizer, chatOutput({ format, startsInReasoning: true }), options),
  };
  async function* events() {
    for (const event of eventsOf(["I", " think", ".", "</think>", "Yes", "!"])) yield { choice: 0, event };
  }
  const answer = chatPieces(turn, events(), { tokenizer, n: 1, scored: true });
  const pieces: ChatPiece[] = [];
  for await (const piece of answer.pieces) pieces.push(piece);
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
  expect(answer.reasoningTokens()).toBe(4); // the tag that ends thinking is one of its tokens
});
