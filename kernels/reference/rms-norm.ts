// out[r, i] = x[r, i] / √(mean_i x[r, i]² + eps) · weight[i]
// Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", arXiv 1910.07467

import type { Floats } from "./values.ts";

/** x [rows, dim], weight [dim] → out [rows, dim] */
export function rmsNorm(out: Floats, x: Floats, weight: Floats, rows: number, dim: number, eps: number): void {
  for (let r = 0; r < rows; r++) {
    const at = r * dim;
    const scale = scaleOf(x, at, dim, eps);
    for (let i = 0; i < dim; i++) out[at + i] = x[at + i] * scale * weight[i];
  }
}

/**
 * The scale depends on every element of the row, so each gets a part of what all of them do to it: with n = x · scale and
 * g = dOut · weight, dX[r, i] = scale · (g_i − n_i · mean_j g_j · n_j). dOut, x [rows, dim] → dX [rows, dim]
 */
export function rmsNormBackward(
  dX: Floats,
  dOut: Floats,
  x: Floats,
  weight: Floats,
  rows: number,
  dim: number,
  eps: number,
): void {
  for (let r = 0; r < rows; r++) {
    const at = r * dim;
    const scale = scaleOf(x, at, dim, eps);
    let mean = 0;
    for (let i = 0; i < dim; i++) mean += (dOut[at + i] * weight[i] * x[at + i] * scale) / dim;
    for (let i = 0; i < dim; i++) dX[at + i] = scale * (dOut[at + i] * weight[i] - x[at + i] * scale * mean);
  }
}

/** dWeight[i] += Σ_r dOut[r, i] · x[r, i] · scale_r. dOut, x [rows, dim] → dWeight [dim] */
export function rmsNormWeightBackward(
  dWeight: Floats,
  dOut: Floats,
  x: Floats,
  rows: number,
  dim: number,
  eps: number,
): void {
  for (let r = 0; r < rows; r++) {
    const at = r * dim;
    const scale = scaleOf(x, at, dim, eps);
    for (let i = 0; i < dim; i++) dWeight[i] += dOut[at + i] * x[at + i] * scale;
  }
}

/** 1 / √(mean of squares + eps) of the row at `at` */
function scaleOf(x: Floats, at: number, dim: number, eps: number): number {
  let squares = 0;
  for (let i = 0; i < dim; i++) squares += x[at + i] * x[at + i];
  return 1 / Math.sqrt(squares / dim + eps);
}
