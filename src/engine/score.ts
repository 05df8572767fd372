// Log-probabilities of given continuations: sequences that are known to the end, whose logits are looked at and not sampled.

import { logProbOf } from "../decode/log-probs.ts";
import { checkNames, type Names } from "../field-error.ts";
import { type Candidate, inputsWith } from "../prompt/candidates.ts";
import { type Input, type Prompt, promptOf, roomAfter } from "../prompt/segments.ts";
import { targetIds } from "../prompt/targets.ts";
import type { Served, Usage } from "./generate.ts";
import type { Task } from "./sequence.ts";

export interface ScoreOptions {
  input: Input;
  /** Continuations to judge, each as text or token ids. */
  targets: readonly (string | readonly number[])[];
  signal?: AbortSignal;
  /** Whose request it is: computed prefixes are only ever shared within one tenant. */
  tenant?: string;
}

/** Every name of its options. */
export const scoreOptionNames = {
  input: true,
  targets: true,
  signal: true,
  tenant: true,
} satisfies Names<ScoreOptions>;

/** Natural log-probabilities of one target's tokens, each after the input and the target's earlier tokens. */
export interface Score {
  ids: number[];
  logprobs: number[];
  /** Σ logprobs: log p(target | input) */
  sum: number;
  /** What this target took: the input as its prompt, the target's tokens as its completion. */
  usage: Usage;
}

export interface CandidateScoreOptions extends ScoreOptions {
  /** Each is tried in place of the input's one segment of embeddings that is not frozen. */
  candidates: readonly Candidate[];
}

/** Every name of its options. */
export const candidateScoreOptionNames = {
  ...scoreOptionNames,
  candidates: true,
} satisfies Names<CandidateScoreOptions>;

/** Judges every target. The pages of their common input are computed once. @throws as `ServedModel.score`. */
export async function score(served: Served, options: ScoreOptions): Promise<Score[]> {
  checkNames(options, scoreOptionNames);
  const [scores] = await scoresOf(served, options, [options.input]);
  return scores;
}

/** Judges every target after every candidate, all of them together. → by candidate. @throws as `ServedModel.score`. */
export async function candidateScores(served: Served, options: CandidateScoreOptions): Promise<Score[][]> {
  checkNames(options, candidateScoreOptionNames);
  return scoresOf(served, options, inputsWith(options.input, options.candidates, served.config.dModel));
}

/** One request to the engine: a sequence for each target after each input. */
async function scoresOf(
  { engine, config, tokenizer }: Served,
  { targets, signal, tenant }: ScoreOptions,
  inputs: readonly Input[],
): Promise<Score[][]> {
  const prompts = inputs.map((input) => promptOf(input, tokenizer, config));
  const longest = Math.max(...prompts.map(({ rows }) => rows));
  const room = roomAfter(longest, config.maxSeqLen, engine.cacheTokens);
  const lists = targetIds(targets, tokenizer, config.vocabSize, room);
  const scores = prompts.map((prompt) => lists.map((ids) => scoreTask(prompt, ids, { signal, tenant })));
  await engine.run(scores.flatMap((list) => list.map(({ task }) => task)));
  return scores.map((list) => list.map(({ result }) => result()));
}

/** The sequence of one target, and what is known when it has come to its end. */
function scoreTask(prompt: Prompt, ids: readonly number[], common: Pick<ScoreOptions, "signal" | "tenant">) {
  const logprobs: number[] = [];
  let cachedTokens = 0;
  const task: Task<"logits"> = {
    ...common,
    runs: [...prompt.runs, { ids: ids.slice(0, -1) }],
    maxRows: prompt.rows + ids.length - 1,
    firstOutput: prompt.rows - 1,
    wants: "logits",
    accept({ outputs, cachedRows }) {
      cachedTokens = cachedRows;
      for (const logits of outputs) logprobs.push(logProbOf(logits, ids[logprobs.length]));
      return [];
    },
  };
  const result = (): Score => ({
    ids: [...ids],
    logprobs,
    sum: logprobs.reduce((sum, logprob) => sum + logprob, 0),
    usage: {
      promptTokens: prompt.rows,
      embedTokens: prompt.embedRows,
      cachedTokens,
      completionTokens: ids.length,
      totalTokens: prompt.rows + ids.length,
    },
  });
  return { task, result };
}
