// The sampling parameters that chat and text completions share: their fields on the wire, and what they become for the
// decoder. null stands for "not given", as clients send it.

import { z } from "zod";
import type { DecodeParameters } from "../../decode/parameters.ts";
import { ApiError } from "../errors.ts";
import type { Limits } from "../limits.ts";
import type { Call } from "../operation.ts";
import { refused } from "./refused.ts";

/** A number from min to max, or null. */
export function number(min: number, max: number) {
  return z.number().min(min).max(max).nullish();
}

/** A whole number from min to max, or null. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER) {
  return z.int().min(min).max(max).nullish();
}

const stopText = z.string().min(1).max(1024);

/** Fields of a request that shape the choice of tokens and how the answer comes. */
export const samplingFields = {
  max_tokens: integer(0).describe(
    "Most tokens of a continuation. Default: 4096, or what the context leaves. At most 8192 in beta, else 4096.",
  ),
  temperature: number(0, 2).describe("0 takes the most likely token. Default 1"),
  top_p: number(0, 1).describe("Most likely tokens up to this sum of probabilities. Default 1"),
  top_k: integer(0).describe("The k most likely tokens; 0: all. Default 0"),
  min_p: number(0, 1).describe("Tokens at least this likely relative to the most likely. Default 0"),
  frequency_penalty: number(-2, 2),
  presence_penalty: number(-2, 2),
  repetition_penalty: number(0.01, 100).describe("Default 1"),
  logit_bias: z
    .record(z.string(), z.number().min(-100).max(100))
    .nullish()
    .describe("Added to the logits of token ids: -100 to 100"),
  seed: integer(0).describe("The same seed and request give the same answer."),
  stop: z
    .union([stopText, z.array(stopText).max(16)])
    .nullish()
    .describe("Up to 16 strings that end the text; they are not part of it."),
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
}

/**
 * The decoder's parameters but for logprobs and seed.
 * @throws ApiError 400 naming the field: max_tokens outside `tokens`, more stops, biases or continuations than the server
 * takes, stream_options without stream.
 */
export function decodeParametersOf(body: SamplingBody, limits: Limits, tokens: TokenRange): DecodeParameters {
  const { max_tokens, n, stop, logit_bias, stream, stream_options } = body;
  checkMaxTokens("max_tokens", max_tokens, tokens);
  if (n && n > limits.maxN) throw refused("n", `got ${n}, expected at most ${limits.maxN}`);
  if (Array.isArray(stop) && stop.length > limits.maxStop)
    throw refused("stop", `got ${stop.length} texts, expected at most ${limits.maxStop}`);
  const biased = Object.keys(logit_bias ?? {}).length;
  if (biased > limits.maxLogitBias)
    throw refused("logit_bias", `got ${biased} tokens, expected at most ${limits.maxLogitBias}`);
  if (stream_options && !stream) throw refused("stream_options", "only allowed with stream: true");
  return {
    maxTokens: max_tokens ?? undefined,
    temperature: body.temperature ?? undefined,
    topP: body.top_p ?? undefined,
    topK: body.top_k ?? undefined,
    minP: body.min_p ?? undefined,
    frequencyPenalty: body.frequency_penalty ?? undefined,
    presencePenalty: body.presence_penalty ?? undefined,
    repetitionPenalty: body.repetition_penalty ?? undefined,
    logitBias: logit_bias ?? undefined,
    stop: stop ?? undefined,
  };
}

/** @throws ApiError 400 in DeepSeek's words when a given count is outside the range. */
export function checkMaxTokens(name: string, value: number | null | undefined, { min, max }: TokenRange): void {
  if (value !== null && value !== undefined && !(value >= min && value <= max))
    throw new ApiError(400, `Invalid ${name} value, the valid range of ${name} is [${min}, ${max}]`, { param: name });
}

/** Most tokens of a continuation: more in beta. */
export function maxTokensOf(limits: Limits, call: Call): number {
  return call.beta ? limits.maxTokensBeta : limits.maxTokens;
}

/**
 * Seeds of n continuations: the first is the caller's own, so that n changes nothing about it; the others are scattered by
 * SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"), cut to the 53 bits of a number.
 */
export function choiceSeeds(seed: number | null | undefined, n: number): number[] {
  const first = seed ?? Math.floor(Math.random() * 2 ** 32);
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
