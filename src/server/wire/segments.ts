// A prompt on the wire → segments of the library, and which field of the wire each of the library's came from.

import { z } from "zod";
import { FieldError, type FieldNames } from "../../field-error.ts";
import type { Segment } from "../../prompt/segments.ts";
import { type TensorReader, tensorSchema } from "./tensor.ts";

export const textPart = z.object({ type: z.literal("text"), text: z.string() });

export const embedsPart = z.object({
  type: z.literal("embeds"),
  id: z.string().min(1).max(64).nullish(),
  embeds: tensorSchema.nullish(),
  candidate: z
    .boolean()
    .nullish()
    .describe("In /score and /gradients: this is the segment that candidates take the place of."),
});

export const softPromptPart = z.object({ type: z.literal("soft_prompt"), name: z.string() });

const tokensPart = z.object({ type: z.literal("tokens"), ids: z.array(z.int().min(0)) });

/** A prompt as a list of stretches that join in order; a string is one stretch of text. */
export const inputSchema = z.union([
  z.string(),
  z
    .array(z.discriminatedUnion("type", [textPart, tokensPart, embedsPart, softPromptPart]))
    .min(1)
    .max(1024),
]);

export type WireInput = z.infer<typeof inputSchema>;

/** Continuations to judge, after one input. */
export const targetsSchema = z
  .array(z.union([z.string(), z.array(z.int().min(0))]))
  .min(1)
  .describe("Continuations to judge, each a text or token ids.");

/** A prompt for the library, and where its fields came from on the wire. */
export interface Prompt {
  readonly segments: Segment[];
  readonly fields: FieldNames;
}

/** The segments of `input`, one each, so that the library's index of a segment is the wire's. @throws as the reader does. */
export function promptOf(input: WireInput, read: TensorReader): Prompt {
  if (typeof input === "string") return { segments: [{ text: input }], fields: { input: "input" } };
  const segments = input.map((part, i): Segment => {
    if (part.type === "text") return { text: part.text };
    if (part.type === "tokens") return { ids: part.ids };
    if (part.type === "soft_prompt") return { softPrompt: part.name };
    const rows = read(part.embeds, `input[${i}].embeds`);
    return part.id ? { id: part.id, ...rows } : rows;
  });
  return { segments, fields: Object.fromEntries(input.map((_, i) => [`input[${i}].softPrompt`, `input[${i}].name`])) };
}

/** Which segment candidates take the place of. @throws ApiError 400 when that is not clear. */
export function candidateIndex(input: WireInput): number {
  const embeds = (typeof input === "string" ? [] : [...input.entries()]).filter(([, part]) => part.type === "embeds");
  const named = embeds.filter(([, part]) => part.type === "embeds" && part.candidate);
  const found = named.length > 0 ? named : embeds;
  if (found.length !== 1)
    throw new FieldError(
      "candidates",
      `got ${found.length} segments that they could replace, expected one of type embeds, or one with candidate: true`,
    );
  return found[0][0];
}
