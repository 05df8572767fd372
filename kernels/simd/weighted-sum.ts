// out[r, i] = Σ_j weights[r, j] · x[r · n + j, i], j = 0, 1, … into one accumulator for each i.

import { argumentsAt, chunksOf, parallel } from "./threads";
import { madd, sumLanes } from "./vector";

/** The arguments of a job and of its derivative's (threads.ts). */
@unmanaged
class WeightedSum {
  out: usize;
  x: usize;
  weights: usize;
  rows: i32;
  n: i32;
  dim: i32;
  /** Of the derivative: `out` is dX, `from` is dOut */
  dWeights: usize;
  from: usize;
}
const job = changetype<WeightedSum>(argumentsAt);

/** Columns of a chunk. */
const chunkColumns: i32 = 1024;

/** x [rows · n, dim], weights [rows, n] → out [rows, dim] */
export function weightedSum(out: usize, x: usize, weights: usize, rows: i32, n: i32, dim: i32): void {
  job.out = out;
  job.x = x;
  job.weights = weights;
  job.rows = rows;
  job.n = n;
  job.dim = dim;
  parallel(weightedSumChunk, rows * chunksOf(dim, chunkColumns));
}

/** Some columns of one row. */
function weightedSumChunk(chunk: i32): void {
  const n = job.n;
  const dim = job.dim;
  const chunks = chunksOf(dim, chunkColumns);
  const r = chunk / chunks;
  const begin = (chunk % chunks) * chunkColumns;
  const columns = min(chunkColumns, dim - begin);
  const bytes = (<usize>dim) << 2;
  const out = job.out + <usize>r * bytes + ((<usize>begin) << 2);
  const x = job.x + <usize>(r * n) * bytes + ((<usize>begin) << 2);
  const weights = job.weights + ((<usize>(r * n)) << 2);
  const last = weights + ((<usize>n) << 2);
  const whole = (<usize>(columns & ~3)) << 2;
  const end = (<usize>columns) << 2;
  let i: usize = 0;
  for (; i < whole; i += 16) {
    let sum = f32x4.splat(0);
    for (let w = weights, at = x + i; w < last; w += 4, at += bytes)
      sum = madd(v128.load_splat<f32>(w), v128.load(at), sum);
    v128.store(out + i, sum);
  }
  for (; i < end; i += 4) {
    let sum = f32x4.splat(0);
    for (let w = weights, at = x + i; w < last; w += 4, at += bytes)
      sum = madd(v128.load_splat<f32>(w), v128.load_splat<f32>(at), sum);
    store<f32>(out + i, f32x4.extract_lane(sum, 0));
  }
}

/** dX[r · n + j] = weights[r, j] · dOut[r], dWeights[r, j] = dOut[r] · x[r · n + j] */
export function weightedSumBackward(
  dX: usize,
  dWeights: usize,
  dOut: usize,
  x: usize,
  weights: usize,
  rows: i32,
  n: i32,
  dim: i32,
): void {
  job.out = dX;
  job.dWeights = dWeights;
  job.from = dOut;
  job.x = x;
  job.weights = weights;
  job.n = n;
  job.dim = dim;
  parallel(weightedSumBackwardChunk, rows * n);
}

function weightedSumBackwardChunk(j: i32): void {
  const dim = job.dim;
  const bytes = (<usize>dim) << 2;
  const dX = job.out + <usize>j * bytes;
  const x = job.x + <usize>j * bytes;
  const dOut = job.from + <usize>(j / job.n) * bytes;
  const weight = load<f32>(job.weights + ((<usize>j) << 2));
  const whole = (<usize>(dim & ~3)) << 2;
  let sums = f32x4.splat(0);
  let i: usize = 0;
  for (; i < whole; i += 16) {
    const given = v128.load(dOut + i);
    v128.store(dX + i, f32x4.mul(f32x4.splat(weight), given));
    sums = madd(given, v128.load(x + i), sums);
  }
  let sum = sumLanes(sums);
  for (; i < bytes; i += 4) {
    const given = load<f32>(dOut + i);
    store<f32>(dX + i, weight * given);
    sum += given * load<f32>(x + i);
  }
  store<f32>(job.dWeights + ((<usize>j) << 2), sum);
}
