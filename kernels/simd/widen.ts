// How stored elements become f32. Every bf16 and f16 pattern becomes its exact value; blocks are in blocks.ts.
//
// A bf16 is the upper half of an f32. Eight of them fill a vector; seen as four 32-bit lanes, each lane holds an element of
// even index in its lower half and one of odd index in its upper half, so a shift gives the four even elements and a mask
// the four odd ones: one instruction for four numbers, where taking them in their order costs two.

import { blockBytesOf, widenUnits } from "./blocks";
import { bf16Code, f16Code, f32Code, q8_0Code } from "./codes";
import { ownScratch } from "./threads";

/** Bytes that n elements take. */
export function bytesOf(dtype: i32, n: i32): usize {
  if (dtype >= q8_0Code) return blockBytesOf(dtype, n);
  return dtype === f32Code ? (<usize>n) << 2 : (<usize>n) << 1;
}

/** The even elements of eight bf16. */
export function evenBf16(v: v128): v128 {
  return i32x4.shl(v, 16);
}

/** The odd elements of eight bf16. */
export function oddBf16(v: v128): v128 {
  return v128.and(v, i32x4.splat(0xffff0000));
}

/** The even elements of eight f16. */
export function evenF16(v: v128): v128 {
  return fromF16(i32x4.shl(v, 13), i32x4.shl(v, 16));
}

/** The odd elements of eight f16. */
export function oddF16(v: v128): v128 {
  return fromF16(i32x4.shr_u(v, 3), v);
}

/**
 * f16 to f32. `shifted` has exponent and fraction where an f32 has them, `signed` has the sign bit. The exponent is 112 too
 * small then, and a multiplication by 2^112 sets it right, of subnormals too; only infinities and NaN (exponent 31) have to
 * be told.
 */
function fromF16(shifted: v128, signed: v128): v128 {
  const magnitude = v128.and(shifted, i32x4.splat(0x0fffe000));
  const finite = f32x4.mul(magnitude, i32x4.splat(0x77800000)); // 2^112
  const special = v128.and(i32x4.gt_s(magnitude, i32x4.splat(0x0f7fffff)), i32x4.splat(0x7f800000));
  return v128.or(v128.or(finite, special), v128.and(signed, i32x4.splat(0x80000000)));
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
  const low = i32x4.extend_low_i16x8_u(v);
  return dtype === f16Code ? evenF16(low) : evenBf16(low);
}

/**
 * Four of the 16 elements at `block`, those that go into accumulator j of a product (see linear.ts): f32 in their order,
 * 16-bit elements even and odd ones apart.
 */
export function widenPart(block: usize, dtype: i32, j: i32): v128 {
  if (dtype === f32Code) return v128.load(block + ((<usize>j) << 4));
  const eight = v128.load(block + ((<usize>(j >> 1)) << 4));
  if (dtype === bf16Code) return j & 1 ? oddBf16(eight) : evenBf16(eight);
  return j & 1 ? oddF16(eight) : evenF16(eight);
}
