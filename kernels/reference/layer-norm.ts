// out[r, i] = (x[r, i] − mean) / √(variance + eps) · weight[i] + bias[i]
// Ba, Kiros & Hinton 2016, "Layer Normalization", arXiv 1607.06450

import type { Floats } from "./values.ts";

/** x [rows, dim], weight and bias [dim] → out [rows, dim] */
export function layerNorm(
  out: Floats,
  x: Floats,
  weight: Floats,
  bias: Floats,
  rows: number,
  dim: number,
  eps: number,
): void {
  for (let r = 0; r < rows; r++) {
    const at = r * dim;
    const { mean, scale } = momentsOf(x, at, dim, eps);
    for (let i = 0; i < dim; i++) out[at + i] = (x[at + i] - mean) * scale * weight[i] + bias[i];
  }
}

/**
 * As in an RMS norm, and every element moves the mean too: with n = (x − mean) · scale and g = dOut · weight,
 * dX[r, i] = scale · (g_i − mean_j g_j − n_i · mean_j g_j · n_j). dOut, x [rows, dim] → dX [rows, dim]
 */
export function layerNormBackward(
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
    const { mean, scale } = momentsOf(x, at, dim, eps);
    let meanG = 0;
    let meanGN = 0;
    for (let i = 0; i < dim; i++) {
      const g = dOut[at + i] * weight[i];
      meanG += g / dim;
      meanGN += (g * (x[at + i] - mean) * scale) / dim;
    }
    for (let i = 0; i < dim; i++)
      dX[at + i] = scale * (dOut[at + i] * weight[i] - meanG - (x[at + i] - mean) * scale * meanGN);
  }
}

/** dWeight[i] += Σ_r dOut[r, i] · (x[r, i] − mean_r) · scale_r. dOut, x [rows, dim] → dWeight [dim] */
export function layerNormWeightBackward(
  dWeight: Floats,
  dOut: Floats,
  x: Floats,
  rows: number,
  dim: number,
  eps: number,
): void {
  for (let r = 0; r < rows; r++) {
    const at = r * dim;
    const { mean, scale } = momentsOf(x, at, dim, eps);
    for (let i = 0; i < dim; i++) dWeight[i] += dOut[at + i] * (x[at + i] - mean) * scale;
  }
}

/** Mean and 1 / √(variance + eps) of the row at `at` */
function momentsOf(x: Floats, at: number, dim: number, eps: number): { mean: number; scale: number } {
  let mean = 0;
  for (let i = 0; i < dim; i++) mean += x[at + i] / dim;
  let variance = 0;
  for (let i = 0; i < dim; i++) variance += (x[at + i] - mean) ** 2 / dim;
  return { mean, scale: 1 / Math.sqrt(variance + eps) };
}
