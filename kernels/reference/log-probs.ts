// out[r] = logits[r, ids[r]] − log Σ_i e^logits[r, i]: the log-probability of one token per row, which every loss of this
// project is made of. Cross-entropy is −1/rows times their sum.

import type { Floats } from "./values.ts";

/** logits [rows, n], ids [rows] → out [rows] */
export function logProbs(out: Floats, logits: Floats, ids: Int32Array, rows: number, n: number): void {
  for (let r = 0; r < rows; r++) out[r] = logits[r * n + ids[r]] - logSumExp(logits, r * n, n);
}

/** dLogits[r, i] = dOut[r] · ([i = ids[r]] − softmax_i logits[r]). dOut [rows] → dLogits [rows, n] */
export function logProbsBackward(
  dLogits: Floats,
  dOut: Floats,
  logits: Floats,
  ids: Int32Array,
  rows: number,
  n: number,
): void {
  for (let r = 0; r < rows; r++) {
    const total = logSumExp(logits, r * n, n);
    for (let i = 0; i < n; i++) {
      const prob = Math.exp(logits[r * n + i] - total);
      dLogits[r * n + i] = dOut[r] * (i === ids[r] ? 1 - prob : -prob);
    }
  }
}

/** log Σ e^logits of the n values at `at`, the largest taken out first so that nothing overflows */
function logSumExp(logits: Floats, at: number, n: number): number {
  let max = -Infinity;
  for (let i = 0; i < n; i++) max = Math.max(max, logits[at + i]);
  let sum = 0;
  for (let i = 0; i < n; i++) sum += Math.exp(logits[at + i] - max);
  return max + Math.log(sum);
}
