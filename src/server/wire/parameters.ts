// The sampling parameters that chat and text completions share: their fields on the wire, and what they become for the
// decoder. null stands for "not given", as clients send it.

import { z } from "zod";
import {
  biasRange,
  type DecodeParameters,
  decodeRanges,
  type NumberRange,
  numberIn,
  seedOf,
} from "../../decode/parameters.ts";
import { FieldError } from "../../field-error.ts";
import { ApiError } from "../errors.ts";
import { checkLimit, type Limits } from "../limits.ts";
import type { Call, RouteContext } from "../operation.ts";

/** A whole number from min to max, or null. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return z.int().min(min).max(max).nullish();
}

/** A field that the library checks, or null: what it must be is only documented here. */
function checkedLater<Value>(jsonSchema: Record<string, unknown>) {
  return z.custom<Value>().meta(jsonSchema).nullish();
}

/** A number that the library checks, or null. */
export function libraryNumber({ min, max, whole }: NumberRange) {
  return checkedLater<number>({ type: whole ? "integer" : "number", minimum: min, maximum: max });
}

/** How many likeliest tokens to tell beside each token; how many there may be: limits.max_top_logprobs of /models. */
export const alternatives = libraryNumber({ min: 0, max: Number.MAX_SAFE_INTEGER, whole: true });

/** Where the server is narrower than the library. */
const narrower = {
  temperature: { min: 0, max: 2 },
  repetitionPenalty: { min: 0.01, max: 100 },
};

/** Characters of a text that ends an answer. */
const maxStopLength = 1024;

const stopSchema = { type: "string", minLength: 1, maxLength: maxStopLength };

/** Fields of a request that shape the choice of tokens and how the answer comes. */
export const samplingFields = {
  max_tokens: integer(0).describe(
    "Maximum tokens of a continuation. Default: 4096, or what the context leaves. How many there may be, in beta and else: limits of /models.",
  ),
  temperature: libraryNumber(narrower.temperature).describe("0 takes the most likely token. Default 1"),
  top_p: libraryNumber(decodeRanges.topP).describe("Most likely tokens up to this sum of probabilities. Default 1"),
  top_k: libraryNumber(decodeRanges.topK).describe("The k most likely tokens; 0: all. Default 0"),
  min_p: libraryNumber(decodeRanges.minP).describe(
    "Tokens at least this likely relative to the most likely. Default 0",
  ),
  frequency_penalty: libraryNumber(decodeRanges.frequencyPenalty),
  presence_penalty: libraryNumber(decodeRanges.presencePenalty),
  repetition_penalty: libraryNumber(narrower.repetitionPenalty).describe("Default 1"),
  logit_bias: checkedLater<Record<string, number>>({
    type: "object",
    additionalProperties: { type: "number", minimum: biasRange.min, maximum: biasRange.max },
  }).describe("Added to the logits of token ids: -100 to 100"),
  seed: checkedLater<number | bigint>({ type: "integer", format: "int64" }).describe(
    "The same seed and request give the same answer.",
  ),
  stop: checkedLater<string | string[]>({ anyOf: [stopSchema, { type: "array", items: stopSchema }] }).describe(
    "Strings that end the text; they are not part of it. How many there may be: limits.max_stop of /models.",
  ),
  stop_repeats: checkedLater<boolean>({ type: "boolean" }).describe(
    "End a text, as cut (length), that repeats its last tokens over and over. Default false",
  ),
  n: integer(1).describe("Continuations of each prompt. Default 1"),
  stream: z.boolean().nullish(),
  stream_options: z
    .object({
      include_usage: z.boolean().nullish(),
      usage_chunk: z
        .boolean()
        .nullish()
        .describe("With include_usage: usage in a chunk of its own with no choices, as OpenAI sends it."),
    })
    .nullish(),
  user: z.string().max(512).nullish(),
  user_id: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,512}$/)
    .nullish()
    .describe("Isolates the prefix cache of one of the caller's users."),
};

const samplingBody = z.object(samplingFields);

/** What the shared fields hold once validated. */
export type SamplingBody = z.infer<typeof samplingBody>;

/** Where max_tokens must lie for one operation and call. */
export interface TokenRange {
  min: number;
  max: number;
  /** More than that, or than the context leaves, is not refused but cut. */
  caps: boolean;
}

/**
 * The decoder's parameters but for logprobs and seed.
 * @throws FieldError: more stops, biases or continuations than the server takes, stream_options without stream; ApiError 400 for
 * max_tokens outside `tokens`.
 */
export function decodeParametersOf(body: SamplingBody, limits: Limits, tokens: TokenRange): DecodeParameters {
  const { max_tokens, n, stop, logit_bias, stream, stream_options } = body;
  const wanted = maxTokensIn("max_tokens", max_tokens, tokens);
  checkLimit("n", n ?? 1, limits.maxN);
  const texts = Array.isArray(stop) ? stop : [];
  checkLimit("stop", texts.length, limits.maxStop, "texts");
  for (const [i, text] of texts.entries()) checkLimit(`stop[${i}]`, text?.length, maxStopLength, "characters");
  if (typeof stop === "string") checkLimit("stop", stop.length, maxStopLength, "characters");
  checkLimit("logit_bias", Object.keys(logit_bias ?? {}).length, limits.maxLogitBias, "tokens");
  if (stream_options && !stream) throw new FieldError("stream_options", "only allowed with stream: true");
  const parameters = {
    ...(tokens.caps && wanted // as a default it gives way to what the context leaves
      ? { defaultMaxTokens: wanted }
      : { maxTokens: wanted, defaultMaxTokens: Math.min(4096, tokens.max) }),
    temperature: body.temperature ?? undefined,
    topP: body.top_p ?? undefined,
    topK: body.top_k ?? undefined,
    minP: body.min_p ?? undefined,
    frequencyPenalty: body.frequency_penalty ?? undefined,
    presencePenalty: body.presence_penalty ?? undefined,
    repetitionPenalty: body.repetition_penalty ?? undefined,
    logitBias: logit_bias ?? undefined,
    stop: stop ?? undefined,
    stopRepeats: body.stop_repeats ?? undefined,
  };
  for (const name of ["temperature", "repetitionPenalty"] as const) {
    numberIn(decodeRanges[name], name, parameters[name]); // in the library's words what is wrong there too
    numberIn(narrower[name], name, parameters[name]);
  }
  return parameters;
}

/** A number of alternatives beside each token; undefined: no log-probabilities. @throws FieldError for more than the server tells. */
export function logprobsOf(field: string, value: number | null | undefined, limits: Limits): number | undefined {
  if (typeof value === "number") checkLimit(field, value, limits.maxTopLogprobs);
  return value ?? undefined;
}

/** A given count of tokens. @throws ApiError 400 in DeepSeek's words when it is outside the range. */
export function maxTokensIn(
  name: string,
  value: number | null | undefined,
  { min, max, caps }: TokenRange,
): number | undefined {
  if (value === null || value === undefined) return undefined;
  if (value < min || (value > max && !caps))
    throw new ApiError(400, `Invalid ${name} value, the valid range of ${name} is [${min}, ${max}]`, { param: name });
  return Math.min(value, max);
}

/** The tokens that a continuation may have: more in beta. */
export function tokensOf(
  { limits, capMaxTokens }: Pick<RouteContext, "limits" | "capMaxTokens">,
  call: Call,
): TokenRange {
  return { min: 1, max: call.beta ? limits.maxTokensBeta : limits.maxTokens, caps: capMaxTokens };
}

/**
 * Seeds of n continuations: the first is the caller's own, so that n changes nothing about it; the others are scattered by
 * SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"), cut to the 53 bits of a number.
 * @throws FieldError
 */
export function choiceSeeds(seed: number | bigint | null | undefined, n: number): (number | bigint)[] {
  const first = seedOf(seed ?? undefined) ?? Math.floor(Math.random() * 2 ** 32);
  return Array.from({ length: n }, (_, i) => (i === 0 ? first : scattered(BigInt(first) + BigInt(i) * golden)));
}

const golden = 0x9e3779b97f4a7c15n;

function scattered(state: bigint): number {
  let z = BigInt.asUintN(64, state);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return Number((z ^ (z >> 31n)) >> 11n);
}

/** Who shares a prefix cache: one key's user. Both parts are told apart whatever they hold. */
export function tenantOf(call: Call, body: SamplingBody): string | undefined {
  const user = body.user_id ?? body.user;
  return user ? JSON.stringify([call.tenant ?? null, user]) : call.tenant;
}
