// Weights as kernels read them: the bytes of the file, but of blocks all quants first, then all scales, so that quants can be
// read in words, sixteen bytes at a time. What a product reads at once is a chunk of a row: sixteen bytes of quants.

import { blockOf, byteLengthOf, type DType } from "../../weights/dtype.ts";

/** Bytes of a block that go to a region of their own: all blocks' quants, all blocks' scales … */
interface Region {
  readonly offset: number;
  readonly bytes: number;
}

/** Layouts of blocks: weights/blocks.ts */
const regions: Partial<Record<DType, readonly Region[]>> = {
  q8_0: [{ offset: 2, bytes: 32 }, { offset: 0, bytes: 2 }], // biome-ignore format: quants, scale
  q4_0: [{ offset: 2, bytes: 16 }, { offset: 0, bytes: 2 }], // biome-ignore format: quants, scale
  q4_1: [{ offset: 4, bytes: 16 }, { offset: 0, bytes: 4 }], // biome-ignore format: quants, scale and minimum
  q4_K: [{ offset: 16, bytes: 128 }, { offset: 0, bytes: 16 }], // biome-ignore format: quants, scales and minima
  q6_K: [{ offset: 0, bytes: 128 }, { offset: 128, bytes: 64 }, { offset: 192, bytes: 16 }, { offset: 208, bytes: 2 }], // biome-ignore format: low and high bits, scales, their scale
};

/** Bytes of so many elements as they are kept: whole words. */
export function keptBytes(dtype: DType, elements: number): number {
  return Math.ceil(byteLengthOf(dtype, elements) / 4) * 4;
}

/** The bytes of a file, in the order of the device. */
export function split(dtype: DType, bytes: Uint8Array): Uint8Array {
  if (!regions[dtype] && bytes.length % 4 === 0) return bytes;
  return rearranged(dtype, bytes, new Uint8Array(Math.ceil(bytes.length / 4) * 4), false);
}

/** The bytes of the device, in the order of a file. */
export function joined(dtype: DType, bytes: Uint8Array): Uint8Array {
  return regions[dtype] ? rearranged(dtype, bytes, new Uint8Array(bytes.length), true) : bytes;
}

function rearranged(dtype: DType, from: Uint8Array, to: Uint8Array, back: boolean): Uint8Array {
  const parts = regions[dtype];
  if (!parts) {
    to.set(from);
    return to;
  }
  const size = blockOf(dtype).bytes;
  const blocks = Math.floor(from.length / size);
  let region = 0;
  for (const { offset, bytes } of parts) {
    for (let block = 0; block < blocks; block++) {
      const inFile = block * size + offset;
      const here = region + block * bytes;
      const [source, target] = back ? [here, inFile] : [inFile, here];
      for (let i = 0; i < bytes; i++) to[target + i] = from[source + i];
    }
    region += blocks * bytes;
  }
  return to;
}

/**
 * WGSL that reads one chunk of a row. It finds `chunk`, the number of the chunk among all of the matrix, `at`, the matrix's
 * first word, and `chunks`, how many it has; it reads `w(i)`, vectors of four words, and `s(i)`, words.
 */
export interface Chunk {
  /** Elements of a chunk. */
  readonly elements: number;
  /** Where in its row, given `c`, the number of the chunk in the row. */
  readonly first: string;
  /** What comes before the values. */
  readonly load: string;
  /** Four elements each: how far they are from the first, and what they are. */
  readonly values: readonly (readonly [offset: number, value: string])[];
}

const xyzw = ["x", "y", "z", "w"];
const fours = (value: (component: string, j: number) => string, offset = 0) =>
  xyzw.map((component, j) => [offset + 4 * j, value(component, j)] as const);

/** The chunk of a dtype. `whole`: rows are a whole number of chunks; others are read element by element. */
export function chunkOf(dtype: DType, whole: boolean): Chunk {
  if (!whole) return { elements: 4, first: "4u * c", load: "", values: [[0, "elements4(at, row * p.inDim, 4u * c)"]] };
  switch (dtype) {
    case "f32":
      return {
        elements: 4,
        first: "4u * c",
        load: "let q = w((at >> 2u) + chunk);",
        values: [[0, "bitcast<vec4f>(q)"]],
      };
    case "bf16": {
      const pair = (a: string, b: string) =>
        `bitcast<vec4f>(vec4u(q.${a} << 16u, q.${a} & 0xffff0000u, q.${b} << 16u, q.${b} & 0xffff0000u))`;
      return { elements: 8, first: "8u * c", load: "let q = w((at >> 2u) + chunk);", values: [[0, pair("x", "y")], [4, pair("z", "w")]] }; // biome-ignore format: as above
    }
    case "f16": {
      const pair = (a: string, b: string) => `vec4f(unpack2x16float(q.${a}), unpack2x16float(q.${b}))`;
      return { elements: 8, first: "8u * c", load: "let q = w((at >> 2u) + chunk);", values: [[0, pair("x", "y")], [4, pair("z", "w")]] }; // biome-ignore format: as above
    }
    case "q8_0":
      return {
        elements: 16,
        first: "16u * c",
        load: `let q = w((at >> 2u) + chunk);
let d = halfOf(at + 4u * chunks, chunk >> 1u);`,
        values: fours((component) => `d * signedBytes(q.${component})`),
      };
    case "q4_0":
      return {
        elements: 32,
        first: "32u * c",
        load: `let q = w((at >> 2u) + chunk);
let d = halfOf(at + 4u * chunks, chunk);`,
        values: [
          ...fours((component) => `d * (low(q.${component}) - 8.0)`),
          ...fours((component) => `d * (high(q.${component}) - 8.0)`, 16),
        ],
      };
    case "q4_1":
      return {
        elements: 32,
        first: "32u * c",
        load: `let q = w((at >> 2u) + chunk);
let d = unpack2x16float(s(at + 4u * chunks + chunk));`,
        values: [
          ...fours((component) => `(d.x * low(q.${component}) + d.y)`),
          ...fours((component) => `(d.x * high(q.${component}) + d.y)`, 16),
        ],
      };
    // 16 bytes hold 16 elements of one group of 32 in their low nibbles, and those of the next in their high ones.
    case "q4_K":
      return {
        elements: 32,
        first: "256u * (c >> 3u) + 64u * ((c >> 1u) & 3u) + 16u * (c & 1u)",
        load: `let q = w((at >> 2u) + chunk);
let scales = at + 4u * chunks + 4u * (chunk >> 3u);
let d = unpack2x16float(s(scales));
let a = d * groupScale(scales + 1u, 2u * ((chunk >> 1u) & 3u));
let b = d * groupScale(scales + 1u, 2u * ((chunk >> 1u) & 3u) + 1u);`,
        values: [
          ...fours((component) => `(a.x * low(q.${component}) - a.y)`),
          ...fours((component) => `(b.x * high(q.${component}) - b.y)`, 32),
        ],
      };
    // The same with groups of 16 that lie 64 apart; two more bits of each element are in words of their own.
    case "q6_K":
      return {
        elements: 32,
        first: "256u * (c >> 3u) + 128u * ((c >> 2u) & 1u) + 16u * (c & 3u)",
        load: `let q = w((at >> 2u) + chunk);
let block = chunk >> 3u;
let upper = at + 4u * chunks + 16u * block + 8u * ((chunk >> 2u) & 1u) + 4u * (chunk & 1u);
let shift = chunk & 2u;
let scale = at + 6u * chunks + 4u * block;
let d = halfOf(at + 6u * chunks + (chunks >> 1u), block);
let a = d * signedByteOf(scale, 8u * ((chunk >> 2u) & 1u) + (chunk & 3u));
let b = d * signedByteOf(scale, 8u * ((chunk >> 2u) & 1u) + (chunk & 3u) + 4u);`,
        values: [
          ...fours((component, j) => `a * (low(q.${component}) + two(s(upper + ${j}u), shift) - 32.0)`),
          ...fours((component, j) => `b * (high(q.${component}) + two(s(upper + ${j}u), shift + 4u) - 32.0)`, 64),
        ],
      };
    default:
      throw new Error(`the webgpu kernels do not read dtype ${dtype}`);
  }
}

/** WGSL functions that chunks are read with. */
export function chunkFunctions(dtype: DType, whole: boolean): string {
  if (!whole) {
    const element: Partial<Record<DType, string>> = {
      f32: "bitcast<f32>(s(at + i))",
      bf16: "bitcast<f32>((s(at + (i >> 1u)) >> (16u * (i & 1u))) << 16u)",
      f16: "unpack2x16float(s(at + (i >> 1u)))[i & 1u]",
    };
    return `
fn element(at: u32, row: u32, k: u32) -> f32 {
  let i = row + min(k, p.inDim - 1u);
  return select(0.0, ${element[dtype]}, k < p.inDim);
}
fn elements4(at: u32, row: u32, k: u32) -> vec4f {
  return vec4f(element(at, row, k), element(at, row, k + 1u), element(at, row, k + 2u), element(at, row, k + 3u));
}`;
  }
  return `
fn halfOf(at: u32, i: u32) -> f32 { return unpack2x16float(s(at + (i >> 1u)))[i & 1u]; }
fn signedBytes(q: u32) -> vec4f { return vec4f(bitcast<vec4i>(vec4u(q) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u)); }
fn signedByteOf(at: u32, i: u32) -> f32 { return f32(bitcast<i32>(s(at + (i >> 2u)) << (24u - 8u * (i & 3u))) >> 24u); }
fn low(q: u32) -> vec4f { return vec4f((vec4u(q) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(15u)); }
fn high(q: u32) -> vec4f { return low(q >> 4u); }
fn two(q: u32, shift: u32) -> vec4f { return vec4f(((vec4u(q >> shift) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(3u)) << vec4u(4u)); }
fn byteOf(at: u32, i: u32) -> u32 { return (s(at + (i >> 2u)) >> (8u * (i & 3u))) & 255u; }
// Scale and minimum of a group: 6 bits each, those of groups 4 to 7 in two parts.
fn groupScale(at: u32, g: u32) -> vec2f {
  if (g < 4u) { return vec2f(f32(byteOf(at, g) & 63u), f32(byteOf(at, g + 4u) & 63u)); }
  let last = byteOf(at, g + 4u);
  return vec2f(f32((last & 15u) | ((byteOf(at, g - 4u) >> 2u) & 48u)), f32((last >> 4u) | ((byteOf(at, g) >> 2u) & 48u)));
}`;
}

/** Whether rows of a matrix are a whole number of chunks. */
export function rowsAreWhole(dtype: DType, inDim: number): boolean {
  return inDim % chunkOf(dtype, true).elements === 0;
}
