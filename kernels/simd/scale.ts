// out = factor · x, four at a time, the last few one by one.

import { argumentsAt, chunksOf, parallel } from "./threads";

/** The arguments of a job (threads.ts). */
@unmanaged
class Scale {
  out: usize;
  x: usize;
  factor: f32;
  length: i32;
}
const job = changetype<Scale>(argumentsAt);

const chunkLength: i32 = 32768;

/** x [length] → out [length] */
export function scale(out: usize, x: usize, factor: f32, length: i32): void {
  job.out = out;
  job.x = x;
  job.factor = factor;
  job.length = length;
  parallel(scaleChunk, chunksOf(length, chunkLength));
}

function scaleChunk(chunk: i32): void {
  const begin = chunk * chunkLength;
  const n = min(chunkLength, job.length - begin);
  const out = job.out + ((<usize>begin) << 2);
  const x = job.x + ((<usize>begin) << 2);
  const factor = job.factor;
  const whole = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  let i: usize = 0;
  for (; i < whole; i += 16) v128.store(out + i, f32x4.mul(v128.load(x + i), f32x4.splat(factor)));
  for (; i < end; i += 4) store<f32>(out + i, load<f32>(x + i) * factor);
}
