// out = silu(gate) · up, silu(x) = x / (1 + e^−x)

import { chunksOf, Job } from "./jobs";
import { arg, parallel, setArg } from "./threads";
import { exp } from "./vector";

const chunkLength: i32 = 8192;

/** gate, up [length] → out [length] */
export function swiglu(out: usize, gate: usize, up: usize, length: i32): void {
  setArg(0, out);
  setArg(1, gate);
  setArg(2, up);
  setArg(3, length);
  parallel(Job.Swiglu, chunksOf(length, chunkLength));
}

export function swigluChunk(chunk: i32): void {
  const begin = chunk * chunkLength;
  const n = min(chunkLength, <i32>arg(3) - begin);
  const offset = (<usize>begin) << 2;
  const out = arg(0) + offset;
  const gate = arg(1) + offset;
  const up = arg(2) + offset;
  const whole = (<usize>(n & ~3)) << 2;
  const end = (<usize>n) << 2;
  let i: usize = 0;
  for (; i < whole; i += 16) v128.store(out + i, f32x4.mul(silu(v128.load(gate + i)), v128.load(up + i)));
  // A lane of a vector and a value alone take the same steps: the cut into chunks is not visible.
  for (; i < end; i += 4) {
    const value = f32x4.mul(silu(v128.load_splat<f32>(gate + i)), v128.load_splat<f32>(up + i));
    store<f32>(out + i, f32x4.extract_lane(value, 0));
  }
}

function silu(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(x, f32x4.add(one, exp(f32x4.neg(x))));
}
