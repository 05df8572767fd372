// out = a · b, four at a time, the last few one by one.

import { argumentsAt, chunksOf, parallel } from "./threads";

/** The arguments of a job (threads.ts). */
@unmanaged
class Multiply {
  out: usize;
  a: usize;
  b: usize;
  length: i32;
}
const job = changetype<Multiply>(argumentsAt);

const chunkLength: i32 = 32768;

/** a, b [length] → out [length] */
export function multiply(out: usize, a: usize, b: usize, length: i32): void {
  job.out = out;
  job.a = a;
  job.b = b;
  job.length = length;
  parallel(multiplyChunk, chunksOf(length, chunkLength));
}

function multiplyChunk(chunk: i32): void {
  const begin = chunk * chunkLength;
  const n = min(chunkLength, job.length - begin);
  const offset = (<usize>begin) << 2;
  const out = job.out + offset;
  const a = job.a + offset;
  const b = job.b + offset;
  const whole = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  let i: usize = 0;
  for (; i < whole; i += 16) v128.store(out + i, f32x4.mul(v128.load(a + i), v128.load(b + i)));
  for (; i < end; i += 4) store<f32>(out + i, load<f32>(a + i) * load<f32>(b + i));
}
