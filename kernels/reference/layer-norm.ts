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
    let mean = 0;
    for (let i = 0; i < dim; i++) mean += x[at + i] / dim;
    let variance = 0;
    for (let i = 0; i < dim; i++) variance += (x[at + i] - mean) ** 2 / dim;
    const scale = 1 / Math.sqrt(variance + eps);
    for (let i = 0; i < dim; i++) out[at + i] = (x[at + i] - mean) * scale * weight[i] + bias[i];
  }
}
