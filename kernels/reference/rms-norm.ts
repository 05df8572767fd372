// out[r, i] = x[r, i] / √(mean_i x[r, i]² + eps) · weight[i]
// Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", arXiv 1910.07467

import type { Floats } from "./values.ts";

/** x [rows, dim], weight [dim] → out [rows, dim] */
export function rmsNorm(out: Floats, x: Floats, weight: Floats, rows: number, dim: number, eps: number): void {
  for (let r = 0; r < rows; r++) {
    const at = r * dim;
    let squares = 0;
    for (let i = 0; i < dim; i++) squares += x[at + i] * x[at + i];
    const scale = 1 / Math.sqrt(squares / dim + eps);
    for (let i = 0; i < dim; i++) out[at + i] = x[at + i] * scale * weight[i];
  }
}
