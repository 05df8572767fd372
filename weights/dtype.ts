// The dtypes of tensors: their sizes, decoding to f32 and encoding from it. How one 16-bit float or one block of quantized
// numbers is laid out stands in half.ts and blocks.ts; the names that safetensors or GGUF give to dtypes stay in their
// readers. Bytes are little-endian, as files have them and as every engine that runs WebAssembly has them.

import { type BlockDType, blockFormats, dequantize, quantize } from "./blocks.ts";
import { bf16FromF32Bits, f16FromF32Bits, f16ToNumber } from "./half.ts";

/** Bytes of one element of the dtypes that store elements one by one. */
export const bytesPerElement = { f64: 8, f32: 4, bf16: 2, f16: 2, i32: 4 } as const;

/** The dtype of a tensor. */
export type DType = keyof typeof bytesPerElement | BlockDType;

/** The dtypes that decode to f32; `f64` rounds, the others are exact. */
export type FloatDType = Exclude<DType, "i32">;

/** Whether a dtype stores elements in blocks that share a scale. */
export function isBlockDType(dtype: DType): dtype is BlockDType {
  return Object.hasOwn(blockFormats, dtype);
}

/** The least that a dtype stores: so many elements in so many bytes. A row of a matrix is a whole number of them. */
export function blockOf(dtype: DType): { readonly elements: number; readonly bytes: number } {
  return isBlockDType(dtype) ? blockFormats[dtype] : { elements: 1, bytes: bytesPerElement[dtype] };
}

/** Bytes of so many elements. Throws a RangeError when they are not a whole number of the dtype's blocks. */
export function byteLengthOf(dtype: DType, elements: number): number {
  const block = blockOf(dtype);
  const blocks = elements / block.elements;
  if (!Number.isInteger(blocks)) {
    throw new RangeError(`${elements} elements are not a whole number of ${dtype} blocks of ${block.elements}`);
  }
  return blocks * block.bytes;
}

/**
 * The numbers in little-endian `bytes` as f32, written to `into` where given. Without `into`, f32 bytes that are aligned
 * to 4 come back as a view of the same memory, not a copy. Every bf16 and f16 pattern decodes to its exact value; a NaN
 * stays one, its payload may not.
 * Throws a RangeError when `bytes` is not a whole number of elements (or blocks) or `into` has another length.
 */
export function decodeF32(dtype: FloatDType, bytes: Uint8Array, into?: Float32Array): Float32Array {
  const block = blockOf(dtype);
  const length = (bytes.byteLength / block.bytes) * block.elements;
  if (bytes.byteLength % block.bytes !== 0) {
    const unit = block.elements === 1 ? "elements" : "blocks";
    throw new RangeError(
      `${bytes.byteLength} bytes are not a whole number of ${dtype} ${unit} of ${block.bytes} bytes`,
    );
  }
  if (into && into.length !== length) {
    throw new RangeError(`${length} ${dtype} elements do not fit a Float32Array of length ${into.length} exactly`);
  }
  if (isBlockDType(dtype)) return dequantize(dtype, bytes, into ?? new Float32Array(length));
  // A typed array needs an aligned offset; bytes in the middle of a file seldom have one.
  const { buffer, byteOffset } = bytes.byteOffset % block.bytes === 0 ? bytes : new Uint8Array(bytes);
  if (dtype === "f32" && !into) return new Float32Array(buffer, byteOffset, length);
  const out = into ?? new Float32Array(length);
  if (dtype === "f32") out.set(new Float32Array(buffer, byteOffset, length));
  else if (dtype === "f64") out.set(new Float64Array(buffer, byteOffset, length));
  else {
    const halves = new Uint16Array(buffer, byteOffset, length);
    const bits = new Uint32Array(out.buffer, out.byteOffset, length); // a bf16 is the upper half of an f32
    if (dtype === "bf16") for (let i = 0; i < length; i++) bits[i] = halves[i] << 16;
    else for (let i = 0; i < length; i++) out[i] = f16ToNumber(halves[i]);
  }
  return out;
}

/**
 * `values` as little-endian bytes of `dtype`. Floats are rounded to nearest, ties to even; what is too large becomes
 * infinity, and a NaN becomes the quiet NaN without payload. Blocks are quantized as `quantize` in blocks.ts says, with
 * its errors. Throws a RangeError when the values are not a whole number of blocks.
 */
export function encodeF32(dtype: FloatDType, values: Float32Array): Uint8Array {
  const size = byteLengthOf(dtype, values.length);
  if (isBlockDType(dtype)) return quantize(dtype, values, new Uint8Array(size));
  if (dtype === "f32") return new Uint8Array(values.slice().buffer);
  if (dtype === "f64") return new Uint8Array(Float64Array.from(values).buffer);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  // Two loops: a single one that calls either function took twice as long.
  if (dtype === "bf16") for (let i = 0; i < out.length; i++) out[i] = bf16FromF32Bits(bits[i]);
  else for (let i = 0; i < out.length; i++) out[i] = f16FromF32Bits(bits[i]);
  return new Uint8Array(out.buffer);
}

const piece = 2 ** 18; // elements: whole blocks of every dtype

/**
 * The numbers in `bytes` of one dtype as bytes of another, written to `into`; piece by piece, so that there is never a whole
 * f32 copy. Throws as `decodeF32` and `encodeF32` do.
 */
export function recode(bytes: Uint8Array, from: FloatDType, to: FloatDType, into: Uint8Array): Uint8Array {
  const [step, toStep] = [byteLengthOf(from, piece), byteLengthOf(to, piece)];
  for (let at = 0, toAt = 0; at < bytes.length; at += step, toAt += toStep) {
    const part = bytes.subarray(at, at + step);
    into.set(from === to ? part : encodeF32(to, decodeF32(from, part)), toAt);
  }
  return into;
}
