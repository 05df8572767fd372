// Products with weights that are stored one by one: f32, bf16, f16. The op is linear.ts.
//
// The order of summation. Elements of a row are taken 16 at a time (the last block is filled up with zeros), four for each
// of four accumulators a₀ … a₃ of four lanes: accumulator j, lane l of an f32 row takes i = 16m + 4j + l, m = 0, 1, …; with
// 16-bit weights i = 16m + 8·(j >> 1) + (j & 1) + 2l, because even and odd elements widen apart. At the end the sum is
// lane by lane ((a₀ + a₁) + a₂) + a₃, then over lanes ((s₀ + s₁) + s₂) + s₃, then the bias. Both kernels below keep to it,
// so an output has the same bits whichever of them computed it and whatever else was computed beside it.
//
// One row (`dot…`): each weight is used once, memory is the limit. All four accumulators walk along the row together; four
// independent sums hide the latency of multiply-add.
//
// Four rows and more (`tile`): arithmetic is the limit, so each number that is loaded must be used several times. A tile of
// 4 rows × 2 outputs needs 8 sums; times four accumulators they would not fit into 16 registers, so the tile is walked four
// times, once for each j, and the partial sums wait in scratch memory. x is rearranged before (`packFloats`), weights while
// a chunk begins (`packWeights`, which widens them too), such that each walk reads straight ahead.
//
// A chunk of the job is a run of outputs, all rows.

import { bf16Code, f32Code } from "./codes";
import {
  dtypeArg,
  finish,
  inDimArg,
  outDimArg,
  outsPerChunkArg,
  packedArg,
  packRows,
  panelOuts,
  panelsArg,
  rowsArg,
  tileRows,
  wArg,
  xArg,
} from "./linear";
import { arg, ownNumber, ownScratch } from "./threads";
import { madd } from "./vector";
import { bytesOf, evenBf16, evenF16, oddBf16, oddF16 } from "./widen";

const tileOuts: i32 = 2;

/** Elements of a row with its last block filled up. */
function paddedOf(inDim: i32): i32 {
  return (inDim + 15) & ~15;
}

/** Bytes of a packed row of x. */
export function floatsRowBytes(inDim: i32): usize {
  return (<usize>paddedOf(inDim)) << 2;
}

/** Bytes of the packed weights of one thread. */
export function floatsPanelBytes(rows: i32, inDim: i32): usize {
  return rows < tileRows ? 0 : <usize>panelOuts * floatsRowBytes(inDim);
}

// ---- x

/** Rearranges rows of x: whole tiles as [j][m][row of the tile][lane], what is left row by row as [m][j][lane]. */
export function packFloats(chunk: i32): void {
  const inDim = <i32>arg(inDimArg);
  const rows = <i32>arg(rowsArg);
  const rowBytes = (<usize>paddedOf(inDim)) << 2;
  const tiled = rows - (rows % tileRows);
  const begin = chunk * packRows;
  const end = min(rows, begin + packRows);
  for (let r = begin; r < end; r++) {
    const x = arg(xArg) + ((<usize>r * inDim) << 2);
    if (r < tiled) {
      const tile = arg(packedArg) + <usize>(r - (r % tileRows)) * rowBytes;
      packRow(tile + ((<usize>(r % tileRows)) << 4), x, inDim, 16 * tileRows, rowBytes);
    } else packRow(arg(packedArg) + <usize>r * rowBytes, x, inDim, 64, 16);
  }
}

/** One row: part j of block m goes to out + m · blockStride + j · partStride. */
function packRow(out: usize, x: usize, inDim: i32, blockStride: usize, partStride: usize): void {
  const natural = <i32>arg(dtypeArg) === f32Code;
  const blocks = inDim >> 4;
  for (let m = 0; m < blocks; m++, out += blockStride, x += 64) packBlock(out, x, natural, partStride);
  const rest = inDim & 15;
  if (rest === 0) return;
  const last = ownScratch();
  memory.fill(last, 0, 64);
  memory.copy(last, x, (<usize>rest) << 2);
  packBlock(out, last, natural, partStride);
}

function packBlock(out: usize, x: usize, natural: bool, partStride: usize): void {
  const a = v128.load(x);
  const b = v128.load(x, 16);
  const c = v128.load(x, 32);
  const d = v128.load(x, 48);
  v128.store(out, natural ? a : v128.shuffle<f32>(a, b, 0, 2, 4, 6));
  v128.store(out + partStride, natural ? b : v128.shuffle<f32>(a, b, 1, 3, 5, 7));
  v128.store(out + 2 * partStride, natural ? c : v128.shuffle<f32>(c, d, 0, 2, 4, 6));
  v128.store(out + 3 * partStride, natural ? d : v128.shuffle<f32>(c, d, 1, 3, 5, 7));
}

// ---- products

export function multiplyFloats(chunk: i32): void {
  const rows = <i32>arg(rowsArg);
  const begin = chunk * <i32>arg(outsPerChunkArg);
  const end = min(<i32>arg(outDimArg), begin + <i32>arg(outsPerChunkArg));
  const tiled = rows - (rows % tileRows);
  if (tiled > 0) tiles(begin, end, tiled);
  if (tiled < rows) singles(begin, end, tiled, rows);
}

/** Rows `from` to `to` one by one. */
function singles(begin: i32, end: i32, from: i32, to: i32): void {
  const inDim = <i32>arg(inDimArg);
  const dtype = <i32>arg(dtypeArg);
  const wBytes = bytesOf(dtype, inDim);
  const rowBytes = (<usize>paddedOf(inDim)) << 2;
  for (let o = begin; o < end; o++) {
    const w = arg(wArg) + <usize>o * wBytes;
    for (let r = from; r < to; r++) {
      const x = arg(packedArg) + <usize>r * rowBytes;
      if (dtype === f32Code) finish(r, o, dotF32(x, w, inDim));
      else if (dtype === bf16Code) finish(r, o, dotBf16(x, w, inDim));
      else finish(r, o, dotF16(x, w, inDim));
    }
  }
}

/** The last, partial block of a weight row, filled up with zeros. */
function lastBlock(w: usize, bytes: usize): usize {
  const last = ownScratch();
  memory.fill(last, 0, 64);
  memory.copy(last, w, bytes);
  return last;
}

function dotF32(x: usize, w: usize, inDim: i32): v128 {
  const end = x + ((<usize>(inDim & ~15)) << 2);
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  for (; x < end; x += 64, w += 64) {
    a0 = madd(v128.load(x), v128.load(w), a0);
    a1 = madd(v128.load(x, 16), v128.load(w, 16), a1);
    a2 = madd(v128.load(x, 32), v128.load(w, 32), a2);
    a3 = madd(v128.load(x, 48), v128.load(w, 48), a3);
  }
  const rest = inDim & 15;
  if (rest !== 0) {
    w = lastBlock(w, (<usize>rest) << 2);
    a0 = madd(v128.load(x), v128.load(w), a0);
    a1 = madd(v128.load(x, 16), v128.load(w, 16), a1);
    a2 = madd(v128.load(x, 32), v128.load(w, 32), a2);
    a3 = madd(v128.load(x, 48), v128.load(w, 48), a3);
  }
  return f32x4.add(f32x4.add(f32x4.add(a0, a1), a2), a3);
}

function dotBf16(x: usize, w: usize, inDim: i32): v128 {
  const end = x + ((<usize>(inDim & ~15)) << 2);
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  for (; x < end; x += 64, w += 32) {
    const low = v128.load(w);
    const high = v128.load(w, 16);
    a0 = madd(v128.load(x), evenBf16(low), a0);
    a1 = madd(v128.load(x, 16), oddBf16(low), a1);
    a2 = madd(v128.load(x, 32), evenBf16(high), a2);
    a3 = madd(v128.load(x, 48), oddBf16(high), a3);
  }
  const rest = inDim & 15;
  if (rest !== 0) {
    w = lastBlock(w, (<usize>rest) << 1);
    const low = v128.load(w);
    const high = v128.load(w, 16);
    a0 = madd(v128.load(x), evenBf16(low), a0);
    a1 = madd(v128.load(x, 16), oddBf16(low), a1);
    a2 = madd(v128.load(x, 32), evenBf16(high), a2);
    a3 = madd(v128.load(x, 48), oddBf16(high), a3);
  }
  return f32x4.add(f32x4.add(f32x4.add(a0, a1), a2), a3);
}

function dotF16(x: usize, w: usize, inDim: i32): v128 {
  const end = x + ((<usize>(inDim & ~15)) << 2);
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let a2 = a0;
  let a3 = a0;
  for (; x < end; x += 64, w += 32) {
    const low = v128.load(w);
    const high = v128.load(w, 16);
    a0 = madd(v128.load(x), evenF16(low), a0);
    a1 = madd(v128.load(x, 16), oddF16(low), a1);
    a2 = madd(v128.load(x, 32), evenF16(high), a2);
    a3 = madd(v128.load(x, 48), oddF16(high), a3);
  }
  const rest = inDim & 15;
  if (rest !== 0) {
    w = lastBlock(w, (<usize>rest) << 1);
    const low = v128.load(w);
    const high = v128.load(w, 16);
    a0 = madd(v128.load(x), evenF16(low), a0);
    a1 = madd(v128.load(x, 16), oddF16(low), a1);
    a2 = madd(v128.load(x, 32), evenF16(high), a2);
    a3 = madd(v128.load(x, 48), oddF16(high), a3);
  }
  return f32x4.add(f32x4.add(f32x4.add(a0, a1), a2), a3);
}

/** Rows 0 to `rows`, a multiple of tileRows, times outputs begin to end. */
function tiles(begin: i32, end: i32, rows: i32): void {
  const inDim = <i32>arg(inDimArg);
  const blocks = paddedOf(inDim) >> 4;
  const rowBytes = (<usize>blocks) << 6;
  const panel = arg(panelsArg) + <usize>ownNumber() * panelOuts * rowBytes;
  packWeights(panel, begin, end, blocks);
  const pairs = (end - begin + 1) >> 1;
  const sums = ownScratch(); // [pair][row][output of the pair][lane]
  const xPart = ((<usize>blocks) << 4) * tileRows;
  const wPart = ((<usize>blocks) << 4) * tileOuts;
  for (let r = 0; r < rows; r += tileRows) {
    const x = arg(packedArg) + <usize>r * rowBytes;
    for (let j = 0; j < 4; j++)
      for (let pair = 0; pair < pairs; pair++)
        tile(x + <usize>j * xPart, panel + <usize>(pair * 4 + j) * wPart, blocks, sums + ((<usize>pair) << 7), j === 0);
    for (let row = 0; row < tileRows; row++)
      for (let o = begin; o < end; o++) {
        const i = o - begin;
        finish(r + row, o, v128.load(sums + ((<usize>((i >> 1) * 8 + row * 2 + (i & 1))) << 4)));
      }
  }
}

/** Widens the weights of outputs begin to end: [pair of outputs][j][m][output of the pair][lane] */
function packWeights(panel: usize, begin: i32, end: i32, blocks: i32): void {
  const inDim = <i32>arg(inDimArg);
  const dtype = <i32>arg(dtypeArg);
  const wBytes = bytesOf(dtype, inDim);
  const partBytes = ((<usize>blocks) << 4) * tileOuts;
  const whole = inDim >> 4;
  const rest = inDim & 15;
  for (let o = begin; o < begin + ((end - begin + 1) & ~1); o++) {
    const i = o - begin;
    // The pair of a lone last output is that output again; what comes of it is never stored.
    const w = arg(wArg) + <usize>min(o, end - 1) * wBytes;
    const to = panel + <usize>(i >> 1) * 4 * partBytes + ((<usize>(i & 1)) << 4);
    packBlocksOf(dtype, to, w, whole, partBytes);
    if (rest) {
      const last = lastBlock(w + bytesOf(dtype, whole << 4), bytesOf(dtype, rest));
      packBlocksOf(dtype, to + ((<usize>whole) << 5), last, 1, partBytes);
    }
  }
}

/** Parts 0 … 3 of each of n blocks of 16, one loop for each dtype: a test inside would cost more than the work. */
function packBlocksOf(dtype: i32, to: usize, w: usize, n: i32, part: usize): void {
  const end = to + ((<usize>n) << 5);
  if (dtype === f32Code) {
    for (; to < end; to += 32, w += 64)
      storeParts(to, part, v128.load(w), v128.load(w, 16), v128.load(w, 32), v128.load(w, 48));
  } else if (dtype === bf16Code) {
    for (; to < end; to += 32, w += 32) {
      const low = v128.load(w);
      const high = v128.load(w, 16);
      storeParts(to, part, evenBf16(low), oddBf16(low), evenBf16(high), oddBf16(high));
    }
  } else {
    for (; to < end; to += 32, w += 32) {
      const low = v128.load(w);
      const high = v128.load(w, 16);
      storeParts(to, part, evenF16(low), oddF16(low), evenF16(high), oddF16(high));
    }
  }
}

function storeParts(to: usize, part: usize, a: v128, b: v128, c: v128, d: v128): void {
  v128.store(to, a);
  v128.store(to + part, b);
  v128.store(to + 2 * part, c);
  v128.store(to + 3 * part, d);
}

/** One walk of a tile: accumulator j of 4 × 2 sums, from x [m][4][lane] and w [m][2][lane], added to `sums` [4][2][lane]. */
function tile(x: usize, w: usize, blocks: i32, sums: usize, first: bool): void {
  let a0 = f32x4.splat(0);
  let a1 = a0;
  let b0 = a0;
  let b1 = a0;
  let c0 = a0;
  let c1 = a0;
  let d0 = a0;
  let d1 = a0;
  const end = x + ((<usize>blocks) << 6);
  for (; x < end; x += 64, w += 32) {
    const w0 = v128.load(w);
    const w1 = v128.load(w, 16);
    const xa = v128.load(x);
    a0 = madd(xa, w0, a0);
    a1 = madd(xa, w1, a1);
    const xb = v128.load(x, 16);
    b0 = madd(xb, w0, b0);
    b1 = madd(xb, w1, b1);
    const xc = v128.load(x, 32);
    c0 = madd(xc, w0, c0);
    c1 = madd(xc, w1, c1);
    const xd = v128.load(x, 48);
    d0 = madd(xd, w0, d0);
    d1 = madd(xd, w1, d1);
  }
  if (!first) {
    a0 = f32x4.add(v128.load(sums), a0);
    a1 = f32x4.add(v128.load(sums, 16), a1);
    b0 = f32x4.add(v128.load(sums, 32), b0);
    b1 = f32x4.add(v128.load(sums, 48), b1);
    c0 = f32x4.add(v128.load(sums, 64), c0);
    c1 = f32x4.add(v128.load(sums, 80), c1);
    d0 = f32x4.add(v128.load(sums, 96), d0);
    d1 = f32x4.add(v128.load(sums, 112), d1);
  }
  v128.store(sums, a0);
  v128.store(sums, a1, 16);
  v128.store(sums, b0, 32);
  v128.store(sums, b1, 48);
  v128.store(sums, c0, 64);
  v128.store(sums, c1, 80);
  v128.store(sums, d0, 96);
  v128.store(sums, d1, 112);
}
