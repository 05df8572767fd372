// What a caller may ask of the decoder, with defaults, checked before anything is computed.

import { type FaultCode, FieldError } from "../field-error.ts";

/** Everything that shapes the choice of tokens. Unset fields take the default that is named. */
export interface DecodeParameters {
  /** Most tokens to generate; 0 only with promptLogprobs. Default: 4096, or what the context leaves if that is less. */
  maxTokens?: number;
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
  /** Seed of the random choice; without one, each run differs. */
  seed?: number;
  /** Strings that end the text; they are not part of it. */
  stop?: string | readonly string[];
  /** Report this many most likely tokens with their log-probabilities at each step, beside the chosen one; 0 reports the chosen one alone. */
  logprobs?: number;
  /** Report log-probabilities of the prompt's own tokens too, each with this many most likely ones beside it; 0 reports the tokens alone. */
  promptLogprobs?: number;
  /** Keep the text of control tokens in the output. Default false: they leave no text. An end-of-text token that ends the text never does. */
  specialTokens?: boolean;
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
  seed: number;
  stop: readonly string[];
  logprobs: number | undefined;
  promptLogprobs: number | undefined;
  specialTokens: boolean;
  ignoreEnd: boolean;
}

/**
 * Checks parameters and fills in defaults. `room` is how many tokens the context leaves after the prompt.
 * @throws FieldError: which field, what came and what was expected.
 */
export function decodingOf(parameters: DecodeParameters, vocabSize: number, room: number): Decoding {
  const least = parameters.promptLogprobs === undefined ? 1 : 0;
  const maxTokens = integer("maxTokens", parameters.maxTokens, Math.min(4096, room), least, Number.MAX_SAFE_INTEGER);
  if (maxTokens > room)
    throw new FieldError("maxTokens", `${maxTokens} tokens do not fit, expected at most ${room} after this prompt`);
  const stop = stopOf(parameters.stop ?? []);
  const count = (name: "logprobs" | "promptLogprobs") =>
    parameters[name] === undefined ? undefined : integer(name, parameters[name], 0, 0, vocabSize);
  return {
    maxTokens,
    temperature: number("temperature", parameters.temperature, 1, 0, Number.MAX_VALUE),
    topK: integer("topK", parameters.topK, 0, 0, Number.MAX_SAFE_INTEGER),
    topP: number("topP", parameters.topP, 1, 0, 1),
    minP: number("minP", parameters.minP, 0, 0, 1),
    frequencyPenalty: number("frequencyPenalty", parameters.frequencyPenalty, 0, -2, 2),
    presencePenalty: number("presencePenalty", parameters.presencePenalty, 0, -2, 2),
    repetitionPenalty: number("repetitionPenalty", parameters.repetitionPenalty, 1, Number.MIN_VALUE, Number.MAX_VALUE),
    logitBias: logitBiasOf(parameters.logitBias ?? {}, vocabSize),
    seed: integer("seed", parameters.seed, Math.floor(Math.random() * 2 ** 32), 0, Number.MAX_SAFE_INTEGER),
    stop,
    logprobs: count("logprobs"),
    promptLogprobs: count("promptLogprobs"),
    specialTokens: flag("specialTokens", parameters.specialTokens),
    ignoreEnd: flag("ignoreEnd", parameters.ignoreEnd),
  };
}

function stopOf(stop: string | readonly string[]): readonly string[] {
  const texts: readonly unknown[] = Array.isArray(stop) ? stop : [stop];
  for (const text of texts)
    if (typeof text !== "string" || text === "")
      throw new FieldError(
        "stop",
        `got ${shown(text)}, expected a string that is not empty, or a list of them`,
        text === "" ? "invalid_value" : "invalid_type",
      );
  return texts as readonly string[];
}

function logitBiasOf(bias: Readonly<Record<number, number>>, vocabSize: number): Map<number, number> {
  if (typeof bias !== "object")
    throw new FieldError("logitBias", `got ${shown(bias)}, expected numbers by token id`, "invalid_type");
  const entries = new Map<number, number>();
  for (const [key, value] of Object.entries(bias)) {
    const id = Number(key);
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize)
      throw new FieldError("logitBias", `got the token id ${key}, expected a whole number from 0 to ${vocabSize - 1}`);
    entries.set(id, number(`logitBias[${id}]`, value, 0, -100, 100));
  }
  return entries;
}

function number(name: string, value: number | undefined, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback;
  if (typeof value !== "number" || !(value >= min && value <= max))
    throw new FieldError(name, `got ${shown(value)}, expected a number ${range(min, max)}`, codeOf(value));
  return value;
}

function integer(name: string, value: number | undefined, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback;
  if (!Number.isSafeInteger(value) || value < min || value > max)
    throw new FieldError(name, `got ${shown(value)}, expected a whole number ${range(min, max)}`, codeOf(value));
  return value;
}

function flag(name: string, value: boolean | undefined): boolean {
  if (value !== undefined && typeof value !== "boolean")
    throw new FieldError(name, `got ${shown(value)}, expected true or false`, "invalid_type");
  return value ?? false;
}

function codeOf(value: unknown): FaultCode {
  return typeof value === "number" ? "invalid_value" : "invalid_type";
}

function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}

function range(min: number, max: number): string {
  if (min === Number.MIN_VALUE) return "> 0";
  return max >= Number.MAX_SAFE_INTEGER ? `≥ ${min}` : `from ${min} to ${max}`;
}
