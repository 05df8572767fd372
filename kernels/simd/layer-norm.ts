// out[r, i] = (x[r, i] − mean) / √(variance + eps) · weight[i] + bias[i]
//
// A chunk is a few rows. Two passes over a row, mean first: the squares of differences cannot cancel.

import { argumentsAt, chunksOf, parallel } from "./threads";
import { sumLanes } from "./vector";

/** The arguments of a job (threads.ts). */
@unmanaged
class LayerNorm {
  out: usize;
  x: usize;
  weight: usize;
  bias: usize;
  rows: i32;
  dim: i32;
  eps: f32;
  rowsPerChunk: i32;
}
const job = changetype<LayerNorm>(argumentsAt);

/** Elements of one chunk, about: whole rows. */
const chunkLength: i32 = 16384;

/** x [rows, dim], weight and bias [dim] → out [rows, dim] */
export function layerNorm(out: usize, x: usize, weight: usize, bias: usize, rows: i32, dim: i32, eps: f32): void {
  const rowsPerChunk = max(1, chunkLength / dim);
  job.out = out;
  job.x = x;
  job.weight = weight;
  job.bias = bias;
  job.rows = rows;
  job.dim = dim;
  job.eps = eps;
  job.rowsPerChunk = rowsPerChunk;
  parallel(layerNormChunk, chunksOf(rows, rowsPerChunk));
}

function layerNormChunk(chunk: i32): void {
  const dim = job.dim;
  const begin = chunk * job.rowsPerChunk;
  const end = min(job.rows, begin + job.rowsPerChunk);
  for (let r = begin; r < end; r++) {
    const offset = (<usize>r * dim) << 2;
    normalizeRow(job.out + offset, job.x + offset, job.weight, job.bias, dim, job.eps);
  }
}

function normalizeRow(out: usize, x: usize, weight: usize, bias: usize, dim: i32, eps: f32): void {
  const whole = (<usize>(dim & ~3)) << 2;
  const end = (<usize>dim) << 2;
  let i: usize = 0;
  let sums = f32x4.splat(0);
  for (; i < whole; i += 16) sums = f32x4.add(sums, v128.load(x + i));
  let sum = sumLanes(sums);
  for (; i < end; i += 4) sum += load<f32>(x + i);
  const mean = sum / <f32>dim;
  const means = f32x4.splat(mean);

  sums = f32x4.splat(0);
  for (i = 0; i < whole; i += 16) {
    const difference = f32x4.sub(v128.load(x + i), means);
    sums = f32x4.add(sums, f32x4.mul(difference, difference));
  }
  sum = sumLanes(sums);
  for (; i < end; i += 4) {
    const difference = load<f32>(x + i) - mean;
    sum += difference * difference;
  }
  const scale: f32 = 1 / sqrt(sum / <f32>dim + eps);
  const scales = f32x4.splat(scale);

  for (i = 0; i < whole; i += 16) {
    const normal = f32x4.mul(f32x4.sub(v128.load(x + i), means), scales);
    v128.store(out + i, f32x4.add(f32x4.mul(normal, v128.load(weight + i)), v128.load(bias + i)));
  }
  for (; i < end; i += 4)
    store<f32>(out + i, (load<f32>(x + i) - mean) * scale * load<f32>(weight + i) + load<f32>(bias + i));
}
