// out[r, i] = Σ_j weights[r, j] · x[r · n + j, i]: what the experts of a row make, put together.

import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";
import { sumOfThreads } from "./rms-norm.ts";

const program: Program = {
  name: "weightedSum",
  operands: { out: "write f32", x: "f32", weights: "f32" },
  numbers: ["rows", "n", "dim"],
  threads: 64,
  body: `
  let at = group * 64u + thread;
  if (at >= p.rows * p.dim) { return; }
  let r = at / p.dim;
  var sum = 0.0;
  for (var j = r * p.n; j < (r + 1u) * p.n; j++) { sum = fma(weights(j), x(j * p.dim + at % p.dim), sum); }
  setOut(at, sum);`,
};

const backward: Program = {
  name: "weightedSumBackward",
  operands: { dX: "write f32", dWeights: "write f32", dOut: "f32", x: "f32", weights: "f32" },
  numbers: ["n", "dim"],
  threads: 64,
  declarations: `
var<workgroup> sums: array<f32, 64>;
${sumOfThreads}`,
  body: `
  let out = group / p.n * p.dim;
  var sum = 0.0;
  for (var i = thread; i < p.dim; i += 64u) {
    setDX(group * p.dim + i, weights(group) * dOut(out + i));
    sum = fma(dOut(out + i), x(group * p.dim + i), sum);
  }
  sums[thread] = sum;
  workgroupBarrier();
  if (thread == 0u) { setDWeights(group, sumOfThreads()); }`,
};

/** x [rows · n, dim], weights [rows, n] → out [rows, dim] */
export function weightedSum(
  { run }: Recorder,
  out: Place,
  x: Place,
  weights: Place,
  rows: number,
  n: number,
  dim: number,
): void {
  run(program, { out, x, weights }, { rows, n, dim }, Math.ceil((rows * dim) / 64));
}

/** dX[r · n + j, i] = weights[r, j] · dOut[r, i], dWeights[r, j] = Σ_i dOut[r, i] · x[r · n + j, i] */
export function weightedSumBackward(
  { run }: Recorder,
  dX: Place,
  dWeights: Place,
  dOut: Place,
  x: Place,
  weights: Place,
  rows: number,
  n: number,
  dim: number,
): void {
  run(backward, { dX, dWeights, dOut, x, weights }, { n, dim }, rows * n);
}
