// Filling in the middle: what stands before a gap and after it → what belongs between. The prompt is made by prompt/fim.ts.

import { type GenerateEvent, type GenerateOptions, generateOptionNames } from "./engine/generate.ts";
import { checkNames, FieldError, type FieldNames, type Names, renamed, shown } from "./field-error.ts";
import type { FimFormat } from "./prompt/fim.ts";

export interface FimOptions extends Omit<GenerateOptions, "input" | "endIds" | "promptLogprobs" | "ignoreEnd"> {
  /** What stands before the gap; of a long one the end. */
  prefix: string;
  /** What stands after it; of a long one the beginning. Default: nothing */
  suffix?: string;
}

const { input, endIds, promptLogprobs, ignoreEnd, ...generationNames } = generateOptionNames;
const fimOptionNames = { ...generationNames, prefix: true, suffix: true } satisfies Names<FimOptions>;

const fields: FieldNames = { input: "prefix" };

/** Fills a gap. @throws as `ServedModel.fim` */
export async function* fim(
  generate: (options: GenerateOptions) => AsyncGenerator<GenerateEvent, void, undefined>,
  format: FimFormat,
  context: number,
  options: FimOptions,
): AsyncGenerator<GenerateEvent, void, undefined> {
  const generation = fimGeneration(format, context, options);
  try {
    yield* generate(generation);
  } catch (error) {
    throw renamed(error, fields);
  }
}

/**
 * The generation that fills a gap. Where no number of tokens is asked for, a long prompt leaves a quarter of the context to
 * the middle, or as many tokens as `generate` then takes.
 * @param context positions of the model and its cache
 * @throws FieldError
 */
export function fimGeneration(format: FimFormat, context: number, options: FimOptions): GenerateOptions {
  checkNames(options, fimOptionNames);
  const { prefix, suffix = "", ...generation } = options;
  for (const [field, text] of Object.entries({ prefix, suffix }))
    if (typeof text !== "string") throw new FieldError(field, `got ${shown(text)}, expected a text`, "invalid_type");
  const reserved = options.maxTokens ?? Math.min(4096, Math.ceil(context / 4));
  try {
    const segments = format.prompt({ prefix, suffix, room: context - reserved });
    return { ...generation, input: segments, endIds: format.endIds };
  } catch (error) {
    throw renamed(error, { room: "maxTokens" });
  }
}
