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
