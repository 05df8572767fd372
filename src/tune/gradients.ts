// Gradients of a loss by embeddings in the prompt: what prompt tuning needs from a model, and all that it needs.
//
// The loss is made of log-probabilities of given continuations ("targets"). Everything is computed in recorded steps that
// begin with nothing in the cache; their pages live as long as the step. What the rows of a step are is gradient-steps.ts.
// All of it is work in pieces: a generator that says before each op what it costs, and whoever runs it may compute other
// things between two of them (engine/work.ts).

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { checkNames, FieldError, inField, type Names } from "../field-error.ts";
import { createBatch } from "../model/batch.ts";
import { forward } from "../model/forward.ts";
import { createStepCache } from "../model/kv-cache.ts";
import type { Model } from "../model/model.ts";
import { embed } from "../model/project.ts";
import { type Candidate, inputsWith } from "../prompt/candidates.ts";
import { type Input, type Prompt, promptOf, roomAfter, type Segment } from "../prompt/segments.ts";
import { targetIds } from "../prompt/targets.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { type Judged, type Step, stepsOf, textPagesOf } from "./gradient-steps.ts";
import { recording } from "./recording.ts";

export interface GradientsOptions {
  /** At least one segment must be embeddings; gradients come back under its `id`, or its index in the list. */
  input: Input;
  /** Continuations, each as text or token ids. */
  targets: readonly (string | readonly number[])[];
  /** The mean of −log p over all tokens of all targets: what is taken when there are no weights. */
  loss?: "cross_entropy";
  /** Instead: w_t for each token of each target; the loss is Σ w_t · log p_t, so any loss of log-probabilities can be followed. */
  weights?: readonly (readonly number[])[];
  /** Less memory for one more forward: see recording.ts. */
  recompute?: boolean;
  signal?: AbortSignal;
}

export interface CandidateGradientsOptions extends GradientsOptions {
  /** Each is tried in place of the input's one segment of embeddings that is not frozen, with loss and gradients of its own. */
  candidates: readonly Candidate[];
}

/** Several inputs whose loss is one: the mean of −log p over all tokens of all their targets. */
export interface BatchGradientsOptions {
  examples: readonly Pick<GradientsOptions, "input" | "targets">[];
  recompute?: boolean;
  signal?: AbortSignal;
}

/** Every name of its options. */
export const gradientsOptionNames = {
  input: true,
  targets: true,
  loss: true,
  weights: true,
  recompute: true,
  signal: true,
} satisfies Names<GradientsOptions>;

/** Every name of its options. */
export const candidateGradientsOptionNames = {
  ...gradientsOptionNames,
  candidates: true,
} satisfies Names<CandidateGradientsOptions>;

/** Every name of its options. */
export const batchOptionNames = {
  examples: true,
  recompute: true,
  signal: true,
} satisfies Names<BatchGradientsOptions>;

const exampleNames = { input: true, targets: true } satisfies Names<BatchGradientsOptions["examples"][number]>;

export interface Gradients {
  /** In a batch, this example's share of the loss. */
  loss: number;
  /** log p of each token of each target. */
  logprobs: number[][];
  /** ∂loss/∂embeds of each segment of embeddings, [n, dModel] as it came. */
  gradients: Record<string, Float32Array>;
}

export interface GradientsUsage {
  /** Rows of the prompt, of all candidates together. */
  promptTokens: number;
  /** Of these, rows that came as embeddings. */
  embedTokens: number;
  /** Tokens of all targets, for each candidate. */
  completionTokens: number;
  totalTokens: number;
  /** Rows that gradients were carried back through: less than the total where sequences share rows. */
  backwardTokens: number;
}

/** The parts of a loaded model that gradients need. */
export interface GradientsContext {
  readonly ops: Ops;
  readonly model: Model;
  readonly tokenizer: Tokenizer;
}

/** Before each op, how many multiplications it takes at most; at the end, the result. */
type Pieces<Result> = AsyncGenerator<number, Result, void>;

/**
 * Loss, log-probabilities and gradients.
 * @throws FieldError before anything is computed; one sentence if the kernel set has no derivatives.
 */
export function gradientsOf(
  context: GradientsContext,
  options: GradientsOptions,
): Pieces<Gradients & { usage: GradientsUsage }> {
  checkNames(options, gradientsOptionNames);
  const works = worksOf(context, options, [options.input]);
  return inTheEnd(compute(context, works, textPagesOf(works), options), ({ found: [one], usage }) => ({
    ...one,
    usage,
  }));
}

/** The same for each candidate. @throws as `gradientsOf`. */
export function candidateGradientsOf(
  context: GradientsContext,
  options: CandidateGradientsOptions,
): Pieces<{ candidates: Gradients[]; usage: GradientsUsage }> {
  checkNames(options, candidateGradientsOptionNames);
  const inputs = inputsWith(options.input, options.candidates, context.model.config.dModel);
  const works = worksOf(context, options, inputs);
  return inTheEnd(compute(context, works, textPagesOf(works), options), ({ found, usage }) => ({
    candidates: found,
    usage,
  }));
}

/** Loss shares, log-probabilities and gradients of each example, computed together. @throws as `gradientsOf`. */
export function batchGradientsOf(
  context: GradientsContext,
  options: BatchGradientsOptions,
): Pieces<{ examples: Gradients[]; usage: GradientsUsage }> {
  checkNames(options, batchOptionNames);
  context.ops.derivatives();
  const { tokenizer } = context;
  const { config } = context.model;
  if (!Array.isArray(options.examples) || options.examples.length === 0)
    throw new FieldError("examples", "expected a list of at least one { input, targets }", "missing");
  const read = options.examples.map((example, i) =>
    inField(`examples[${i}]`, () => {
      checkNames(example, exampleNames);
      const { input, targets } = example;
      const prompt = tunedPrompt(input, tokenizer, config);
      const room = roomAfter(prompt.prompt.rows, config.maxSeqLen);
      return { ...prompt, targets: targetIds(targets, tokenizer, config.vocabSize, room) };
    }),
  );
  const tokens = read.reduce((sum, { targets }) => sum + targets.reduce((n, { length }) => n + length, 0), 0);
  const works = read.map((one) => ({ ...one, weights: one.targets.map((ids) => ids.map(() => -1 / tokens)) }));
  return inTheEnd(compute(context, works, 0, options), ({ found, usage }) => ({ examples: found, usage }));
}

async function* inTheEnd<Found, Result>(pieces: Pieces<Found>, make: (found: Found) => Result): Pieces<Result> {
  return make(yield* pieces);
}

/** What all prompts take and give; `textPages` whole pages of text begin all of them. */
async function* compute(
  { ops, model }: GradientsContext,
  works: readonly Work[],
  textPages: number,
  { recompute }: Pick<GradientsOptions, "recompute">,
): Pieces<{ found: Gradients[]; usage: GradientsUsage }> {
  const { config } = model;
  const found = works.map(
    ({ embeds, targets }): Gradients => ({
      loss: 0,
      logprobs: targets.map((ids) => ids.map(() => 0)),
      gradients: Object.fromEntries(
        embeds.flatMap(({ id, values }) => (id === undefined ? [] : [[id, new Float32Array(values.length)]])),
      ),
    }),
  );
  let backwardTokens = 0;
  for (const step of stepsOf(works, textPages)) {
    backwardTokens += step.rows;
    yield* run(step);
  }
  const count = (of: (work: Work) => number) => works.reduce((sum, work) => sum + of(work), 0);
  const promptTokens = count(({ prompt }) => prompt.rows);
  const completionTokens = count(({ targets }) => targets.reduce((sum, { length }) => sum + length, 0));
  return {
    found,
    usage: {
      promptTokens,
      embedTokens: count(({ prompt }) => prompt.embedRows),
      completionTokens,
      totalTokens: promptTokens + completionTokens,
      backwardTokens,
    },
  };

  /** One recorded step: its part of each candidate's loss, log-probabilities and gradients. */
  async function* run(step: Step): Pieces<void> {
    const leaves = step.candidates.flatMap((candidate) =>
      works[candidate].embeds.map(
        ({ id, values }): Leaf => ({
          candidate,
          id,
          embeds: values,
          tensor: ops.upload(values, [values.length / config.dModel, config.dModel]),
        }),
      ),
    );
    const wanted = leaves.filter(({ id }) => id !== undefined);
    const tape = recording(
      ops,
      wanted.map(({ tensor }) => tensor),
      { recompute },
    );
    try {
      const cache = createStepCache(ops, config, step.pages);
      const x = embedRows(tape.ops, model, step, leaves); // [rows, dModel]
      const logits = forward(tape.ops, model, x, createBatch(ops, model, cache, step.parts));
      const ids = step.outputs.map(({ candidate, target, token }) => works[candidate].targets[target][token]);
      const logProbs = tape.ops.logProbs(logits, ops.upload(Int32Array.from(ids))); // [outputs]
      const weights = step.outputs.map(({ candidate, target, token }) => works[candidate].weights[target][token]);
      const dLogProbs = Float32Array.from(weights);
      const gradients = yield* tape.pieces([[logProbs, ops.upload(dLogProbs)]]);

      const pending = wanted.map(({ tensor }) => ops.read(gradients.get(tensor) as Tensor));
      const values = tape.ops.read(logProbs);
      tape.end(); // what `read` promised was taken when it was called
      for (const [i, value] of (await values).entries()) {
        const { candidate, target, token } = step.outputs[i];
        found[candidate].logprobs[target][token] = value;
        found[candidate].loss += weights[i] * value;
      }
      for (const [i, { candidate, id }] of wanted.entries()) {
        const sum = found[candidate].gradients[id as string];
        for (const [at, value] of (await pending[i]).entries()) sum[at] += value;
      }
    } finally {
      tape.end();
    }
  }
}

// ---- what was asked

/** A prompt, and its embeddings by name; those that no gradient is wanted by have none. */
interface TunedPrompt {
  readonly prompt: Prompt;
  readonly embeds: readonly { readonly id: string | undefined; readonly values: Float32Array }[];
}

/** A prompt with its targets, and ∂loss/∂log p of each of their tokens. */
interface Work extends TunedPrompt, Judged {
  readonly weights: readonly (readonly number[])[];
}

/** Inputs with the same targets and weights. */
function worksOf(
  { ops, model: { config }, tokenizer }: GradientsContext,
  options: GradientsOptions,
  inputs: readonly Input[],
): Work[] {
  ops.derivatives(); // there are some
  const prompts = inputs.map((input) => tunedPrompt(input, tokenizer, config));
  const longest = Math.max(...prompts.map(({ prompt }) => prompt.rows));
  const room = roomAfter(longest, config.maxSeqLen);
  const targets = targetIds(options.targets, tokenizer, config.vocabSize, room);
  const weights = weightsOf(options, targets);
  return prompts.map((prompt) => ({ ...prompt, targets, weights }));
}

function tunedPrompt(input: Input, tokenizer: Tokenizer, limits: Model["config"]): TunedPrompt {
  // Arrays of its own for each segment: one that is there twice has two gradients.
  const own = (segment: Segment): Segment =>
    typeof segment === "object" && segment && "embeds" in segment && segment.embeds instanceof Float32Array
      ? { ...segment, embeds: segment.embeds.slice() }
      : segment;
  const segments = Array.isArray(input) ? input.map(own) : [];
  const prompt = promptOf(Array.isArray(input) ? segments : input, tokenizer, limits);
  const embeds = segments.flatMap((segment, i) =>
    "embeds" in segment && segment.shape[0] > 0
      ? [{ id: segment.frozen ? undefined : (segment.id ?? String(i)), values: segment.embeds, at: i }]
      : [],
  );
  const named = embeds.filter(({ id }) => id !== undefined);
  if (named.length === 0)
    throw new FieldError(
      "input",
      "it has no embeds segment, expected at least one that gradients are wanted by",
      "missing",
    );
  const twice = named.find(({ id }, i) => named.findIndex((other) => other.id === id) < i);
  if (twice)
    throw new FieldError(`input[${twice.at}].id`, `${JSON.stringify(twice.id)} is there twice, expected different ids`);
  return { prompt, embeds };
}

/** ∂loss/∂log p of each token of each target. */
function weightsOf(
  { loss, weights }: GradientsOptions,
  targets: readonly (readonly number[])[],
): (readonly number[])[] {
  if (weights === undefined) {
    if (loss !== undefined && loss !== "cross_entropy")
      throw new FieldError("loss", `got ${JSON.stringify(loss)}, expected "cross_entropy", or weights instead`);
    const tokens = targets.reduce((sum, { length }) => sum + length, 0);
    return targets.map((ids) => ids.map(() => -1 / tokens));
  }
  if (loss !== undefined) throw new FieldError("weights", "there is a loss too, expected one of both");
  if (!Array.isArray(weights) || weights.length !== targets.length)
    throw new FieldError(
      "weights",
      `got ${Array.isArray(weights) ? `${weights.length} lists` : typeof weights}, expected ${targets.length}, one for each target`,
    );
  return weights.map((list: readonly number[], i) => {
    const { length } = targets[i];
    if (!Array.isArray(list) || list.length !== length)
      throw new FieldError(
        `weights[${i}]`,
        `got ${Array.isArray(list) ? `${list.length} numbers` : typeof list}, expected ${length}, one for each token of targets[${i}]`,
      );
    const bad = list.findIndex((weight) => !Number.isFinite(weight));
    if (bad >= 0) throw new FieldError(`weights[${i}][${bad}]`, `got ${list[bad]}, expected a finite number`);
    return list;
  });
}

// ---- tensors of a step

/** A segment of embeddings in one prompt; with an id, gradients are wanted by it. */
interface Leaf {
  readonly candidate: number;
  readonly id: string | undefined;
  readonly embeds: Float32Array;
  readonly tensor: Tensor; // [n, dModel]
}

/** The embeddings of a step's rows [rows, dModel], all taken from one table, so that rows used twice sum their gradients. */
function embedRows(ops: Ops, model: Model, { parts, sequences }: Step, leaves: readonly Leaf[]): Tensor {
  const ids = new Map<number, number>(); // row of the table of each id
  for (const { runs } of sequences)
    for (const run of runs) if ("ids" in run) for (const id of run.ids) if (!ids.has(id)) ids.set(id, ids.size);

  const tables = leaves.map(({ tensor }) => tensor);
  if (ids.size > 0) tables.unshift(embed(ops, model, ops.upload(Int32Array.from(ids.keys())))); // [ids, dModel]
  const begins = new Map<Tensor, number>(); // row of the table at which each tensor begins
  let begin = 0;
  for (const table of tables) {
    begins.set(table, begin);
    begin += table.shape[0];
  }

  const index = parts.flatMap(({ start, rows }, part) => {
    const { candidate, runs } = sequences[part];
    const all = runs.flatMap((run) => {
      if ("ids" in run) return run.ids.map((id) => ids.get(id) as number);
      const leaf = leaves.find((leaf) => leaf.candidate === candidate && leaf.embeds === run.embeds) as Leaf;
      return Array.from({ length: run.rows }, (_, row) => (begins.get(leaf.tensor) as number) + row);
    });
    return all.slice(start, start + rows);
  });
  return ops.gather(ops.concat(tables), ops.upload(Int32Array.from(index))); // [rows, dModel]
}
