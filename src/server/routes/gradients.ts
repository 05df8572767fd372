// POST /gradients: a loss made of the log-probabilities of given continuations, and its gradient by every segment of
// embeddings that was sent. With weights w_t, ∂(Σ w_t · log p_t)/∂E: a client that has a loss of its own on the
// log-probabilities sends its derivatives as weights, and whatever made E goes on from there by the chain rule.

import { z } from "zod";
import { FieldError, renamed } from "../../field-error.ts";
import type { Segment } from "../../prompt/segments.ts";
import type { Gradients, GradientsOptions } from "../../tune/gradients.ts";
import { checkLimit } from "../limits.ts";
import type { Operation } from "../operation.ts";
import { candidateIndex, inputSchema, promptOf, targetsSchema } from "../wire/segments.ts";
import { formOf, type Rows, tensorOutSchema, tensorReader, tensorSchema, wireTensor } from "../wire/tensor.ts";
import { usageSchema, wireUsage } from "../wire/usage.ts";

const bodySchema = z.object({
  model: z.string(),
  input: inputSchema,
  targets: targetsSchema,
  loss: z
    .literal("cross_entropy")
    .nullish()
    .describe("The mean of −log p over all tokens of all targets: what is taken without weights."),
  weights: z
    .array(z.array(z.number()))
    .nullish()
    .describe("One for each token of each target; the loss is then Σ weight · log p."),
  candidates: z
    .array(tensorSchema)
    .min(1)
    .nullish()
    .describe(
      "Tensors that take the place, one after another, of the segment with candidate: true, or of the only one.",
    ),
});

type Body = z.infer<typeof bodySchema>;

const resultSchema = z.object({
  loss: z.number(),
  logprobs: z.array(z.array(z.number().nullable())),
  gradients: z
    .record(z.string(), tensorOutSchema)
    .describe("By id, or place in the input, of each segment of embeds; in the form that it came in."),
});

const responseSchema = z.object({
  object: z.literal("gradients"),
  model: z.string(),
  ...resultSchema.partial().shape,
  candidates: z.array(resultSchema).optional().describe("In place of the three above, when candidates were sent."),
  usage: usageSchema.extend({ backward_tokens: z.int() }),
});

export const gradients: Operation<Body> = {
  method: "post",
  path: "/gradients",
  summary: "A loss of given continuations and its gradient by the embeddings in the input",
  body: bodySchema,
  responses: { 200: responseSchema },
  async handle({ model, modelId, limits }, body, call) {
    const { targets, candidates, weights } = body;
    checkLimit("targets", targets.length, limits.maxPrompts);
    checkLimit("candidates", candidates?.length ?? 0, limits.maxPrompts);
    const { dModel } = model.config;
    const read = tensorReader(dModel, limits.maxEmbedRows);
    const rows = candidates?.map((tensor, i) => read(tensor, `candidates[${i}]`));
    const at = rows ? candidateIndex(body.input) : -1;
    const forms = new Map<string, ReturnType<typeof formOf>>();
    const prompt = promptOf(body.input, (tensor, where) =>
      rows && where === `input[${at}].embeds` ? rows[0] : read(tensor, where),
    );
    const segments = prompt.segments.map((segment, i): Segment => {
      if (!("embeds" in segment)) return segment;
      if (rows && i !== at) return { ...segment, frozen: true };
      const part = body.input[i] as { embeds?: unknown };
      if (!rows) forms.set(segment.id ?? String(i), formOf(part.embeds));
      return segment;
    });

    const options: GradientsOptions = {
      input: segments,
      targets,
      loss: body.loss ?? undefined,
      weights: weights ?? undefined,
      signal: call.signal,
    };
    const work = rows ? model.candidateGradients({ ...options, candidates: rows }) : model.gradients(options);
    const found = await Promise.resolve<Awaited<typeof work>>(work).catch((error) => {
      throw renamed(error, prompt.fields);
    });
    const usage = { ...found.usage, cachedTokens: 0 };
    call.charge(usage);
    const wire = (one: Gradients, i: number) => ({
      loss: one.loss,
      logprobs: one.logprobs.map((list) => list.map((value) => (Number.isFinite(value) ? value : null))),
      gradients: Object.fromEntries(
        Object.entries(one.gradients).map(([id, embeds]) => {
          const form = candidates ? formOf(candidates[i]) : (forms.get(id) as ReturnType<typeof formOf>);
          if (form === "f16" && embeds.some((value) => Math.abs(value) > 65504))
            throw new FieldError(
              "input",
              `a gradient of ${JSON.stringify(id)} is too large for f16, send the rows as f32 or bf16`,
            );
          const shape: Rows["shape"] = [embeds.length / dModel, dModel];
          return [id, wireTensor({ embeds, shape }, form)];
        }),
      ),
    });
    return Response.json({
      object: "gradients",
      model: modelId,
      ...("candidates" in found ? { candidates: found.candidates.map(wire) } : wire(found, 0)),
      usage: { ...wireUsage(usage), backward_tokens: found.usage.backwardTokens },
    });
  },
};
