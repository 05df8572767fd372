// Four numbers at a time: the few functions that ops share.

/** a · b + c. Relaxed SIMD rounds once where the processor can (a fused multiply-add), plain SIMD twice: two kernel sets. */
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** ((v₀ + v₁) + v₂) + v₃ */
export function sumLanes(v: v128): f32 {
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3);
}

/** The lane sums of four vectors, each as sumLanes adds them. */
export function sumsOfLanes(a: v128, b: v128, c: v128, d: v128): v128 {
  // Transposed: lane l of the four becomes a vector.
  const ab01 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const cd01 = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const ab23 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd23 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  const sum01 = f32x4.add(v128.shuffle<f32>(ab01, cd01, 0, 1, 4, 5), v128.shuffle<f32>(ab01, cd01, 2, 3, 6, 7));
  const sum012 = f32x4.add(sum01, v128.shuffle<f32>(ab23, cd23, 0, 1, 4, 5));
  return f32x4.add(sum012, v128.shuffle<f32>(ab23, cd23, 2, 3, 6, 7));
}

/** The lane sums of four vectors of i32. */
export function sumsOf4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = i32x4.add(v128.shuffle<i32>(a, b, 0, 4, 1, 5), v128.shuffle<i32>(a, b, 2, 6, 3, 7));
  const cd = i32x4.add(v128.shuffle<i32>(c, d, 0, 4, 1, 5), v128.shuffle<i32>(c, d, 2, 6, 3, 7));
  return i32x4.add(v128.shuffle<i32>(ab, cd, 0, 1, 4, 5), v128.shuffle<i32>(ab, cd, 2, 3, 6, 7));
}

export function maxLanes(v: v128): f32 {
  return max(
    max(f32x4.extract_lane(v, 0), f32x4.extract_lane(v, 1)),
    max(f32x4.extract_lane(v, 2), f32x4.extract_lane(v, 3)),
  );
}

/** 1.5 · 2²³: an f32 of this size has no room for fractions, so adding it rounds, and the integer is in the low bits. */
const rounder: f32 = 12582912;

/**
 * eˣ in each lane, to about 2 units in the last place; ∞ above 88.72, 0 below −103.
 * x = n·ln 2 + r with |r| ≤ ln 2 / 2; eʳ by its Taylor polynomial of degree 7 (the first term left out is below 6e-9);
 * 2ⁿ by adding n to the exponent, in two halves so that results near either end of the range are reached too.
 */
export function exp(x: v128): v128 {
  // Clamped so that n fits: the ends give 0 and ∞ by themselves. pmin and pmax keep NaN where x is one.
  const inRange = f32x4.pmax(f32x4.pmin(x, f32x4.splat(89)), f32x4.splat(-104));
  const rounded = madd(inRange, f32x4.splat(<f32>Math.LOG2E), f32x4.splat(rounder));
  const n = f32x4.sub(rounded, f32x4.splat(rounder));
  // ln 2 in two parts: the first has few enough bits that n · part is exact.
  let r = f32x4.sub(inRange, f32x4.mul(n, f32x4.splat(0.693359375)));
  r = f32x4.sub(r, f32x4.mul(n, f32x4.splat(-2.1219444e-4)));
  const p = expOfRest(r);
  const whole = i32x4.sub(rounded, f32x4.splat(rounder)); // as integers
  const half = i32x4.shr_s(whole, 1);
  const one = f32x4.splat(1);
  // The bits of 1 are an exponent of 0 in its place: what is added to them there is added to the exponent.
  const a = i32x4.add(i32x4.shl(half, 23), one);
  const b = i32x4.add(i32x4.shl(i32x4.sub(whole, half), 23), one);
  return f32x4.mul(f32x4.mul(p, a), b);
}

/** eʳ for |r| ≤ ln 2 / 2 */
function expOfRest(r: v128): v128 {
  const one = f32x4.splat(1);
  let p = f32x4.splat(1.0 / 5040);
  p = madd(p, r, f32x4.splat(1.0 / 720));
  p = madd(p, r, f32x4.splat(1.0 / 120));
  p = madd(p, r, f32x4.splat(1.0 / 24));
  p = madd(p, r, f32x4.splat(1.0 / 6));
  p = madd(p, r, f32x4.splat(0.5));
  p = madd(p, r, one);
  return madd(p, r, one);
}

/** The same for x ≤ 0 in fewer steps: what is below e^−87.7, the least that 2ⁿ can make of an exponent at once, becomes 0. */
export function expNegative(x: v128): v128 {
  const inRange = f32x4.pmax(x, f32x4.splat(-88));
  const rounded = madd(inRange, f32x4.splat(<f32>Math.LOG2E), f32x4.splat(rounder));
  const n = f32x4.sub(rounded, f32x4.splat(rounder));
  let r = madd(n, f32x4.splat(-0.693359375), inRange);
  r = madd(n, f32x4.splat(2.1219444e-4), r);
  const p = expOfRest(r);
  const power = i32x4.add(i32x4.shl(i32x4.sub(rounded, f32x4.splat(rounder)), 23), f32x4.splat(1));
  return f32x4.mul(p, power);
}

/** cap · tanh(x / cap) in each lane, as cap · (1 − 2 / (1 + e^(2x / cap))): off by about 1e-7 · cap. */
export function capped(x: v128, cap: v128): v128 {
  const one = f32x4.splat(1);
  const two = f32x4.splat(2);
  const power = exp(f32x4.div(f32x4.mul(two, x), cap));
  return f32x4.mul(cap, f32x4.sub(one, f32x4.div(two, f32x4.add(one, power))));
}
