// out = silu(gate) · up, silu(x) = x / (1 + e^−x)
// Shazeer 2020, "GLU Variants Improve Transformer", arXiv 2002.05202

import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";

// WGSL need not know infinity: e^−x stays below it.
const program: Program = {
  name: "swiglu",
  operands: { out: "write f32", gate: "f32", up: "f32" },
  numbers: ["length"],
  threads: 64,
  body: `
  let i = group * 64u + thread;
  if (i < p.length) { setOut(i, gate(i) / (1.0 + exp(min(-gate(i), 80.0))) * up(i)); }`,
};

/** gate, up [length] → out [length] */
export function swiglu({ run }: Recorder, out: Place, gate: Place, up: Place, length: number): void {
  run(program, { out, gate, up }, { length }, Math.ceil(length / 64));
}

const backward: Program = {
  name: "swigluBackward",
  operands: { dGate: "write f32", dUp: "write f32", dOut: "f32", gate: "f32", up: "f32" },
  numbers: ["length"],
  threads: 64,
  body: `
  let i = group * 64u + thread;
  if (i >= p.length) { return; }
  let sigmoid = 1.0 / (1.0 + exp(min(-gate(i), 80.0)));
  setDGate(i, dOut(i) * up(i) * sigmoid * (1.0 + gate(i) * (1.0 - sigmoid)));
  setDUp(i, dOut(i) * gate(i) * sigmoid);`,
};

/** σ = 1 / (1 + e^−gate): dGate = dOut · up · σ · (1 + gate · (1 − σ)), dUp = dOut · gate · σ. all [length] */
export function swigluBackward(
  { run }: Recorder,
  dGate: Place,
  dUp: Place,
  dOut: Place,
  gate: Place,
  up: Place,
  length: number,
): void {
  run(backward, { dGate, dUp, dOut, gate, up }, { length }, Math.ceil(length / 64));
}
