// What the model writes → a chat answer, whole or in chunks: content, reasoning and tool calls apart, each with the
// log-probabilities of its tokens. Forms: DeepSeek's chat completion and its chunks.

import { z } from "zod";
import type { GenerateEvent } from "../../engine/generate.ts";
import type { ChatDelta, ChatOutput } from "../../prompt/chat-output.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
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

/** One choice being made: its events in turn, and how many of its tokens were thought. */
export interface ChatWriter {
  pieces(event: GenerateEvent): ChatPiece[];
  readonly reasoningTokens: number;
}

/**
 * Writes one choice. A token's log-probability comes with the text that it completes; tokens of tool calls and control
 * tokens, that of the end among them, are in no text and left out.
 */
export function chatWriter(
  tokenizer: Tokenizer,
  index: number,
  output: ChatOutput,
  { scored, startsInReasoning }: { scored: boolean; startsInReasoning: boolean },
): ChatWriter {
  let reasoning = startsInReasoning;
  let reasoningTokens = 0;
  let calls = 0;
  let pending: ScoredToken[] = [];
  let complete = 0; // of these, tokens whose text has come; the others may turn out to be a stop string
  const control = new Set(tokenizer.addedTokens.filter((token) => token.control).map((token) => token.id));

  const piece = (delta: ChatPiece["delta"]): ChatPiece => ({ index, delta, logprobs: null, finish_reason: null });

  const pieceOf = ({ content, reasoning: thought, toolCall }: ChatDelta): ChatPiece => {
    const made = piece({});
    if (content !== undefined || thought !== undefined) {
      made.delta = startsInReasoning || thought !== undefined ? { content: null, reasoning_content: null } : {};
      if (content !== undefined) made.delta.content = content;
      if (thought !== undefined) made.delta.reasoning_content = thought;
      if (scored) made.logprobs = logprobs(tokenizer, pending, content !== undefined);
    }
    if (toolCall) {
      const { index, id, name, arguments: text = "" } = toolCall;
      made.delta.tool_calls = [
        id === undefined
          ? { index, function: { arguments: text } }
          : { index, id, type: "function", function: { name, arguments: text } },
      ];
      calls++;
    }
    pending = [];
    complete = 0;
    return made;
  };

  return {
    get reasoningTokens() {
      return reasoningTokens;
    },
    pieces(event) {
      if (event.type === "prompt")
        return [
          piece(
            startsInReasoning
              ? { role: "assistant", content: null, reasoning_content: "" }
              : { role: "assistant", content: "" },
          ),
        ];
      if (event.type === "token") {
        if (scored && !control.has(event.id)) pending.push(event);
        if (event.text !== "") complete = pending.length;
        if (event.finishReason === "stop") pending = pending.slice(0, complete);
        const deltas = event.text === "" ? [] : output.push(event.text);
        const thought = deltas.some((delta) => delta.reasoning !== undefined);
        if (thought || (reasoning && deltas.length === 0)) reasoningTokens++;
        const last = deltas.at(-1);
        if (last) reasoning = last.reasoning !== undefined;
        return deltas.map(pieceOf);
      }
      const pieces = output.end().map(pieceOf);
      const reason = calls > 0 && event.finishReason === "stop" ? "tool_calls" : event.finishReason;
      return [...pieces, { ...piece({ content: "" }), finish_reason: reason }];
    },
  };
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
