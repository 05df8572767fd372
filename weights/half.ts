// The two 16-bit float formats, one number at a time. Arrays of them, and the decoding of bf16, which is but the upper half
// of an f32, are in dtype.ts. Source: IEEE 754-2019 binary16 and binary32; bfloat16 as the upper half of binary32; PyTorch's
// c10/util/{Half,BFloat16}.h for rounding and NaN.

const scratch = new Uint32Array(1);
const scratchF32 = new Float32Array(scratch.buffer);

// 2^(exponent - 25): what one unit of the 11-bit significand is worth, by biased exponent.
const f16Units = Float64Array.from({ length: 31 }, (_, exponent) => 2 ** (exponent - 25));

/** The value of one f16 pattern: (−1)^sign · significand · 2^(exponent − 25), subnormals included. */
export function f16ToNumber(bits: number): number {
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 0x3ff;
  let magnitude = fraction * 2 ** -24;
  if (exponent === 31) magnitude = fraction ? Number.NaN : Number.POSITIVE_INFINITY;
  else if (exponent > 0) magnitude = (fraction + 0x400) * f16Units[exponent];
  return bits & 0x8000 ? -magnitude : magnitude;
}

/** The f16 pattern of a number that is an f32: rounded to nearest, ties to even; too large becomes infinity. */
function f16FromNumber(value: number): number {
  scratchF32[0] = value;
  return f16FromF32Bits(scratch[0]);
}

/** Writes a scale as f16 and returns the number that it then is. Throws a RangeError where it would be infinite. */
export function putF16(out: Uint8Array, at: number, value: number): number {
  const half = f16FromNumber(value);
  if ((half & 0x7fff) === 0x7c00) throw new RangeError(`a scale of ${value} is too large for f16`);
  out[at] = half & 255;
  out[at + 1] = half >>> 8;
  return f16ToNumber(half);
}

/** The bf16 pattern of an f32 pattern: rounded to nearest, ties to even; a NaN becomes the quiet one without payload. */
export function bf16FromF32Bits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fc0;
  // Half of the last kept place less one, plus that place: a carry exactly where nearest-even rounds up.
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** The f16 pattern of an f32 pattern, rounded as above. */
export function f16FromF32Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 2^16 and above
  if (magnitude >= 0x38800000) {
    // Normal: rebias the exponent, round off 13 places; a carry out of 65504 gives infinity by itself.
    const rebased = magnitude - ((127 - 15) << 23);
    return sign | ((rebased + 0x0fff + ((rebased >>> 13) & 1)) >>> 13);
  }
  // Subnormal or zero: the value in units of 2^-24, rounded. shift is the number of places that fall off.
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return sign;
  const significand = (magnitude & 0x7fffff) | 0x800000;
  return sign | ((significand + (1 << (shift - 1)) - 1 + ((significand >>> shift) & 1)) >>> shift);
}
