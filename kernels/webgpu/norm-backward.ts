// The derivatives of both norms: s = 1 / √(… + eps) and n = (x − mean) · s the normalized row (mean 0 in an RMS norm),
// g = dOut · weight. Rows by a workgroup each; the weight by a thread for each column, which needs every row's mean and s.

import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";
import { sumOfThreads } from "./rms-norm.ts";

const declarations = `
var<workgroup> sums: array<f32, 64>;
${sumOfThreads}`;

/** WGSL: the mean of `part`, which may depend on i, over a row. */
const meanOf = (name: string, part: string) => `
  var ${name}Part = 0.0;
  for (var i = thread; i < p.dim; i += 64u) { ${name}Part += ${part}; }
  workgroupBarrier();
  sums[thread] = ${name}Part;
  workgroupBarrier();
  let ${name} = sumOfThreads() / f32(p.dim);`;

const momentsOf = (centered: boolean) => `
  let at = group * p.dim;
  ${centered ? meanOf("mean", "x(at + i)") : "let mean = 0.0;"}
  ${meanOf("variance", "(x(at + i) - mean) * (x(at + i) - mean)")}
  let scale = 1.0 / sqrt(variance + p.eps);`;

const byX = (centered: boolean): Program => ({
  name: centered ? "layerNormBackward" : "rmsNormBackward",
  operands: { dX: "write f32", dOut: "f32", x: "f32", weight: "f32" },
  numbers: ["dim", "eps"],
  floats: ["eps"],
  threads: 64,
  declarations,
  body: `${momentsOf(centered)}
  ${centered ? meanOf("meanG", "dOut(at + i) * weight(i)") : "let meanG = 0.0;"}
  ${meanOf("meanGN", "dOut(at + i) * weight(i) * (x(at + i) - mean) * scale")}
  for (var i = thread; i < p.dim; i += 64u) {
    setDX(at + i, scale * (dOut(at + i) * weight(i) - meanG - (x(at + i) - mean) * scale * meanGN));
  }`,
});

const moments = (centered: boolean): Program => ({
  name: centered ? "layerNorm, moments" : "rmsNorm, moments",
  operands: { out: "write f32", x: "f32" },
  numbers: ["dim", "eps"],
  floats: ["eps"],
  threads: 64,
  declarations,
  body: `${momentsOf(centered)}
  if (thread == 0u) { setOut(2u * group, mean); setOut(2u * group + 1u, scale); }`,
});

const byWeight: Program = {
  name: "normWeightBackward",
  operands: { dWeight: "write f32", dOut: "f32", x: "f32", moments: "f32" },
  numbers: ["rows", "dim"],
  threads: 64,
  body: `
  let i = group * 64u + thread;
  if (i >= p.dim) { return; }
  var sum = 0.0;
  for (var r = 0u; r < p.rows; r++) {
    let at = r * p.dim + i;
    sum += dOut(at) * (x(at) - moments(2u * r)) * moments(2u * r + 1u);
  }
  setDWeight(i, dWeight(i) + sum);`,
};

const [rmsByX, layerByX, rmsMoments, layerMoments] = [byX(false), byX(true), moments(false), moments(true)];

/** dX[r, i] = s · (g_i − mean_j g_j − n_i · mean_j g_j · n_j); in an RMS norm without the middle term */
export function normBackward(
  { run }: Recorder,
  centered: boolean,
  dX: Place,
  dOut: Place,
  x: Place,
  weight: Place,
  rows: number,
  dim: number,
  eps: number,
): void {
  run(centered ? layerByX : rmsByX, { dX, dOut, x, weight }, { dim, eps }, rows);
}

/** dWeight[i] += Σ_r dOut[r, i] · n[r, i]. scratch [rows, 2] */
export function normWeightBackward(
  { run }: Recorder,
  centered: boolean,
  dWeight: Place,
  dOut: Place,
  x: Place,
  rows: number,
  dim: number,
  eps: number,
  scratch: Place,
): void {
  run(centered ? layerMoments : rmsMoments, { out: scratch, x }, { dim, eps }, rows);
  run(byWeight, { dWeight, dOut, x, moments: scratch }, { rows, dim }, Math.ceil(dim / 64));
}
