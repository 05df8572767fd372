// out = x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³)))
// Hendrycks & Gimpel 2016, arXiv 1606.08415, the tanh form

import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";

// Beyond ±10, tanh is ±1 in f32; drivers that make it of e^x would divide infinity by infinity.
const program: Program = {
  name: "gelu",
  operands: { out: "write f32", x: "f32" },
  numbers: ["length"],
  threads: 64,
  body: `
  let i = group * 64u + thread;
  if (i >= p.length) { return; }
  let v = x(i);
  let u = 0.7978845608028654 * (v + 0.044715 * v * v * v);
  setOut(i, 0.5 * v * (1.0 + tanh(clamp(u, -10.0, 10.0))));`,
};

/** x [length] → out [length] */
export function gelu({ run }: Recorder, out: Place, x: Place, length: number): void {
  run(program, { out, x }, { length }, Math.ceil(length / 64));
}

const backward: Program = {
  name: "geluBackward",
  operands: { dX: "write f32", dOut: "f32", x: "f32" },
  numbers: ["length"],
  threads: 64,
  body: `
  let i = group * 64u + thread;
  if (i >= p.length) { return; }
  let v = x(i);
  let th = tanh(clamp(0.7978845608028654 * (v + 0.044715 * v * v * v), -10.0, 10.0));
  let inner = 0.7978845608028654 * (1.0 + 3.0 * 0.044715 * v * v);
  setDX(i, dOut(i) * 0.5 * (1.0 + th + v * (1.0 - th * th) * inner));`,
};

/** With u = √(2/π) · (x + 0.044715·x³), u' its derivative: dX = dOut · ½ · (1 + tanh u + x · (1 − tanh² u) · u'). all [length] */
export function geluBackward({ run }: Recorder, dX: Place, dOut: Place, x: Place, length: number): void {
  run(backward, { dX, dOut, x }, { length }, Math.ceil(length / 64));
}
