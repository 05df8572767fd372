// How stored elements become f32. Every bf16 and f16 number becomes its exact value; blocks are in blocks.ts.
//
// A bf16 is the upper half of an f32: four of them interleaved with zeros are four f32, by one instruction.

import { blockBytesOf, widenUnits } from "./blocks";
import { f16Code, f32Code, q8_0Code } from "./codes";
import { ownScratch } from "./threads";

/** Bytes that n elements take. */
export function bytesOf(dtype: i32, n: i32): usize {
  if (dtype >= q8_0Code) return blockBytesOf(dtype, n);
  return dtype === f32Code ? (<usize>n) << 2 : (<usize>n) << 1;
}

/** Elements 0 … 3 of eight at `from`. T: f32, u16 for bf16, i16 for f16. */
export function firstFour<T>(from: usize): v128 {
  if (isFloat<T>()) return v128.load(from);
  const upper = v128.shuffle<u16>(i32x4.splat(0), v128.load(from), 0, 8, 1, 9, 2, 10, 3, 11);
  return isSigned<T>() ? fromF16(i32x4.shr_s(upper, 3)) : upper;
}

/** Elements 4 … 7 of eight at `from`. */
export function lastFour<T>(from: usize): v128 {
  if (isFloat<T>()) return v128.load(from, 16);
  const upper = v128.shuffle<u16>(i32x4.splat(0), v128.load(from), 4, 12, 5, 13, 6, 14, 7, 15);
  return isSigned<T>() ? fromF16(i32x4.shr_s(upper, 3)) : upper;
}

/** The four elements at `from`. */
export function nextFour<T>(from: usize): v128 {
  if (isFloat<T>()) return v128.load(from);
  const upper = v128.shuffle<u16>(i32x4.splat(0), v128.load64_zero(from), 0, 8, 1, 9, 2, 10, 3, 11);
  return isSigned<T>() ? fromF16(i32x4.shr_s(upper, 3)) : upper;
}

/** The four keys or values at `from`: as nextFour, but what the cache holds is finite (narrowRow). T: f32, or i16 for f16. */
export function nextCached<T>(from: usize): v128 {
  if (isFloat<T>()) return v128.load(from);
  const shifted = v128.and(i32x4.shl(v128.load_ext<i16>(from), 13), i32x4.splat(0x8fffe000));
  return f32x4.mul(shifted, f32x4.splat(5.192296858534828e33)); // 2^112
}

/** 2^112: what f16 is too small by when its bits are where an f32 has them. */
export const f16Factor: f32 = 5.192296858534828e33;

/** The four keys or values at `from`, but those of f16 without the factor 2^112: whoever multiplies puts it into the other side. */
export function nextUnscaled<T>(from: usize): v128 {
  if (isFloat<T>()) return v128.load(from);
  return v128.and(i32x4.shl(v128.load_ext<i16>(from), 13), i32x4.splat(0x8fffe000));
}

/** The element at `from`. */
export function one<T>(from: usize): f32 {
  if (isFloat<T>()) return load<f32>(from);
  const upper = i32x4.splat((<i32>load<u16>(from)) << 16);
  return f32x4.extract_lane(isSigned<T>() ? fromF16(i32x4.shr_s(upper, 3)) : upper, 0);
}

/**
 * f16 to f32, shifted such that sign, exponent and fraction are where an f32 has them (and some copies of the sign beside
 * it). The exponent is 112 too small then, and a multiplication by 2^112 sets it right, of subnormals too. An f16 infinity
 * has become 2^16 by that; multiplying once more by 2^112 overflows it and nothing smaller. (A NaN turns into an infinity.)
 */
export function fromF16(shifted: v128): v128 {
  const up = f32x4.splat(5.192296858534828e33); // 2^112
  const value = f32x4.mul(v128.and(shifted, i32x4.splat(0x8fffe000)), up);
  return f32x4.mul(f32x4.mul(value, up), f32x4.splat(1.925929944387236e-34)); // 2^-112
}

/** Elements 0 … n − 1 at `from` as f32, in their order. */
export function widenRow(out: usize, from: usize, dtype: i32, n: i32): void {
  if (dtype === f32Code) {
    memory.copy(out, from, (<usize>n) << 2);
    return;
  }
  if (dtype >= q8_0Code) {
    widenUnits(out, from, dtype, n, ownScratch());
    return;
  }
  let i = 0;
  for (; i + 4 <= n; i += 4)
    v128.store(out + ((<usize>i) << 2), widen4(v128.load64_zero(from + ((<usize>i) << 1)), dtype));
  for (; i < n; i++)
    store<f32>(
      out + ((<usize>i) << 2),
      f32x4.extract_lane(widen4(v128.load16_splat(from + ((<usize>i) << 1)), dtype), 0),
    );
}

/** The first four of eight 16-bit elements. */
function widen4(v: v128, dtype: i32): v128 {
  const upper = i32x4.shl(i32x4.extend_low_i16x8_u(v), 16);
  return dtype === f16Code ? fromF16(i32x4.shr_s(upper, 3)) : upper;
}

/** n f32 values stored as f32 or f16, the latter rounded to nearest, ties to even, and at most 65504 (NaN becomes that too). */
export function narrowRow(out: usize, from: usize, dtype: i32, n: i32): void {
  if (dtype === f32Code) {
    memory.copy(out, from, (<usize>n) << 2);
    return;
  }
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    const halves = toF16(v128.load(from + ((<usize>i) << 2)));
    v128.store64_lane(out + ((<usize>i) << 1), i16x8.narrow_i32x4_u(halves, halves), 0);
  }
  for (; i < n; i++) {
    const half = toF16(v128.load_splat<f32>(from + ((<usize>i) << 2)));
    store<u16>(out + ((<usize>i) << 1), i16x8.extract_lane_u(half, 0));
  }
}

/**
 * f32 to f16, in the lower half of each lane. Normal numbers: the exponent made smaller by 112, 13 places rounded off by
 * adding half of the last kept place less one, plus that place. Smaller ones: adding 0.5 leaves the value in units of 2^-24
 * in the low bits, rounded by the addition itself. Above 65504, the largest of f16: that one.
 */
function toF16(x: v128): v128 {
  const magnitude = i32x4.min_s(v128.and(x, i32x4.splat(0x7fffffff)), i32x4.splat(0x477fe000));
  const odd = v128.and(i32x4.shr_u(magnitude, 13), i32x4.splat(1));
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, i32x4.splat(0xc8000fff)), odd), 13);
  const small = i32x4.sub(f32x4.add(magnitude, f32x4.splat(0.5)), f32x4.splat(0.5)); // as integers
  const half = v128.bitselect(small, normal, i32x4.lt_s(magnitude, i32x4.splat(0x38800000))); // below 2^-14
  return v128.or(half, v128.and(i32x4.shr_u(x, 16), i32x4.splat(0x8000)));
}
