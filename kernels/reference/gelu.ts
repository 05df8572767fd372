// out = x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³)))
// Hendrycks & Gimpel 2016, "Gaussian Error Linear Units", arXiv 1606.08415; the tanh form is the one GPT-2 was trained with.

import type { Floats } from "./values.ts";

/** x [length] → out [length] */
export function gelu(out: Floats, x: Floats, length: number): void {
  const k = Math.sqrt(2 / Math.PI);
  for (let i = 0; i < length; i++) out[i] = (x[i] / 2) * (1 + Math.tanh(k * (x[i] + 0.044715 * x[i] ** 3)));
}
