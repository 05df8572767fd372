// out = x/2 · (1 + tanh(u)), u = √(2/π) · (x + 0.044715·x³)
//
// (1 + tanh u) / 2 = 1 / (1 + e^−2u), so out = x / (1 + e^−2u): one exponential, and no cancellation where tanh u is near −1.

import { chunksOf, Job } from "./jobs";
import { arg, parallel, setArg } from "./threads";
import { exp } from "./vector";

const chunkLength: i32 = 8192;

/** x [length] → out [length] */
export function gelu(out: usize, x: usize, length: i32): void {
  setArg(0, out);
  setArg(1, x);
  setArg(2, length);
  parallel(Job.Gelu, chunksOf(length, chunkLength));
}

export function geluChunk(chunk: i32): void {
  const begin = chunk * chunkLength;
  const n = min(chunkLength, <i32>arg(2) - begin);
  const out = arg(0) + ((<usize>begin) << 2);
  const x = arg(1) + ((<usize>begin) << 2);
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

/** dX = dOut · (s + 2 · x · s · (1 − s) · u'), s = 1 / (1 + e^−2u), u' = √(2/π) · (1 + 3 · 0.044715·x²). all [length] */
export function geluBackward(dX: usize, dOut: usize, x: usize, length: i32): void {
  setArg(0, dX);
  setArg(1, dOut);
  setArg(2, x);
  setArg(3, length);
  parallel(Job.GeluBackward, chunksOf(length, chunkLength));
}

export function geluBackwardChunk(chunk: i32): void {
  const begin = chunk * chunkLength;
  const n = min(chunkLength, <i32>arg(3) - begin);
  const offset = (<usize>begin) << 2;
  const dX = arg(0) + offset;
  const dOut = arg(1) + offset;
  const x = arg(2) + offset;
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
