// Products of few rows with weights in q4_1, q4_K and q6_K, straight as they are stored. The op is linear.ts; x as it comes,
// the order of summation and the kernels for many rows are in linear-blocks.ts. Layouts: blocks.ts, after ggml-quants.c.
//
// The q of these formats are stored without a sign, in 4 or 6 bits, and that is what the 8-bit product of relaxed SIMD wants
// of its right operand. So x goes in as bytes: 16 products and 8 additions by one instruction, exact on every engine, since
// no sum of two leaves 16 bits: 2 · 127 · 63 = 16002.

import { highNibbles, lowNibbles } from "./blocks";
import { q4_1Code, q4_KCode } from "./codes";
import { dtypeArg, finishFour, inDimArg } from "./linear";
import { fourHalves, packedRow, rowOf } from "./linear-blocks";
import { arg, ownScratch } from "./threads";
import { madd } from "./vector";
import { fromF16 } from "./widen";

/** Bytes of 32 elements of x: xq as i8, dx and dx · Σ xq as f32, and 8 that keep them aligned. */
const unitBytes: i32 = 48;

/** Rows `from` to `to`, few, times outputs begin to end. `room`: 64 bytes for 32 elements of a row, and more rows 48 each. */
export function multiplyStored(begin: i32, end: i32, from: i32, to: i32, room: usize): void {
  const dtype = <i32>arg(dtypeArg);
  const units = <i32>arg(inDimArg) >> 5;
  const minima = room; // [unit][output]
  const rows = room + (<usize>units << 4);
  const rowBytes = <usize>(units * unitBytes);
  for (let r = from; r < to; r++) narrow(rows + <usize>(r - from) * rowBytes, r);
  // Outputs are `step` apart, four times; where there are none left, the last one is computed again and not stored.
  const step = (end - begin + 3) >> 2;
  for (let o = begin; o < begin + step; o++) {
    const a = rowOf(o, end);
    const b = rowOf(o + step, end);
    const c = rowOf(o + 2 * step, end);
    const d = rowOf(o + 3 * step, end);
    for (let r = from; r < to; r++) {
      const x = rows + <usize>(r - from) * rowBytes;
      const last = x + rowBytes;
      if (dtype === q4_1Code) finishFour(r, o, step, end, fourQ4_1(x, last, a, b, c, d, minima));
      else if (dtype === q4_KCode) finishFour(r, o, step, end, fourQ4_K(x, last, a, b, c, d, minima));
      else finishFour(r, o, step, end, fourQ6_K(x, last, a, b, c, d));
    }
  }
}

/** Row r of x, quantized, as bytes. */
function narrow(to: usize, r: i32): void {
  const end = packedRow(r + 1);
  for (let x = packedRow(r); x < end; x += 80, to += unitBytes) {
    v128.store(to, i8x16.narrow_i16x8_s(v128.load(x), v128.load(x, 16)));
    v128.store(to, i8x16.narrow_i16x8_s(v128.load(x, 32), v128.load(x, 48)), 16);
    const dx = load<f32>(x, 64);
    store<f32>(to, dx, 32);
    store<f32>(to, dx * <f32>load<i32>(x, 68), 36);
    store<u16>(to, halfSum(v128.load(to)), 40);
    store<u16>(to, halfSum(v128.load(to, 16)), 42);
  }
}

function halfSum(x: v128): u16 {
  const pairs = i16x8.extadd_pairwise_i8x16_s(x);
  let sums = i32x4.extadd_pairwise_i16x8_s(pairs);
  return <u16>(i32x4.extract_lane(sums, 0) + i32x4.extract_lane(sums, 1) + i32x4.extract_lane(sums, 2) + i32x4.extract_lane(sums, 3));
}

// ---- q4_1: d, m, 16 × nibbles

function fourQ4_1(x: usize, last: usize, a: usize, b: usize, c: usize, d: usize, minima: usize): v128 {
  let sum = f32x4.splat(0);
  let m = minima;
  for (let unit = x; unit < last; unit += unitBytes) {
    const x0 = v128.load(unit);
    const x1 = v128.load(unit, 16);
    const all = sumsOf4(nibbles(x0, x1, a), nibbles(x0, x1, b), nibbles(x0, x1, c), nibbles(x0, x1, d));
    let halves = v128.load32_zero(a);
    halves = v128.load32_lane(b, halves, 1);
    halves = v128.load32_lane(c, halves, 2);
    halves = v128.load32_lane(d, halves, 3);
    sum = addScaled(sum, all, unit, lowerHalves(halves));
    v128.store(m, upperHalves(halves));
    m += 16;
    a += 20;
    b += 20;
    c += 20;
    d += 20;
  }
  return addMinima(sum, x, last, minima);
}

/** q·xq of a block of q4_1: the low nibbles are the first 16 elements. */
function nibbles(x0: v128, x1: v128, block: usize): v128 {
  const pairs = v128.load(block, 4);
  return i16x8.add(dot(x0, lowNibbles(pairs)), dot(x1, highNibbles(pairs)));
}

// ---- q4_K: d, m, scales and minima, 4 × 32 bytes whose low nibbles are one unit and whose high nibbles are the next

function fourQ4_K(x: usize, last: usize, a: usize, b: usize, c: usize, d: usize, minima: usize): v128 {
  const scales = ownScratch(); // [unit][output]
  let sum = f32x4.splat(0);
  let m = minima;
  for (let unit = x; unit < last; m += 128) {
    scalesOf4(v128.load(a), v128.load(b), v128.load(c), v128.load(d), scales, m);
    a += 16;
    b += 16;
    c += 16;
    d += 16;
    for (let scale = scales; scale < scales + 128; scale += 32) {
      const x0 = v128.load(unit);
      const x1 = v128.load(unit, 16);
      const low = sumsOf4(lows(x0, x1, a), lows(x0, x1, b), lows(x0, x1, c), lows(x0, x1, d));
      sum = addScaled(sum, low, unit, v128.load(scale));
      const x2 = v128.load(unit, 48);
      const x3 = v128.load(unit, 64);
      const high = sumsOf4(highs(x2, x3, a), highs(x2, x3, b), highs(x2, x3, c), highs(x2, x3, d));
      sum = addScaled(sum, high, unit + unitBytes, v128.load(scale, 16));
      unit += 2 * unitBytes;
      a += 32;
      b += 32;
      c += 32;
      d += 32;
    }
  }
  return addMinima(sum, x, last, minima);
}

/** q·xq of the unit in the low nibbles of 32 bytes. */
function lows(x0: v128, x1: v128, pairs: usize): v128 {
  return i16x8.add(dot(x0, lowNibbles(v128.load(pairs))), dot(x1, lowNibbles(v128.load(pairs, 16))));
}

/** q·xq of the unit in the high ones. */
function highs(x0: v128, x1: v128, pairs: usize): v128 {
  return i16x8.add(dot(x0, highNibbles(v128.load(pairs))), dot(x1, highNibbles(v128.load(pairs, 16))));
}

/**
 * From the first 16 bytes of four superblocks, [unit][output]: d · scale and −m · minimum of 8 units. After d and m come
 * three words of four bytes: a has scales 0 to 3 in 6 bits each, b the minima; c has scales 4 to 7 in its low nibbles and
 * the minima in the high ones, and their two upper bits are those of a and b.
 */
function scalesOf4(o0: v128, o1: v128, o2: v128, o3: v128, scales: usize, minima: usize): void {
  // Turned about: each word of the four superblocks becomes a vector.
  const first01 = v128.shuffle<i32>(o0, o1, 0, 4, 1, 5);
  const first23 = v128.shuffle<i32>(o2, o3, 0, 4, 1, 5);
  const last01 = v128.shuffle<i32>(o0, o1, 2, 6, 3, 7);
  const last23 = v128.shuffle<i32>(o2, o3, 2, 6, 3, 7);
  const halves = v128.shuffle<i32>(first01, first23, 0, 1, 4, 5);
  const a = v128.shuffle<i32>(first01, first23, 2, 3, 6, 7);
  const b = v128.shuffle<i32>(last01, last23, 0, 1, 4, 5);
  const c = v128.shuffle<i32>(last01, last23, 2, 3, 6, 7);
  const sixBits = i8x16.splat(63);
  const upper = i8x16.splat(48);
  const d = lowerHalves(halves);
  storeScaled(scales, v128.and(a, sixBits), d);
  storeScaled(scales + 64, v128.or(lowNibbles(c), v128.and(i32x4.shr_u(a, 2), upper)), d);
  const m = f32x4.neg(upperHalves(halves));
  storeScaled(minima, v128.and(b, sixBits), m);
  storeScaled(minima + 64, v128.or(highNibbles(c), v128.and(i32x4.shr_u(b, 2), upper)), m);
}

/** factor · byte for each of the four bytes in every lane: [byte][lane]. */
function storeScaled(to: usize, bytes: v128, factor: v128): void {
  const lowest = i32x4.splat(255);
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(v128.and(bytes, lowest)), factor));
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(bytes, 8), lowest)), factor), 16);
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(bytes, 16), lowest)), factor), 32);
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(bytes, 24)), factor), 48);
}

// ---- q6_K: 2 × 64 bytes of low nibbles, 2 × 32 of two upper bits, 16 × i8 scales, d

/** Σ s·(q − 32)·xq = Σ s·q·xq − 32 · (s₀ · Σ xq of the first 16 + s₁ · Σ xq of the others). */
function fourQ6_K(x: usize, last: usize, a: usize, b: usize, c: usize, d: usize): v128 {
  const products = ownScratch(); // [unit][output]
  const scales = products + 512; // [output][16 elements], as i16
  const pairs = products + 640; // [unit][output]
  let sum = f32x4.splat(0);
  while (x < last) {
    productsQ6_K(x, a, products, scales);
    productsQ6_K(x, b, products + 16, scales + 32);
    productsQ6_K(x, c, products + 32, scales + 64);
    productsQ6_K(x, d, products + 48, scales + 96);
    turn4(pairs, v128.load(scales), v128.load(scales, 32), v128.load(scales, 64), v128.load(scales, 96));
    turn4(pairs + 64, v128.load(scales, 16), v128.load(scales, 48), v128.load(scales, 80), v128.load(scales, 112));
    const factor = fourHalves(a + 208, b + 208, c + 208, d + 208);
    for (let at: usize = 0; at < 128; at += 16, x += unitBytes) {
      const four = products + 4 * at;
      const all = lanes4(v128.load(four), v128.load(four, 16), v128.load(four, 32), v128.load(four, 48));
      const offset = i32x4.dot_i16x8_s(v128.load(pairs + at), v128.load32_splat(x, 40));
      sum = addScaled(sum, i32x4.sub(all, i32x4.shl(offset, 5)), x, factor);
    }
    a += 210;
    b += 210;
    c += 210;
    d += 210;
  }
  return sum;
}

/** s·q·xq of a superblock, the products of its 8 units 64 bytes apart, and its scales as i16. */
function productsQ6_K(x: usize, block: usize, to: usize, scales: usize): void {
  v128.store(scales, v128.load_ext<i8>(block, 192));
  v128.store(scales, v128.load_ext<i8>(block, 200), 16);
  const end = block + 128;
  for (let upper = end; block < end; block += 64, upper += 32) {
    const u0 = v128.load(upper);
    const u1 = v128.load(upper, 16);
    const a0 = v128.load(block);
    const a1 = v128.load(block, 16);
    const b0 = v128.load(block, 32);
    const b1 = v128.load(block, 48);
    v128.store(to, scaled(x, sixBits(lowNibbles(a0), i16x8.shl(u0, 4)), sixBits(lowNibbles(a1), i16x8.shl(u1, 4)), scales));
    v128.store(to, scaled(x + 48, sixBits(lowNibbles(b0), i16x8.shl(u0, 2)), sixBits(lowNibbles(b1), i16x8.shl(u1, 2)), scales + 4), 64);
    v128.store(to, scaled(x + 96, sixBits(highNibbles(a0), u0), sixBits(highNibbles(a1), u1), scales + 8), 128);
    v128.store(to, scaled(x + 144, sixBits(highNibbles(b0), i16x8.shr_u(u0, 2)), sixBits(highNibbles(b1), i16x8.shr_u(u1, 2)), scales + 12), 192);
    x += 4 * unitBytes;
    to += 256;
    scales += 16;
  }
}

/** A nibble and, above it, bits 4 and 5 of another byte. */
function sixBits(nibbles: v128, upper: v128): v128 {
  return v128.or(nibbles, v128.and(upper, i8x16.splat(48)));
}

/** q·xq of 32 elements in four lanes, times a scale for each 16. */
function scaled(x: usize, q0: v128, q1: v128, scales: usize): v128 {
  return i32x4.add(
    i32x4.dot_i16x8_s(dot(v128.load(x), q0), v128.load16_splat(scales)),
    i32x4.dot_i16x8_s(dot(v128.load(x, 16), q1), v128.load16_splat(scales, 2)),
  );
}

/** Four vectors of four words turned about: lane i of all becomes vector i. */
function turn4(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab01 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd01 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const ab23 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd23 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i32>(ab01, cd01, 0, 1, 4, 5));
  v128.store(to, v128.shuffle<i32>(ab01, cd01, 2, 3, 6, 7), 16);
  v128.store(to, v128.shuffle<i32>(ab23, cd23, 0, 1, 4, 5), 32);
  v128.store(to, v128.shuffle<i32>(ab23, cd23, 2, 3, 6, 7), 48);
}

// ---- all

/** x·q of 16 elements, x with a sign and q of up to 7 bits without, two products in each of eight lanes. */
function dot(x: v128, q: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.relaxed_dot_i8x16_i7x16_s(x, q);
  return i16x8.add(i16x8.extmul_low_i8x16_s(x, q), i16x8.extmul_high_i8x16_s(x, q));
}

/** The lane sums of four times eight sums of four products with nibbles: 16 such still fit, 16 · 127 · 15 = 30480. */
function sumsOf4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i16x8.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i16x8.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  const pairs = i16x8.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7));
  return i32x4.dot_i16x8_s(pairs, i16x8.splat(1));
}

function lanes4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7));
}

/** The f16 in the lower half of each lane as f32. */
function lowerHalves(v: v128): v128 {
  return fromF16(i32x4.shr_s(i32x4.shl(v, 16), 3));
}

/** The f16 in the upper half of each lane as f32. */
function upperHalves(v: v128): v128 {
  return fromF16(i32x4.shr_s(v, 3));
}

/** sum + dx · scale · integers, dx of the unit at x. */
function addScaled(sum: v128, integers: v128, x: usize, scale: v128): v128 {
  return madd(f32x4.convert_i32x4_s(integers), f32x4.mul(v128.load_splat<f32>(x, 32), scale), sum);
}

/** sum + dx · minimum · Σ xq, unit after unit. */
function addMinima(sum: v128, x: usize, last: usize, minima: usize): v128 {
  for (; x < last; x += unitBytes, minima += 16)
    sum = madd(v128.load_splat<f32>(x, 36), v128.load(minima), sum);
  return sum;
}
