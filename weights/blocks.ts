// Block-quantized dtypes, in GGUF's exact layouts: 32 or 256 elements share a scale (and a minimum), so that one of them
// takes 4 to 8 bits. Here are their layouts, exact decoding to f32, and rounding from f32. Kernels read the same blocks.
// Source: ggml-org/llama.cpp, ggml/src/ggml-common.h (layouts) and ggml-quants.c (the *_ref quantizers and dequantizers).

import { f16ToNumber, putF16 } from "./half.ts";
import { encodeQ4K, encodeQ6K } from "./k-quantize.ts";

/**
 * Elements and bytes of one block. `d`, `m` are f16, little-endian; nibbles[j] holds element j (low) and j + 16 (high).
 *
 * q8_0: d, 32 × i8           → x = d · q
 * q4_0: d, 16 × nibbles      → x = d · (q − 8)
 * q4_1: d, m, 16 × nibbles   → x = d · q + m
 * q4_K: d, m, 8 scales and minima of 6 bits in 12 bytes, 128 × nibbles   → x = d · scale · q − m · minimum, 32 to a scale
 * q6_K: 128 × low nibbles, 64 × two high bits, 16 × i8 scales, d         → x = d · scale · (q − 32), 16 to a scale
 */
export const blockFormats = {
  q8_0: { elements: 32, bytes: 34 },
  q4_0: { elements: 32, bytes: 18 },
  q4_1: { elements: 32, bytes: 20 },
  q4_K: { elements: 256, bytes: 144 },
  q6_K: { elements: 256, bytes: 210 },
} as const;

/** A dtype that stores blocks. */
export type BlockDType = keyof typeof blockFormats;

/** The values of whole blocks, written to `into`. Every value is what f32 arithmetic in ggml's order gives. */
export function dequantize(dtype: BlockDType, bytes: Uint8Array, into: Float32Array): Float32Array {
  const format = blockFormats[dtype];
  const decode = decoders[dtype];
  for (let at = 0, to = 0; to < into.length; at += format.bytes, to += format.elements) decode(bytes, at, into, to);
  return into;
}

/**
 * Whole blocks of `values`, each rounded by itself, written to `into`: as ggml's reference quantizers round, to the bit for
 * the blocks of 32. Throws a RangeError for a value that is not finite or too large for an f16 scale.
 */
export function quantize(dtype: BlockDType, values: Float32Array, into: Uint8Array): Uint8Array {
  const format = blockFormats[dtype];
  const encode = encoders[dtype];
  for (let at = 0, from = 0; from < values.length; at += format.bytes, from += format.elements) {
    for (let i = from; i < from + format.elements; i++) {
      if (!Number.isFinite(values[i])) throw new RangeError(`${values[i]} cannot be quantized`);
    }
    encode(values, from, into, at);
  }
  return into;
}

// ---- decoding

type Decode = (bytes: Uint8Array, at: number, into: Float32Array, to: number) => void;

// Products of an f16, a scale and a quant have at most 24 significant bits, so only the store rounds.
const decoders: Readonly<Record<BlockDType, Decode>> = {
  q8_0(bytes, at, into, to) {
    const d = f16At(bytes, at);
    for (let i = 0; i < 32; i++) into[to + i] = d * signed(bytes[at + 2 + i]);
  },
  q4_0(bytes, at, into, to) {
    const d = f16At(bytes, at);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 2 + i];
      into[to + i] = d * ((pair & 15) - 8);
      into[to + 16 + i] = d * ((pair >>> 4) - 8);
    }
  },
  q4_1(bytes, at, into, to) {
    const d = f16At(bytes, at);
    const m = f16At(bytes, at + 2);
    for (let i = 0; i < 16; i++) {
      const pair = bytes[at + 4 + i];
      into[to + i] = d * (pair & 15) + m;
      into[to + 16 + i] = d * (pair >>> 4) + m;
    }
  },
  q4_K(bytes, at, into, to) {
    const d = f16At(bytes, at);
    const m = f16At(bytes, at + 2);
    const scales = at + 4;
    const quants = at + 16;
    for (let group = 0; group < 8; group++) {
      const scale = kScale(bytes, scales, group);
      const minimum = kScaleMinimum(bytes, scales, group);
      const shift = (group & 1) * 4;
      const from = quants + (group >>> 1) * 32;
      for (let i = 0; i < 32; i++) {
        into[to + group * 32 + i] = d * scale * ((bytes[from + i] >>> shift) & 15) - m * minimum;
      }
    }
  },
  q6_K(bytes, at, into, to) {
    const d = f16At(bytes, at + 208);
    // Each half of 128 elements: four runs of 32, from the low and high nibbles of two runs of 32 bytes.
    for (let i = 0; i < 256; i++) {
      const half = i >>> 7;
      const run = (i >>> 5) & 3;
      const low = (bytes[at + half * 64 + (run & 1) * 32 + (i & 31)] >>> ((run >>> 1) * 4)) & 15;
      const high = (bytes[at + 128 + half * 32 + (i & 31)] >>> (run * 2)) & 3;
      into[to + i] = d * signed(bytes[at + 192 + (i >>> 4)]) * ((low | (high << 4)) - 32);
    }
  },
};

// In the 12 bytes of q4_K's scales, 0 to 3 and minima 0 to 3 lie in 6 bits each; 4 to 7 in the nibbles of the last four bytes
// and, their two upper bits, above those of the first eight.

/** Scale `group` (of 8) in the 12 bytes from `at` on. */
export function kScale(bytes: Uint8Array, at: number, group: number): number {
  const j = group & 3;
  return group < 4 ? bytes[at + j] & 63 : (bytes[at + 8 + j] & 15) | ((bytes[at + j] >>> 2) & 48);
}

/** Minimum `group` (of 8) in the same bytes. */
export function kScaleMinimum(bytes: Uint8Array, at: number, group: number): number {
  const j = 4 + (group & 3);
  return group < 4 ? bytes[at + j] & 63 : (bytes[at + 4 + j] >>> 4) | ((bytes[at + j] >>> 2) & 48);
}

function f16At(bytes: Uint8Array, at: number): number {
  return f16ToNumber(bytes[at] | (bytes[at + 1] << 8));
}

function signed(byte: number): number {
  return (byte << 24) >> 24;
}

// ---- rounding. Each step of the reference is f32 arithmetic, hence the frounds.

type Encode = (x: Float32Array, from: number, out: Uint8Array, at: number) => void;
const { fround } = Math;

const encoders: Readonly<Record<BlockDType, Encode>> = {
  q8_0(x, from, out, at) {
    const d = fround(Math.abs(largest(x, from)) / 127);
    const inverse = inverseOf(d);
    putF16(out, at, d);
    for (let i = 0; i < 32; i++) {
      const scaled = fround(x[from + i] * inverse);
      out[at + 2 + i] = scaled < 0 ? -Math.floor(0.5 - scaled) : Math.floor(scaled + 0.5); // ties away from zero
    }
  },
  q4_0(x, from, out, at) {
    const d = fround(largest(x, from) / -8);
    const inverse = inverseOf(d);
    putF16(out, at, d);
    for (let i = from; i < from + 16; i++) {
      const low = fround(fround(x[i] * inverse) + 8.5);
      const high = fround(fround(x[i + 16] * inverse) + 8.5);
      out[at + 2 + i - from] = nibble(low) | (nibble(high) << 4);
    }
  },
  q4_1(x, from, out, at) {
    let [minimum, maximum] = [x[from], x[from]];
    for (let i = from + 1; i < from + 32; i++) {
      if (x[i] < minimum) minimum = x[i];
      if (x[i] > maximum) maximum = x[i];
    }
    const d = fround(fround(maximum - minimum) / 15);
    const inverse = inverseOf(d);
    putF16(out, at, d);
    putF16(out, at + 2, minimum);
    for (let i = from; i < from + 16; i++) {
      const low = fround(fround(fround(x[i] - minimum) * inverse) + 0.5);
      const high = fround(fround(fround(x[i + 16] - minimum) * inverse) + 0.5);
      out[at + 4 + i - from] = nibble(low) | (nibble(high) << 4);
    }
  },
  q4_K: encodeQ4K,
  q6_K: encodeQ6K,
};

function nibble(value: number): number {
  return Math.min(15, Math.trunc(value));
}

/** The value of the largest magnitude of the 32 from `from` on, the first of equals. */
function largest(x: Float32Array, from: number): number {
  let found = 0;
  for (let i = from; i < from + 32; i++) {
    if (Math.abs(x[i]) > Math.abs(found)) found = x[i];
  }
  return found;
}

/** 1/d in f32, or 0 where that is infinite: such a scale is 0 as an f16, and so is every value. */
function inverseOf(d: number): number {
  const inverse = fround(1 / d);
  return Number.isFinite(inverse) ? inverse : 0;
}
