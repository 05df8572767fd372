// What the files of `linear` share: the arguments of its jobs, where a row of weights begins, and how outputs are stored.

import { argumentsAt } from "./threads";

/** The arguments of both jobs (threads.ts). */
@unmanaged
export class Linear {
  out: usize;
  x: usize;
  w: usize;
  dtype: i32;
  bias: usize;
  rows: i32;
  inDim: i32;
  outDim: i32;
  /** x as its kernel wants it: padded, or quantized */
  packed: usize;
  /** `roomBytes` for each thread */
  room: usize;
  roomBytes: usize;
  tiled: bool;
  outsPerChunk: i32;
  rowsPerChunk: i32;
}
export const job = changetype<Linear>(argumentsAt);

/** Outputs of a chunk of tiles: a multiple of 8. */
export const tiledOuts: i32 = 48;

/** Where the weights of output o begin, or those of the last one before `end`. */
export function rowOf(o: i32, end: i32, rowBytes: usize): usize {
  return job.w + <usize>min(o, end - 1) * rowBytes;
}

/** Stores outputs o to o + 3 of row r, those before `end`, with their biases. */
export function finishNext(r: i32, o: i32, end: i32, sums: v128): void {
  if (o + 4 > end) {
    finishFour(r, o, 1, end, sums);
    return;
  }
  const bias = job.bias;
  if (bias) sums = f32x4.add(sums, v128.load(bias + ((<usize>o) << 2)));
  v128.store(job.out + ((<usize>r * <usize>job.outDim + <usize>o) << 2), sums);
}

/** Stores outputs o, o + step, o + 2 · step and o + 3 · step, likewise. */
export function finishFour(r: i32, o: i32, step: i32, end: i32, sums: v128): void {
  finish(r, o, f32x4.extract_lane(sums, 0));
  if (o + step < end) finish(r, o + step, f32x4.extract_lane(sums, 1));
  if (o + 2 * step < end) finish(r, o + 2 * step, f32x4.extract_lane(sums, 2));
  if (o + 3 * step < end) finish(r, o + 3 * step, f32x4.extract_lane(sums, 3));
}

/** Stores output o of rows r to r + 3. */
export function finishRows(r: i32, o: i32, sums: v128): void {
  finish(r, o, f32x4.extract_lane(sums, 0));
  finish(r + 1, o, f32x4.extract_lane(sums, 1));
  finish(r + 2, o, f32x4.extract_lane(sums, 2));
  finish(r + 3, o, f32x4.extract_lane(sums, 3));
}

function finish(r: i32, o: i32, sum: f32): void {
  const bias = job.bias;
  if (bias) sum += load<f32>(bias + ((<usize>o) << 2));
  store<f32>(job.out + ((<usize>r * <usize>job.outDim + <usize>o) << 2), sum);
}
