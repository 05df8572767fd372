// From logits to a choice: penalties → temperature → top-k → top-p → min-p → one token. The order and each step are those
// of transformers (generation/logits_process.py), so that the same settings give the same distribution. A constraint's
// mask (-Infinity) comes between penalties and temperature: masked tokens have probability 0 in all that follows.

import type { Decoding } from "./parameters.ts";

/** Token ids that remain and their probabilities, in no particular order. Σ probs = 1 */
export interface Distribution {
  ids: number[];
  probs: number[];
}

/** Which tokens were seen: in prompt and output (repetition), and how often in the output alone (frequency, presence). */
export interface History {
  readonly seen: ReadonlySet<number>;
  readonly generated: ReadonlyMap<number, number>;
}

/** Changes logits [vocabSize] in place: repetition penalty, frequency and presence penalty, bias. */
export function penalize(logits: Float32Array, decoding: Decoding, history: History): void {
  const { repetitionPenalty, frequencyPenalty, presencePenalty, logitBias } = decoding;
  if (repetitionPenalty !== 1)
    for (const id of history.seen)
      logits[id] = logits[id] > 0 ? logits[id] / repetitionPenalty : logits[id] * repetitionPenalty;
  if (frequencyPenalty !== 0 || presencePenalty !== 0)
    for (const [id, count] of history.generated) logits[id] -= count * frequencyPenalty + presencePenalty;
  for (const [id, bias] of logitBias) logits[id] += bias;
}

/** The distribution that a token is drawn from: logits [vocabSize], already penalized. */
export function distribution(logits: Float32Array, decoding: Decoding): Distribution {
  const { temperature, topK, topP, minP } = decoding;
  const best = argmax(logits);
  if (temperature === 0) return { ids: [best], probs: [1] };

  const weights = new Float64Array(logits.length); // softmax without its denominator
  for (let id = 0; id < logits.length; id++) weights[id] = Math.exp((logits[id] - logits[best]) / temperature);
  let ids = Array.from(logits.keys());

  if (topK > 0 && topK < logits.length) {
    const smallest = logits[largest(logits, topK)[topK - 1]];
    ids = ids.filter((id) => logits[id] >= smallest); // more than k where logits are equal
  }
  if (topP < 1) {
    // Tokens below the threshold sum to less than 1 − topP, so they go in any case: no need to sort them.
    const total = sum(ids, weights);
    const threshold = (total * (1 - topP)) / ids.length;
    ids = ids.filter((id) => weights[id] >= threshold).sort((a, b) => weights[b] - weights[a] || a - b);
    let kept = 0;
    let n = 0;
    while (n < ids.length && (n === 0 || kept < topP * total)) kept += weights[ids[n++]]; // the one that crosses stays
    ids = ids.slice(0, n);
  }
  if (minP > 0) ids = ids.filter((id) => weights[id] >= minP); // the most likely one weighs 1

  const total = sum(ids, weights);
  return { ids, probs: ids.map((id) => weights[id] / total) };
}

/** Draws a token: the first whose cumulative probability exceeds `random` in [0, 1). */
export function choose({ ids, probs }: Distribution, random: number): number {
  let cumulative = 0;
  for (let i = 0; i < ids.length; i++) {
    cumulative += probs[i];
    if (random < cumulative) return ids[i];
  }
  return ids[probs.findLastIndex((prob) => prob > 0)]; // rounding left the sum just below 1
}

/** Index of the largest logit, the first of equal ones. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[best]) best = i;
  return best;
}

/** Ids of the k largest logits, largest first, of equal ones the lower id first. */
export function largest(logits: Float32Array, k: number): number[] {
  // Most values fail one comparison with the smallest kept so far.
  const kept: number[] = [];
  for (let id = 0; id < logits.length; id++) {
    if (kept.length === k && logits[id] <= logits[kept[k - 1]]) continue;
    let at = kept.length === k ? k - 1 : kept.length;
    while (at > 0 && logits[id] > logits[kept[at - 1]]) at--;
    if (kept.length === k) kept.pop();
    kept.splice(at, 0, id);
  }
  return kept;
}

function sum(ids: readonly number[], weights: Float64Array): number {
  let total = 0;
  for (const id of ids) total += weights[id];
  return total;
}
