// POST /completions_from_embeds: continues rows of embeddings and the text after them. The body is that of the community's
// RFC "Embedding-aware API for DeepSeek" (deepseek-ai/DeepSeek-R1 #802); `input` says the same in any order and number.

import { z } from "zod";
import { FieldError } from "../../field-error.ts";
import type { Operation, RouteContext } from "../operation.ts";
import { answerForm, constraintBody } from "../wire/constraints.ts";
import {
  alternatives,
  decodeParametersOf,
  logprobsOf,
  samplingFields,
  tenantOf,
  tokensOf,
} from "../wire/parameters.ts";
import { inputSchema, type Prompt, promptOf } from "../wire/segments.ts";
import { tensorReader, tensorSchema } from "../wire/tensor.ts";
import { textCompletion, textCompletionSchema } from "../wire/text-completion.ts";

const bodySchema = z.looseObject({
  model: z.string(),
  prompt_embeds: tensorSchema.nullish().describe("Rows [n][hidden_size]; each counts as one token."),
  prompt_text: z.string().nullish().describe("Text after the rows."),
  input: inputSchema.nullish().describe("Segments, in place of prompt_embeds and prompt_text."),
  logprobs: alternatives,
  ...constraintBody,
  ...samplingFields,
});

const fieldNames = Object.keys(bodySchema.shape);

type Body = z.infer<typeof bodySchema>;

export const completionsFromEmbeds: Operation<Body> = {
  method: "post",
  path: "/completions_from_embeds",
  summary: "Continue rows of embeddings and the text after them",
  body: bodySchema,
  responses: { 200: textCompletionSchema },
  events: textCompletionSchema,
  async handle(context, body, call) {
    const { segments, fields } = promptIn(context, body);
    const form = answerForm(body, fieldNames);
    const options = {
      ...decodeParametersOf(body, context.limits, tokensOf(context, call)),
      logprobs: logprobsOf("logprobs", body.logprobs, context.limits),
      tenant: tenantOf(call, body),
      input: segments,
      grammar: form.grammar,
    };
    return textCompletion(context, call, body, [{ options }], { ...fields, ...form.fields });
  },
};

function promptIn({ model, limits }: RouteContext, { prompt_embeds, prompt_text, input }: Body): Prompt {
  const read = tensorReader(model.config.dModel, limits.maxEmbedRows);
  if (input != null) {
    if (prompt_embeds != null) throw new FieldError("prompt_embeds", "not together with input");
    if (prompt_text != null) throw new FieldError("prompt_text", "not together with input");
    return promptOf(input, read);
  }
  if (prompt_embeds == null)
    throw new FieldError("prompt_embeds", "it is missing, expected rows of numbers", "missing");
  const rows = read(prompt_embeds, "prompt_embeds");
  return {
    segments: prompt_text ? [rows, { text: prompt_text }] : [rows],
    fields: { input: "prompt_embeds", "input[1]": "prompt_text" },
  };
}
