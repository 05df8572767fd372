// out[r, i] = Σ_j weights[r, j] · x[r · n + j, i]: what the experts of a row make, put together.

import type { Floats } from "./values.ts";

/** x [rows · n, dim], weights [rows, n] → out [rows, dim] */
export function weightedSum(out: Floats, x: Floats, weights: Floats, rows: number, n: number, dim: number): void {
  for (let r = 0; r < rows; r++)
    for (let i = 0; i < dim; i++) {
      let sum = 0;
      for (let j = r * n; j < (r + 1) * n; j++) sum += weights[j] * x[j * dim + i];
      out[r * dim + i] = sum;
    }
}

/** dX[r · n + j, i] = weights[r, j] · dOut[r, i], dWeights[r, j] = Σ_i dOut[r, i] · x[r · n + j, i] */
export function weightedSumBackward(
  dX: Floats,
  dWeights: Floats,
  dOut: Floats,
  x: Floats,
  weights: Floats,
  rows: number,
  n: number,
  dim: number,
): void {
  for (let j = 0; j < rows * n; j++) {
    const out = Math.floor(j / n) * dim;
    let sum = 0;
    for (let i = 0; i < dim; i++) {
      dX[j * dim + i] = weights[j] * dOut[out + i];
      sum += dOut[out + i] * x[j * dim + i];
    }
    dWeights[j] = sum;
  }
}
