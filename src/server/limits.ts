// What one request may ask for, as data: checked by the server, shown in /models.

import { type NumberRange, numberIn } from "../decode/parameters.ts";
import { checkNames, FieldError, inField } from "../field-error.ts";
import type { ModelConfig } from "../model/config.ts";

export interface Limits {
  /** Bytes of a request body. */
  maxBodyBytes: number;
  /** What a body may hold: a number or text counts 1, a field 8 more, an array or object 16. Embeddings beyond it go as base64. */
  maxBodyValues: number;
  /** Levels of arrays and objects in a body. */
  maxBodyDepth: number;
  /** Rows of embeddings in one request, of all its segments together. */
  maxEmbedRows: number;
  /** Prompts of one request, and targets or candidates of one. */
  maxPrompts: number;
  /** Soft prompts that one key may keep. */
  maxSoftPrompts: number;
  /** Continuations of one prompt. */
  maxN: number;
  maxMessages: number;
  maxStop: number;
  maxTools: number;
  maxTopLogprobs: number;
  maxLogitBias: number;
  /** Tokens of one continuation, outside beta and within. */
  maxTokens: number;
  maxTokensBeta: number;
  /** Tokens of one fill-in-the-middle continuation. */
  maxTokensFim: number;
}

/** @throws FieldError of `field`, if there are more than a limit allows. */
export function checkLimit(field: string, count: number, limit: number, what = ""): void {
  if (count > limit) throw new FieldError(field, `got ${count}${what && ` ${what}`}, expected at most ${limit}`);
}

/** The limits for a model, with `overrides` in place of the usual ones. @throws FieldError inside of `limits` */
export function limitsOf(config: ModelConfig, overrides: Partial<Limits> = {}): Limits {
  const usual: Limits = {
    maxBodyBytes: 8 * 2 ** 20,
    maxBodyValues: 2 ** 21,
    maxBodyDepth: 64,
    maxEmbedRows: config.maxSeqLen,
    maxPrompts: 128,
    maxSoftPrompts: 256,
    maxN: 16,
    maxMessages: 4096,
    maxStop: 16,
    maxTools: 128,
    maxTopLogprobs: 20,
    maxLogitBias: 1024,
    maxTokens: 4096,
    maxTokensBeta: 8192,
    maxTokensFim: 4096,
  };
  return inField("limits", () => {
    checkNames<object>(overrides, usual);
    const given = Object.entries(overrides).filter(([, limit]) => limit !== undefined);
    for (const [name, limit] of given) numberIn({ ...limitRange, min: mayBeZero.has(name) ? 0 : 1 }, name, limit);
    return { ...usual, ...Object.fromEntries(given) };
  });
}

const limitRange: NumberRange = { min: 0, max: Number.MAX_SAFE_INTEGER, whole: true };

/** What a server may offer nothing of; without any of the others, no request could be right. */
const mayBeZero: ReadonlySet<string> = new Set<keyof Limits>([
  ...(["maxEmbedRows", "maxSoftPrompts", "maxStop", "maxTools", "maxTopLogprobs", "maxLogitBias"] as const),
]);
