// Block types that GGUF files have and no kernel reads: each is turned, block by block as a tensor is read, into a dtype that
// kernels read and that holds the very same values. Where such a block type exists it is taken; the others, whose steps and
// minima are finer than any of ours, become f32. (f16 would be half the size and off by up to 2^-12 of a value, bf16 by
// 2^-9: whoever wants less memory asks for a dtype and knows that it rounds.)
// Source: ggml-org/llama.cpp, ggml/src/ggml-common.h (layouts) and ggml-quants.c (dequantize_row_*).

import { kScale, kScaleMinimum } from "./blocks.ts";
import { type GgufTensorType, ggufBlock } from "./gguf-header.ts";
import { f16ToNumber } from "./half.ts";

/** One block, from `bytes` at `at` to `into` at `to`. */
type UnpackBlock = (bytes: Uint8Array, at: number, into: Uint8Array, to: number) => void;

/**
 * What a type becomes, and how. `d`, `m` are f16, little-endian; `high` has one bit of each element; nibbles[j] holds
 * element j (low) and, in blocks of 32, j + 16 (high).
 *
 * Q5_0: d, 32 high bits, 16 × nibbles                        → x = d · (q − 16)
 * Q5_1: d, m, 32 high bits, 16 × nibbles                     → x = d · q + m
 * IQ4_NL: d, 16 × nibbles                                    → x = d · curve[q]
 * Q2_K: 16 × (scale, minimum) of 4 bits, 64 × four q, d, m   → x = d · scale · q − m · minimum, 16 to a scale
 * Q3_K: 256 high bits, 64 × four q, 16 scales of 6 bits, d   → x = d · (scale − 32) · (q − 4), 16 to a scale
 * Q5_K: d, m, scales as q4_K, 256 high bits, 128 × nibbles   → x = d · scale · q − m · minimum, 32 to a scale
 * IQ4_XS: d, 8 scales of 6 bits, 128 × nibbles               → x = d · (scale − 32) · curve[q], 32 to a scale
 */
export const unpackings = {
  Q5_0: { to: "Q8_0", unpack: integers(6, (bytes, at, i, nibble) => (nibble | (bit(bytes, at + 2, i) << 4)) - 16) },
  IQ4_NL: { to: "Q8_0", unpack: integers(2, (_bytes, _at, _i, nibble) => curve(nibble)) },
  Q3_K: { to: "Q6_K", unpack: q3K },
  Q5_1: {
    to: "F32",
    unpack: floats(32, (bytes, at, i) => {
      const q = nibbleOf32(bytes, at + 8, i) | (bit(bytes, at + 4, i) << 4);
      return f16At(bytes, at) * q + f16At(bytes, at + 2);
    }),
  },
  Q2_K: {
    to: "F32",
    unpack: floats(256, (bytes, at, i) => {
      const scale = bytes[at + (i >>> 4)];
      return f16At(bytes, at + 80) * (scale & 15) * pairOf(bytes, at + 16, i) - f16At(bytes, at + 82) * (scale >>> 4);
    }),
  },
  Q5_K: {
    to: "F32",
    unpack: floats(256, (bytes, at, i) => {
      const group = i >>> 5;
      const low = (bytes[at + 48 + (group >>> 1) * 32 + (i & 31)] >>> ((group & 1) * 4)) & 15;
      const q = low | (((bytes[at + 16 + (i & 31)] >>> group) & 1) << 4);
      const [d, m] = [f16At(bytes, at), f16At(bytes, at + 2)];
      return d * kScale(bytes, at + 4, group) * q - m * kScaleMinimum(bytes, at + 4, group);
    }),
  },
  IQ4_XS: {
    to: "F32",
    unpack: floats(256, (bytes, at, i) => {
      const group = i >>> 5;
      const low = (bytes[at + 4 + (group >>> 1)] >>> ((group & 1) * 4)) & 15;
      const high = (bytes[at + 2 + (group >>> 2)] >>> ((group & 3) * 2)) & 3;
      const nibble = nibbleOf32(bytes, at + 8 + group * 16, i & 31);
      return f16At(bytes, at) * ((low | (high << 4)) - 32) * curve(nibble);
    }),
  },
} as const satisfies Record<string, { to: GgufTensorType; unpack: UnpackBlock }>;

export type UnpackedType = keyof typeof unpackings;

/** Whether a tensor type is one of those that are unpacked as they are read. */
export function isUnpacked(type: string): type is UnpackedType {
  return Object.hasOwn(unpackings, type);
}

/** Whole blocks of `type` as the type that they become, written to `into` where given. */
export function unpackBlocks(type: UnpackedType, bytes: Uint8Array, into?: Uint8Array): Uint8Array {
  const { to: become, unpack } = unpackings[type];
  const block = ggufBlock(type);
  const { elements, bytes: unit } = ggufBlock(become);
  const size = (block.elements / elements) * unit;
  const out = into ?? new Uint8Array((bytes.length / block.bytes) * size);
  for (let at = 0, to = 0; at < bytes.length; at += block.bytes, to += size) unpack(bytes, at, out, to);
  return out;
}

/** The 16 steps of the IQ4 types, finer near 0: kvalues_iq4nl of ggml-common.h. */
function curve(q: number): number {
  return steps[q];
}
const steps = Int8Array.of(-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113);

/** To q8_0: the same d, and whole numbers of a block of 32 whose nibbles begin at `nibbles`. */
function integers(
  nibbles: number,
  q: (bytes: Uint8Array, at: number, i: number, nibble: number) => number,
): UnpackBlock {
  return (bytes, at, into, to) => {
    into[to] = bytes[at];
    into[to + 1] = bytes[at + 1];
    for (let i = 0; i < 32; i++) into[to + 2 + i] = q(bytes, at, i, nibbleOf32(bytes, at + nibbles, i));
  };
}

/** To f32: products of an f16, a scale and a quant have at most 24 significant bits, so only the store rounds. */
function floats(elements: number, value: (bytes: Uint8Array, at: number, i: number) => number): UnpackBlock {
  const values = new Float32Array(elements);
  const stored = new Uint8Array(values.buffer);
  return (bytes, at, into, to) => {
    for (let i = 0; i < elements; i++) values[i] = value(bytes, at, i);
    into.set(stored, to);
  };
}

/** To q6_K, which has the same scales in 8 bits and room for q: its layout is in blocks.ts. */
function q3K(bytes: Uint8Array, at: number, into: Uint8Array, to: number): void {
  into.fill(0, to, to + 192);
  for (let i = 0; i < 256; i++) {
    const half = i >>> 7;
    const run = (i >>> 5) & 3;
    const high = (bytes[at + (i & 31)] >>> (i >>> 5)) & 1;
    const q = (pairOf(bytes, at + 32, i) | (high << 2)) - 4 + 32;
    into[to + half * 64 + (run & 1) * 32 + (i & 31)] |= (q & 15) << ((run >>> 1) * 4);
    into[to + 128 + half * 32 + (i & 31)] |= (q >>> 4) << (run * 2);
  }
  for (let s = 0; s < 16; s++) {
    const low = (bytes[at + 96 + (s & 7)] >>> ((s >>> 3) * 4)) & 15;
    const high = (bytes[at + 104 + (s & 3)] >>> ((s >>> 2) * 2)) & 3;
    into[to + 192 + s] = (low | (high << 4)) - 32;
  }
  into[to + 208] = bytes[at + 108];
  into[to + 209] = bytes[at + 109];
}

function f16At(bytes: Uint8Array, at: number): number {
  return f16ToNumber(bytes[at] | (bytes[at + 1] << 8));
}

/** Bit i of those from `at` on. */
function bit(bytes: Uint8Array, at: number, i: number): number {
  return (bytes[at + (i >>> 3)] >>> (i & 7)) & 1;
}

/** Element i of 32 in 16 bytes of nibbles. */
function nibbleOf32(bytes: Uint8Array, at: number, i: number): number {
  return (bytes[at + (i & 15)] >>> ((i >>> 4) * 4)) & 15;
}

/** Element i of 256 in 64 bytes of four each: of every 128, four runs of 32 share 32 bytes. */
function pairOf(bytes: Uint8Array, at: number, i: number): number {
  return (bytes[at + (i >>> 7) * 32 + (i & 31)] >>> (((i >>> 5) & 3) * 2)) & 3;
}
