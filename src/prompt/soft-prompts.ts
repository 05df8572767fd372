// Soft prompts by name: segments { softPrompt: name } of an input become the rows that the name stands for, before anything
// else looks at the input. Where they are kept is soft-prompt-file.ts, or whoever gives a `find`.

import { FieldError } from "../field-error.ts";
import type { Input, Segment } from "./segments.ts";

/** Learned rows that stand where text would. */
export interface SoftPrompt {
  readonly embeds: Float32Array; // [n, dModel], row-major
  readonly shape: readonly [n: number, dModel: number];
  /** Of the model that they were made for; undefined where nobody said. */
  readonly fingerprint?: string;
  /** Whether the tokenizer's special tokens stand behind the rows, before the text; undefined where nobody said. */
  readonly specialTokens?: boolean;
}

/** The soft prompt of a name, undefined if there is none. */
export type FindSoftPrompt = (name: string) => Promise<SoftPrompt | undefined>;

const namePattern = /^[A-Za-z0-9_-]{1,64}$/;

/** @throws FieldError of `where`, for a name that is none: a path never is. */
export function checkSoftPromptName(name: string, where: string): void {
  if (!namePattern.test(name))
    throw new FieldError(
      where,
      `got ${JSON.stringify(name.slice(0, 100))}, expected 1 to 64 letters, digits, underscores and hyphens`,
    );
}

/** @throws FieldError of `where` that shows both fingerprints, if the rows were made for another model. */
export function checkFingerprint({ fingerprint }: SoftPrompt, model: string, where: string): void {
  if (fingerprint !== undefined && fingerprint !== model)
    throw new FieldError(
      where,
      `it belongs to the model with fingerprint ${fingerprint}, expected one of this model, ${model}`,
    );
}

/** Whether any of an input's segments is a soft prompt's name. */
export function namesSoftPrompts(input: Input): input is readonly Segment[] {
  return Array.isArray(input) && input.some((segment) => isNamed(segment));
}

function isNamed(segment: Segment): segment is Extract<Segment, { softPrompt: string }> {
  return typeof segment === "object" && segment !== null && "softPrompt" in segment;
}

/**
 * The input with rows in place of names; no gradients are wanted by them. A name that nobody knows stays for `promptOf` to
 * refuse.
 * @throws FieldError that names the segment, for a malformed name or rows of another model.
 */
export async function resolveSoftPrompts(
  input: readonly Segment[],
  find: FindSoftPrompt,
  fingerprint: string,
): Promise<Input> {
  return Promise.all(
    input.map(async (segment, i) => {
      if (!isNamed(segment)) return segment;
      const where = `input[${i}].softPrompt`;
      checkSoftPromptName(String(segment.softPrompt), where);
      const found = await find(segment.softPrompt);
      if (!found) return segment;
      checkFingerprint(found, fingerprint, where);
      return { embeds: found.embeds, shape: found.shape, frozen: true };
    }),
  );
}
