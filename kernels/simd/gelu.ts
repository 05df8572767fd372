// out = x/2 · (1 + tanh(u)), u = √(2/π) · (x + 0.044715·x³)
//
// (1 + tanh u) / 2 = 1 / (1 + e^−2u), so out = x / (1 + e^−2u): one exponential, and no cancellation where tanh u is near −1.

import { argumentsAt, chunksOf, parallel } from "./threads";
import { exp } from "./vector";

/** The arguments of a job (threads.ts). */
@unmanaged
class Gelu {
  out: usize;
  x: usize;
  length: i32;
}
const job = changetype<Gelu>(argumentsAt);

const chunkLength: i32 = 8192;

/** x [length] → out [length] */
export function gelu(out: usize, x: usize, length: i32): void {
  job.out = out;
  job.x = x;
  job.length = length;
  parallel(geluChunk, chunksOf(length, chunkLength));
}

function geluChunk(chunk: i32): void {
  const begin = chunk * chunkLength;
  const n = min(chunkLength, job.length - begin);
  const out = job.out + ((<usize>begin) << 2);
  const x = job.x + ((<usize>begin) << 2);
  const whole = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  let i: usize = 0;
  for (; i < whole; i += 16) v128.store(out + i, geluOf(v128.load(x + i)));
  for (; i < end; i += 4) store<f32>(out + i, f32x4.extract_lane(geluOf(v128.load_splat<f32>(x + i)), 0));
}

function geluOf(x: v128): v128 {
  const one = f32x4.splat(1);
  const cubic = f32x4.add(one, f32x4.mul(f32x4.splat(0.044715), f32x4.mul(x, x)));
  const minus2u = f32x4.mul(f32x4.mul(f32x4.splat(-1.5957691216057308), x), cubic); // −2·√(2/π)·x·(1 + 0.044715·x²)
  return f32x4.div(x, f32x4.add(one, exp(minus2u)));
}

/** The arguments of its derivative. */
@unmanaged
class GeluBackward {
  dX: usize;
  dOut: usize;
  x: usize;
  length: i32;
}
const backwardJob = changetype<GeluBackward>(argumentsAt);

/** dX = dOut · (s + 2 · x · s · (1 − s) · u'), s = 1 / (1 + e^−2u), u' = √(2/π) · (1 + 3 · 0.044715·x²). all [length] */
export function geluBackward(dX: usize, dOut: usize, x: usize, length: i32): void {
  backwardJob.dX = dX;
  backwardJob.dOut = dOut;
  backwardJob.x = x;
  backwardJob.length = length;
  parallel(geluBackwardChunk, chunksOf(length, chunkLength));
}

function geluBackwardChunk(chunk: i32): void {
  const begin = chunk * chunkLength;
  const n = min(chunkLength, backwardJob.length - begin);
  const offset = (<usize>begin) << 2;
  const dX = backwardJob.dX + offset;
  const dOut = backwardJob.dOut + offset;
  const x = backwardJob.x + offset;
  const whole = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  let i: usize = 0;
  for (; i < whole; i += 16) v128.store(dX + i, f32x4.mul(v128.load(dOut + i), geluSlope(v128.load(x + i))));
  for (; i < end; i += 4) {
    const slope = f32x4.extract_lane(geluSlope(v128.load_splat<f32>(x + i)), 0);
    store<f32>(dX + i, load<f32>(dOut + i) * slope);
  }
}

function geluSlope(x: v128): v128 {
  const one = f32x4.splat(1);
  const square = f32x4.mul(x, x);
  const cubic = f32x4.add(one, f32x4.mul(f32x4.splat(0.044715), square));
  const s = f32x4.div(one, f32x4.add(one, exp(f32x4.mul(f32x4.mul(f32x4.splat(-1.5957691216057308), x), cubic))));
  const twoSlopes = f32x4.mul(
    f32x4.splat(1.5957691216057308),
    f32x4.add(one, f32x4.mul(f32x4.splat(0.134145), square)),
  );
  return f32x4.add(s, f32x4.mul(f32x4.mul(x, twoSlopes), f32x4.mul(s, f32x4.sub(one, s))));
}
