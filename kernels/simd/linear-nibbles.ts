// Products of few rows with weights in q4_0, q4_1, q4_K and q6_K, straight as they are stored. The op is linear.ts; how x is
// quantized is in quantized-rows.ts; the order of summation and the kernels for many rows are in linear-blocks.ts. Layouts of blocks: blocks.ts,
// after llama.cpp's ggml-common.h and ggml-quants.c.
//
// These formats store q without a sign, in 4 or 6 bits, which is what the 8-bit product of relaxed SIMD asks of its right
// operand. So x goes in as bytes: one instruction makes 16 products and adds them in pairs, exactly and alike on every
// engine, for no pair leaves 16 bits: 2 · 127 · 63 = 16002.
//
// Tried for q6_K: four outputs at once, unit after unit, as the others go (half as fast); reading d of all four first (the
// same); reading lines of the next blocks early (11 % faster in short chunks, but it reads past the end of the weights).

import { blockBytesOf, fourHalves, highNibbles, lowNibbles, unitBytes as packedBytes } from "./blocks";
import { q4_0Code, q4_1Code, q4_KCode } from "./codes";
import { finishFour, job, rowOf } from "./linear-job";
import { packedRow } from "./quantized-rows";
import { ownScratch } from "./threads";
import { madd, sumsOf4 } from "./vector";
import { fromF16 } from "./widen";

/** Bytes of 32 elements of x: xq as i8; dx and dx · Σ xq as f32; Σ xq of either half as i16; 4 that keep units aligned. */
const unitBytes: i32 = 48;
const dxAt: usize = 32;
const sumAt: usize = 36;
const halvesAt: usize = 40;

/** Rows `from` to `to`, at most 4, times outputs begin to end; `room` for 16 + 4 · 48 bytes for each unit of a row. */
export function multiplyNibbles(begin: i32, end: i32, from: i32, to: i32, room: usize): void {
  const dtype = job.dtype;
  const units = job.inDim >> 5;
  const minima = room; // [unit][output]
  const rows = room + ((<usize>units) << 4);
  const rowBytes = <usize>(units * unitBytes);
  for (let r = from; r < to; r++) narrow(rows + <usize>(r - from) * rowBytes, r);
  // Outputs are `step` apart, four times; where there are none left, the last one is computed again and not stored.
  const step = (end - begin + 3) >> 2;
  const weightBytes = blockBytesOf(dtype, job.inDim);
  for (let o = begin; o < begin + step; o++) {
    const a = rowOf(o, end, weightBytes);
    const b = rowOf(o + step, end, weightBytes);
    const c = rowOf(o + 2 * step, end, weightBytes);
    const d = rowOf(o + 3 * step, end, weightBytes);
    for (let r = from; r < to; r++) {
      const x = rows + <usize>(r - from) * rowBytes;
      const last = x + rowBytes;
      if (dtype === q4_0Code) finishFour(r, o, step, end, fourQ4_0(x, last, a, b, c, d));
      else if (dtype === q4_1Code) finishFour(r, o, step, end, fourQ4_1(x, last, a, b, c, d, minima));
      else if (dtype === q4_KCode) finishFour(r, o, step, end, fourQ4_K(x, last, a, b, c, d, minima));
      else finishFour(r, o, step, end, fourQ6_K(x, last, a, b, c, d));
    }
  }
}

/** Row r of x, which is packed with 16 bits for each xq, as bytes. */
function narrow(to: usize, r: i32): void {
  const end = packedRow(r + 1);
  for (let x = packedRow(r); x < end; x += packedBytes, to += unitBytes) {
    const first = i8x16.narrow_i16x8_s(v128.load(x), v128.load(x, 16));
    const last = i8x16.narrow_i16x8_s(v128.load(x, 32), v128.load(x, 48));
    v128.store(to, first);
    v128.store(to, last, 16);
    const dx = load<f32>(x, 64);
    store<f32>(to, dx, dxAt);
    store<f32>(to, dx * <f32>load<i32>(x, 68), sumAt);
    const firsts = i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(first));
    const lasts = i32x4.extadd_pairwise_i16x8_s(i16x8.extadd_pairwise_i8x16_s(last));
    const halves = sumsOf4(firsts, lasts, firsts, lasts);
    v128.store32_lane(to, i16x8.narrow_i32x4_s(halves, halves), 0, halvesAt);
  }
}

// ---- q4_0. A block: d, 16 bytes of nibbles, the low ones first

/** x times the rows of weights at a, b, c and d: Σ (q − 8)·xq = Σ q·xq − 8 · Σ xq. */
function fourQ4_0(x: usize, last: usize, a: usize, b: usize, c: usize, d: usize): v128 {
  let sum = f32x4.splat(0);
  for (; x < last; x += unitBytes) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const all = sumsOfShorts(
      nibbles(x0, x1, a + 2),
      nibbles(x0, x1, b + 2),
      nibbles(x0, x1, c + 2),
      nibbles(x0, x1, d + 2),
    );
    const eights = i32x4.dot_i16x8_s(v128.load32_splat(x, halvesAt), i16x8.splat(8));
    sum = addScaled(sum, i32x4.sub(all, eights), x, fourHalves(a, b, c, d));
    a += 18;
    b += 18;
    c += 18;
    d += 18;
  }
  return sum;
}

// ---- q4_1. A block: d, m, 16 bytes of nibbles, the low ones first

/** x times the rows of weights at a, b, c and d; `minima`: room for 16 bytes for each unit. */
function fourQ4_1(x: usize, last: usize, a: usize, b: usize, c: usize, d: usize, minima: usize): v128 {
  let sum = f32x4.splat(0);
  let m = minima;
  for (let unit = x; unit < last; unit += unitBytes) {
    const x0 = v128.load(unit);
    const x1 = v128.load(unit, 16);
    const all = sumsOfShorts(
      nibbles(x0, x1, a + 4),
      nibbles(x0, x1, b + 4),
      nibbles(x0, x1, c + 4),
      nibbles(x0, x1, d + 4),
    );
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

/** q·xq of 16 bytes of nibbles. */
function nibbles(x0: v128, x1: v128, at: usize): v128 {
  const pairs = v128.load(at);
  return i16x8.add(dot(x0, lowNibbles(pairs)), dot(x1, highNibbles(pairs)));
}

// ---- q4_K. A block: d, m, 12 bytes of scales and minima, 4 × 32 bytes of nibbles, the low ones one unit, the high ones the next

/** As fourQ4_1. */
function fourQ4_K(x: usize, last: usize, a: usize, b: usize, c: usize, d: usize, minima: usize): v128 {
  const scales = ownScratch(); // [unit][output]
  let sum = f32x4.splat(0);
  let m = minima;
  for (let unit = x; unit < last; m += 128) {
    transpose4(scales + 128, v128.load(a), v128.load(b), v128.load(c), v128.load(d));
    scalesQ4_K(scales + 128, scales, m);
    a += 16;
    b += 16;
    c += 16;
    d += 16;
    for (let scale = scales; scale < scales + 128; scale += 32) {
      const x0 = v128.load(unit);
      const x1 = v128.load(unit, 16);
      const low = sumsOfShorts(lows(x0, x1, a), lows(x0, x1, b), lows(x0, x1, c), lows(x0, x1, d));
      sum = addScaled(sum, low, unit, v128.load(scale));
      unit += unitBytes;
      const x2 = v128.load(unit);
      const x3 = v128.load(unit, 16);
      const high = sumsOfShorts(highs(x2, x3, a), highs(x2, x3, b), highs(x2, x3, c), highs(x2, x3, d));
      sum = addScaled(sum, high, unit, v128.load(scale, 16));
      unit += unitBytes;
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
 * The scales d · s and minima −m · t of the eight units of four blocks, [unit][output]. `words`: the first four words of
 * each block, [word][output]: d and m; six bits of s₀ … s₃, a byte each; six of t₀ … t₃; and of s₄ … s₇ and t₄ … t₇ the low
 * and high nibbles, whose two upper bits are those of words 1 and 2.
 */
function scalesQ4_K(words: usize, scales: usize, minima: usize): void {
  const halves = v128.load(words);
  const first = v128.load(words, 16);
  const second = v128.load(words, 32);
  const third = v128.load(words, 48);
  const d = lowerHalves(halves);
  const m = f32x4.neg(upperHalves(halves));
  storeScaled(scales, v128.and(first, i8x16.splat(63)), d);
  storeScaled(scales + 64, sixBits(lowNibbles(third), i32x4.shr_u(first, 2)), d);
  storeScaled(minima, v128.and(second, i8x16.splat(63)), m);
  storeScaled(minima + 64, sixBits(highNibbles(third), i32x4.shr_u(second, 2)), m);
}

/** factor · byte for each of the four bytes in every lane: [byte][lane]. */
function storeScaled(to: usize, bytes: v128, factor: v128): void {
  const lowest = i32x4.splat(255);
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(v128.and(bytes, lowest)), factor));
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(bytes, 8), lowest)), factor), 16);
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(bytes, 16), lowest)), factor), 32);
  v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.shr_u(bytes, 24)), factor), 48);
}

// ---- q6_K. A block: 2 × 64 bytes of nibbles, 2 × 32 of upper bits, 16 × i8 scales s, one for 16 elements, and d

/**
 * x times the rows of weights at a, b, c and d. With s₀ and s₁ for the halves of a unit,
 * Σ s·(q − 32)·xq = Σ s·q·xq − 32 · (s₀ · Σ xq of one half + s₁ · Σ xq of the other).
 */
function fourQ6_K(x: usize, last: usize, a: usize, b: usize, c: usize, d: usize): v128 {
  const products = ownScratch(); // [unit][output]: four lanes
  const scales = products + 512; // [output][unit]: s₀, s₁ as i16
  const transposed = products + 640; // [unit][output]
  let sum = f32x4.splat(0);
  while (x < last) {
    productsQ6_K(x, a, products, scales);
    productsQ6_K(x, b, products + 16, scales + 32);
    productsQ6_K(x, c, products + 32, scales + 64);
    productsQ6_K(x, d, products + 48, scales + 96);
    transpose4(transposed, v128.load(scales), v128.load(scales, 32), v128.load(scales, 64), v128.load(scales, 96));
    transpose4(
      transposed + 64,
      v128.load(scales, 16),
      v128.load(scales, 48),
      v128.load(scales, 80),
      v128.load(scales, 112),
    );
    const scale = fourHalves(a + 208, b + 208, c + 208, d + 208);
    for (let unit: usize = 0; unit < 8; unit++, x += unitBytes) {
      const four = products + (unit << 6);
      const all = sumsOf4(v128.load(four), v128.load(four, 16), v128.load(four, 32), v128.load(four, 48));
      const sums = i32x4.dot_i16x8_s(v128.load(transposed + (unit << 4)), v128.load32_splat(x, halvesAt));
      sum = addScaled(sum, i32x4.sub(all, i32x4.shl(sums, 5)), x, scale);
    }
    a += 210;
    b += 210;
    c += 210;
    d += 210;
  }
  return sum;
}

/** s·q·xq of a block: four lanes for each unit, 64 bytes apart; and its scales as i16. */
function productsQ6_K(x: usize, nibbles: usize, to: usize, scales: usize): void {
  v128.store(scales, v128.load_ext<i8>(nibbles, 192));
  v128.store(scales, v128.load_ext<i8>(nibbles, 200), 16);
  const end = nibbles + 128;
  for (let upper = end; nibbles < end; upper += 32) {
    // Four units: low and high nibbles of 2 × 32 bytes, and from each byte of upper bits two for each unit, the lowest first.
    const a0 = v128.load(nibbles);
    const a1 = v128.load(nibbles, 16);
    const b0 = v128.load(nibbles, 32);
    const b1 = v128.load(nibbles, 48);
    const u0 = v128.load(upper);
    const u1 = v128.load(upper, 16);
    let q0 = sixBits(lowNibbles(a0), i16x8.shl(u0, 4));
    let q1 = sixBits(lowNibbles(a1), i16x8.shl(u1, 4));
    v128.store(to, scaled(x, q0, q1, scales));
    q0 = sixBits(lowNibbles(b0), i16x8.shl(u0, 2));
    q1 = sixBits(lowNibbles(b1), i16x8.shl(u1, 2));
    v128.store(to, scaled(x + unitBytes, q0, q1, scales + 4), 64);
    q0 = sixBits(highNibbles(a0), u0);
    q1 = sixBits(highNibbles(a1), u1);
    v128.store(to, scaled(x + 2 * unitBytes, q0, q1, scales + 8), 128);
    q0 = sixBits(highNibbles(b0), i16x8.shr_u(u0, 2));
    q1 = sixBits(highNibbles(b1), i16x8.shr_u(u1, 2));
    v128.store(to, scaled(x + 3 * unitBytes, q0, q1, scales + 12), 192);
    x += 4 * unitBytes;
    nibbles += 64;
    to += 256;
    scales += 16;
  }
}

/** s₀·q·xq of 16 elements and s₁·q·xq of 16 more, in four lanes. */
function scaled(x: usize, q0: v128, q1: v128, scales: usize): v128 {
  const first = i32x4.dot_i16x8_s(dot(v128.load(x), q0), v128.load16_splat(scales));
  return i32x4.add(first, i32x4.dot_i16x8_s(dot(v128.load(x, 16), q1), v128.load16_splat(scales, 2)));
}

// ---- shared

/** x·q of 16 elements in eight lanes, x with a sign, q of at most 7 bits without. */
function dot(x: v128, q: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i16x8.relaxed_dot_i8x16_i7x16_s(x, q);
  return i16x8.add(i16x8.extmul_low_i8x16_s(x, q), i16x8.extmul_high_i8x16_s(x, q));
}

/** Nibbles and, above them, bits 4 and 5 of other bytes. */
function sixBits(nibbles: v128, upper: v128): v128 {
  return v128.or(nibbles, v128.and(upper, i8x16.splat(48)));
}

/** The sums of four times eight lanes, each with four products of nibbles: 16 such still fit, 16 · 127 · 15 = 30480. */
function sumsOfShorts(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i16x8.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i16x8.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  const pairs = i16x8.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7));
  return i32x4.dot_i16x8_s(pairs, i16x8.splat(1));
}

/** Four vectors of four words transposed: lane i of all of them becomes vector i. */
function transpose4(to: usize, a: v128, b: v128, c: v128, d: v128): void {
  const ab01 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd01 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const ab23 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd23 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i32>(ab01, cd01, 0, 1, 4, 5));
  v128.store(to, v128.shuffle<i32>(ab01, cd01, 2, 3, 6, 7), 16);
  v128.store(to, v128.shuffle<i32>(ab23, cd23, 0, 1, 4, 5), 32);
  v128.store(to, v128.shuffle<i32>(ab23, cd23, 2, 3, 6, 7), 48);
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
  return madd(f32x4.convert_i32x4_s(integers), f32x4.mul(v128.load_splat<f32>(x, dxAt), scale), sum);
}

/** sum + dx · minimum · Σ xq, unit after unit. */
function addMinima(sum: v128, x: usize, last: usize, minima: usize): v128 {
  for (; x < last; x += unitBytes, minima += 16) sum = madd(v128.load_splat<f32>(x, sumAt), v128.load(minima), sum);
  return sum;
}
