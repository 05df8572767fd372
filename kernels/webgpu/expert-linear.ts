// out[r, o] = Σ_i x[⌊r / perRow⌋, i] · w[ids[r], o, i]: `linear` of one row, in the same order of sums, with the matrix that
// the row's id names. Ids of experts in other pieces of w are left to the dispatches of those.

import type { DType } from "../../weights/dtype.ts";
import { made } from "./attention.ts";
import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";
import { chunkFunctions, chunkOf, rowsAreWhole } from "./weights.ts";

/** Experts of w that lie together: the first of them, and how many. */
export interface Experts extends Place {
  readonly firstExpert: number;
  readonly nExperts: number;
}

/** The numbers of one call. */
export interface ExpertSizes {
  readonly rows: number;
  readonly perRow: number;
  readonly inDim: number;
  readonly outDim: number;
}

const sizeNames = ["rows", "perRow", "inDim", "outDim", "at", "firstExpert", "nExperts"];
const numbersOf = ({ at, firstExpert, nExperts }: Experts, sizes: ExpertSizes) => ({
  ...sizes,
  at,
  firstExpert,
  nExperts,
});
const weightsOf = ({ slab }: Experts) => ({ w: { slab, at: 0 }, s: { slab, at: 0 } });

const program = (dtype: DType, whole: boolean): Program =>
  made(`expertLinear ${dtype}${whole ? "" : ", odd rows"}`, () => {
    const { elements, first, load, values } = chunkOf(dtype, whole);
    return {
      operands: { out: "write f32", x: "f32", ids: "i32", w: "vec4u", s: "u32" },
      numbers: sizeNames,
      threads: 64,
      declarations: `
var<workgroup> sums: array<f32, 64>;
${chunkFunctions(dtype, whole)}
fn x1(row: u32, k: u32) -> f32 { return x(row + min(k, p.inDim - 1u)); }
fn x4(row: u32, k: u32) -> vec4f { return vec4f(x1(row, k), x1(row, k + 1u), x1(row, k + 2u), x1(row, k + 3u)); }`,
      body: `
  let r = group % p.rows;
  let tile = group / p.rows;
  let expert = u32(ids(r)) - p.firstExpert;
  let here = expert < p.nExperts;
  let at = p.at;
  let perRow = (p.inDim + ${elements - 1}u) / ${elements}u;
  let chunks = p.nExperts * p.outDim * perRow;
  let row = select(0u, expert, here) * p.outDim + min(4u * tile + (thread >> 4u), p.outDim - 1u);
  let xRow = r / p.perRow * p.inDim;
  var acc = vec4f();
  for (var c = thread & 15u; c < perRow; c += 16u) {
    let chunk = row * perRow + c;
    let k = ${first};
    ${load}
${values.map(([offset, value]) => `    acc = fma(${value}, x4(xRow, k + ${offset}u), acc);`).join("\n")}
  }
  sums[thread] = (acc.x + acc.y) + (acc.z + acc.w);
  workgroupBarrier();
  let o = 4u * tile + thread;
  if (here && thread < 4u && o < p.outDim) {
    var sum = 0.0;
    for (var lane = 0u; lane < 16u; lane++) { sum += sums[16u * thread + lane]; }
    setOut(r * p.outDim + o, sum);
  }`,
    };
  });

/** x [rows / perRow, inDim], ids [rows], w [n, outDim, inDim] in `dtype` → out [rows, outDim], where the id is one of w's */
export function expertLinear(
  { run }: Recorder,
  out: Place,
  x: Place,
  ids: Place,
  w: Experts,
  dtype: DType,
  sizes: ExpertSizes,
): void {
  const operands = { out, x, ids, ...weightsOf(w) };
  const groups = sizes.rows * Math.ceil(sizes.outDim / 4);
  run(program(dtype, rowsAreWhole(dtype, sizes.inDim)), operands, numbersOf(w, sizes), groups);
}

// A thread takes a row of x and a chunk of columns, and goes through the row's experts and their outputs in order.
const byX = (dtype: DType, whole: boolean): Program =>
  made(`expertLinearBackward ${dtype}${whole ? "" : ", odd rows"}`, () => {
    const { elements, first, load, values } = chunkOf(dtype, whole);
    return {
      operands: { dX: "write f32", dOut: "f32", ids: "i32", w: "vec4u", s: "u32" },
      numbers: sizeNames,
      threads: 64,
      declarations: `${chunkFunctions(dtype, whole)}
fn put(r: u32, k: u32, value: vec4f) {
  for (var j = 0u; j < 4u; j++) {
    if (k + j < p.inDim) {
      let i = r * p.inDim + k + j;
      if (p.firstExpert == 0u) { setDX(i, value[j]); } else { setDX(i, dX(i) + value[j]); }
    }
  }
}`,
      body: `
  let perRow = (p.inDim + ${elements - 1}u) / ${elements}u;
  let i = group * 64u + thread;
  let r = i / perRow;
  let c = i % perRow;
  if (r >= p.rows / p.perRow) { return; }
  let at = p.at;
  let chunks = p.nExperts * p.outDim * perRow;
  let k = ${first};
${values.map((_, j) => `  var sum${j} = vec4f();`).join("\n")}
  for (var one = r * p.perRow; one < (r + 1u) * p.perRow; one++) {
    let expert = u32(ids(one)) - p.firstExpert;
    if (expert >= p.nExperts) { continue; }
    for (var o = 0u; o < p.outDim; o++) {
      let row = expert * p.outDim + o;
      let chunk = row * perRow + c;
      let gradient = dOut(one * p.outDim + o);
      ${load}
${values.map(([, value], j) => `      sum${j} = fma(vec4f(gradient), ${value}, sum${j});`).join("\n")}
    }
  }
${values.map(([offset], j) => `  put(r, k + ${offset}u, sum${j});`).join("\n")}`,
    };
  });

/** dX[r, i] = Σ_j Σ_o dOut[r · perRow + j, o] · w[ids[r · perRow + j], o, i], added to what other pieces of w gave */
export function expertLinearBackward(
  { run }: Recorder,
  dX: Place,
  dOut: Place,
  ids: Place,
  w: Experts,
  dtype: DType,
  sizes: ExpertSizes,
): void {
  const whole = rowsAreWhole(dtype, sizes.inDim);
  const threads = (sizes.rows / sizes.perRow) * Math.ceil(sizes.inDim / chunkOf(dtype, whole).elements);
  run(byX(dtype, whole), { dX, dOut, ids, ...weightsOf(w) }, numbersOf(w, sizes), Math.ceil(threads / 64));
}

// A thread takes an element of one expert's matrix at a time, and goes through the rows in order.
const byW: Program = {
  name: "expertLinearWeightBackward",
  operands: { dW: "write f32", dOut: "f32", x: "f32", ids: "i32" },
  numbers: ["rows", "perRow", "inDim", "outDim"],
  threads: 64,
  body: `
  let at = group * 64u + thread;
  if (at >= p.inDim * p.outDim) { return; }
  for (var r = 0u; r < p.rows; r++) {
    let to = u32(ids(r)) * p.inDim * p.outDim + at;
    setDW(to, fma(dOut(r * p.outDim + at / p.inDim), x(r / p.perRow * p.inDim + at % p.inDim), dW(to)));
  }`,
};

/** dW[ids[r], o, i] += dOut[r, o] · x[⌊r / perRow⌋, i] */
export function expertLinearWeightBackward(
  { run }: Recorder,
  dW: Place,
  dOut: Place,
  x: Place,
  ids: Place,
  { rows, perRow, inDim, outDim }: ExpertSizes,
): void {
  run(byW, { dW, dOut, x, ids }, { rows, perRow, inDim, outDim }, Math.ceil((inDim * outDim) / 64));
}
