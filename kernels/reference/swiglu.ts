// out = silu(gate) · up, silu(x) = x / (1 + e^−x)
// Shazeer 2020, "GLU Variants Improve Transformer", arXiv 2002.05202

import type { Floats } from "./values.ts";

/** gate, up [length] → out [length] */
export function swiglu(out: Floats, gate: Floats, up: Floats, length: number): void {
  for (let i = 0; i < length; i++) out[i] = (gate[i] / (1 + Math.exp(-gate[i]))) * up[i];
}

/** σ = 1 / (1 + e^−gate): dGate = dOut · up · σ · (1 + gate · (1 − σ)), dUp = dOut · gate · σ. all [length] */
export function swigluBackward(
  dGate: Floats,
  dUp: Floats,
  dOut: Floats,
  gate: Floats,
  up: Floats,
  length: number,
): void {
  for (let i = 0; i < length; i++) {
    const sigmoid = 1 / (1 + Math.exp(-gate[i]));
    dGate[i] = dOut[i] * up[i] * sigmoid * (1 + gate[i] * (1 - sigmoid));
    dUp[i] = dOut[i] * gate[i] * sigmoid;
  }
}
