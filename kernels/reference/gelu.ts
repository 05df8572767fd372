// out = x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³)))
// Hendrycks & Gimpel 2016, "Gaussian Error Linear Units", arXiv 1606.08415; the tanh form is the one GPT-2 was trained with.

import type { Floats } from "./values.ts";

/** x [length] → out [length] */
export function gelu(out: Floats, x: Floats, length: number): void {
  const k = Math.sqrt(2 / Math.PI);
  for (let i = 0; i < length; i++) out[i] = (x[i] / 2) * (1 + Math.tanh(k * (x[i] + 0.044715 * x[i] ** 3)));
}

/** dX = dOut · ½ · (1 + tanh u + x · (1 − tanh² u) · u'), u = √(2/π) · (x + 0.044715·x³). all [length] */
export function geluBackward(dX: Floats, dOut: Floats, x: Floats, length: number): void {
  const k = Math.sqrt(2 / Math.PI);
  for (let i = 0; i < length; i++) {
    const tanh = Math.tanh(k * (x[i] + 0.044715 * x[i] ** 3));
    const slope = k * (1 + 3 * 0.044715 * x[i] ** 2);
    dX[i] = (dOut[i] / 2) * (1 + tanh + x[i] * (1 - tanh * tanh) * slope);
  }
}
