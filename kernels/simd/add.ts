// out = a + b, four at a time, the last few one by one.

import { chunksOf, Job } from "./jobs";
import { arg, parallel, setArg } from "./threads";

/** Elements of one chunk: enough work to be worth a thread's attention. */
const chunkLength: i32 = 32768;

/** a, b [length] → out [length] */
export function add(out: usize, a: usize, b: usize, length: i32): void {
  setArg(0, out);
  setArg(1, a);
  setArg(2, b);
  setArg(3, length);
  parallel(Job.Add, chunksOf(length, chunkLength));
}

export function addChunk(chunk: i32): void {
  const begin = chunk * chunkLength;
  const n = min(chunkLength, <i32>arg(3) - begin);
  const offset = (<usize>begin) << 2;
  const out = arg(0) + offset;
  const a = arg(1) + offset;
  const b = arg(2) + offset;
  const whole = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  let i: usize = 0;
  for (; i < whole; i += 16) v128.store(out + i, f32x4.add(v128.load(a + i), v128.load(b + i)));
  for (; i < end; i += 4) store<f32>(out + i, load<f32>(a + i) + load<f32>(b + i));
}
