// out[r] = logits[r, ids[r]] − log Σ_i e^logits[r, i], and dLogits[r, i] = dOut[r] · ([i = ids[r]] − softmax_i logits[r])
//
// A chunk is one row: vocabularies are wide.

import { argumentsAt, parallel } from "./threads";
import { exp, maxLanes, sumLanes } from "./vector";

/** The arguments of both jobs (threads.ts); `out` is dLogits on the way back, which alone has a dOut. */
@unmanaged
class LogProbs {
  out: usize;
  logits: usize;
  ids: usize;
  n: i32;
  dOut: usize;
}
const job = changetype<LogProbs>(argumentsAt);

/** logits [rows, n], ids [rows] → out [rows] */
export function logProbs(out: usize, logits: usize, ids: usize, rows: i32, n: i32): void {
  job.out = out;
  job.logits = logits;
  job.ids = ids;
  job.n = n;
  parallel(logProbsChunk, rows);
}

/** dOut [rows] → dLogits [rows, n] */
export function logProbsBackward(dLogits: usize, dOut: usize, logits: usize, ids: usize, rows: i32, n: i32): void {
  job.out = dLogits;
  job.logits = logits;
  job.ids = ids;
  job.n = n;
  job.dOut = dOut;
  parallel(logProbsBackwardChunk, rows);
}

function logProbsChunk(r: i32): void {
  const n = job.n;
  const logits = job.logits + ((<usize>r * <usize>n) << 2);
  const largest = largestOf(logits, n);
  const logit = load<f32>(logits + ((<usize>idOf(r)) << 2));
  store<f32>(job.out + ((<usize>r) << 2), logit - largest - Mathf.log(sumOf(logits, n, largest)));
}

function logProbsBackwardChunk(r: i32): void {
  const n = job.n;
  const offset = (<usize>r * <usize>n) << 2;
  const logits = job.logits + offset;
  const dLogits = job.out + offset;
  const largest = f32x4.splat(largestOf(logits, n));
  const dOut = load<f32>(job.dOut + ((<usize>r) << 2));
  const share = f32x4.splat(-dOut / sumOf(logits, n, f32x4.extract_lane(largest, 0)));
  const whole = (<usize>(n & ~3)) << 2;
  let i: usize = 0;
  for (; i < whole; i += 16) v128.store(dLogits + i, f32x4.mul(share, exp(f32x4.sub(v128.load(logits + i), largest))));
  for (; i < (<usize>n) << 2; i += 4) {
    const value = f32x4.mul(share, exp(f32x4.sub(v128.load_splat<f32>(logits + i), largest)));
    store<f32>(dLogits + i, f32x4.extract_lane(value, 0));
  }
  const at = dLogits + ((<usize>idOf(r)) << 2);
  store<f32>(at, load<f32>(at) + dOut);
}

function idOf(r: i32): i32 {
  return load<i32>(job.ids + ((<usize>r) << 2));
}

function largestOf(x: usize, n: i32): f32 {
  const whole = (<usize>(n & ~3)) << 2;
  let largest = f32x4.splat(-Infinity);
  let i: usize = 0;
  for (; i < whole; i += 16) largest = f32x4.pmax(largest, v128.load(x + i));
  let most = maxLanes(largest);
  for (; i < (<usize>n) << 2; i += 4) most = max(most, load<f32>(x + i));
  return most;
}

/** Σ e^(x − largest), eight sums side by side so that few numbers go into each. */
function sumOf(x: usize, n: i32, largest: f32): f32 {
  const most = f32x4.splat(largest);
  const whole8 = (<usize>(n & ~7)) << 2;
  let a = f32x4.splat(0);
  let b = a;
  let i: usize = 0;
  for (; i < whole8; i += 32) {
    a = f32x4.add(a, exp(f32x4.sub(v128.load(x + i), most)));
    b = f32x4.add(b, exp(f32x4.sub(v128.load(x + i, 16), most)));
  }
  let sum = sumLanes(f32x4.add(a, b));
  for (; i < (<usize>n) << 2; i += 4) sum += f32x4.extract_lane(exp(f32x4.sub(v128.load_splat<f32>(x + i), most)), 0);
  return sum;
}
