// out = silu(gate) · up, silu(x) = x / (1 + e^−x)

import { argumentsAt, chunksOf, parallel } from "./threads";
import { exp } from "./vector";

/** The arguments of a job (threads.ts). */
@unmanaged
class Swiglu {
  out: usize;
  gate: usize;
  up: usize;
  length: i32;
}
const job = changetype<Swiglu>(argumentsAt);

const chunkLength: i32 = 8192;

/** gate, up [length] → out [length] */
export function swiglu(out: usize, gate: usize, up: usize, length: i32): void {
  job.out = out;
  job.gate = gate;
  job.up = up;
  job.length = length;
  parallel(swigluChunk, chunksOf(length, chunkLength));
}

function swigluChunk(chunk: i32): void {
  const begin = chunk * chunkLength;
  const n = min(chunkLength, job.length - begin);
  const offset = (<usize>begin) << 2;
  const out = job.out + offset;
  const gate = job.gate + offset;
  const up = job.up + offset;
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

/** The arguments of its derivative. */
@unmanaged
class SwigluBackward {
  dGate: usize;
  dUp: usize;
  dOut: usize;
  gate: usize;
  up: usize;
  length: i32;
}
const backwardJob = changetype<SwigluBackward>(argumentsAt);

/** σ = 1 / (1 + e^−gate): dGate = dOut · up · σ · (1 + gate · (1 − σ)), dUp = dOut · gate · σ. all [length] */
export function swigluBackward(dGate: usize, dUp: usize, dOut: usize, gate: usize, up: usize, length: i32): void {
  backwardJob.dGate = dGate;
  backwardJob.dUp = dUp;
  backwardJob.dOut = dOut;
  backwardJob.gate = gate;
  backwardJob.up = up;
  backwardJob.length = length;
  parallel(swigluBackwardChunk, chunksOf(length, chunkLength));
}

function swigluBackwardChunk(chunk: i32): void {
  const begin = chunk * chunkLength;
  const n = min(chunkLength, backwardJob.length - begin);
  const from = (<usize>begin) << 2;
  const whole = from + ((<usize>(n & ~3)) << 2);
  const end = from + ((<usize>n) << 2);
  const dGate = backwardJob.dGate;
  const dUp = backwardJob.dUp;
  const dOut = backwardJob.dOut;
  const gate = backwardJob.gate;
  const up = backwardJob.up;
  const one = f32x4.splat(1);
  let i = from;
  for (; i < whole; i += 16) {
    const g = v128.load(gate + i);
    const d = v128.load(dOut + i);
    const sigmoid = f32x4.div(one, f32x4.add(one, exp(f32x4.neg(g))));
    const slope = f32x4.mul(sigmoid, f32x4.add(one, f32x4.mul(g, f32x4.sub(one, sigmoid))));
    v128.store(dGate + i, f32x4.mul(f32x4.mul(d, v128.load(up + i)), slope));
    v128.store(dUp + i, f32x4.mul(d, f32x4.mul(g, sigmoid)));
  }
  for (; i < end; i += 4) {
    const g = load<f32>(gate + i);
    const d = load<f32>(dOut + i);
    const sigmoid = f32x4.extract_lane(f32x4.div(one, f32x4.add(one, exp(f32x4.splat(-g)))), 0);
    store<f32>(dGate + i, d * load<f32>(up + i) * (sigmoid * (1 + g * (1 - sigmoid))));
    store<f32>(dUp + i, d * (g * sigmoid));
  }
}
