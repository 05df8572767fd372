// Log-probabilities of given continuations: sequences that are known to the end, whose logits are looked at and not sampled.

import { logProbOf } from "../decode/log-probs.ts";
import { checkIds, type Input, promptOf } from "../prompt/segments.ts";
import { roomAfter, type Served } from "./generate.ts";

export interface ScoreOptions {
  input: Input;
  /** Continuations to judge, each as text or token ids. */
  targets: readonly (string | readonly number[])[];
  signal?: AbortSignal;
  /** Whose request it is: computed prefixes are only ever shared within one tenant. */
  tenant?: string;
}

/** Natural log-probabilities of one target's tokens, each after the input and the target's earlier tokens. */
export interface Score {
  ids: number[];
  logprobs: number[];
  /** Σ logprobs: log p(target | input) */
  sum: number;
}

/** Judges every target. The pages of their common input are computed once. @throws as `ServedModel.score`. */
export async function score(
  { engine, config, tokenizer }: Served,
  { input, targets, signal, tenant }: ScoreOptions,
): Promise<Score[]> {
  if (!Array.isArray(targets) || targets.length === 0)
    throw new TypeError("targets: expected a list of at least one text or list of token ids");
  const prompt = promptOf(input, tokenizer, config);
  const room = roomAfter(prompt.rows, config);
  const lists = targets.map((target, i) => targetIds(target, i));
  return Promise.all(
    lists.map(async (ids) => {
      const logprobs: number[] = [];
      await engine.run({
        runs: [...prompt.runs, { ids: ids.slice(0, -1) }],
        maxRows: prompt.rows + ids.length - 1,
        firstOutput: prompt.rows - 1,
        tenant,
        accept(logits) {
          logprobs.push(logProbOf(logits, ids[logprobs.length]));
          return [];
        },
        signal,
      });
      return { ids, logprobs, sum: logprobs.reduce((sum, logprob) => sum + logprob, 0) };
    }),
  );

  function targetIds(target: string | readonly number[], i: number): number[] {
    const ids =
      typeof target === "string"
        ? tokenizer.encode(target, { addSpecialTokens: false })
        : [...checkIds(target, config.vocabSize, `targets[${i}]`)];
    if (ids.length === 0) throw new RangeError(`targets[${i}]: it is empty, expected at least one token`);
    if (ids.length > room)
      throw new RangeError(`targets[${i}]: ${ids.length} tokens do not fit, expected at most ${room} after this input`);
    return ids;
  }
}
