// Products with block-quantized weights. The op is linear.ts, the formats are in blocks.ts.
//
// Integers are multiplied as integers: each row of x is quantized too, 32 elements at a time, to xq = x / dx rounded, with
// dx = (largest magnitude of the 32) / 127, as llama.cpp does for its products (ggml-quants.c, quantize_row_q8_0; there dx is
// rounded to f16, here it is not). With weights scale · q + minimum (blocks.ts), 32 elements add
//   dx · scale · Σ q·xq + dx · minimum · Σ xq.
// What that costs in accuracy: x is off by at most dx/2, so the normalized mean squared error of a product is about
// (largest / rms)² / (12 · 127²), some 3e-5 for values of a normal distribution.
//
// The order of summation. The sums of integers are exact, whatever their order. An output is one f32 to which the first term
// of each unit of 32 is added, unit after unit, and then, where there are minima, the second term of each. All kernels below
// keep to it: they compute four outputs at once, turn their lanes about and go on with one output in each lane.
//
// One row of the most usual formats goes straight along the stored weights of four outputs that lie far apart (why:
// linear-floats.ts). Otherwise four rows of weights are unpacked, and tiles of three rows of x go along them.
//
// 16-bit products of values widened from 8 bits, because they are exact on every engine and cost no more than the 8-bit
// product of relaxed SIMD, whose left operand alone may have a sign: moving signs to one side takes what it would save.
// Tried, and no faster: pairs of x broadcast against four outputs in the lanes; four rows against rotations of four outputs.

import { blockBytesOf, highNibbles, lowNibbles, unpackUnit } from "./blocks";
import { q4_0Code, q4_1Code, q4_KCode, q8_0Code } from "./codes";
import { dtypeArg, finishFour, finishNext, inDimArg, packedArg, tiledArg, tiledRows, wArg, xArg } from "./linear";
import { arg } from "./threads";
import { madd, maxLanes } from "./vector";
import { fromF16 } from "./widen";

/** Bytes of 32 quantized elements of x: 32 × i16, dx, Σ xq as i32, and 8 that make every load an aligned one. */
const xUnitBytes: i32 = 80;
/** Outputs that are computed together. */
const panelOuts: i32 = 4;
/** Bytes of an unpacked unit of four outputs: [output] 32 × i16, [output] scales, [output] minima. */
const unitBytes: i32 = panelOuts * 64 + 32;

/** Whether rows go in tiles. */
export function blocksTiled(rows: i32, dtype: i32): bool {
  return rows >= tiledRows || (dtype !== q8_0Code && dtype !== q4_0Code);
}

/** Bytes of a packed row of x. */
export function blocksRowBytes(inDim: i32): usize {
  return <usize>(inDim >> 5) * xUnitBytes;
}

/** Bytes of the unpacked weights of four outputs. */
export function blocksPanelBytes(inDim: i32): usize {
  return <usize>(inDim >> 5) * unitBytes;
}

// ---- x

/** Quantizes rows of x. */
export function packBlocks(begin: i32, end: i32): void {
  const inDim = <i32>arg(inDimArg);
  for (let r = begin; r < end; r++) quantizeRow(packedRow(r), arg(xArg) + ((<usize>r * <usize>inDim) << 2), inDim);
}

function packedRow(r: i32): usize {
  return arg(packedArg) + <usize>r * blocksRowBytes(<i32>arg(inDimArg));
}

function quantizeRow(out: usize, x: usize, inDim: i32): void {
  const end = x + ((<usize>inDim) << 2);
  for (; x < end; x += 128, out += xUnitBytes) {
    let largest = f32x4.abs(v128.load(x));
    for (let i: usize = 16; i < 128; i += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(x + i)));
    const most = maxLanes(largest);
    const inverse = f32x4.splat(most > 0 ? 127 / most : 0);
    let sums = i32x4.splat(0);
    for (let i: usize = 0; i < 4; i++) {
      const low = rounded(v128.load(x + (i << 5)), inverse);
      const high = rounded(v128.load(x + (i << 5), 16), inverse);
      v128.store(out + (i << 4), i16x8.narrow_i32x4_s(low, high));
      sums = i32x4.add(sums, i32x4.add(low, high));
    }
    store<f32>(out, most / 127, 64);
    const halves = i32x4.add(sums, v128.shuffle<i32>(sums, sums, 2, 3, 0, 1));
    store<i32>(out, i32x4.extract_lane(halves, 0) + i32x4.extract_lane(halves, 1), 68);
  }
}

function rounded(x: v128, inverse: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(x, inverse)));
}

// ---- products

export function multiplyBlocks(begin: i32, end: i32, from: i32, to: i32, room: usize): void {
  if (arg(tiledArg)) {
    tiles(begin, end, from, to, room);
    return;
  }
  // Outputs are `step` apart, four times; where there are none left, the last one is computed again and not stored.
  const step = (end - begin + 3) >> 2;
  const q8_0 = <i32>arg(dtypeArg) === q8_0Code;
  for (let o = begin; o < begin + step; o++)
    for (let r = from; r < to; r++)
      finishFour(r, o, step, end, q8_0 ? fourQ8_0(r, o, step, end) : fourQ4_0(r, o, step, end));
}

/** Where the weights of output o begin, or those of the last one before `end`. */
function rowOf(o: i32, end: i32): usize {
  return arg(wArg) + <usize>min(o, end - 1) * blockBytesOf(<i32>arg(dtypeArg), <i32>arg(inDimArg));
}

/** Row r times outputs o, o + step … of q8_0. */
function fourQ8_0(r: i32, o: i32, step: i32, end: i32): v128 {
  let x = packedRow(r);
  let a = rowOf(o, end);
  let b = rowOf(o + step, end);
  let c = rowOf(o + 2 * step, end);
  let d = rowOf(o + 3 * step, end);
  let sum = f32x4.splat(0);
  const last = x + blocksRowBytes(<i32>arg(inDimArg));
  for (; x < last; x += xUnitBytes) {
    const all = sumsOf4(productOfBytes(x, a), productOfBytes(x, b), productOfBytes(x, c), productOfBytes(x, d));
    sum = addScaled(sum, all, x, fourHalves(a, b, c, d));
    a += 34;
    b += 34;
    c += 34;
    d += 34;
  }
  return sum;
}

/** Row r times outputs o, o + step … of q4_0: Σ (q − 8)·xq = Σ q·xq − 8·Σ xq. */
function fourQ4_0(r: i32, o: i32, step: i32, end: i32): v128 {
  let x = packedRow(r);
  let a = rowOf(o, end);
  let b = rowOf(o + step, end);
  let c = rowOf(o + 2 * step, end);
  let d = rowOf(o + 3 * step, end);
  let sum = f32x4.splat(0);
  const last = x + blocksRowBytes(<i32>arg(inDimArg));
  for (; x < last; x += xUnitBytes) {
    const all = sumsOf4(productOfNibbles(x, a), productOfNibbles(x, b), productOfNibbles(x, c), productOfNibbles(x, d));
    const eights = i32x4.splat(load<i32>(x, 68) << 3);
    sum = addScaled(sum, i32x4.sub(all, eights), x, fourHalves(a, b, c, d));
    a += 18;
    b += 18;
    c += 18;
    d += 18;
  }
  return sum;
}

/** The f16 at four places as f32. */
function fourHalves(a: usize, b: usize, c: usize, d: usize): v128 {
  let halves = v128.load16_lane(a, i32x4.splat(0), 1);
  halves = v128.load16_lane(b, halves, 3);
  halves = v128.load16_lane(c, halves, 5);
  return fromF16(i32x4.shr_s(v128.load16_lane(d, halves, 7), 3));
}

/** q·xq of 32 elements in four lanes, from a block of q8_0. */
function productOfBytes(x: usize, block: usize): v128 {
  return product(
    x,
    v128.load_ext<i8>(block, 2),
    v128.load_ext<i8>(block, 10),
    v128.load_ext<i8>(block, 18),
    v128.load_ext<i8>(block, 26),
  );
}

/** q·xq of 32 elements in four lanes, whose q are the nibbles of a block of q4_0: the low ones first. */
function productOfNibbles(x: usize, block: usize): v128 {
  const pairs = v128.load(block, 2);
  const low = lowNibbles(pairs);
  const high = highNibbles(pairs);
  return product(
    x,
    i16x8.extend_low_i8x16_u(low),
    i16x8.extend_high_i8x16_u(low),
    i16x8.extend_low_i8x16_u(high),
    i16x8.extend_high_i8x16_u(high),
  );
}

/** q·xq of 32 elements in four lanes. */
function product(x: usize, q0: v128, q1: v128, q2: v128, q3: v128): v128 {
  const first = i32x4.add(i32x4.dot_i16x8_s(v128.load(x), q0), i32x4.dot_i16x8_s(v128.load(x, 16), q1));
  const last = i32x4.add(i32x4.dot_i16x8_s(v128.load(x, 32), q2), i32x4.dot_i16x8_s(v128.load(x, 48), q3));
  return i32x4.add(first, last);
}

/** The lane sums of four vectors. */
function sumsOf4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7));
}

/** sum + dx · scale · integers, dx from the unit at x. */
function addScaled(sum: v128, integers: v128, x: usize, scale: v128): v128 {
  return madd(f32x4.convert_i32x4_s(integers), f32x4.mul(v128.load_splat<f32>(x, 64), scale), sum);
}

// ---- tiles

/** Rows `from` to `to` times outputs begin to end. */
function tiles(begin: i32, end: i32, from: i32, to: i32, panel: usize): void {
  const dtype = <i32>arg(dtypeArg);
  const units = <i32>arg(inDimArg) >> 5;
  const withMinimum = dtype === q4_1Code || dtype === q4_KCode;
  for (let o = begin; o < end; o += panelOuts) {
    for (let i = 0; i < panelOuts; i++) {
      const w = rowOf(o + i, end);
      let unit = panel;
      for (let b = 0; b < units; b++, unit += unitBytes)
        unpackUnit(unit + ((<usize>i) << 6), unit + 256 + ((<usize>i) << 2), w, b, dtype);
    }
    for (let r = from; r < to; r += 3) tile(r, to, o, end, panel, units, withMinimum);
  }
}

/** Rows r, r + 1, r + 2 times four outputs. Of rows that are not there the last is taken, and not stored. */
function tile(r: i32, to: i32, o: i32, end: i32, panel: usize, units: i32, withMinimum: bool): void {
  let x = packedRow(r);
  let y = packedRow(min(r + 1, to - 1));
  let z = packedRow(min(r + 2, to - 1));
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let w = panel;
  const last = panel + <usize>units * unitBytes;
  for (; w < last; w += unitBytes) {
    const q0 = v128.load(w);
    const q1 = v128.load(w, 16);
    const q2 = v128.load(w, 32);
    const q3 = v128.load(w, 48);
    const a0 = product(x, q0, q1, q2, q3);
    const b0 = product(y, q0, q1, q2, q3);
    const c0 = product(z, q0, q1, q2, q3);
    const q4 = v128.load(w, 64);
    const q5 = v128.load(w, 80);
    const q6 = v128.load(w, 96);
    const q7 = v128.load(w, 112);
    const a1 = product(x, q4, q5, q6, q7);
    const b1 = product(y, q4, q5, q6, q7);
    const c1 = product(z, q4, q5, q6, q7);
    const q8 = v128.load(w, 128);
    const q9 = v128.load(w, 144);
    const q10 = v128.load(w, 160);
    const q11 = v128.load(w, 176);
    const a2 = product(x, q8, q9, q10, q11);
    const b2 = product(y, q8, q9, q10, q11);
    const c2 = product(z, q8, q9, q10, q11);
    const q12 = v128.load(w, 192);
    const q13 = v128.load(w, 208);
    const q14 = v128.load(w, 224);
    const q15 = v128.load(w, 240);
    const scale = v128.load(w, 256);
    a = addScaled(a, sumsOf4(a0, a1, a2, product(x, q12, q13, q14, q15)), x, scale);
    b = addScaled(b, sumsOf4(b0, b1, b2, product(y, q12, q13, q14, q15)), y, scale);
    c = addScaled(c, sumsOf4(c0, c1, c2, product(z, q12, q13, q14, q15)), z, scale);
    x += xUnitBytes;
    y += xUnitBytes;
    z += xUnitBytes;
  }
  if (withMinimum) {
    const bytes = <usize>units * xUnitBytes;
    a = addMinima(a, x - bytes, panel, last);
    b = addMinima(b, y - bytes, panel, last);
    c = addMinima(c, z - bytes, panel, last);
  }
  finishNext(r, o, end, a);
  if (r + 1 < to) finishNext(r + 1, o, end, b);
  if (r + 2 < to) finishNext(r + 2, o, end, c);
}

/** sum + dx · minimum · Σ xq, unit after unit. */
function addMinima(sum: v128, x: usize, w: usize, last: usize): v128 {
  for (; w < last; w += unitBytes, x += xUnitBytes)
    sum = madd(f32x4.splat(load<f32>(x, 64) * <f32>load<i32>(x, 68)), v128.load(w, 272), sum);
  return sum;
}
