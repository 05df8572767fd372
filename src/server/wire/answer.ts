// The two forms of an answer: chunks of a stream, or one object that says the same. What a choice holds is the route's own
// matter; here is what goes round it, and where usage stands.

import type { Call, RouteContext } from "../operation.ts";
import type { WireUsage } from "./usage.ts";

/** What every object of one answer begins with. */
export interface AnswerHead {
  id: string;
  object: string;
  created: number;
  model: string;
  system_fingerprint: string;
}

/** A piece of one choice: in a stream, a choice of a chunk. */
export interface Piece {
  index: number;
  finish_reason: string | null;
}

export interface StreamForm {
  /** How many choices there are: the last of them to end ends the answer. */
  choices: number;
  /** Every chunk says usage, null on all but the last. */
  includeUsage: boolean;
  /** Usage has a chunk of its own, without choices, as OpenAI sends it. */
  usageChunk: boolean;
}

/** The head of an answer to this call. */
export function answerHead(context: RouteContext, call: Call, object: string): AnswerHead {
  return {
    id: call.requestId,
    object,
    created: Math.floor(Date.now() / 1000),
    model: context.modelId,
    system_fingerprint: `fp_${context.model.fingerprint.slice(0, 10)}`,
  };
}

/** How a request wants its stream. */
export function streamForm(
  options: { include_usage?: boolean | null; usage_chunk?: boolean | null } | null | undefined,
  choices: number,
): StreamForm {
  const includeUsage = options?.include_usage ?? false;
  return { choices, includeUsage, usageChunk: includeUsage && (options?.usage_chunk ?? false) };
}

/** Chunks of a stream. `usage` is asked once all pieces have come: as DeepSeek does, it stands on the last chunk that has a choice. */
export async function* chunksOf(
  head: AnswerHead,
  pieces: AsyncIterable<Piece>,
  usage: () => WireUsage,
  { choices, includeUsage, usageChunk }: StreamForm,
): AsyncGenerator<object> {
  const none = includeUsage ? { usage: null } : {};
  let open = choices;
  let last: Piece | undefined;
  for await (const piece of pieces) {
    if (piece.finish_reason !== null) open--;
    if (open === 0) last = piece;
    else yield { ...head, choices: [piece], ...none };
  }
  if (usageChunk) {
    yield { ...head, choices: [last], usage: null };
    yield { ...head, choices: [], usage: usage() };
  } else yield { ...head, choices: [last], usage: usage() };
}
