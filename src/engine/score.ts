// Log-probabilities of given continuations: sequences that are known to the end, whose logits are looked at and not sampled.

import { logProbOf } from "../decode/log-probs.ts";
import { checkNames, type Names } from "../known-names.ts";
import { roomAfter } from "../prompt/room.ts";
import { type Input, promptOf } from "../prompt/segments.ts";
import { targetIds } from "../prompt/targets.ts";
import type { Served, Usage } from "./generate.ts";

export interface ScoreOptions {
  input: Input;
  /** Continuations to judge, each as text or token ids. */
  targets: readonly (string | readonly number[])[];
  signal?: AbortSignal;
  /** Whose request it is: computed prefixes are only ever shared within one tenant. */
  tenant?: string;
}

const scoreOptionNames = { input: true, targets: true, signal: true, tenant: true } satisfies Names<ScoreOptions>;

/** Natural log-probabilities of one target's tokens, each after the input and the target's earlier tokens. */
export interface Score {
  ids: number[];
  logprobs: number[];
  /** Σ logprobs: log p(target | input) */
  sum: number;
  /** What this target took: the input as its prompt, the target's tokens as its completion. */
  usage: Usage;
}

/** Judges every target. The pages of their common input are computed once. @throws as `ServedModel.score`. */
export async function score({ engine, config, tokenizer }: Served, options: ScoreOptions): Promise<Score[]> {
  checkNames(options, scoreOptionNames);
  const { input, targets, signal, tenant } = options;
  const prompt = promptOf(input, tokenizer, config);
  const lists = targetIds(
    targets,
    tokenizer,
    config.vocabSize,
    roomAfter(prompt.rows, config.maxSeqLen, engine.cacheTokens),
  );
  return Promise.all(
    lists.map(async (ids) => {
      const logprobs: number[] = [];
      let cachedTokens = 0;
      await engine.run({
        runs: [...prompt.runs, { ids: ids.slice(0, -1) }],
        maxRows: prompt.rows + ids.length - 1,
        firstOutput: prompt.rows - 1,
        tenant,
        accept(logits, cachedRows) {
          cachedTokens = cachedRows;
          logprobs.push(logProbOf(logits, ids[logprobs.length]));
          return [];
        },
        signal,
      });
      return {
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
      };
    }),
  );
}
