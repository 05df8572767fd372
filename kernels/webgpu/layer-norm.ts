// out[r, i] = (x[r, i] − mean) / √(variance + eps) · weight[i] + bias[i]: a workgroup for each row, as in rms-norm.ts.
// Ba et al. 2016, "Layer Normalization", arXiv 1607.06450

import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";
import { sumOfThreads } from "./rms-norm.ts";

const program: Program = {
  name: "layerNorm",
  operands: { out: "write f32", x: "f32", weight: "f32", bias: "f32" },
  numbers: ["dim", "eps"],
  floats: ["eps"],
  threads: 64,
  declarations: `
var<workgroup> sums: array<f32, 64>;
${sumOfThreads}`,
  body: `
  let at = group * p.dim;
  var sum = 0.0;
  for (var i = thread; i < p.dim; i += 64u) { sum += x(at + i); }
  sums[thread] = sum;
  workgroupBarrier();
  let mean = sumOfThreads() / f32(p.dim);
  var squares = 0.0;
  for (var i = thread; i < p.dim; i += 64u) { squares = fma(x(at + i) - mean, x(at + i) - mean, squares); }
  workgroupBarrier();
  sums[thread] = squares;
  workgroupBarrier();
  let scale = 1.0 / sqrt(sumOfThreads() / f32(p.dim) + p.eps);
  for (var i = thread; i < p.dim; i += 64u) { setOut(at + i, (x(at + i) - mean) * scale * weight(i) + bias(i)); }`,
};

/** x [rows, dim], weight and bias [dim] → out [rows, dim] */
export function layerNorm(
  { run }: Recorder,
  out: Place,
  x: Place,
  weight: Place,
  bias: Place,
  rows: number,
  dim: number,
  eps: number,
): void {
  run(program, { out, x, weight, bias }, { dim, eps }, rows);
}
