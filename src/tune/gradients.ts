// Gradients of a loss by embeddings in the prompt: what prompt tuning needs from a model, and all that it needs.
//
// The loss is made of log-probabilities of given continuations ("targets"). Everything is computed in recorded steps that
// begin with nothing in the cache; their pages live as long as the step. Within a step rows are computed once where
// sequences agree: whole pages of text before the first embeddings serve all candidates, whole pages of a prompt all of its
// targets, and targets that begin alike (up to their last token) are one sequence. What fills no page is computed again for
// each sequence.

import { pageSize } from "../../kernels/kernels.ts";
import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { FieldError, inField } from "../field-error.ts";
import { type BatchPart, createBatch } from "../model/batch.ts";
import { forward } from "../model/forward.ts";
import { createStepCache, pagesFor } from "../model/kv-cache.ts";
import type { Model } from "../model/model.ts";
import { checkRows, type Input, type Prompt, promptOf, type Run, rowsOf, type Segment } from "../prompt/segments.ts";
import { targetIds } from "../prompt/targets.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { recording } from "./recording.ts";

/** Embeddings to try in place of those in the input. */
export interface Candidate {
  readonly embeds: Float32Array; // [n, dModel], row-major
  readonly shape: readonly [n: number, dModel: number];
}

export interface GradientsOptions {
  /** At least one segment must be embeddings; gradients come back under its `id`, or its index in the list. */
  input: Input;
  /** Continuations, each as text or token ids. */
  targets: readonly (string | readonly number[])[];
  /** The mean of −log p over all tokens of all targets: what is taken when there are no weights. */
  loss?: "cross_entropy";
  /** Instead: w_t for each token of each target; the loss is Σ w_t · log p_t, so any loss of log-probabilities can be followed. */
  weights?: readonly (readonly number[])[];
  /** Each is tried in place of the input's one segment of embeddings, with loss and gradients of its own. */
  candidates?: readonly Candidate[];
  /** Less memory for one more forward: see recording.ts. */
  recompute?: boolean;
  signal?: AbortSignal;
}

/** Several inputs whose loss is one: the mean of −log p over all tokens of all their targets. */
export interface BatchGradientsOptions {
  examples: readonly Pick<GradientsOptions, "input" | "targets">[];
  recompute?: boolean;
  signal?: AbortSignal;
}

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

/** Most rows, and most rows with logits, of one step that holds more than one sequence: bounds memory. */
const stepRows = 512;
const stepOutputs = 128;

/**
 * Loss, log-probabilities and gradients, for each candidate (or for the input as it is).
 * @throws FieldError before anything is computed; one sentence if the kernel set has no derivatives; the
 * signal's reason when aborted.
 */
export async function gradientsOf(
  context: GradientsContext,
  options: GradientsOptions,
): Promise<{ candidates: Gradients[]; usage: GradientsUsage }> {
  context.ops.derivatives(); // there are some
  const { tokenizer } = context;
  const { config } = context.model;
  const prompts = promptsOf(options, tokenizer, config);
  const longest = Math.max(...prompts.map(({ prompt }) => prompt.rows));
  const targets = targetIds(options.targets, tokenizer, config.vocabSize, Math.max(0, config.maxSeqLen - longest));
  const weights = weightsOf(options, targets);
  const works = prompts.map((prompt) => ({ ...prompt, targets, weights }));
  const { found, usage } = await compute(context, works, textPagesOf(prompts), options);
  return { candidates: found, usage };
}

/** Loss shares, log-probabilities and gradients of each example, computed together. @throws as `gradientsOf`. */
export async function batchGradientsOf(
  context: GradientsContext,
  options: BatchGradientsOptions,
): Promise<{ examples: Gradients[]; usage: GradientsUsage }> {
  context.ops.derivatives();
  const { tokenizer } = context;
  const { config } = context.model;
  if (!Array.isArray(options.examples) || options.examples.length === 0)
    throw new FieldError("examples", "expected a list of at least one { input, targets }", "missing");
  const read = options.examples.map((example, i) =>
    inField(`examples[${i}]`, () => {
      const { input, targets } = example ?? {}; // a caller without types
      const [prompt] = promptsOf({ input, targets }, tokenizer, config);
      const room = Math.max(0, config.maxSeqLen - prompt.prompt.rows);
      return { ...prompt, targets: targetIds(targets, tokenizer, config.vocabSize, room) };
    }),
  );
  const tokens = read.reduce((sum, { targets }) => sum + targets.reduce((n, { length }) => n + length, 0), 0);
  const works = read.map((one) => ({ ...one, weights: one.targets.map((ids) => ids.map(() => -1 / tokens)) }));
  const { found, usage } = await compute(context, works, 0, options);
  return { examples: found, usage };
}

/** What all prompts take and give; `textPages` whole pages of text begin all of them. */
async function compute(
  { ops, model }: GradientsContext,
  works: readonly Work[],
  textPages: number,
  options: Pick<GradientsOptions, "recompute" | "signal">,
): Promise<{ found: Gradients[]; usage: GradientsUsage }> {
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
  const sequences = works.flatMap((work, candidate) => sequencesOf(work, candidate, work.targets));
  for (const step of stepsOf(sequences, textPages)) {
    options.signal?.throwIfAborted();
    backwardTokens += step.rows;
    await run(step);
    await new Promise((resolve) => setImmediate(resolve)); // others have their turn
  }
  options.signal?.throwIfAborted();
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
  async function run(step: Step): Promise<void> {
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
      { recompute: options.recompute },
    );
    try {
      const cache = createStepCache(ops, config, step.pages);
      const x = embedRows(tape.ops, model, step, leaves); // [rows, dModel]
      const logits = forward(tape.ops, model, x, createBatch(ops, model, cache, step.parts));
      const ids = step.outputs.map(({ candidate, target, token }) => works[candidate].targets[target][token]);
      const logProbs = tape.ops.logProbs(logits, ops.upload(Int32Array.from(ids))); // [outputs]
      const weights = step.outputs.map(({ candidate, target, token }) => works[candidate].weights[target][token]);
      const dLogProbs = Float32Array.from(weights);
      const gradients = tape.backward([[logProbs, ops.upload(dLogProbs)]]);

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
interface Work extends TunedPrompt {
  readonly targets: readonly (readonly number[])[];
  readonly weights: readonly (readonly number[])[];
}

/** The input as it is, or once for each candidate. */
function promptsOf(
  { input, candidates }: GradientsOptions,
  tokenizer: Tokenizer,
  limits: Model["config"],
): TunedPrompt[] {
  // Arrays of its own for each segment: one that is there twice has two gradients.
  const own = (segment: Segment): Segment =>
    typeof segment === "object" && segment && "embeds" in segment && segment.embeds instanceof Float32Array
      ? { ...segment, embeds: segment.embeds.slice() }
      : segment;
  const segments = Array.isArray(input) ? input.map(own) : [];
  const prompt = promptOf(Array.isArray(input) ? segments : input, tokenizer, limits);
  const all = segments.flatMap((segment, i) =>
    "embeds" in segment && segment.shape[0] > 0
      ? [{ id: segment.frozen ? undefined : (segment.id ?? String(i)), values: segment.embeds, at: i }]
      : [],
  );
  const named = all.filter(({ id }) => id !== undefined);
  if (named.length === 0)
    throw new FieldError(
      "input",
      "it has no embeds segment, expected at least one that gradients are wanted by",
      "missing",
    );
  const twice = named.find(({ id }, i) => named.findIndex((other) => other.id === id) < i);
  if (twice)
    throw new FieldError(`input[${twice.at}].id`, `${JSON.stringify(twice.id)} is there twice, expected different ids`);
  if (candidates === undefined) return [{ prompt, embeds: all }];

  if (!Array.isArray(candidates) || candidates.length === 0)
    throw new FieldError("candidates", "expected a list of at least one { embeds, shape }", "missing");
  if (named.length > 1)
    throw new FieldError(
      "candidates",
      `the input has ${named.length} embeds segments, expected one that they take the place of`,
    );
  const [{ id, at }] = named;
  return candidates.map((candidate: Candidate, i) => {
    if (candidate?.shape?.[0] === 0)
      throw new FieldError(`candidates[${i}].shape`, "it has no rows, expected at least one");
    inField(`candidates[${i}]`, () => checkRows(candidate, limits.dModel));
    const { embeds, shape } = candidate;
    const changed = segments.map((segment, s) => (s === at ? { embeds, shape } : segment));
    const prompt = promptOf(changed, tokenizer, limits);
    return { prompt, embeds: all.map((one) => (one.at === at ? { id, values: embeds } : one)) };
  });
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

// ---- which rows are computed

/** A token of a target, whose log-probability one row of logits gives. */
interface Output {
  readonly candidate: number;
  readonly target: number;
  readonly token: number;
}

/** A prompt with one continuation that feeds all targets that begin like it. */
interface Sequence {
  readonly candidate: number;
  readonly runs: readonly Run[];
  readonly promptRows: number;
  readonly rows: number;
  /** In the order of their targets; output `token` stands at row promptRows − 1 + token. */
  readonly outputs: readonly Output[];
}

interface Step {
  readonly candidates: readonly number[];
  readonly sequences: readonly Sequence[];
  /** Of each sequence, the rows that no sequence before it has computed. */
  readonly parts: readonly BatchPart[];
  readonly outputs: readonly Output[];
  readonly rows: number;
  readonly pages: number;
}

/** The last token of a target is never fed: targets that agree up to it, or of which one goes on where the other ends, share a sequence. */
function sequencesOf({ prompt }: TunedPrompt, candidate: number, targets: readonly (readonly number[])[]): Sequence[] {
  const fed = targets.map((ids) => ids.slice(0, -1));
  const isPrefix = (a: readonly number[], b: readonly number[]) =>
    a.length <= b.length && a.every((id, i) => id === b[i]);
  const hosts = fed.map((ids, i) => {
    const longer = fed.findIndex((other, j) => isPrefix(ids, other) && (other.length > ids.length || j < i));
    return longer < 0 ? i : undefined;
  });
  return hosts.flatMap((host) => {
    if (host === undefined) return [];
    // A target may fit several hosts: it goes with the first.
    const guests = targets.flatMap((_, target) =>
      hosts.find((other) => other !== undefined && isPrefix(fed[target], fed[other])) === host ? [target] : [],
    );
    return {
      candidate,
      runs: [...prompt.runs, { ids: fed[host] }],
      promptRows: prompt.rows,
      rows: prompt.rows + fed[host].length,
      outputs: guests.flatMap((target) => targets[target].map((_, token) => ({ candidate, target, token }))),
    };
  });
}

/** Packs sequences into steps, in order, as many as a step may have; of pages that they share, one sequence computes the rows. */
function stepsOf(sequences: readonly Sequence[], textPages: number): Step[] {
  const steps: Step[] = [];
  let group: Sequence[] = [];
  const flush = () => {
    if (group.length > 0) steps.push(stepOf(group, textPages));
    group = [];
  };
  for (const sequence of sequences) {
    const step = stepOf([...group, sequence], textPages);
    if (step.rows > stepRows || step.outputs.length > stepOutputs) flush();
    group.push(sequence);
  }
  flush();
  return steps;
}

/** Whole pages of text before the first embeddings: the same in all prompts. */
function textPagesOf([{ prompt }]: readonly TunedPrompt[]): number {
  let rows = 0;
  for (const run of prompt.runs) {
    if ("embeds" in run) break;
    rows += rowsOf(run);
  }
  return Math.floor(rows / pageSize);
}

function stepOf(sequences: readonly Sequence[], textPages: number): Step {
  const parts: BatchPart[] = [];
  let nPages = 0;
  let text: number[] | undefined; // pages of the text that begins all sequences
  const ofPrompt = new Map<number, number[]>(); // whole pages of each candidate's prompt, the text's included
  for (const { candidate, promptRows, rows, outputs } of sequences) {
    const shared = ofPrompt.get(candidate) ?? text ?? [];
    const pages = [...shared];
    while (pages.length < pagesFor(rows)) pages.push(nPages++);
    text ??= pages.slice(0, textPages);
    // The last row of the prompt has outputs, so it is every sequence's own.
    if (!ofPrompt.has(candidate)) ofPrompt.set(candidate, pages.slice(0, Math.floor((promptRows - 1) / pageSize)));
    const start = shared.length * pageSize;
    parts.push({
      start,
      rows: rows - start,
      pages,
      outputs: outputs.map(({ token }) => promptRows - 1 + token - start),
    });
  }
  return {
    candidates: [...new Set(sequences.map(({ candidate }) => candidate))],
    sequences,
    parts,
    outputs: sequences.flatMap(({ outputs }) => outputs),
    rows: parts.reduce((sum, { rows }) => sum + rows, 0),
    pages: nPages,
  };
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
  if (ids.size > 0) tables.unshift(ops.gather(model.embedding, ops.upload(Int32Array.from(ids.keys())))); // [ids, dModel]
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
