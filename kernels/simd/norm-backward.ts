// Derivatives of both norms. With s = 1 / √(variance + eps), n = (x − mean) · s and g = dOut · weight:
//
//   dX = s · (g − mean g − n · mean (g · n)),   dWeight += Σ_r dOut · n
//
// An RMS norm is not centered: its mean is 0, its variance the mean square, and mean g is left out. The derivative by a layer
// norm's bias is that of `linear`'s.
//
// Gradients of rows: a chunk is a few rows. Of the weight: each row's mean and s first, then a chunk is a few columns, so that
// every sum runs through the rows in their order.

import { argumentsAt, chunksOf, parallel } from "./threads";
import { madd, sumLanes } from "./vector";

/** The arguments of all three jobs (threads.ts). */
@unmanaged
class NormBackward {
  out: usize;
  dOut: usize;
  x: usize;
  weight: usize;
  rows: i32;
  dim: i32;
  eps: f32;
  /** A layer norm: the mean is taken off */
  centered: bool;
  /** Mean and scale of each row */
  moments: usize;
  rowsPerChunk: i32;
}
const job = changetype<NormBackward>(argumentsAt);

/** Elements of one chunk, about: whole rows. */
const chunkLength: i32 = 16384;
/** Columns of a chunk of the weight's gradient. */
const chunkColumns: i32 = 64;

/** dOut, x [rows, dim], weight [dim] → dX [rows, dim]; `centered` for a layer norm */
export function normBackward(
  dX: usize,
  dOut: usize,
  x: usize,
  weight: usize,
  rows: i32,
  dim: i32,
  eps: f32,
  centered: bool,
): void {
  job.weight = weight;
  setNorm(dX, dOut, x, rows, dim, eps, centered);
  parallel(normBackwardChunk, chunksOf(rows, job.rowsPerChunk));
}

/** Adds to dWeight [dim]. dOut, x [rows, dim]; scratch of 8 bytes for each row */
export function normWeightBackward(
  dWeight: usize,
  dOut: usize,
  x: usize,
  rows: i32,
  dim: i32,
  eps: f32,
  centered: bool,
  scratch: usize,
): void {
  job.moments = scratch;
  setNorm(dWeight, dOut, x, rows, dim, eps, centered);
  parallel(normMomentsChunk, chunksOf(rows, job.rowsPerChunk));
  parallel(normWeightBackwardChunk, chunksOf(dim, chunkColumns));
}

function setNorm(out: usize, dOut: usize, x: usize, rows: i32, dim: i32, eps: f32, centered: bool): void {
  job.out = out;
  job.dOut = dOut;
  job.x = x;
  job.rows = rows;
  job.dim = dim;
  job.eps = eps;
  job.centered = centered;
  job.rowsPerChunk = max(1, chunkLength / dim);
}

function normBackwardChunk(chunk: i32): void {
  const begin = chunk * job.rowsPerChunk;
  const end = min(job.rows, begin + job.rowsPerChunk);
  const bytes = (<usize>job.dim) << 2;
  for (let r = begin; r < end; r++) {
    const offset = <usize>r * bytes;
    backRow(job.out + offset, job.dOut + offset, job.x + offset);
  }
}

function backRow(dX: usize, dOut: usize, x: usize): void {
  const weight = job.weight;
  const dim = <f32>job.dim;
  const bytes = (<usize>job.dim) << 2;
  const whole = bytes & ~15;
  const mean = meanOf(x);
  const scale = scaleOf(x, mean);
  const means = f32x4.splat(mean);
  let sums = f32x4.splat(0); // of g
  let sumsN = sums; // of g · (x − mean)
  let i: usize = 0;
  for (; i < whole; i += 16) {
    const g = f32x4.mul(v128.load(dOut + i), v128.load(weight + i));
    sums = f32x4.add(sums, g);
    sumsN = madd(g, f32x4.sub(v128.load(x + i), means), sumsN);
  }
  let sum = sumLanes(sums);
  let sumN = sumLanes(sumsN);
  for (; i < bytes; i += 4) {
    const g = load<f32>(dOut + i) * load<f32>(weight + i);
    sum += g;
    sumN += g * (load<f32>(x + i) - mean);
  }
  const meanG: f32 = job.centered ? sum / dim : 0;
  const slope = (sumN / dim) * scale * scale; // n · mean (g · n) = (x − mean) · slope
  for (i = 0; i < whole; i += 16) {
    const g = f32x4.mul(v128.load(dOut + i), v128.load(weight + i));
    const along = f32x4.mul(f32x4.sub(v128.load(x + i), means), f32x4.splat(slope));
    v128.store(dX + i, f32x4.mul(f32x4.splat(scale), f32x4.sub(f32x4.sub(g, f32x4.splat(meanG)), along)));
  }
  for (; i < bytes; i += 4) {
    const g = load<f32>(dOut + i) * load<f32>(weight + i);
    store<f32>(dX + i, scale * (g - meanG - (load<f32>(x + i) - mean) * slope));
  }
}

/** Mean and scale of each row. */
function normMomentsChunk(chunk: i32): void {
  const begin = chunk * job.rowsPerChunk;
  const end = min(job.rows, begin + job.rowsPerChunk);
  for (let r = begin; r < end; r++) {
    const x = job.x + <usize>r * ((<usize>job.dim) << 2);
    const to = job.moments + ((<usize>r) << 3);
    const mean = meanOf(x);
    store<f32>(to, mean);
    store<f32>(to, scaleOf(x, mean), 4);
  }
}

function normWeightBackwardChunk(chunk: i32): void {
  const begin = chunk * chunkColumns;
  const columns = min(chunkColumns, job.dim - begin);
  const bytes = (<usize>columns) << 2;
  const whole = bytes & ~15;
  const to = job.out + ((<usize>begin) << 2);
  for (let r = 0; r < job.rows; r++) {
    const offset = (<usize>r * <usize>job.dim + <usize>begin) << 2;
    const x = job.x + offset;
    const dOut = job.dOut + offset;
    const mean = load<f32>(job.moments + ((<usize>r) << 3));
    const scale = load<f32>(job.moments + ((<usize>r) << 3), 4);
    let i: usize = 0;
    for (; i < whole; i += 16) {
      const n = f32x4.mul(f32x4.sub(v128.load(x + i), f32x4.splat(mean)), f32x4.splat(scale));
      v128.store(to + i, madd(v128.load(dOut + i), n, v128.load(to + i)));
    }
    for (; i < bytes; i += 4)
      store<f32>(to + i, load<f32>(to + i) + load<f32>(dOut + i) * (load<f32>(x + i) - mean) * scale);
  }
}

function meanOf(x: usize): f32 {
  if (!job.centered) return 0;
  const bytes = (<usize>job.dim) << 2;
  let sums = f32x4.splat(0);
  let i: usize = 0;
  for (; i < (bytes & ~15); i += 16) sums = f32x4.add(sums, v128.load(x + i));
  let sum = sumLanes(sums);
  for (; i < bytes; i += 4) sum += load<f32>(x + i);
  return sum / <f32>job.dim;
}

function scaleOf(x: usize, mean: f32): f32 {
  const bytes = (<usize>job.dim) << 2;
  let sums = f32x4.splat(0);
  let i: usize = 0;
  for (; i < (bytes & ~15); i += 16) {
    const difference = f32x4.sub(v128.load(x + i), f32x4.splat(mean));
    sums = madd(difference, difference, sums);
  }
  let sum = sumLanes(sums);
  for (; i < bytes; i += 4) sum += (load<f32>(x + i) - mean) * (load<f32>(x + i) - mean);
  return 1 / sqrt(sum / <f32>job.dim + job.eps);
}
