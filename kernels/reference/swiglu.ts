// out = silu(gate) · up, silu(x) = x / (1 + e^−x)
// Shazeer 2020, "GLU Variants Improve Transformer", arXiv 2002.05202

import type { Floats } from "./values.ts";

/** gate, up [length] → out [length] */
export function swiglu(out: Floats, gate: Floats, up: Floats, length: number): void {
  for (let i = 0; i < length; i++) out[i] = (gate[i] / (1 + Math.exp(-gate[i]))) * up[i];
}
