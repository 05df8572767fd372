// out[r, o] = Σ_i x[r, i] · w[o, i] + bias[o] with block-quantized weights and x as it is, where linear.ts rounds x to 8 bits
// first. What gradients are the derivatives of, and what `exact` computes with.
//
// Weights are widened to f32 four rows at a time, into memory of the thread, and multiplied there with all rows of x. The order
// of summation is that of linear-floats.ts: lane l takes i = 4m + l, m = 0, 1, …, then the lanes are added, then the bias; so
// an output has the same bits for any number of rows, outputs and threads.

import { finishFour, finishRows, job } from "./linear-job";
import { chunksOf, ownNumber, parallel, startedThreads } from "./threads";
import { madd, sumsOfLanes } from "./vector";
import { bytesOf, widenRow } from "./widen";

/** Outputs whose weights are widened at a time. */
const group: i32 = 4;
/** Chunks for each thread, about, and outputs of one at the utmost. */
const chunksPerThread: i32 = 16;
const mostOuts: i32 = 128;

/** Bytes of scratch memory that a call needs. */
export function linearExactScratch(inDim: i32, threads: i32): usize {
  return <usize>threads * threadBytes(inDim);
}

function threadBytes(inDim: i32): usize {
  return (<usize>(group * inDim)) << 2;
}

/** x [rows, inDim], w [outDim, inDim] in `dtype`, bias [outDim] or 0 → out [rows, outDim] */
export function linearExact(
  out: usize,
  x: usize,
  w: usize,
  dtype: i32,
  bias: usize,
  rows: i32,
  inDim: i32,
  outDim: i32,
  scratch: usize,
): void {
  const share = chunksOf(outDim, chunksPerThread * startedThreads());
  const outsPerChunk = chunksOf(min(mostOuts, share), group) * group;
  job.out = out;
  job.x = x;
  job.w = w;
  job.dtype = dtype;
  job.bias = bias;
  job.rows = rows;
  job.inDim = inDim;
  job.outDim = outDim;
  job.room = scratch;
  job.roomBytes = threadBytes(inDim);
  job.outsPerChunk = outsPerChunk;
  parallel(exactChunk, chunksOf(outDim, outsPerChunk));
}

function exactChunk(chunk: i32): void {
  const inDim = job.inDim;
  const rows = job.rows;
  const rowBytes = bytesOf(job.dtype, inDim);
  const begin = chunk * job.outsPerChunk;
  const end = min(job.outDim, begin + job.outsPerChunk);
  const weights = job.room + <usize>ownNumber() * job.roomBytes;
  for (let o = begin; o < end; o += group) {
    for (let i = 0; i < min(group, end - o); i++)
      widenRow(weights + ((<usize>(i * inDim)) << 2), job.w + <usize>(o + i) * rowBytes, job.dtype, inDim);
    let r = 0;
    for (; r + 4 <= rows; r += 4) {
      fourTimesTwo(r, o, end, weights);
      if (o + 2 < end) fourTimesTwo(r, o + 2, end, weights + ((<usize>(2 * inDim)) << 2));
    }
    for (; r < rows; r++) oneTimesFour(r, o, end, weights);
  }
}

/** Rows r to r + 3 times outputs o and o + 1, where it is before `end`; their weights lie one after the other. */
function fourTimesTwo(r: i32, o: i32, end: i32, weights: usize): void {
  const rowBytes = (<usize>job.inDim) << 2;
  let xa = job.x + <usize>r * rowBytes;
  let xb = xa + rowBytes;
  let xc = xb + rowBytes;
  let xd = xc + rowBytes;
  let w0 = weights;
  let w1 = weights + rowBytes;
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  for (const last = w1; w0 < last; w0 += 16) {
    const v0 = v128.load(w0);
    const v1 = v128.load(w1);
    const a = v128.load(xa);
    a0 = madd(a, v0, a0);
    a1 = madd(a, v1, a1);
    const b = v128.load(xb);
    b0 = madd(b, v0, b0);
    b1 = madd(b, v1, b1);
    const c = v128.load(xc);
    c0 = madd(c, v0, c0);
    c1 = madd(c, v1, c1);
    const d = v128.load(xd);
    d0 = madd(d, v0, d0);
    d1 = madd(d, v1, d1);
    w1 += 16;
    xa += 16;
    xb += 16;
    xc += 16;
    xd += 16;
  }
  finishRows(r, o, sumsOfLanes(a0, b0, c0, d0));
  if (o + 1 < end) finishRows(r, o + 1, sumsOfLanes(a1, b1, c1, d1));
}

/** Row r times outputs o to o + 3, those before `end`. */
function oneTimesFour(r: i32, o: i32, end: i32, weights: usize): void {
  const rowBytes = (<usize>job.inDim) << 2;
  let x = job.x + <usize>r * rowBytes;
  let w0 = weights;
  let w1 = w0 + rowBytes;
  let w2 = w1 + rowBytes;
  let w3 = w2 + rowBytes;
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  for (const last = w1; w0 < last; w0 += 16) {
    const v = v128.load(x);
    a0 = madd(v, v128.load(w0), a0);
    a1 = madd(v, v128.load(w1), a1);
    a2 = madd(v, v128.load(w2), a2);
    a3 = madd(v, v128.load(w3), a3);
    x += 16;
    w1 += 16;
    w2 += 16;
    w3 += 16;
  }
  finishFour(r, o, 1, end, sumsOfLanes(a0, a1, a2, a3));
}
