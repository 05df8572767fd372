// Products with block-quantized weights. The op is linear.ts, the formats are in blocks.ts.
//
// Integers are multiplied as integers: each row of x is quantized too, 32 elements at a time, to xq = x / dx rounded, with
// dx = (largest magnitude of the 32) / 127, as llama.cpp does for its products (ggml-quants.c, quantize_row_q8_0; there dx is
// rounded to f16, here it is not). With weights scale · q + minimum (blocks.ts), 32 elements add
//   dx · scale · Σ q·xq + dx · minimum · Σ xq.
// What that costs in accuracy: x is off by at most dx/2, so the normalized mean squared error of a product is about
// (largest / rms)² / (12 · 127²), some 3e-5 for values of a normal distribution.
//
// The order of summation. The sums over q·xq are exact whatever their order; lane l takes elements 8n + 2l and 8n + 2l + 1,
// which is what the instruction i32x4.dot_i16x8_s adds. Each unit of 32 is then added in f32 to one accumulator of four
// lanes, unit after unit (with two scales the first 16 elements before the last 16, with a minimum that after the rest), and
// at the end the lanes: ((s₀ + s₁) + s₂) + s₃. All kernels below keep to it.
//
// 16-bit products of values widened from 8 bits, because they are exact on every engine and cost no more than the 8-bit
// product of relaxed SIMD, whose left operand alone may have a sign: moving signs to one side takes what it would save.

import { blockBytesOf, halfAt, highNibbles, lowNibbles, unitBytes, unpackUnit } from "./blocks";
import { q4_0Code, q4_1Code, q4_KCode, q6_KCode, q8_0Code } from "./codes";
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
import { arg, ownNumber } from "./threads";
import { madd, maxLanes } from "./vector";

/** Bytes of 32 quantized elements of x: 32 × i16, the sums of each lane as i32x4, dx in all four lanes. */
const xUnitBytes: i32 = 96;

/** Bytes of a packed row of x. */
export function blocksRowBytes(inDim: i32): usize {
  return <usize>(inDim >> 5) * xUnitBytes;
}

/** Bytes of the unpacked weights of one thread; single rows need one row of them. */
export function blocksPanelBytes(rows: i32, inDim: i32): usize {
  return <usize>(inDim >> 5) * unitBytes * (rows < tileRows ? 1 : panelOuts);
}

// ---- x

/** Quantizes rows of x: whole tiles as [unit][row of the tile], what is left row by row. */
export function packBlocks(chunk: i32): void {
  const inDim = <i32>arg(inDimArg);
  const rows = <i32>arg(rowsArg);
  const rowBytes = blocksRowBytes(inDim);
  const tiled = rows - (rows % tileRows);
  const end = min(rows, (chunk + 1) * packRows);
  for (let r = chunk * packRows; r < end; r++) {
    const x = arg(xArg) + ((<usize>r * inDim) << 2);
    if (r < tiled) {
      const row = r % tileRows;
      quantizeRow(
        arg(packedArg) + <usize>(r - row) * rowBytes + <usize>row * xUnitBytes,
        x,
        inDim,
        xUnitBytes * tileRows,
      );
    } else quantizeRow(arg(packedArg) + <usize>r * rowBytes, x, inDim, xUnitBytes);
  }
}

function quantizeRow(out: usize, x: usize, inDim: i32, stride: usize): void {
  const end = x + ((<usize>inDim) << 2);
  for (; x < end; x += 128, out += stride) {
    let largest = f32x4.abs(v128.load(x));
    for (let i: usize = 16; i < 128; i += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(x + i)));
    const most = maxLanes(largest);
    const inverse = f32x4.splat(most > 0 ? 127 / most : 0);
    let sums = i32x4.splat(0);
    for (let i: usize = 0; i < 4; i++) {
      const low = rounded(v128.load(x + (i << 5)), inverse);
      const high = rounded(v128.load(x + (i << 5), 16), inverse);
      const q = i16x8.narrow_i32x4_s(low, high);
      v128.store(out + (i << 4), q);
      sums = i32x4.add(sums, i32x4.dot_i16x8_s(q, i16x8.splat(1)));
    }
    v128.store(out, sums, 64);
    v128.store(out, f32x4.splat(most / 127), 80);
  }
}

function rounded(x: v128, inverse: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(x, inverse)));
}

// ---- products

export function multiplyBlocks(chunk: i32): void {
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
  const units = inDim >> 5;
  const wBytes = blockBytesOf(dtype, inDim);
  const rowBytes = blocksRowBytes(inDim);
  const panel = arg(panelsArg) + <usize>ownNumber() * blocksPanelBytes(<i32>arg(rowsArg), inDim);
  for (let o = begin; o < end; o++) {
    const w = arg(wArg) + <usize>o * wBytes;
    if (dtype === q4_KCode || dtype === q6_KCode) unpackRow(panel, w, dtype, units);
    for (let r = from; r < to; r++) {
      const x = arg(packedArg) + <usize>r * rowBytes;
      if (dtype === q8_0Code) finish(r, o, dotQ8_0(x, w, units));
      else if (dtype === q4_0Code) finish(r, o, dotQ4_0(x, w, units));
      else if (dtype === q4_1Code) finish(r, o, dotQ4_1(x, w, units));
      else if (dtype === q4_KCode) finish(r, o, dotUnitsWithMinimum(x, panel, units));
      else finish(r, o, dotUnitsOfTwoScales(x, panel, units));
    }
  }
}

function unpackRow(panel: usize, w: usize, dtype: i32, units: i32): void {
  for (let b = 0; b < units; b++, panel += unitBytes) unpackUnit(panel, w, b, dtype);
}

function dotQ8_0(x: usize, w: usize, units: i32): v128 {
  let sum = f32x4.splat(0);
  const end = x + <usize>units * xUnitBytes;
  for (; x < end; x += xUnitBytes, w += 34) {
    const first = i32x4.add(product(x, v128.load_ext<i8>(w, 2)), product(x + 16, v128.load_ext<i8>(w, 10)));
    const last = i32x4.add(product(x + 32, v128.load_ext<i8>(w, 18)), product(x + 48, v128.load_ext<i8>(w, 26)));
    sum = addScaled(sum, i32x4.add(first, last), x, f32x4.splat(halfAt(w)));
  }
  return sum;
}

function dotQ4_0(x: usize, w: usize, units: i32): v128 {
  let sum = f32x4.splat(0);
  const end = x + <usize>units * xUnitBytes;
  for (; x < end; x += xUnitBytes, w += 18) {
    // Σ (q − 8)·xq = Σ q·xq − 8·Σ xq
    const q = productOfNibbles(x, v128.load(w, 2));
    sum = addScaled(sum, i32x4.sub(q, i32x4.shl(v128.load(x, 64), 3)), x, f32x4.splat(halfAt(w)));
  }
  return sum;
}

function dotQ4_1(x: usize, w: usize, units: i32): v128 {
  let sum = f32x4.splat(0);
  const end = x + <usize>units * xUnitBytes;
  for (; x < end; x += xUnitBytes, w += 20) {
    sum = addScaled(sum, productOfNibbles(x, v128.load(w, 4)), x, f32x4.splat(halfAt(w)));
    sum = addScaled(sum, v128.load(x, 64), x, f32x4.splat(halfAt(w + 2)));
  }
  return sum;
}

function dotUnitsWithMinimum(x: usize, w: usize, units: i32): v128 {
  let sum = f32x4.splat(0);
  const end = x + <usize>units * xUnitBytes;
  for (; x < end; x += xUnitBytes, w += unitBytes) {
    const all = i32x4.add(
      productOf16(x, v128.load(w), v128.load(w, 16)),
      productOf16(x + 32, v128.load(w, 32), v128.load(w, 48)),
    );
    sum = addScaled(sum, all, x, v128.load_splat<f32>(w, 64));
    sum = addScaled(sum, v128.load(x, 64), x, v128.load_splat<f32>(w, 72));
  }
  return sum;
}

function dotUnitsOfTwoScales(x: usize, w: usize, units: i32): v128 {
  let sum = f32x4.splat(0);
  const end = x + <usize>units * xUnitBytes;
  for (; x < end; x += xUnitBytes, w += unitBytes) {
    sum = addScaled(sum, productOf16(x, v128.load(w), v128.load(w, 16)), x, v128.load_splat<f32>(w, 64));
    sum = addScaled(sum, productOf16(x + 32, v128.load(w, 32), v128.load(w, 48)), x, v128.load_splat<f32>(w, 68));
  }
  return sum;
}

/** q·xq of eight elements, in pairs. */
function product(x: usize, q: v128): v128 {
  return i32x4.dot_i16x8_s(v128.load(x), q);
}

/** q·xq of sixteen elements. */
function productOf16(x: usize, first: v128, last: v128): v128 {
  return i32x4.add(product(x, first), product(x + 16, last));
}

/** q·xq of 32 elements, whose q are the nibbles of 16 bytes: the low ones first. */
function productOfNibbles(x: usize, pairs: v128): v128 {
  const low = lowNibbles(pairs);
  const high = highNibbles(pairs);
  return i32x4.add(
    productOf16(x, i16x8.extend_low_i8x16_u(low), i16x8.extend_high_i8x16_u(low)),
    productOf16(x + 32, i16x8.extend_low_i8x16_u(high), i16x8.extend_high_i8x16_u(high)),
  );
}

/** sum + dx · scale · integers, dx from the unit at x. */
function addScaled(sum: v128, integers: v128, x: usize, scale: v128): v128 {
  return madd(f32x4.convert_i32x4_s(integers), f32x4.mul(v128.load(x, 80), scale), sum);
}

/** Rows 0 to `rows`, a multiple of tileRows, times outputs begin to end: a unit of weights is loaded once for four rows. */
function tiles(begin: i32, end: i32, rows: i32): void {
  const inDim = <i32>arg(inDimArg);
  const dtype = <i32>arg(dtypeArg);
  const units = inDim >> 5;
  const wBytes = blockBytesOf(dtype, inDim);
  const rowBytes = blocksRowBytes(inDim);
  const outBytes = <usize>units * unitBytes;
  const panel = arg(panelsArg) + <usize>ownNumber() * panelOuts * outBytes;
  for (let o = begin; o < end; o++)
    unpackRow(panel + <usize>(o - begin) * outBytes, arg(wArg) + <usize>o * wBytes, dtype, units);
  for (let r = 0; r < rows; r += tileRows) {
    const x = arg(packedArg) + <usize>r * rowBytes;
    for (let o = begin; o < end; o++) {
      const w = panel + <usize>(o - begin) * outBytes;
      if (dtype === q8_0Code || dtype === q4_0Code) tile(x, w, units, r, o);
      else if (dtype === q6_KCode) tileOfTwoScales(x, w, units, r, o);
      else tileWithMinimum(x, w, units, r, o);
    }
  }
}

function tile(x: usize, w: usize, units: i32, r: i32, o: i32): void {
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  const end = w + <usize>units * unitBytes;
  for (; w < end; w += unitBytes, x += 4 * xUnitBytes) {
    const q0 = v128.load(w);
    const q1 = v128.load(w, 16);
    const q2 = v128.load(w, 32);
    const q3 = v128.load(w, 48);
    const scale = v128.load_splat<f32>(w, 64);
    a = addScaled(a, i32x4.add(productOf16(x, q0, q1), productOf16(x + 32, q2, q3)), x, scale);
    b = addScaled(b, i32x4.add(productOf16(x + 96, q0, q1), productOf16(x + 128, q2, q3)), x + 96, scale);
    c = addScaled(c, i32x4.add(productOf16(x + 192, q0, q1), productOf16(x + 224, q2, q3)), x + 192, scale);
    d = addScaled(d, i32x4.add(productOf16(x + 288, q0, q1), productOf16(x + 320, q2, q3)), x + 288, scale);
  }
  finish(r, o, a);
  finish(r + 1, o, b);
  finish(r + 2, o, c);
  finish(r + 3, o, d);
}

function tileWithMinimum(x: usize, w: usize, units: i32, r: i32, o: i32): void {
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  const end = w + <usize>units * unitBytes;
  for (; w < end; w += unitBytes, x += 4 * xUnitBytes) {
    const q0 = v128.load(w);
    const q1 = v128.load(w, 16);
    const q2 = v128.load(w, 32);
    const q3 = v128.load(w, 48);
    const scale = v128.load_splat<f32>(w, 64);
    const minimum = v128.load_splat<f32>(w, 72);
    a = addScaled(a, i32x4.add(productOf16(x, q0, q1), productOf16(x + 32, q2, q3)), x, scale);
    a = addScaled(a, v128.load(x, 64), x, minimum);
    b = addScaled(b, i32x4.add(productOf16(x + 96, q0, q1), productOf16(x + 128, q2, q3)), x + 96, scale);
    b = addScaled(b, v128.load(x, 160), x + 96, minimum);
    c = addScaled(c, i32x4.add(productOf16(x + 192, q0, q1), productOf16(x + 224, q2, q3)), x + 192, scale);
    c = addScaled(c, v128.load(x, 256), x + 192, minimum);
    d = addScaled(d, i32x4.add(productOf16(x + 288, q0, q1), productOf16(x + 320, q2, q3)), x + 288, scale);
    d = addScaled(d, v128.load(x, 352), x + 288, minimum);
  }
  finish(r, o, a);
  finish(r + 1, o, b);
  finish(r + 2, o, c);
  finish(r + 3, o, d);
}

function tileOfTwoScales(x: usize, w: usize, units: i32, r: i32, o: i32): void {
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  const end = w + <usize>units * unitBytes;
  for (; w < end; w += unitBytes, x += 4 * xUnitBytes) {
    const q0 = v128.load(w);
    const q1 = v128.load(w, 16);
    const q2 = v128.load(w, 32);
    const q3 = v128.load(w, 48);
    const first = v128.load_splat<f32>(w, 64);
    const last = v128.load_splat<f32>(w, 68);
    a = addScaled(a, productOf16(x, q0, q1), x, first);
    a = addScaled(a, productOf16(x + 32, q2, q3), x, last);
    b = addScaled(b, productOf16(x + 96, q0, q1), x + 96, first);
    b = addScaled(b, productOf16(x + 128, q2, q3), x + 96, last);
    c = addScaled(c, productOf16(x + 192, q0, q1), x + 192, first);
    c = addScaled(c, productOf16(x + 224, q2, q3), x + 192, last);
    d = addScaled(d, productOf16(x + 288, q0, q1), x + 288, first);
    d = addScaled(d, productOf16(x + 320, q2, q3), x + 288, last);
  }
  finish(r, o, a);
  finish(r + 1, o, b);
  finish(r + 2, o, c);
  finish(r + 3, o, d);
}
