// Prompt tuning: the model stands still, and a few rows of embeddings before every prompt are moved until the right answers
// come. A step asks the model for one thing, gradients by those rows (tune/gradients.ts), so the model may be anywhere.
// Lester et al. 2021, arXiv 2104.08691; P-tuning: Liu et al. 2021, arXiv 2103.10385.

import { checkNames, FieldError, type Names } from "../../field-error.ts";
import type { Segment } from "../../prompt/segments.ts";
import type { SoftPrompt } from "../../prompt/soft-prompts.ts";
import type { ServedModel } from "../../served-model.ts";
import { type AdamState, adamStep, clipGradients, createAdamState, warmup } from "../adam.ts";
import { batchOf, type TuneExample } from "./examples.ts";
import { mlpEncoder, type PromptEncoder, plainRows } from "./prompt-encoder.ts";
import { type StartRows, startRows } from "./table.ts";

/** What tuning asks of a model. */
export type TunableModel = Pick<
  ServedModel,
  "config" | "tokenizer" | "fingerprint" | "embed" | "score" | "generate" | "batchGradients"
>;

export interface TunePromptOptions {
  train: readonly TuneExample[];
  /** Judges progress; the rows that are best on it are the result. */
  heldOut: readonly TuneExample[];
  /** Virtual tokens. Default 20 */
  tokens?: number;
  /** Default "vocabulary"; an encoder starts by itself. */
  start?: StartRows;
  /** Rows through P-tuning's encoder, its hidden width, or its parameters to start with. Default: none */
  encoder?: { hidden?: number; parameters?: ReadonlyMap<string, Float32Array> };
  /**
   * Whether the tokenizer adds its special tokens to each prompt, so that they stand behind the rows, as PEFT has them. A model
   * that has learned to forget what stands before a beginning of text hardly looks at rows there. Default false
   */
  specialTokens?: boolean;
  /** Default 300 */
  steps?: number;
  /** Examples of one step. Default 8 */
  batch?: number;
  /** Learning rate. Default 0.01, with an encoder 0.001 */
  rate?: number;
  /** Steps over which the rate rises. Default 10 */
  warmupSteps?: number;
  /** Default 0 */
  weightDecay?: number;
  /** Longest gradient, of all parameters together. Default 1 */
  maxNorm?: number;
  /** Steps between two looks at the held-out examples. Default 25 */
  evaluateEvery?: number;
  /** Looks without a better held-out loss after which the run ends. Default 6 */
  patience?: number;
  /** Default 0 */
  seed?: number;
  /** Examples of each step, by their place in `train`, in place of an order by the seed. */
  order?: readonly (readonly number[])[];
  /** Where an earlier run stood; it goes on as if it had not stopped. */
  resume?: TuneState;
  /** Called after each step. */
  onStep?: (progress: TuneProgress) => void;
  /** Called after each look at the held-out examples, with all that a run needs to go on later. */
  onState?: (state: TuneState) => Promise<void>;
  signal?: AbortSignal;
}

const tuneOptionNames = {
  train: true,
  heldOut: true,
  tokens: true,
  start: true,
  encoder: true,
  specialTokens: true,
  steps: true,
  batch: true,
  rate: true,
  warmupSteps: true,
  weightDecay: true,
  maxNorm: true,
  evaluateEvery: true,
  patience: true,
  seed: true,
  order: true,
  resume: true,
  onStep: true,
  onState: true,
  signal: true,
} satisfies Names<TunePromptOptions>;

/** One line of a run's log. */
export interface TuneLogEntry {
  readonly step: number;
  /** Mean −log p over the target tokens of the step's examples, before the step. */
  readonly loss?: number;
  readonly rate?: number;
  /** Norm of the gradient before it was cut. */
  readonly gradientNorm?: number;
  /** The held-out examples, after the step: mean −log p over target tokens, and the share of right answers. */
  readonly heldOut?: Judgement;
}

export interface Judgement {
  readonly loss: number;
  readonly accuracy: number;
}

export interface TuneProgress extends TuneLogEntry {
  readonly steps: number;
  readonly best: Judgement;
}

/** A run between two steps. */
export interface TuneState {
  readonly step: number;
  readonly parameters: ReadonlyMap<string, Float32Array>;
  readonly adam: AdamState;
  readonly best: Judgement & { readonly step: number; readonly rows: Float32Array };
  readonly log: readonly TuneLogEntry[];
}

export interface TunedPrompt extends SoftPrompt {
  readonly before: Judgement;
  readonly best: Judgement & { readonly step: number };
  readonly log: readonly TuneLogEntry[];
  /** Why the run ended. */
  readonly ended: "steps" | "patience";
}

/**
 * Trains a soft prompt.
 * @throws FieldError; the signal's reason when aborted.
 */
export async function tunePrompt(model: TunableModel, options: TunePromptOptions): Promise<TunedPrompt> {
  checkNames(options, tuneOptionNames);
  const { train, heldOut, order, signal } = options;
  const steps = order?.length ?? whole("steps", options.steps, 300);
  const batch = whole("batch", options.batch, 8);
  const evaluateEvery = whole("evaluateEvery", options.evaluateEvery, 25);
  const patience = whole("patience", options.patience, 6);
  const rate = positive("rate", options.rate, options.encoder ? 1e-3 : 1e-2);
  const maxNorm = positive("maxNorm", options.maxNorm, 1);
  const warmupSteps = whole("warmupSteps", options.warmupSteps, 10, 0);
  const seed = whole("seed", options.seed, 0, 0);
  const { weightDecay = 0 } = options;
  if (!(Number.isFinite(weightDecay) && weightDecay >= 0))
    throw new FieldError("weightDecay", `got ${weightDecay}, expected a number ≥ 0`);
  if (train.length === 0) throw new FieldError("train", "it is empty, expected at least one example", "missing");
  if (heldOut.length === 0) throw new FieldError("heldOut", "it is empty, expected at least one example", "missing");

  const encoder = await encoderOf(model, options);
  const { dModel } = model.config;
  const inputOf = inputForm(options.specialTokens ?? false);
  const segmentOf = (rows: Float32Array): Extract<Segment, { embeds: Float32Array }> => ({
    id: "p",
    embeds: rows,
    shape: [rows.length / dModel, dModel],
  });
  let adam = createAdamState(encoder.parameters);
  let log: TuneLogEntry[] = [];
  let step = 0;
  let best: TuneState["best"];
  if (options.resume) {
    ({ step, best } = options.resume);
    log = [...options.resume.log];
    for (const [name, values] of encoder.parameters) values.set(options.resume.parameters.get(name) as Float32Array);
    adam = options.resume.adam;
  } else {
    const rows = encoder.rows();
    const first = await judge(model, (prompt) => inputOf(segmentOf(rows), prompt), heldOut, signal);
    best = { ...first, step, rows };
    log.push({ step, heldOut: first });
  }
  const looksSince = () => log.filter((entry) => entry.heldOut && entry.step > best.step).length;

  while (step < steps && looksSince() < patience) {
    const chosen = (order?.[step] ?? batchOf(step, batch, train.length, seed)).map((i) => train[i]);
    const p = segmentOf(encoder.rows());
    const { examples } = await model.batchGradients({
      examples: chosen.map(({ prompt, target }) => ({ input: inputOf(p, prompt), targets: [target] })),
      signal,
    });
    const dRows = new Float32Array(p.embeds.length);
    for (const { gradients } of examples) for (const [i, value] of gradients.p.entries()) dRows[i] += value;
    const gradients = encoder.backward(dRows);
    const gradientNorm = clipGradients(gradients, maxNorm);
    const stepRate = warmup(rate, ++step, warmupSteps);
    adamStep(adam, encoder.parameters, gradients, stepRate, { weightDecay });

    const loss = examples.reduce((sum, example) => sum + example.loss, 0);
    let entry: TuneLogEntry = { step, loss, rate: stepRate, gradientNorm };
    const look = step % evaluateEvery === 0 || step === steps;
    if (look) {
      const rows = encoder.rows();
      const found = await judge(model, (prompt) => inputOf(segmentOf(rows), prompt), heldOut, signal);
      if (found.loss < best.loss) best = { ...found, step, rows };
      entry = { ...entry, heldOut: found };
    }
    log.push(entry);
    options.onStep?.({ ...entry, steps, best });
    if (look) await options.onState?.({ step, parameters: encoder.parameters, adam, best, log });
  }
  const { rows, ...judged } = best;
  return {
    embeds: rows,
    shape: [rows.length / dModel, dModel],
    fingerprint: model.fingerprint,
    specialTokens: options.specialTokens ?? false,
    before: log[0].heldOut as Judgement,
    best: judged,
    log,
    ended: step < steps ? "patience" : "steps",
  };
}

async function encoderOf(model: TunableModel, options: TunePromptOptions): Promise<PromptEncoder> {
  const { dModel } = model.config;
  const { encoder, start, seed = 0 } = options;
  const tokens = whole("tokens", options.tokens, 20);
  if (!encoder) return plainRows(await startRows(model, tokens, start ?? "vocabulary", seed));
  if (start !== undefined) throw new FieldError("start", "an encoder makes the rows, expected it only without one");
  return mlpEncoder(tokens, dModel, whole("encoder.hidden", encoder.hidden, dModel), encoder.parameters ?? seed);
}

/** The soft prompt, then the text: text that follows ids, even none, gets no special tokens. */
function inputForm(specialTokens: boolean): (p: Segment, prompt: TuneExample["prompt"]) => Segment[] {
  return (p, prompt) => {
    const segments = typeof prompt === "string" ? [{ text: prompt }] : prompt;
    return specialTokens ? [p, ...segments] : [p, { ids: [] }, ...segments];
  };
}

/** Examples that are asked about at once. */
const atOnce = 16;

/**
 * Loss and accuracy under a soft prompt, which `inputOf` puts before a text: among choices, the likeliest must be the right one; without choices, what the model
 * would say must be the target, token by token.
 */
export async function judge(
  model: TunableModel,
  inputOf: (prompt: TuneExample["prompt"]) => readonly Segment[],
  examples: readonly TuneExample[],
  signal?: AbortSignal,
): Promise<Judgement> {
  let [loss, tokens, right] = [0, 0, 0];
  const one = async ({ prompt, target, choices = [] }: TuneExample) => {
    const input = inputOf(prompt);
    const targets: readonly TuneExample["target"][] = choices.length > 0 ? choices : [target];
    const scores = await model.score({ input, targets, signal });
    const wanted = scores[targets.indexOf(target)];
    loss -= wanted.sum;
    tokens += wanted.ids.length;
    const isRight =
      choices.length > 1
        ? scores.every((other) => other === wanted || other.sum < wanted.sum)
        : await says(model, input, wanted.ids, signal);
    if (isRight) right++;
  };
  for (let i = 0; i < examples.length; i += atOnce) await Promise.all(examples.slice(i, i + atOnce).map(one));
  return { loss: loss / tokens, accuracy: right / examples.length };
}

/** Whether the likeliest continuation is these tokens. */
async function says(
  model: TunableModel,
  input: readonly Segment[],
  ids: readonly number[],
  signal?: AbortSignal,
): Promise<boolean> {
  for await (const event of model.generate({ input, maxTokens: ids.length, temperature: 0, signal }))
    if (event.type === "end") return event.ids.every((id, i) => id === ids[i]) && event.ids.length === ids.length;
  return false;
}

function whole(name: string, value: number | undefined, fallback: number, least = 1): number {
  if (value === undefined) return fallback;
  if (!Number.isSafeInteger(value) || value < least)
    throw new FieldError(name, `got ${value}, expected a whole number ≥ ${least}`);
  return value;
}

function positive(name: string, value: number | undefined, fallback: number): number {
  if (value === undefined) return fallback;
  if (!(Number.isFinite(value) && value > 0)) throw new FieldError(name, `got ${value}, expected a number > 0`);
  return value;
}
