// POST /score: how likely given continuations are, by token and summed, after one input or after many that differ in one
// segment of embeddings: what a search for a soft prompt without gradients asks thousands of times.

import { z } from "zod";
import type { ScoreOptions } from "../../engine/score.ts";
import { renamed } from "../../field-error.ts";
import type { Segment } from "../../prompt/segments.ts";
import { checkLimit } from "../limits.ts";
import type { Operation } from "../operation.ts";
import { tokenText } from "../wire/logprobs.ts";
import { candidateIndex, inputSchema, promptOf, targetsSchema } from "../wire/segments.ts";
import { tensorReader, tensorSchema } from "../wire/tensor.ts";
import { usageSchema, wireUsage } from "../wire/usage.ts";

const bodySchema = z.object({
  model: z.string(),
  input: inputSchema,
  targets: targetsSchema,
  candidates: z
    .array(tensorSchema)
    .min(1)
    .nullish()
    .describe(
      "Tensors that take the place, one after another, of the segment of type embeds that has candidate: true, or of the only one.",
    ),
});

type Body = z.infer<typeof bodySchema>;

const responseSchema = z.object({
  object: z.literal("list"),
  model: z.string(),
  data: z.array(
    z.object({
      candidate: z.int().nullable(),
      target: z.int(),
      ids: z.array(z.int()),
      tokens: z.array(z.string()),
      logprobs: z.array(z.number().nullable()),
      sum: z.number().nullable(),
    }),
  ),
  usage: usageSchema,
});

export const score: Operation<Body> = {
  method: "post",
  path: "/score",
  summary: "Log-probabilities of given continuations, for one input or for candidates of embeddings",
  body: bodySchema,
  responses: { 200: responseSchema },
  async handle({ model, modelId, limits }, { input, targets, candidates }, call) {
    checkLimit("targets", targets.length, limits.maxPrompts);
    checkLimit("candidates", candidates?.length ?? 0, limits.maxPrompts);
    const read = tensorReader(model.config.dModel, limits.maxEmbedRows);
    const rows = candidates?.map((tensor, i) => read(tensor, `candidates[${i}]`));
    const at = rows ? candidateIndex(input) : -1;
    const { segments, fields } = promptOf(input, (tensor, where) =>
      rows && where === `input[${at}].embeds` ? rows[0] : read(tensor, where),
    );
    const frozen = (segment: Segment, i: number): Segment =>
      rows && i !== at && "embeds" in segment ? { ...segment, frozen: true } : segment;
    const options: ScoreOptions = { input: segments.map(frozen), targets, signal: call.signal, tenant: call.tenant };
    const work = rows
      ? model.candidateScores({ ...options, candidates: rows })
      : model.score(options).then((scores) => [scores]);
    const found = await work.catch((error) => {
      throw renamed(error, fields);
    });

    // The input counts once for each candidate, and so do the tokens of each target.
    const usage = { promptTokens: 0, embedTokens: 0, cachedTokens: 0, completionTokens: 0, totalTokens: 0 };
    const data: z.infer<typeof responseSchema>["data"] = [];
    for (const [i, scores] of found.entries()) {
      usage.promptTokens += scores[0].usage.promptTokens;
      usage.embedTokens += scores[0].usage.embedTokens;
      usage.cachedTokens += scores[0].usage.cachedTokens;
      for (const [target, { ids, logprobs, sum }] of scores.entries()) {
        usage.promptTokens += ids.length;
        data.push({
          candidate: candidates ? i : null,
          target,
          ids,
          tokens: ids.map((id) => tokenText(model.tokenizer, id)),
          logprobs: logprobs.map(finite),
          sum: finite(sum),
        });
      }
    }
    usage.totalTokens = usage.promptTokens;
    call.charge(usage);
    return Response.json({ object: "list", model: modelId, data, usage: wireUsage(usage) });
  },
};

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
