// Block-quantized weights (layouts: weights/blocks.ts), unpacked into one common form: a unit is 32 elements
//   x = scale · q + minimum
// in 80 bytes: q as 32 × i16, scale and minimum as f32, and 8 that keep units aligned. Only q4_1 and q4_K have a minimum. q6_K has a scale d · s, s of 8 bits, for
// each 16 elements: there q takes s in, and the scale is d. Every number is exact: q has at most 13 bits, d · s at most 17.

import { q4_0Code, q4_1Code, q4_KCode, q6_KCode, q8_0Code } from "./codes";

const twoTo112: f32 = 5.192296858534828e33;
const twoToMinus112: f32 = 1.925929944387236e-34;

/** Bytes that n elements take, n a multiple of 32 (of 256 for the K formats). */
export function blockBytesOf(dtype: i32, n: i32): usize {
  if (dtype === q8_0Code) return <usize>(n >> 5) * 34;
  if (dtype === q4_0Code) return <usize>(n >> 5) * 18;
  if (dtype === q4_1Code) return <usize>(n >> 5) * 20;
  if (dtype === q4_KCode) return <usize>(n >> 8) * 144;
  return <usize>(n >> 8) * 210;
}

/** An f16 in memory as f32: as in widen.ts, but one at a time and by way of scalar registers, which is faster for one. */
export function halfAt(at: usize): f32 {
  const bits = <i32>load<i16>(at); // the sign fills the upper half
  return reinterpret<f32>((bits << 13) & 0x8fffe000) * twoTo112 * twoTo112 * twoToMinus112;
}

/** The constants of fromF16, in memory: the compiler makes those in code anew for each block. */
const halfMask = memory.data<u32>([0x8fffe000, 0x8fffe000, 0x8fffe000, 0x8fffe000]);
const fourTimesTwoTo112 = memory.data<u32>([0x77800000, 0x77800000, 0x77800000, 0x77800000]);
const fourTimesTwoToMinus112 = memory.data<u32>([0x07800000, 0x07800000, 0x07800000, 0x07800000]);

/** The f16 at four places as f32, as fromF16 makes it (widen.ts). */
export function fourHalves(a: usize, b: usize, c: usize, d: usize): v128 {
  let halves = v128.load16_lane(a, i32x4.splat(0), 1);
  halves = v128.load16_lane(b, halves, 3);
  halves = v128.load16_lane(c, halves, 5);
  halves = v128.load16_lane(d, halves, 7);
  const up = v128.load(fourTimesTwoTo112);
  const value = f32x4.mul(v128.and(i32x4.shr_s(halves, 3), v128.load(halfMask)), up);
  return f32x4.mul(f32x4.mul(value, up), v128.load(fourTimesTwoToMinus112));
}

/** Bytes of an unpacked unit of 32 elements. */
export const unitBytes: i32 = 80;

/** Units begin to end (elements 32 · begin … 32 · end − 1) of the row at w. */
export function unpackUnits(out: usize, w: usize, dtype: i32, begin: i32, end: i32): void {
  // A loop for each dtype: a test inside would cost as much as the work.
  if (dtype === q8_0Code) for (let b = begin; b < end; b++, out += unitBytes) unpackQ8_0(out, w + <usize>b * 34);
  else if (dtype === q4_0Code) for (let b = begin; b < end; b++, out += unitBytes) unpackQ4_0(out, w + <usize>b * 18);
  else if (dtype === q4_1Code) for (let b = begin; b < end; b++, out += unitBytes) unpackQ4_1(out, w + <usize>b * 20);
  else if (dtype === q4_KCode)
    for (let b = begin; b < end; b++, out += unitBytes) unpackQ4_K(out, w + <usize>(b >> 3) * 144, b & 7);
  else if (dtype === q6_KCode)
    for (let b = begin; b < end; b++, out += unitBytes) unpackQ6_K(out, w + <usize>(b >> 3) * 210, b & 7);
}

/** n elements of the row at w as f32, by way of `unit`, unitBytes of scratch. */
export function widenUnits(out: usize, w: usize, dtype: i32, n: i32, unit: usize): void {
  for (let b = 0; b < n >> 5; b++, out += 128) {
    unpackUnits(unit, w, dtype, b, b + 1);
    const scale = v128.load_splat<f32>(unit, 64);
    const minimum = v128.load_splat<f32>(unit, 68);
    for (let i: usize = 0; i < 8; i++) {
      const q = f32x4.convert_i32x4_s(v128.load_ext<i16>(unit + (i << 3)));
      v128.store(out + (i << 4), f32x4.add(f32x4.mul(scale, q), minimum));
    }
  }
}

function unpackQ8_0(out: usize, block: usize): void {
  v128.store(out, v128.load_ext<i8>(block, 2));
  v128.store(out, v128.load_ext<i8>(block, 10), 16);
  v128.store(out, v128.load_ext<i8>(block, 18), 32);
  v128.store(out, v128.load_ext<i8>(block, 26), 48);
  storeScale(out, halfAt(block), 0);
}

function unpackQ4_0(out: usize, block: usize): void {
  const pairs = v128.load(block + 2);
  const eight = i8x16.splat(8);
  storeBytes(out, i8x16.sub(lowNibbles(pairs), eight));
  storeBytes(out + 32, i8x16.sub(highNibbles(pairs), eight));
  storeScale(out, halfAt(block), 0);
}

function unpackQ4_1(out: usize, block: usize): void {
  const pairs = v128.load(block + 4);
  storeBytes(out, lowNibbles(pairs));
  storeBytes(out + 32, highNibbles(pairs));
  storeScale(out, halfAt(block), halfAt(block + 2));
}

/** Group g of 8: two groups share 32 bytes, the low nibbles are the first. */
function unpackQ4_K(out: usize, block: usize, g: i32): void {
  const pairs = block + 16 + ((<usize>(g >> 1)) << 5);
  const first = v128.load(pairs);
  const last = v128.load(pairs, 16);
  storeBytes(out, g & 1 ? highNibbles(first) : lowNibbles(first));
  storeBytes(out + 32, g & 1 ? highNibbles(last) : lowNibbles(last));
  // Scales and minima 0 to 3 lie in 6 bits each; 4 to 7 in the nibbles of the last four bytes and, their two upper bits,
  // above those of the first eight.
  const at = block + 4 + <usize>(g & 3);
  const a = <i32>load<u8>(at);
  const b = <i32>load<u8>(at, 4);
  const c = <i32>load<u8>(at, 8);
  const scale = g < 4 ? a & 63 : (c & 15) | ((a >> 2) & 48);
  const minimum = g < 4 ? b & 63 : (c >> 4) | ((b >> 2) & 48);
  storeScale(out, halfAt(block) * <f32>scale, -(halfAt(block + 2) * <f32>minimum));
}

/** Group g of 8: each half of 128 elements has four runs of 32, nibbles and two upper bits apart. */
function unpackQ6_K(out: usize, block: usize, g: i32): void {
  const half = <usize>(g >> 2);
  const run = g & 3;
  const low = block + (half << 6) + ((<usize>(run & 1)) << 5);
  const high = block + 128 + (half << 5);
  const scales = block + 192 + ((<usize>g) << 1);
  storeProducts(out, sixBits(v128.load(low), v128.load(high), run), load<i8>(scales));
  storeProducts(out + 32, sixBits(v128.load(low, 16), v128.load(high, 16), run), load<i8>(scales, 1));
  storeScale(out, halfAt(block + 208), 0);
}

function sixBits(low: v128, high: v128, run: i32): v128 {
  const nibbles = run & 2 ? highNibbles(low) : lowNibbles(low);
  const upper = v128.and(i8x16.shr_u(high, run << 1), i8x16.splat(3));
  return i8x16.sub(v128.or(nibbles, i8x16.shl(upper, 4)), i8x16.splat(32));
}

export function lowNibbles(pairs: v128): v128 {
  return v128.and(pairs, i8x16.splat(15));
}

// A shift of 16 bits: processors have none of 8, and engines put a mask beside it that they make anew each time.
export function highNibbles(pairs: v128): v128 {
  return lowNibbles(i16x8.shr_u(pairs, 4));
}

/** 16 × i8 as i16 */
function storeBytes(out: usize, bytes: v128): void {
  v128.store(out, i16x8.extend_low_i8x16_s(bytes));
  v128.store(out, i16x8.extend_high_i8x16_s(bytes), 16);
}

/** 16 × i8 times a scale as i16 */
function storeProducts(out: usize, bytes: v128, scale: i16): void {
  v128.store(out, i16x8.mul(i16x8.extend_low_i8x16_s(bytes), i16x8.splat(scale)));
  v128.store(out, i16x8.mul(i16x8.extend_high_i8x16_s(bytes), i16x8.splat(scale)), 16);
}

function storeScale(out: usize, scale: f32, minimum: f32): void {
  store<f32>(out, scale, 64);
  store<f32>(out, minimum, 68);
}
