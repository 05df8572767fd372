// Log-probabilities as the model gives them: log softmax of the raw logits, before penalties and temperature, tokens that are
// never chosen included; under a constraint, of the tokens that it allows.

import { largest } from "./sampler.ts";

/** A token and its natural log-probability. */
export interface LogProb {
  id: number;
  logprob: number;
}

/** log Σ e^logits in double: what turns logits into log-probabilities. */
export function logSumExp(logits: Float32Array): number {
  let max = -Infinity;
  for (const logit of logits) max = Math.max(max, logit);
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - max);
  return max + Math.log(sum);
}

/** log p(id) = logits[id] − log Σ e^logits. logits [vocabSize] */
export function logProbOf(logits: Float32Array, id: number): number {
  return logits[id] - logSumExp(logits);
}

/** The n most likely tokens, most likely first, impossible ones left out. logits [vocabSize] */
export function topLogProbs(logits: Float32Array, n: number): LogProb[] {
  const total = logSumExp(logits);
  const possible = largest(logits, n).filter((id) => logits[id] > -Infinity);
  return possible.map((id) => ({ id, logprob: logits[id] - total }));
}
