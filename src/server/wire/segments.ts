// A prompt on the wire → segments of the library, and back: what the library says about a segment, said about the field
// that it came in.

import { z } from "zod";
import type { Segment } from "../../prompt/segments.ts";
import { ApiError, apiErrorOf } from "../errors.ts";
import { type TensorReader, tensorSchema } from "./tensor.ts";

export const textPart = z.object({ type: z.literal("text"), text: z.string() });

export const embedsPart = z.object({
  type: z.literal("embeds"),
  id: z.string().min(1).max(64).nullish(),
  embeds: tensorSchema.nullish(),
  candidate: z
    .boolean()
    .nullish()
    .describe("In /score: this is the segment that candidates take the place of."),
});

export const softPromptPart = z.object({ type: z.literal("soft_prompt"), name: z.string().min(1).max(128) });

const tokensPart = z.object({ type: z.literal("tokens"), ids: z.array(z.int().min(0)) });

/** A prompt as a list of stretches that join in order; a string is one stretch of text. */
export const inputSchema = z.union([
  z.string(),
  z
    .array(
      z.discriminatedUnion("type", [textPart, tokensPart, embedsPart, softPromptPart])
    )
    .min(1)
    .max(1024),
]);

export type WireInput = z.infer<typeof inputSchema>;

/** The segments of `input`, one each, so that the library's index of a segment is the wire's. @throws as the reader does. */
export function segmentsOf(input: WireInput, read: TensorReader): Segment[] {
  if (typeof input === "string") return [{ text: input }];
  return input.map((part, i) => {
    switch (part.type) {
      case "text":
        return { text: part.text };
      case "tokens":
        return { ids: part.ids };
      case "soft_prompt":
        throw new ApiError(400, `input[${i}].name: there is no soft prompt of this name`, { param: `input[${i}].name` });
      case "embeds":
        return { ...read(part.embeds, `input[${i}].embeds`), ...(part.id ? { id: part.id } : {}) };
    }
  });
}

/**
 * What a piece of work threw, with the library's name of its prompt, "input", replaced by the field that the prompt came
 * in. A field that holds one value drops the segment's index and field.
 */
export function blame(error: unknown, field: string): ApiError {
  const refusal = apiErrorOf(error);
  const { param } = refusal.options;
  if (field === "input" || !param || !/^input\b/.test(param)) return refusal;
  return new ApiError(refusal.status, field + refusal.message.slice(param.length), { ...refusal.options, param: field });
}
