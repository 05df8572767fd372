// POST /completions_from_embeds: continues rows of embeddings and the text after them. The body is that of the community's
// RFC "Embedding-aware API for DeepSeek" (deepseek-ai/DeepSeek-R1 #802); `input` says the same in any order and number.

import { z } from "zod";
import type { Segment } from "../../prompt/segments.ts";
import type { Operation, Service } from "../operation.ts";
import { decodeParametersOf, integer, maxTokensOf, samplingFields, tenantOf } from "../wire/parameters.ts";
import { refused } from "../wire/refused.ts";
import { inputSchema, segmentsOf } from "../wire/segments.ts";
import { tensorReader, tensorSchema } from "../wire/tensor.ts";
import { textCompletion, textCompletionSchema } from "../wire/text-completion.ts";

const bodySchema = z.object({
  model: z.string(),
  prompt_embeds: tensorSchema.nullish().describe("Rows [n][hidden_size]; each counts as one token."),
  prompt_text: z.string().nullish().describe("Text after the rows."),
  input: inputSchema.nullish().describe("Segments, in place of prompt_embeds and prompt_text."),
  logprobs: integer(0, 20),
  ...samplingFields,
});

type Body = z.infer<typeof bodySchema>;

export const completionsFromEmbeds: Operation<Body> = {
  method: "post",
  path: "/completions_from_embeds",
  summary: "Continue rows of embeddings and the text after them",
  body: bodySchema,
  responses: { 200: textCompletionSchema },
  events: textCompletionSchema,
  async handle(service, body, call) {
    const options = {
      ...decodeParametersOf(body, service.limits, { min: 1, max: maxTokensOf(service.limits, call) }),
      logprobs: body.logprobs ?? undefined,
      tenant: tenantOf(call, body),
      input: inputOf(service, body),
    };
    return textCompletion(service, call, body, [{ options }], body.input == null ? "prompt_embeds" : "input");
  },
};

function inputOf({ served, limits }: Service, { prompt_embeds, prompt_text, input }: Body): Segment[] {
  const read = tensorReader(served.config.dModel, limits.maxEmbedRows);
  if (input != null) {
    if (prompt_embeds != null) throw refused("prompt_embeds", "not together with input");
    if (prompt_text != null) throw refused("prompt_text", "not together with input");
    return segmentsOf(input, read);
  }
  if (prompt_embeds == null) throw refused("prompt_embeds", "it is missing, expected rows of numbers");
  const rows = read(prompt_embeds, "prompt_embeds");
  return prompt_text ? [rows, { text: prompt_text }] : [rows];
}
