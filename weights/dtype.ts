// The dtypes of tensors: their sizes, exact decoding to f32 and encoding from it with round-to-nearest-even.
// Not file formats: the names that safetensors or GGUF give to dtypes stay in their readers.
// Source: IEEE 754-2019 binary16 and binary32; bfloat16 as the upper half of binary32; PyTorch's c10/util/{Half,BFloat16}.h
// for rounding and NaN. Bytes are little-endian, as files have them and as every engine that runs WebAssembly has them.

/** Bytes of one element of each dtype that the engine computes with; block-quantized dtypes have no such size. */
export const bytesPerElement = { f64: 8, f32: 4, bf16: 2, f16: 2, i32: 4 } as const;

/** The dtype of a tensor. */
export type DType = keyof typeof bytesPerElement;

/** The dtypes that decode to f32; `f64` rounds, the others are exact. */
export type FloatDType = Exclude<DType, "i32">;

/**
 * The numbers in little-endian `bytes` as f32, written to `into` where given. Without `into`, f32 bytes that are aligned
 * to 4 come back as a view of the same memory, not a copy. Every bf16 and f16 pattern decodes to its exact value; a NaN
 * stays one, its payload may not.
 * Throws a RangeError when `bytes` is not a whole number of elements or `into` has another length.
 */
export function decodeF32(dtype: FloatDType, bytes: Uint8Array, into?: Float32Array): Float32Array {
  const size = bytesPerElement[dtype];
  const length = bytes.byteLength / size;
  if (!Number.isInteger(length)) {
    throw new RangeError(`${bytes.byteLength} bytes are not a whole number of ${dtype} elements of ${size} bytes`);
  }
  if (into && into.length !== length) {
    throw new RangeError(`${length} ${dtype} elements do not fit a Float32Array of length ${into.length} exactly`);
  }
  // A typed array needs an aligned offset; bytes in the middle of a file seldom have one.
  const { buffer, byteOffset } = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  if (dtype === "f32" && !into) return new Float32Array(buffer, byteOffset, length);
  const out = into ?? new Float32Array(length);
  if (dtype === "f32") out.set(new Float32Array(buffer, byteOffset, length));
  else if (dtype === "f64") out.set(new Float64Array(buffer, byteOffset, length));
  else {
    const halves = new Uint16Array(buffer, byteOffset, length);
    const toNumber = dtype === "bf16" ? bf16ToNumber : f16ToNumber;
    for (let i = 0; i < length; i++) out[i] = toNumber(halves[i]);
  }
  return out;
}

const scratch = new Uint32Array(1);
const scratchF32 = new Float32Array(scratch.buffer);

/** The value of one bf16 pattern: the upper half of an f32. */
export function bf16ToNumber(bits: number): number {
  scratch[0] = bits << 16;
  return scratchF32[0];
}

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

/**
 * `values` as little-endian bytes of `dtype`, rounded to nearest, ties to even; what is too large becomes infinity, and a
 * NaN becomes the quiet NaN without payload.
 */
export function encodeF32(dtype: FloatDType, values: Float32Array): Uint8Array {
  if (dtype === "f32") return new Uint8Array(values.slice().buffer);
  if (dtype === "f64") return new Uint8Array(Float64Array.from(values).buffer);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  const encode = dtype === "bf16" ? bf16FromF32Bits : f16FromF32Bits;
  for (let i = 0; i < out.length; i++) out[i] = encode(bits[i]);
  return new Uint8Array(out.buffer);
}

function bf16FromF32Bits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fc0;
  // Half of the last kept place less one, plus that place: a carry exactly where nearest-even rounds up.
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function f16FromF32Bits(bits: number): number {
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
