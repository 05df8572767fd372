// What was read in an answer → a chat completion, whole or in chunks: content, reasoning and tool calls apart, each with the
// log-probabilities of its tokens. Forms: DeepSeek's chat completion and its chunks.

import { z } from "zod";
import type { ChatTurn } from "../../chat.ts";
import type { ChatEvent } from "../../chat-reader.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { Continuations } from "./continuations.ts";
import { chatLogprob, chatLogprobSchema, type ScoredToken } from "./logprobs.ts";
import { usageSchema } from "./usage.ts";

const finishReason = z.enum(["stop", "length", "tool_calls"]);

const logprobsSchema = z
  .object({ content: z.array(chatLogprobSchema), reasoning_content: z.array(chatLogprobSchema) })
  .nullable();

const toolCallSchema = z.object({
  index: z.int(),
  id: z.string(),
  type: z.literal("function"),
  function: z.object({ name: z.string(), arguments: z.string() }),
});

const headFields = { id: z.string(), created: z.int(), model: z.string(), system_fingerprint: z.string() };

export const chatCompletionSchema = z.object({
  ...headFields,
  object: z.literal("chat.completion"),
  choices: z.array(
    z.object({
      index: z.int(),
      message: z.object({
        role: z.literal("assistant"),
        content: z.string().nullable(),
        reasoning_content: z.string().optional(),
        tool_calls: z.array(toolCallSchema).optional(),
      }),
      logprobs: logprobsSchema,
      finish_reason: finishReason,
    }),
  ),
  usage: usageSchema,
});

const deltaSchema = z.object({
  role: z.literal("assistant").optional(),
  content: z.string().nullish(),
  reasoning_content: z.string().nullish(),
  tool_calls: z
    .array(
      z.object({
        index: z.int(),
        id: z.string().optional(),
        type: z.literal("function").optional(),
        function: z.object({ name: z.string().optional(), arguments: z.string() }),
      }),
    )
    .optional(),
});

const chunkChoiceSchema = z.object({
  index: z.int(),
  delta: deltaSchema,
  logprobs: logprobsSchema,
  finish_reason: finishReason.nullable(),
});

export const chatChunkSchema = z.object({
  ...headFields,
  object: z.literal("chat.completion.chunk"),
  choices: z.array(chunkChoiceSchema),
  usage: usageSchema.nullish(),
});

/** A piece of one choice, as a chunk has it. */
export type ChatPiece = z.infer<typeof chunkChoiceSchema>;

/** A choice of a whole answer. */
export type ChatChoice = z.infer<typeof chatCompletionSchema>["choices"][number];

/** The answers of n generations, as pieces of choices. */
export interface ChatPieces {
  readonly pieces: AsyncGenerator<ChatPiece>;
  /** Of the tokens of the answers that have ended, those that were thought. */
  reasoningTokens(): number;
}

/** What is read in the events of n generations of one turn, each event's pieces as they come. */
export function chatPieces(
  turn: Pick<ChatTurn, "reader" | "startsInReasoning">,
  events: Continuations["events"],
  { tokenizer, n, scored }: { tokenizer: Tokenizer; n: number; scored: boolean },
): ChatPieces {
  const { startsInReasoning } = turn;
  const readers = Array.from({ length: n }, turn.reader);
  let reasoningTokens = 0;

  /** A piece of an answer; null where a reader of thoughts and of words could look for the other. */
  function pieceOf(index: number, event: ChatEvent): ChatPiece {
    const piece = (delta: ChatPiece["delta"]): ChatPiece => ({ index, delta, logprobs: null, finish_reason: null });
    switch (event.type) {
      case "prompt":
        return piece(
          startsInReasoning
            ? { role: "assistant", content: null, reasoning_content: "" }
            : { role: "assistant", content: "" },
        );
      case "content":
      case "reasoning": {
        const said = event.type === "content";
        const text = said ? { content: event.text } : { reasoning_content: event.text };
        const both = startsInReasoning || !said ? { content: null, reasoning_content: null } : {};
        return {
          ...piece({ ...both, ...text }),
          logprobs: scored ? logprobs(tokenizer, event.tokens ?? [], said) : null,
        };
      }
      case "toolCall": {
        const { index: at, id, name, arguments: text = "" } = event;
        const call =
          id === undefined
            ? { function: { arguments: text } }
            : { id, type: "function" as const, function: { name, arguments: text } };
        return piece({ tool_calls: [{ index: at, ...call }] });
      }
      case "end":
        reasoningTokens += event.usage.reasoningTokens;
        return { ...piece({ content: "" }), finish_reason: event.finishReason };
    }
  }

  async function* pieces(): AsyncGenerator<ChatPiece> {
    for await (const { choice, event } of events)
      for (const read of readers[choice].read(event)) yield pieceOf(choice, read);
  }
  return { pieces: pieces(), reasoningTokens: () => reasoningTokens };
}

function logprobs(tokenizer: Tokenizer, tokens: readonly ScoredToken[], said: boolean): ChatPiece["logprobs"] {
  const list = tokens.map((token) => chatLogprob(tokenizer, token));
  return said ? { content: list, reasoning_content: [] } : { content: [], reasoning_content: list };
}

/** Adds up the pieces of one choice. */
export function chatChoice(index: number, scored: boolean): { add(piece: ChatPiece): void; choice(): ChatChoice } {
  let content = "";
  let reasoning: string | undefined;
  const calls: z.infer<typeof toolCallSchema>[] = [];
  const told: NonNullable<ChatPiece["logprobs"]> = { content: [], reasoning_content: [] };
  let finish_reason: ChatChoice["finish_reason"] = "stop";
  return {
    add(piece) {
      content += piece.delta.content ?? "";
      if (piece.delta.reasoning_content != null) reasoning = (reasoning ?? "") + piece.delta.reasoning_content;
      for (const { index, id, function: part } of piece.delta.tool_calls ?? []) {
        if (id !== undefined)
          calls[index] = { index, id, type: "function", function: { name: part.name ?? "", arguments: "" } };
        calls[index].function.arguments += part.arguments;
      }
      told.content.push(...(piece.logprobs?.content ?? []));
      told.reasoning_content.push(...(piece.logprobs?.reasoning_content ?? []));
      finish_reason = piece.finish_reason ?? finish_reason;
    },
    choice: () => ({
      index,
      message: {
        role: "assistant",
        content: content === "" && calls.length > 0 ? null : content,
        ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
        ...(calls.length > 0 ? { tool_calls: calls } : {}),
      },
      logprobs: scored ? told : null,
      finish_reason,
    }),
  };
}
