// Prompts → a text completion, whole or in chunks: what /completions and /completions_from_embeds share once they know
// their prompts.

import { z } from "zod";
import type { GenerateEvent, GenerateOptions } from "../../engine/generate.ts";
import type { FieldNames } from "../../field-error.ts";
import type { ComputedModel } from "../../served-model.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { Call, RouteContext } from "../operation.ts";
import { answerHead, chunksOf, type Piece, streamForm } from "./answer.ts";
import { type Continuations, continuations } from "./continuations.ts";
import { type ScoredToken, type TextLogprobs, textLogprobs, textLogprobsSchema } from "./logprobs.ts";
import type { SamplingBody } from "./parameters.ts";
import { eventStream } from "./stream.ts";
import { usageSchema, wireUsage } from "./usage.ts";

const choiceSchema = z.object({
  index: z.int(),
  text: z.string(),
  logprobs: textLogprobsSchema.nullable(),
  finish_reason: z.enum(["stop", "length"]).nullable(),
});

/** One answer, or one chunk of a stream: the same form, in which a chunk's texts are pieces. */
export const textCompletionSchema = z.object({
  id: z.string(),
  object: z.literal("text_completion"),
  created: z.int(),
  model: z.string(),
  system_fingerprint: z.string(),
  choices: z.array(choiceSchema),
  usage: usageSchema.nullish(),
});

type TextPiece = z.infer<typeof choiceSchema>;

/** One prompt and the text that an echo of it begins with. */
export interface TextPrompt {
  options: GenerateOptions;
  /** Set when the prompt is to be part of the answer. */
  echo?: string;
}

/** Runs the prompts and answers; `fields`: where their options came from on the wire. @throws as `continuations` */
export async function textCompletion(
  context: RouteContext,
  call: Call,
  body: SamplingBody,
  prompts: readonly TextPrompt[],
  fields: FieldNames,
): Promise<Response> {
  const n = body.n ?? 1;
  const work = continuations(context, call, {
    prompts: prompts.map(({ options }) => options),
    n,
    seed: body.seed,
    fields,
  });
  const head = answerHead(context, call, "text_completion");
  const choices = prompts.length * n;
  const pieces = piecesOf(context, prompts, n, work.events);
  if (body.stream) {
    const form = streamForm(body.stream_options, choices);
    return eventStream(
      chunksOf(head, pieces, () => wireUsage(work.usage()), form),
      call,
      work.leave,
    );
  }
  const whole: TextPiece[] = Array.from({ length: choices }, (_, index) => emptyPiece(index));
  for await (const piece of pieces) add(whole[piece.index], piece);
  return Response.json({ ...head, choices: whole, usage: wireUsage(work.usage()) });
}

async function* piecesOf(
  { model }: Pick<RouteContext, "model">,
  prompts: readonly TextPrompt[],
  n: number,
  events: Continuations["events"],
): AsyncGenerator<TextPiece & Piece> {
  const writers = Array.from({ length: prompts.length * n }, (_, choice) =>
    textChoice(model, prompts[Math.floor(choice / n)]),
  );
  for await (const { choice, event } of events) {
    const piece = writers[choice](event);
    if (piece) yield { ...emptyPiece(choice), ...piece };
  }
}

/**
 * The pieces of one choice. Tokens are told with the text that they complete, so that a chunk's log-probabilities are those
 * of its text; tokens of a stop string, which is not part of the text, are not told.
 */
function textChoice(
  { tokenizer, endIds: ownEndIds }: ComputedModel,
  { options, echo }: TextPrompt,
): (event: GenerateEvent) => Partial<TextPiece> | undefined {
  const endIds = [...ownEndIds, ...(options.endIds ?? [])];
  const scored = options.logprobs !== undefined;
  const offsetOf = textOffsets(tokenizer, echo === undefined);
  let length = 0;
  let pending: ScoredToken[] = [];
  let offsets: number[] = [];

  const flush = (text: string): Partial<TextPiece> => {
    length += text.length;
    const logprobs = scored ? textLogprobs(tokenizer, pending, offsets) : null;
    pending = [];
    offsets = [];
    return { text, logprobs };
  };
  const take = (token: ScoredToken) => {
    offsets.push(offsetOf(token.id));
    pending.push(token);
  };

  return (event) => {
    if (event.type === "prompt") {
      if (echo === undefined) return undefined;
      if (scored) for (const token of event.logprobs ?? []) take(token);
      return flush(echo);
    }
    if (event.type === "token") {
      const ends = event.finishReason === "stop" && endIds.includes(event.id);
      if (scored && !ends) take(event);
      return event.text === "" ? undefined : flush(event.text);
    }
    if (event.finishReason === "stop") {
      const kept = offsets.filter((offset) => offset < length).length;
      pending = pending.slice(0, kept);
      offsets = offsets.slice(0, kept);
    }
    return { ...flush(""), finish_reason: event.finishReason };
  };
}

/** Where in the text each of the tokens begins that are given in turn. `continues`: they continue a text that is not told. */
function textOffsets(tokenizer: Tokenizer, continues: boolean): (id: number) => number {
  const characters = tokenizer.stream({ skipSpecialTokens: true });
  // Some tokenizers drop the space that begins a text; after any token this text has begun.
  if (continues) for (const id of tokenizer.encode("a", { addSpecialTokens: false })) characters.push(id);
  let at = 0;
  return (id) => {
    const offset = at;
    if (tokenizer.tokenOf(id) !== undefined) at += characters.push(id).length;
    return offset;
  };
}

function emptyPiece(index: number): TextPiece {
  return { index, text: "", logprobs: null, finish_reason: null };
}

function add(whole: TextPiece, piece: TextPiece): void {
  whole.text += piece.text;
  whole.finish_reason ??= piece.finish_reason;
  if (!piece.logprobs) return;
  whole.logprobs ??= { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
  for (const key of Object.keys(whole.logprobs) as (keyof TextLogprobs)[])
    (whole.logprobs[key] as unknown[]).push(...piece.logprobs[key]);
}
