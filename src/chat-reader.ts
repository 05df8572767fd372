// The events of a generation → those of an answer: what was said, what was thought, which tools are called, each with the
// log-probabilities of the tokens that its text is made of; at the end the whole message.

import type { DecodedToken } from "./decode/decoder.ts";
import type { GenerateEnd, GenerateEvent, GeneratePrompt, Usage } from "./engine/generate.ts";
import type { ChatMessage, ToolCall } from "./prompt/chat-message.ts";
import type { ChatDelta, ChatOutput } from "./prompt/chat-output.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";

/** The tokens of a piece of text, with what was asked for about them. */
export type ScoredTokens = Pick<DecodedToken, "id" | "logprob" | "topLogprobs">[];

export type ChatEvent =
  | GeneratePrompt
  /** `tokens`, with logprobs: those that this text completes. Tokens of tags and ends are in no text. */
  | { type: "content"; text: string; tokens?: ScoredTokens }
  | { type: "reasoning"; text: string; tokens?: ScoredTokens }
  /** `id` and `name` come once, with the first event of a call; `arguments` are pieces of JSON text. */
  | ({ type: "toolCall" } & NonNullable<ChatDelta["toolCall"]>)
  | ChatEnd;

export interface ChatEnd {
  type: "end";
  /** The answer, as it goes into the conversation; a prefix that it went on from is not part of it. */
  message: ChatAnswer;
  /** "tool_calls": it ended after calls, which are to be answered. */
  finishReason: GenerateEnd["finishReason"] | "tool_calls";
  usage: Usage & {
    /** Of the completion's tokens, those that were thought. */
    reasoningTokens: number;
  };
  timings: GenerateEnd["timings"];
  /** What the caller may want to know, each a sentence that begins with its field. */
  warnings: readonly string[];
}

export type ChatAnswer = ChatMessage & {
  readonly role: "assistant";
  /** null: there are calls, and nothing was said. */
  readonly content: string | null;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly ToolCall[];
};

export interface ChatReader {
  /** The next event of a generation → what is certain after it. */
  read(event: GenerateEvent): ChatEvent[];
}

/** Reads one answer. */
export function createChatReader(
  tokenizer: Tokenizer,
  output: ChatOutput,
  options: { startsInReasoning: boolean; scored: boolean; warnings: readonly string[] },
): ChatReader {
  const { startsInReasoning, scored, warnings } = options;
  const control = new Set(tokenizer.addedTokens.filter((token) => token.control).map((token) => token.id));
  let content = "";
  let reasoning = startsInReasoning ? "" : undefined;
  const calls: { id: string; type: "function"; function: { name: string; arguments: string } }[] = [];
  let thinks = startsInReasoning;
  let reasoningTokens = 0;
  let pending: ScoredTokens = [];
  let complete = 0; // of these, tokens whose text has come; the others may turn out to be a stop string

  function eventOf({ content: said, reasoning: thought, toolCall }: ChatDelta): ChatEvent {
    const tokens = scored ? { tokens: pending } : {};
    pending = [];
    complete = 0;
    if (toolCall) {
      const { index, id, name, arguments: text = "" } = toolCall;
      if (id !== undefined) calls[index] = { id, type: "function", function: { name: name ?? "", arguments: "" } };
      calls[index].function.arguments += text;
      return { type: "toolCall", ...toolCall };
    }
    if (said === undefined) {
      reasoning = (reasoning ?? "") + (thought ?? "");
      return { type: "reasoning", text: thought ?? "", ...tokens };
    }
    content += said;
    return { type: "content", text: said, ...tokens };
  }

  return {
    read(event) {
      if (event.type === "prompt") return [event];
      if (event.type === "token") {
        const { id, text, logprob, topLogprobs } = event;
        if (scored && !control.has(id)) pending.push({ id, logprob, ...(topLogprobs ? { topLogprobs } : {}) });
        if (text !== "") complete = pending.length;
        if (event.finishReason === "stop") pending = pending.slice(0, complete);
        const deltas = text === "" ? [] : output.push(text);
        const thought = deltas.some((delta) => delta.reasoning !== undefined);
        if (thought || (thinks && deltas.length === 0)) reasoningTokens++;
        const last = deltas.at(-1);
        if (last) thinks = last.reasoning !== undefined;
        return deltas.map(eventOf);
      }
      const events = output.end().map(eventOf);
      const { usage, timings, finishReason } = event;
      const message: ChatAnswer = {
        role: "assistant",
        content: content === "" && calls.length > 0 ? null : content,
        ...(reasoning === undefined ? {} : { reasoning_content: reasoning }),
        ...(calls.length > 0 ? { tool_calls: calls } : {}),
      };
      const reason = calls.length > 0 && finishReason === "stop" ? "tool_calls" : finishReason;
      return [
        ...events,
        { type: "end", message, finishReason: reason, usage: { ...usage, reasoningTokens }, timings, warnings },
      ];
    },
  };
}
