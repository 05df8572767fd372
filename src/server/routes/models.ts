// GET /models and /models/{id}: the loaded model as data, with what a client needs to send embeddings and to stay in limits.

import { z } from "zod";
import { type EmbeddingStatistics, embeddingStatistics } from "../embedding-statistics.ts";
import { ApiError } from "../errors.ts";
import { isModel } from "../model-id.ts";
import type { Call, Operation, RouteContext } from "../operation.ts";
import { tokensOf } from "../wire/parameters.ts";
import { wireNames } from "../wire-names.ts";

const percentiles = z.object({
  min: z.number(),
  p1: z.number(),
  p5: z.number(),
  p25: z.number(),
  p50: z.number(),
  p75: z.number(),
  p95: z.number(),
  p99: z.number(),
  max: z.number(),
});

const description = z.object({
  id: z.string(),
  object: z.literal("model"),
  created: z.int(),
  owned_by: z.string(),
  aliases: z.array(z.string()).describe("other names that the model answers to"),
  context_window: z.int(),
  max_output_tokens: z.int(),
  input_modalities: z.array(z.string()),
  output_modalities: z.array(z.string()),
  model_type: z.string(),
  hidden_size: z.int(),
  num_hidden_layers: z.int(),
  vocab_size: z.int(),
  tie_word_embeddings: z.boolean(),
  fingerprint: z.string().describe("tells these weights from any others"),
  embedding: z.object({ mean: z.number(), std: z.number(), row_norm: percentiles }),
  limits: z.record(z.string(), z.number()),
  api_capabilities: z.record(z.string(), z.boolean()),
});

export const models: Operation = {
  method: "get",
  path: "/models",
  summary: "The loaded model, with its dimensions and limits",
  responses: { 200: z.object({ object: z.literal("list"), data: z.array(description) }) },
  async handle(context, _, call) {
    return Response.json({ object: "list", data: [await describe(context, call)] });
  },
};

export const model: Operation = {
  method: "get",
  path: "/models/:id",
  summary: "The same of one model, by its id or another name of it",
  responses: { 200: description },
  async handle(context, _, call, { id }) {
    if (!isModel(context, id))
      throw new ApiError(
        404,
        `The model ${JSON.stringify(id.slice(0, 100))} does not exist, there is ${context.modelId}`,
        {
          param: "id",
        },
      );
    return Response.json(await describe(context, call));
  },
};

/** What is true at the base URL of the call. */
async function describe(context: RouteContext, call: Call): Promise<z.input<typeof description>> {
  const { model, modelId, aliases, created, limits, chat, fim, softPrompts } = context;
  const { config } = model;
  const { mean, std, rowNorm }: EmbeddingStatistics = await embeddingStatistics(model);
  return {
    id: modelId,
    object: "model",
    created,
    owned_by: "plainformer",
    aliases: [...aliases],
    context_window: config.maxSeqLen,
    max_output_tokens: Math.min(tokensOf(context, call).max, config.maxSeqLen - 1),
    input_modalities: ["text", "embeddings"],
    output_modalities: ["text"],
    model_type: config.modelType,
    hidden_size: config.dModel,
    num_hidden_layers: config.nLayers,
    vocab_size: config.vocabSize,
    tie_word_embeddings: config.tiedHead,
    fingerprint: model.fingerprint,
    embedding: { mean, std, row_norm: rowNorm },
    limits: wireNames({ ...limits }),
    api_capabilities: {
      chat: chat !== null,
      prefix: chat !== null && call.beta,
      strict_tools: chat !== null && (call.beta || !context.deepSeekStrict),
      completions: true,
      fim: fim !== null && call.beta,
      caps_max_tokens: context.capMaxTokens,
      embeddings_in: true,
      score: true,
      gradients: true,
      soft_prompts: softPrompts !== undefined,
    },
  };
}
