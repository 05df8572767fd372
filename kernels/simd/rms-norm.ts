// out[r, i] = x[r, i] / √(mean_i x[r, i]² + eps) · weight[i]
//
// A chunk is a few rows. The squares of a row are summed in four accumulators of four lanes, then by a fixed tree.

import { argumentsAt, chunksOf, parallel } from "./threads";
import { madd, sumLanes } from "./vector";

/** The arguments of a job (threads.ts). */
@unmanaged
class RmsNorm {
  out: usize;
  x: usize;
  weight: usize;
  rows: i32;
  dim: i32;
  eps: f32;
  rowsPerChunk: i32;
}
const job = changetype<RmsNorm>(argumentsAt);

/** Elements of one chunk, about: whole rows. */
const chunkLength: i32 = 16384;

/** x [rows, dim], weight [dim] → out [rows, dim] */
export function rmsNorm(out: usize, x: usize, weight: usize, rows: i32, dim: i32, eps: f32): void {
  const rowsPerChunk = max(1, chunkLength / dim);
  job.out = out;
  job.x = x;
  job.weight = weight;
  job.rows = rows;
  job.dim = dim;
  job.eps = eps;
  job.rowsPerChunk = rowsPerChunk;
  parallel(rmsNormChunk, chunksOf(rows, rowsPerChunk));
}

function rmsNormChunk(chunk: i32): void {
  const weight = job.weight;
  const dim = job.dim;
  const begin = chunk * job.rowsPerChunk;
  const end = min(job.rows, begin + job.rowsPerChunk);
  for (let r = begin; r < end; r++) {
    const offset = (<usize>r * dim) << 2;
    const x = job.x + offset;
    const mean = sumOfSquares(x, dim) / <f32>dim;
    scaleRow(job.out + offset, x, weight, dim, 1 / sqrt(mean + job.eps));
  }
}

function sumOfSquares(x: usize, dim: i32): f32 {
  const end16 = x + ((<usize>(dim & ~15)) << 2);
  const end = x + ((<usize>dim) << 2);
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (; x < end16; x += 64) {
    a = square(v128.load(x), a);
    b = square(v128.load(x, 16), b);
    c = square(v128.load(x, 32), c);
    d = square(v128.load(x, 48), d);
  }
  let sum = sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
  for (; x < end; x += 4) sum += load<f32>(x) * load<f32>(x);
  return sum;
}

function square(v: v128, sum: v128): v128 {
  return madd(v, v, sum);
}

function scaleRow(out: usize, x: usize, weight: usize, dim: i32, scale: f32): void {
  const whole = (<usize>(dim & ~3)) << 2;
  const end = (<usize>dim) << 2;
  const scales = f32x4.splat(scale);
  let i: usize = 0;
  for (; i < whole; i += 16) v128.store(out + i, f32x4.mul(f32x4.mul(v128.load(x + i), scales), v128.load(weight + i)));
  for (; i < end; i += 4) store<f32>(out + i, load<f32>(x + i) * scale * load<f32>(weight + i));
}
