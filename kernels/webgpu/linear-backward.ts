// The derivatives of out[r, o] = Σ_i x[r, i] · w[o, i] + bias[o]. By x, a thread takes a row and a chunk of w's columns, and
// goes through w's rows in order; by w and bias, a thread takes one of their elements, and goes through the rows of x.

import type { DType } from "../../weights/dtype.ts";
import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";
import { chunkFunctions, chunkOf, rowsAreWhole } from "./weights.ts";

/** dX[r, i] = Σ_o dOut[r, o] · w[o, i], of outputs `first` … of `stride`, so many as w has rows; added to what is there unless `first` is 0. */
export function linearBackward(
  { run }: Recorder,
  dX: Place,
  dOut: Place,
  w: Place,
  dtype: DType,
  rows: number,
  inDim: number,
  outDim: number,
  first: number,
  stride: number,
): void {
  const whole = rowsAreWhole(dtype, inDim);
  const perRow = Math.ceil(inDim / chunkOf(dtype, whole).elements);
  const operands = { dX, dOut, w: { slab: w.slab, at: 0 }, s: { slab: w.slab, at: 0 } };
  const numbers = { rows, inDim, outDim, at: w.at, first, stride };
  run(byX(dtype, whole), operands, numbers, Math.ceil((rows * perRow) / 64));
}

const programs = new Map<string, Program>();

function byX(dtype: DType, whole: boolean): Program {
  const name = `linearBackward ${dtype}${whole ? "" : ", odd rows"}`;
  const known = programs.get(name);
  if (known) return known;
  const { elements, first, load, values } = chunkOf(dtype, whole);
  const made: Program = {
    name,
    operands: { dX: "write f32", dOut: "f32", w: "vec4u", s: "u32" },
    numbers: ["rows", "inDim", "outDim", "at", "first", "stride"],
    threads: 64,
    declarations: `${chunkFunctions(dtype, whole)}
fn put(r: u32, k: u32, value: vec4f) {
  for (var j = 0u; j < 4u; j++) {
    if (k + j < p.inDim) {
      let i = r * p.inDim + k + j;
      if (p.first == 0u) { setDX(i, value[j]); } else { setDX(i, dX(i) + value[j]); }
    }
  }
}`,
    body: `
  let perRow = (p.inDim + ${elements - 1}u) / ${elements}u;
  let i = group * 64u + thread;
  let r = i / perRow;
  let c = i % perRow;
  if (r >= p.rows) { return; }
  let at = p.at;
  let chunks = p.outDim * perRow;
  let k = ${first};
${values.map((_, j) => `  var sum${j} = vec4f();`).join("\n")}
  for (var row = 0u; row < p.outDim; row++) {
    let chunk = row * perRow + c;
    let gradient = dOut(r * p.stride + p.first + row);
    ${load}
${values.map(([, value], j) => `    sum${j} = fma(vec4f(gradient), ${value}, sum${j});`).join("\n")}
  }
${values.map(([offset], j) => `  put(r, k + ${offset}u, sum${j});`).join("\n")}`,
  };
  programs.set(name, made);
  return made;
}

const byW: Program = {
  name: "linearWeightBackward",
  operands: { dW: "write f32", dOut: "f32", x: "f32" },
  numbers: ["rows", "inDim", "outDim"],
  threads: 64,
  body: `
  let at = group * 64u + thread;
  if (at >= p.inDim * p.outDim) { return; }
  let o = at / p.inDim;
  let i = at % p.inDim;
  var sum = 0.0;
  for (var r = 0u; r < p.rows; r++) { sum = fma(dOut(r * p.outDim + o), x(r * p.inDim + i), sum); }
  setDW(at, dW(at) + sum);`,
};

/** dW[o, i] += Σ_r dOut[r, o] · x[r, i]. dOut [rows, outDim], x [rows, inDim] → dW [outDim, inDim] */
export function linearWeightBackward(
  { run }: Recorder,
  dW: Place,
  dOut: Place,
  x: Place,
  rows: number,
  inDim: number,
  outDim: number,
): void {
  run(byW, { dW, dOut, x }, { rows, inDim, outDim }, Math.ceil((inDim * outDim) / 64));
}

const byBias: Program = {
  name: "biasBackward",
  operands: { dBias: "write f32", dOut: "f32" },
  numbers: ["rows", "outDim"],
  threads: 64,
  body: `
  let o = group * 64u + thread;
  if (o >= p.outDim) { return; }
  var sum = 0.0;
  for (var r = 0u; r < p.rows; r++) { sum += dOut(r * p.outDim + o); }
  setDBias(o, dBias(o) + sum);`,
};

/** dBias[o] += Σ_r dOut[r, o]. dOut [rows, outDim] → dBias [outDim] */
export function biasBackward({ run }: Recorder, dBias: Place, dOut: Place, rows: number, outDim: number): void {
  run(byBias, { dBias, dOut }, { rows, outDim }, Math.ceil(outDim / 64));
}
