// What a caller may ask of the decoder, with defaults, checked before anything is computed.

import type { Names } from "../field-error.ts";
import { FieldError, shown } from "../field-error.ts";

/** Everything that shapes the choice of tokens. Unset fields take the default that is named. */
export interface DecodeParameters {
  /** Maximum number of tokens to generate; 0 only with promptLogprobs. Default: defaultMaxTokens */
  maxTokens?: number;
  /** What maxTokens is when it is not given, or what the context leaves if that is less. Default 4096 */
  defaultMaxTokens?: number;
  /** Divides logits before softmax; 0 takes the most likely token (of equal ones the first). Default 1 */
  temperature?: number;
  /** Keep the k most likely tokens; 0 keeps all. Default 0 */
  topK?: number;
  /** Keep the most likely tokens until their probabilities reach this sum. Default 1 (Holtzman et al. 2020, arXiv 1904.09751) */
  topP?: number;
  /** Keep tokens at least this likely relative to the most likely one. Default 0 (Nguyen et al. 2024, arXiv 2407.01082) */
  minP?: number;
  /** Subtracted from a token's logit for each time it was generated. −2 … 2, default 0 (OpenAI's definition) */
  frequencyPenalty?: number;
  /** Subtracted once from the logit of each token that was generated. −2 … 2, default 0 (OpenAI's definition) */
  presencePenalty?: number;
  /** Divides positive and multiplies negative logits of tokens seen in prompt or output. > 0, default 1 (Keskar et al. 2019, arXiv 1909.05858) */
  repetitionPenalty?: number;
  /** Added to logits, by token id: −100 … 100 */
  logitBias?: Readonly<Record<number, number>>;
  /** Seed of the random choice: any integer of 64 bits, −2⁶³ … 2⁶³ − 1; without one, each run differs. */
  seed?: number | bigint;
  /** Strings that end the text; they are not part of it. */
  stop?: string | readonly string[];
  /** Report this many most likely tokens with their log-probabilities at each step, beside the chosen one; 0 reports the chosen one alone. */
  logprobs?: number;
  /** Report log-probabilities of the prompt's own tokens too, each with this many most likely ones beside it; 0 reports the tokens alone. */
  promptLogprobs?: number;
  /** Keep the text of control tokens in the output. Default false: they leave no text. An end-of-text token that ends the text never does. */
  specialTokens?: boolean;
  /** Let control tokens be chosen that have no place in a text: roles, marks of gaps and calls. Default: as specialTokens */
  controlTokens?: boolean;
  /** End a text, as cut, that repeats its last tokens over and over: 48 tokens of one period, four times or more. Default false */
  stopRepeats?: boolean;
  /** Go on after an end-of-text token. Default false */
  ignoreEnd?: boolean;
}

/** The same, complete. */
export interface Decoding {
  maxTokens: number;
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  frequencyPenalty: number;
  presencePenalty: number;
  repetitionPenalty: number;
  logitBias: ReadonlyMap<number, number>;
  seed: number | bigint;
  stop: readonly string[];
  logprobs: number | undefined;
  promptLogprobs: number | undefined;
  specialTokens: boolean;
  controlTokens: boolean;
  stopRepeats: boolean;
  ignoreEnd: boolean;
}

/** Every name of `DecodeParameters`. */
export const decodeParameterNames = {
  maxTokens: true,
  defaultMaxTokens: true,
  temperature: true,
  topK: true,
  topP: true,
  minP: true,
  frequencyPenalty: true,
  presencePenalty: true,
  repetitionPenalty: true,
  logitBias: true,
  seed: true,
  stop: true,
  logprobs: true,
  promptLogprobs: true,
  specialTokens: true,
  controlTokens: true,
  stopRepeats: true,
  ignoreEnd: true,
} satisfies Names<DecodeParameters>;

/** Where a number must lie. */
export interface NumberRange {
  readonly min: number;
  readonly max: number;
  /** Without fractions. */
  readonly whole?: true;
}

/** The ranges that depend on no model. */
export const decodeRanges = {
  temperature: { min: 0, max: Number.MAX_VALUE },
  topK: { min: 0, max: Number.MAX_SAFE_INTEGER, whole: true },
  topP: { min: 0, max: 1 },
  minP: { min: 0, max: 1 },
  frequencyPenalty: { min: -2, max: 2 },
  presencePenalty: { min: -2, max: 2 },
  repetitionPenalty: { min: Number.MIN_VALUE, max: Number.MAX_VALUE },
} satisfies Partial<Record<keyof DecodeParameters, NumberRange>>;

/** Of one token's bias. */
export const biasRange: NumberRange = { min: -100, max: 100 };

/**
 * Checks parameters and fills in defaults. `room` is how many tokens of a context of so many are left after the prompt.
 * @throws FieldError: which field, what came and what was expected.
 */
export function decodingOf(
  parameters: DecodeParameters,
  vocabSize: number,
  room: number,
  context: number = room,
): Decoding {
  const least = parameters.promptLogprobs === undefined ? 1 : 0;
  const counted: NumberRange = { min: least, max: Number.MAX_SAFE_INTEGER, whole: true };
  const usual = numberIn({ ...counted, min: 1 }, "defaultMaxTokens", parameters.defaultMaxTokens) ?? 4096;
  const maxTokens = numberIn(counted, "maxTokens", parameters.maxTokens) ?? Math.min(usual, room);
  if (maxTokens > room)
    throw new FieldError(
      "maxTokens",
      `${maxTokens} tokens do not fit, expected at most ${room} after this prompt: the maximum context length is ${context} tokens`,
      "context_length_exceeded",
    );
  const given = (name: keyof typeof decodeRanges) => numberIn(decodeRanges[name], name, parameters[name]);
  const tokens: NumberRange = { min: 0, max: vocabSize, whole: true };
  return {
    maxTokens,
    temperature: given("temperature") ?? 1,
    topK: given("topK") ?? 0,
    topP: given("topP") ?? 1,
    minP: given("minP") ?? 0,
    frequencyPenalty: given("frequencyPenalty") ?? 0,
    presencePenalty: given("presencePenalty") ?? 0,
    repetitionPenalty: given("repetitionPenalty") ?? 1,
    logitBias: logitBiasOf(parameters.logitBias ?? {}, vocabSize),
    seed: seedOf(parameters.seed) ?? Math.floor(Math.random() * 2 ** 32),
    stop: stopOf(parameters.stop ?? []),
    logprobs: numberIn(tokens, "logprobs", parameters.logprobs),
    promptLogprobs: numberIn(tokens, "promptLogprobs", parameters.promptLogprobs),
    specialTokens: flag("specialTokens", parameters.specialTokens),
    controlTokens: flag("controlTokens", parameters.controlTokens ?? parameters.specialTokens),
    stopRepeats: flag("stopRepeats", parameters.stopRepeats),
    ignoreEnd: flag("ignoreEnd", parameters.ignoreEnd),
  };
}

/** The value of a field, if there is one. @throws FieldError if it is no number, or outside the range. */
export function numberIn(range: NumberRange, field: string, value: number | undefined): number | undefined {
  if (value === undefined) return undefined;
  const { min, max, whole } = range;
  const kind = whole ? "a whole number" : "a number";
  if (typeof value !== "number") throw new FieldError(field, `got ${shown(value)}, expected ${kind}`, "invalid_type");
  if (!(value >= min && value <= max) || (whole && !Number.isSafeInteger(value)))
    throw new FieldError(field, `got ${value}, expected ${kind} ${words(range)}`);
  return value;
}

/** A seed, if there is one. @throws FieldError for what is no integer of 64 bits, or a number that a double may have rounded. */
export function seedOf(value: number | bigint | undefined): number | bigint | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== "number" && typeof value !== "bigint")
    throw new FieldError("seed", `got ${shown(value)}, expected a whole number`, "invalid_type");
  const isExact = typeof value === "bigint" || Number.isSafeInteger(value);
  if (!isExact || BigInt.asIntN(64, BigInt(value)) !== BigInt(value))
    throw new FieldError(
      "seed",
      `got ${value}, expected a whole number from -2^63 to 2^63 - 1${Number.isInteger(value) ? ", beyond 2^53 as a bigint" : ""}`,
    );
  return value;
}

function words({ min, max }: NumberRange): string {
  if (min === Number.MIN_VALUE) return "> 0";
  return max >= Number.MAX_SAFE_INTEGER ? `≥ ${min}` : `from ${min} to ${max}`;
}

function stopOf(stop: string | readonly string[]): readonly string[] {
  if (typeof stop === "string") return [stopText(stop, "stop")];
  if (!Array.isArray(stop))
    throw new FieldError("stop", `got ${shown(stop)}, expected a string or a list of strings`, "invalid_type");
  return stop.map((text, i) => stopText(text, `stop[${i}]`));
}

function stopText(text: unknown, field: string): string {
  if (typeof text !== "string") throw new FieldError(field, `got ${shown(text)}, expected a string`, "invalid_type");
  if (text === "") throw new FieldError(field, "it is empty, expected at least one character");
  return text;
}

function logitBiasOf(bias: Readonly<Record<number, number>>, vocabSize: number): Map<number, number> {
  if (typeof bias !== "object" || Array.isArray(bias))
    throw new FieldError("logitBias", `got ${shown(bias)}, expected numbers by token id`, "invalid_type");
  const entries = new Map<number, number>();
  for (const [key, value] of Object.entries(bias)) {
    const id = Number(key);
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize)
      throw new FieldError(
        "logitBias",
        `got the token id ${key.slice(0, 60)}, expected a whole number from 0 to ${vocabSize - 1}`,
      );
    entries.set(id, numberIn(biasRange, `logitBias.${id}`, value) ?? 0);
  }
  return entries;
}

function flag(name: string, value: boolean | undefined): boolean {
  if (value !== undefined && typeof value !== "boolean")
    throw new FieldError(name, `got ${shown(value)}, expected true or false`, "invalid_type");
  return value ?? false;
}
