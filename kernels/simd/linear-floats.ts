// Products with weights that are stored one by one: f32, bf16, f16. The op is linear.ts.
//
// The order of summation: one accumulator of four lanes; lane l takes i = 4m + l, m = 0, 1, … (the last elements of a row are
// filled up with zeros to a multiple of 8), then the lanes are added, ((s₀ + s₁) + s₂) + s₃, then the bias. Every kernel
// below keeps to it, so an output has the same bits whichever of them computed it and whatever was computed beside it. One
// chain of multiply-adds would wait for itself; each kernel has eight and more of them, for as many outputs.
//
// Few rows (GEMV) are memory-bound. One row goes along eight outputs at once, their weights far apart: processors prefetch
// within each stream that they see, and one stream alone gets little more than half of the bandwidth. Four rows go along two.
//
// Tiles (GEMM) are compute-bound, so each number that is loaded is used several times: 6 rows × 2 outputs, 12 sums, two
// weights and one x fill the 15 registers there are. The elements of a row are walked in slices, such that the weights of 4
// outputs (`packPanel`, which widens them too) and a tile's rows stay in the first-level cache, and all the rows of a chunk in
// the second; sums wait in memory from one slice to the next.
//
// Tried without gain: 3 × 3 tiles (5 % slower), two steps to a loop (registers run out, 25 % slower), 2 × 6 tiles (likewise),
// slices of 512 or 768 and panels of 8 (the same), unpacked weights for 8 rows (25 % slower than going along the stored ones).

import { bf16Code, f32Code } from "./codes";
import { finishFour, finishNext, finishRows, job, rowOf, tiledOuts } from "./linear-job";
import { chunksOf, ownScratch } from "./threads";
import { madd, sumsOfLanes } from "./vector";
import { bytesOf, firstFour, lastFour, nextFour } from "./widen";

/** From so many rows on, unpacking pays. */
const leastTiled: i32 = 24;
/** Maximum number of elements of a slice. */
const mostDepth: i32 = 1024;
/** Outputs whose weights are unpacked at a time. */
const panelOuts: i32 = 4;

/** Elements of a row filled up. */
function paddedOf(inDim: i32): i32 {
  return (inDim + 7) & ~7;
}

/** Elements of a slice: all alike, but that the last may be shorter. */
function depthOf(inDim: i32): i32 {
  return paddedOf(chunksOf(inDim, chunksOf(inDim, mostDepth)));
}

/** Whether rows go in tiles; those that have to be filled up always do. */
export function floatsTiled(rows: i32, inDim: i32): bool {
  return rows >= leastTiled || (inDim & 7) !== 0;
}

/** Bytes of a packed row of x. */
export function floatsRowBytes(inDim: i32): usize {
  return (<usize>paddedOf(inDim)) << 2;
}

/** Maximum number of bytes of a slice of a packed row. */
export const floatsSliceBytes: usize = mostDepth * 4;

/** Bytes of a panel of weights. */
export function floatsPanelBytes(): usize {
  return panelOuts * mostDepth * 4;
}

/** Bytes of the sums of a chunk of tiles: [row][output][lane], with rows to spare for the last tile. */
export function floatsSumsBytes(rows: i32): usize {
  return <usize>(rows + 5) * (tiledOuts * 16);
}

export function multiplyFloats(begin: i32, end: i32, from: i32, to: i32, room: usize): void {
  if (job.tiled) {
    tiles(begin, end, from, to, room);
    return;
  }
  const dtype = job.dtype;
  if (dtype === f32Code) stream<f32>(begin, end, from, to);
  else if (dtype === bf16Code) stream<u16>(begin, end, from, to);
  else stream<i16>(begin, end, from, to);
}

// ---- few rows

/**
 * Rows `from` to `to`: fours of them, then single ones. Outputs that are computed together are `step` apart; where there are
 * none left, the last one is computed again and not stored. T: f32, u16 for bf16, i16 for f16.
 */
function stream<T>(begin: i32, end: i32, from: i32, to: i32): void {
  const half = (end - begin + 1) >> 1;
  const eighth = (end - begin + 7) >> 3;
  for (; from + 4 <= to; from += 4) for (let o = begin; o < begin + half; o++) fourTimesTwo<T>(from, o, half, end);
  for (; from < to; from++) for (let o = begin; o < begin + eighth; o++) eight<T>(from, o, eighth, end);
}

/** Rows r to r + 3 times outputs o and o + step. */
function fourTimesTwo<T>(r: i32, o: i32, step: i32, end: i32): void {
  const inDim = job.inDim;
  const xBytes = (<usize>inDim) << 2;
  let xa = job.x + <usize>r * xBytes;
  let xb = xa + xBytes;
  let xc = xb + xBytes;
  let xd = xc + xBytes;
  let w0 = rowOf(o, end, <usize>inDim * sizeof<T>());
  let w1 = rowOf(o + step, end, <usize>inDim * sizeof<T>());
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  for (const last = xb; xa < last; xa += 16) {
    const v0 = nextFour<T>(w0);
    const v1 = nextFour<T>(w1);
    const a = v128.load(xa);
    a0 = madd(a, v0, a0);
    a1 = madd(a, v1, a1);
    const b = v128.load(xb);
    b0 = madd(b, v0, b0);
    b1 = madd(b, v1, b1);
    const c = v128.load(xc);
    c0 = madd(c, v0, c0);
    c1 = madd(c, v1, c1);
    const d = v128.load(xd);
    d0 = madd(d, v0, d0);
    d1 = madd(d, v1, d1);
    xb += 16;
    xc += 16;
    xd += 16;
    w0 += 4 * sizeof<T>();
    w1 += 4 * sizeof<T>();
  }
  const first = sumsOfLanes(a0, b0, c0, d0);
  finishRows(r, o, first);
  if (o + step < end) finishRows(r, o + step, sumsOfLanes(a1, b1, c1, d1));
}

/** Row r times outputs o, o + step, … */
function eight<T>(r: i32, o: i32, step: i32, end: i32): void {
  const inDim = job.inDim;
  const rowBytes = <usize>inDim * sizeof<T>();
  let x = job.x + ((<usize>r * <usize>inDim) << 2);
  let w0 = rowOf(o, end, rowBytes);
  let w1 = rowOf(o + step, end, rowBytes);
  let w2 = rowOf(o + 2 * step, end, rowBytes);
  let w3 = rowOf(o + 3 * step, end, rowBytes);
  let w4 = rowOf(o + 4 * step, end, rowBytes);
  let w5 = rowOf(o + 5 * step, end, rowBytes);
  let w6 = rowOf(o + 6 * step, end, rowBytes);
  let w7 = rowOf(o + 7 * step, end, rowBytes);
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  let a4 = a0;
  let a5 = a0;
  let a6 = a0;
  let a7 = a0;
  const last = x + ((<usize>inDim) << 2);
  for (; x < last; x += 32) {
    const first = v128.load(x);
    const second = v128.load(x, 16);
    a0 = madd(second, lastFour<T>(w0), madd(first, firstFour<T>(w0), a0));
    a1 = madd(second, lastFour<T>(w1), madd(first, firstFour<T>(w1), a1));
    a2 = madd(second, lastFour<T>(w2), madd(first, firstFour<T>(w2), a2));
    a3 = madd(second, lastFour<T>(w3), madd(first, firstFour<T>(w3), a3));
    a4 = madd(second, lastFour<T>(w4), madd(first, firstFour<T>(w4), a4));
    a5 = madd(second, lastFour<T>(w5), madd(first, firstFour<T>(w5), a5));
    a6 = madd(second, lastFour<T>(w6), madd(first, firstFour<T>(w6), a6));
    a7 = madd(second, lastFour<T>(w7), madd(first, firstFour<T>(w7), a7));
    w0 += 8 * sizeof<T>();
    w1 += 8 * sizeof<T>();
    w2 += 8 * sizeof<T>();
    w3 += 8 * sizeof<T>();
    w4 += 8 * sizeof<T>();
    w5 += 8 * sizeof<T>();
    w6 += 8 * sizeof<T>();
    w7 += 8 * sizeof<T>();
  }
  finishFour(r, o, step, end, sumsOfLanes(a0, a1, a2, a3));
  if (o + 4 * step < end) finishFour(r, o + 4 * step, step, end, sumsOfLanes(a4, a5, a6, a7));
}

// ---- tiles

/** Copies rows of x, filled up: [slice][row][element of the slice]. */
export function packFloats(begin: i32, end: i32): void {
  const inDim = job.inDim;
  const padded = paddedOf(inDim);
  const depth = depthOf(inDim);
  const rows = job.rows;
  for (let r = begin; r < end; r++)
    for (let i = 0; i < padded; i += depth) {
      const n = min(depth, padded - i);
      const from = job.x + ((<usize>r * <usize>inDim + <usize>i) << 2);
      const to = job.packed + ((<usize>i * <usize>rows + <usize>(r * n)) << 2);
      const stored = (<usize>min(n, inDim - i)) << 2;
      memory.copy(to, from, stored);
      memory.fill(to + stored, 0, ((<usize>n) << 2) - stored);
    }
}

function tiles(begin: i32, end: i32, from: i32, to: i32, room: usize): void {
  const padded = paddedOf(job.inDim);
  const depth = depthOf(job.inDim);
  const rows = <usize>job.rows;
  const panel = room;
  const sums = room + floatsPanelBytes();
  memory.fill(sums, 0, floatsSumsBytes(to - from));
  for (let i = 0; i < padded; i += depth) {
    const n = min(depth, padded - i);
    const xBytes = (<usize>n) << 2;
    const x = job.packed + ((<usize>i * rows) << 2) + <usize>from * xBytes;
    for (let o = begin; o < end; o += panelOuts) {
      const outs = min(panelOuts, end - o);
      packPanel(panel, o, outs, i, n);
      for (let r = 0; r < to - from; r += 6) {
        const xRow = x + <usize>r * xBytes;
        const rowSums = sums + ((<usize>(r * tiledOuts + o - begin)) << 4);
        for (let pair = 0; pair < outs; pair += 2)
          tile(xRow, xBytes, to - from - r, panel + <usize>pair * xBytes, n, rowSums + ((<usize>pair) << 4));
      }
    }
  }
  for (let r = from; r < to; r++)
    for (let o = begin; o < end; o += 4) {
      const four = sums + ((<usize>((r - from) * tiledOuts + o - begin)) << 4);
      finishNext(
        r,
        o,
        end,
        sumsOfLanes(v128.load(four), v128.load(four, 16), v128.load(four, 32), v128.load(four, 48)),
      );
    }
}

/** Widens elements i to i + n of so many outputs from o on: [pair of outputs][m][output of the pair][lane]. */
function packPanel(panel: usize, o: i32, outs: i32, i: i32, n: i32): void {
  const dtype = job.dtype;
  const inDim = job.inDim;
  const rowBytes = bytesOf(dtype, inDim);
  const stored = min(n, inDim - i);
  const whole = stored & ~7;
  for (let pair = 0; pair < outs; pair += 2) {
    const a = job.w + <usize>(o + pair) * rowBytes + bytesOf(dtype, i);
    const b = pair + 1 < outs ? a + rowBytes : a; // the pair of a lone last output is that output again, and not stored
    const to = panel + <usize>pair * ((<usize>n) << 2);
    packPairOf(dtype, to, a, b, whole);
    if (whole === n) continue;
    const last = ownScratch();
    const restBytes = bytesOf(dtype, stored - whole);
    memory.fill(last, 0, 64);
    memory.copy(last, a + bytesOf(dtype, whole), restBytes);
    memory.copy(last + 32, b + bytesOf(dtype, whole), restBytes);
    packPairOf(dtype, to + ((<usize>whole) << 3), last, last + 32, 8);
  }
}

function packPairOf(dtype: i32, to: usize, a: usize, b: usize, n: i32): void {
  if (dtype === f32Code) packPair<f32>(to, a, b, n);
  else if (dtype === bf16Code) packPair<u16>(to, a, b, n);
  else packPair<i16>(to, a, b, n);
}

function packPair<T>(to: usize, a: usize, b: usize, n: i32): void {
  const end = to + ((<usize>n) << 3);
  for (; to < end; to += 64) {
    v128.store(to, firstFour<T>(a));
    v128.store(to, firstFour<T>(b), 16);
    v128.store(to, lastFour<T>(a), 32);
    v128.store(to, lastFour<T>(b), 48);
    a += 8 * sizeof<T>();
    b += 8 * sizeof<T>();
  }
}

/** n elements of 6 rows of x, `xBytes` apart, times 2 outputs, added to `sums`. Of rows that are not there the last is taken. */
function tile(x: usize, xBytes: usize, rows: i32, w: usize, n: i32, sums: usize): void {
  const sumsB = sums + tiledOuts * 16;
  const sumsC = sums + 2 * tiledOuts * 16;
  const sumsD = sums + 3 * tiledOuts * 16;
  const sumsE = sums + 4 * tiledOuts * 16;
  const sumsF = sums + 5 * tiledOuts * 16;
  let a0 = v128.load(sums);
  let a1 = v128.load(sums, 16);
  let b0 = v128.load(sumsB);
  let b1 = v128.load(sumsB, 16);
  let c0 = v128.load(sumsC);
  let c1 = v128.load(sumsC, 16);
  let d0 = v128.load(sumsD);
  let d1 = v128.load(sumsD, 16);
  let e0 = v128.load(sumsE);
  let e1 = v128.load(sumsE, 16);
  let f0 = v128.load(sumsF);
  let f1 = v128.load(sumsF, 16);
  let xb = rows > 1 ? x + xBytes : x;
  let xc = rows > 2 ? xb + xBytes : xb;
  let xd = rows > 3 ? xc + xBytes : xc;
  let xe = rows > 4 ? xd + xBytes : xd;
  let xf = rows > 5 ? xe + xBytes : xe;
  const end = x + ((<usize>n) << 2);
  for (; x < end; w += 32) {
    const w0 = v128.load(w);
    const w1 = v128.load(w, 16);
    const a = v128.load(x);
    a0 = madd(a, w0, a0);
    a1 = madd(a, w1, a1);
    const b = v128.load(xb);
    b0 = madd(b, w0, b0);
    b1 = madd(b, w1, b1);
    const c = v128.load(xc);
    c0 = madd(c, w0, c0);
    c1 = madd(c, w1, c1);
    const d = v128.load(xd);
    d0 = madd(d, w0, d0);
    d1 = madd(d, w1, d1);
    const e = v128.load(xe);
    e0 = madd(e, w0, e0);
    e1 = madd(e, w1, e1);
    const f = v128.load(xf);
    f0 = madd(f, w0, f0);
    f1 = madd(f, w1, f1);
    x += 16;
    xb += 16;
    xc += 16;
    xd += 16;
    xe += 16;
    xf += 16;
  }
  v128.store(sums, a0);
  v128.store(sums, a1, 16);
  v128.store(sumsB, b0);
  v128.store(sumsB, b1, 16);
  v128.store(sumsC, c0);
  v128.store(sumsC, c1, 16);
  v128.store(sumsD, d0);
  v128.store(sumsD, d1, 16);
  v128.store(sumsE, e0);
  v128.store(sumsE, e1, 16);
  v128.store(sumsF, f0);
  v128.store(sumsF, f1, 16);
}
