// out[r, i] = x[r, i] / √(mean_i x[r, i]² + eps) · weight[i]: a workgroup for each row, whose 64 sums are added up in order.
// Zhang & Sennrich 2019, "Root Mean Square Layer Normalization", arXiv 1910.07467

import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";

/** A sum over the threads of a workgroup, in their order: to be stored in `sums`, between barriers. */
export const sumOfThreads = `
fn sumOfThreads() -> f32 {
  var sum = 0.0;
  for (var i = 0u; i < 64u; i++) { sum += sums[i]; }
  return sum;
}`;

const program: Program = {
  name: "rmsNorm",
  operands: { out: "write f32", x: "f32", weight: "f32" },
  numbers: ["dim", "eps"],
  floats: ["eps"],
  threads: 64,
  declarations: `
var<workgroup> sums: array<f32, 64>;
${sumOfThreads}`,
  body: `
  let at = group * p.dim;
  var squares = 0.0;
  for (var i = thread; i < p.dim; i += 64u) { squares = fma(x(at + i), x(at + i), squares); }
  sums[thread] = squares;
  workgroupBarrier();
  let scale = 1.0 / sqrt(sumOfThreads() / f32(p.dim) + p.eps);
  for (var i = thread; i < p.dim; i += 64u) { setOut(at + i, x(at + i) * scale * weight(i)); }`,
};

/** x [rows, dim], weight [dim] → out [rows, dim] */
export function rmsNorm(
  { run }: Recorder,
  out: Place,
  x: Place,
  weight: Place,
  rows: number,
  dim: number,
  eps: number,
): void {
  run(program, { out, x, weight }, { dim, eps }, rows);
}
