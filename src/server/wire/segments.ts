// A prompt on the wire → segments of the library, and back: what the library says about a segment, said about the field
// that it came in.

import { z } from "zod";
import type { Segment } from "../../prompt/segments.ts";
import { ApiError, apiErrorOf } from "../errors.ts";
import { refused } from "./refused.ts";
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

/** The segments of `input`, one each, so that the library's index of a segment is the wire's. @throws as the reader does. */
export function segmentsOf(input: WireInput, read: TensorReader): Segment[] {
  if (typeof input === "string") return [{ text: input }];
  return input.map((part, i): Segment => {
    if (part.type === "text") return { text: part.text };
    if (part.type === "tokens") return { ids: part.ids };
    if (part.type === "soft_prompt") return { softPrompt: part.name };
    const rows = read(part.embeds, `input[${i}].embeds`);
    return part.id ? { id: part.id, ...rows } : rows;
  });
}

/** Which segment candidates take the place of. @throws ApiError 400 when that is not clear. */
export function candidateIndex(input: WireInput): number {
  const embeds = (typeof input === "string" ? [] : [...input.entries()]).filter(([, part]) => part.type === "embeds");
  const named = embeds.filter(([, part]) => part.type === "embeds" && part.candidate);
  const found = named.length > 0 ? named : embeds;
  if (found.length !== 1)
    throw refused(
      "candidates",
      `got ${found.length} segments that they could replace, expected one of type embeds, or one with candidate: true`,
    );
  return found[0][0];
}

/**
 * What a piece of work threw, with the library's name of its prompt, "input", replaced by the field that the prompt came
 * in. A field that holds one value drops the segment's index and field.
 */
export function blame(error: unknown, field: string): ApiError {
  const refusal = apiErrorOf(error);
  const { param } = refusal.options;
  if (!param || !/^input\b/.test(param)) return refusal;
  const named = field === "input" ? param.replace(/\.soft_prompt$/, ".name") : field;
  return new ApiError(refusal.status, named + refusal.message.slice(param.length), {
    ...refusal.options,
    param: named,
  });
}
