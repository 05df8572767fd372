// Rotary positions: pairs (a, b) turned by the angle of their row: a' = a·cos − b·sin, b' = b·cos + a·sin
//
// A chunk is a few rows. a and b of neighboring pairs are neighbors, so four pairs are turned at a time; the rest of each
// head is copied.

import { argumentsAt, chunksOf, parallel } from "./threads";

/** The arguments of a job (threads.ts). */
@unmanaged
class Rope {
  out: usize;
  x: usize;
  cos: usize;
  sin: usize;
  rows: i32;
  nHeads: i32;
  headDim: i32;
  ropeDim: i32;
  offset: i32;
  rowsPerChunk: i32;
  direction: f32;
}
const job = changetype<Rope>(argumentsAt);

/** Elements of one chunk, about: whole rows. */
const chunkLength: i32 = 16384;

/** x [rows, nHeads, headDim], cos and sin [rows, ropeDim/2] → out as x; values before `offset` and after offset + ropeDim are copied */
export function rope(
  out: usize,
  x: usize,
  cos: usize,
  sin: usize,
  rows: i32,
  nHeads: i32,
  headDim: i32,
  ropeDim: i32,
  offset: i32,
): void {
  turnRows(out, x, cos, sin, rows, nHeads, headDim, ropeDim, offset, 1);
}

/** Turns back by the same angle. Shapes as `rope` */
export function ropeBackward(
  dX: usize,
  dOut: usize,
  cos: usize,
  sin: usize,
  rows: i32,
  nHeads: i32,
  headDim: i32,
  ropeDim: i32,
  offset: i32,
): void {
  turnRows(dX, dOut, cos, sin, rows, nHeads, headDim, ropeDim, offset, -1);
}

/** `direction` is 1, or −1 for the opposite angle. */
function turnRows(
  out: usize,
  x: usize,
  cos: usize,
  sin: usize,
  rows: i32,
  nHeads: i32,
  headDim: i32,
  ropeDim: i32,
  offset: i32,
  direction: f32,
): void {
  const rowsPerChunk = max(1, chunkLength / (nHeads * headDim));
  job.out = out;
  job.x = x;
  job.cos = cos;
  job.sin = sin;
  job.rows = rows;
  job.nHeads = nHeads;
  job.headDim = headDim;
  job.ropeDim = ropeDim;
  job.offset = offset;
  job.rowsPerChunk = rowsPerChunk;
  job.direction = direction;
  parallel(ropeChunk, chunksOf(rows, rowsPerChunk));
}

function ropeChunk(chunk: i32): void {
  const rows = job.rows;
  const nHeads = job.nHeads;
  const headBytes = (<usize>job.headDim) << 2;
  const half = job.ropeDim >> 1;
  const begin = chunk * job.rowsPerChunk;
  const end = min(rows, begin + job.rowsPerChunk);
  for (let r = begin; r < end; r++) {
    const rowAt = <usize>r * <usize>nHeads * headBytes;
    const angleAt = (<usize>r * half) << 2;
    // Where all of a head turns, the copy is overwritten; it is cheap beside a test for it.
    memory.copy(job.out + rowAt, job.x + rowAt, <usize>nHeads * headBytes);
    for (let head = 0; head < nHeads; head++) {
      const at = rowAt + <usize>head * headBytes + ((<usize>job.offset) << 2);
      turn(job.out + at, job.x + at, job.cos + angleAt, job.sin + angleAt, half);
    }
  }
}

/** `half` pairs: a at x, b at x + half */
function turn(out: usize, x: usize, cos: usize, sin: usize, half: i32): void {
  const direction = f32x4.splat(job.direction);
  const toB = (<usize>half) << 2;
  const whole = (<usize>(half & ~3)) << 2;
  let i: usize = 0;
  for (; i < whole; i += 16) {
    const a = v128.load(x + i);
    const b = v128.load(x + i + toB);
    const c = v128.load(cos + i);
    const s = f32x4.mul(v128.load(sin + i), direction);
    v128.store(out + i, f32x4.sub(f32x4.mul(a, c), f32x4.mul(b, s)));
    v128.store(out + i + toB, f32x4.add(f32x4.mul(b, c), f32x4.mul(a, s)));
  }
  for (; i < toB; i += 4) {
    const a = load<f32>(x + i);
    const b = load<f32>(x + i + toB);
    const c = load<f32>(cos + i);
    const s = load<f32>(sin + i) * job.direction;
    store<f32>(out + i, a * c - b * s);
    store<f32>(out + i + toB, b * c + a * s);
  }
}
