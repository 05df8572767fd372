// The header of a GGUF file (versions 2 and 3, little-endian): metadata and tensor list, every rule checked on bytes already
// read, before anything is used. No file is opened here; gguf.ts does that. Where specification and reader differ, the
// reader is followed: tensors lie in order without gaps, and arrays of arrays are refused. Stricter than the reader: text is
// valid UTF-8, a bool is 0 or 1, and every tensor ends inside the file.
// Source: ggml-org/ggml, docs/gguf.md (the format); ggml-org/llama.cpp, ggml/src/gguf.cpp (the checks).

import { byteText } from "./bytes.ts";
import { quote } from "./safetensors-header.ts";

/** What one file may hold, above anything that real files do; it bounds memory and time before any of it is believed. */
export const ggufLimits = {
  headerBytes: 2 ** 27,
  metadataPairs: 100_000,
  keyBytes: 65_535,
  stringBytes: 2 ** 24,
  arrayItems: 2 ** 24,
  tensors: 1_000_000,
  nameBytes: 63,
  dimensions: 4,
} as const;

const valueTypes = [
  "u8",
  "i8",
  "u16",
  "i16",
  "u32",
  "i32",
  "f32",
  "bool",
  "string",
  "array",
  "u64",
  "i64",
  "f64",
] as const;

/** The types of metadata values, in the order of their numbers. */
export type GgufValueType = (typeof valueTypes)[number];

/** A metadata value without arrays; 64-bit integers are bigints. */
export type GgufScalar = number | bigint | boolean | string;

/** The items of an array: numbers in a typed array, the rest in a plain one. */
export type GgufItems = ArrayLike<GgufScalar> & Iterable<GgufScalar>;

/** A metadata value and what the file says it is; of an array, the type of its items. */
export type GgufField =
  | { readonly type: Exclude<GgufValueType, "array">; readonly value: GgufScalar }
  | { readonly type: "array"; readonly of: Exclude<GgufValueType, "array">; readonly value: GgufItems };

/** The metadata of a file, in its order. */
export type GgufMetadata = ReadonlyMap<string, GgufField>;

// number in the file → name, elements and bytes of a block. Whether the engine computes with it is not said here.
const tensorTypes = {
  F32: [0, 1, 4],
  F16: [1, 1, 2],
  Q4_0: [2, 32, 18],
  Q4_1: [3, 32, 20],
  Q5_0: [6, 32, 22],
  Q5_1: [7, 32, 24],
  Q8_0: [8, 32, 34],
  Q8_1: [9, 32, 40],
  Q2_K: [10, 256, 84],
  Q3_K: [11, 256, 110],
  Q4_K: [12, 256, 144],
  Q5_K: [13, 256, 176],
  Q6_K: [14, 256, 210],
  Q8_K: [15, 256, 292],
  IQ2_XXS: [16, 256, 66],
  IQ2_XS: [17, 256, 74],
  IQ3_XXS: [18, 256, 98],
  IQ1_S: [19, 256, 50],
  IQ4_NL: [20, 32, 18],
  IQ3_S: [21, 256, 110],
  IQ2_S: [22, 256, 82],
  IQ4_XS: [23, 256, 136],
  I8: [24, 1, 1],
  I16: [25, 1, 2],
  I32: [26, 1, 4],
  I64: [27, 1, 8],
  F64: [28, 1, 8],
  IQ1_M: [29, 256, 56],
  BF16: [30, 1, 2],
  TQ1_0: [34, 256, 54],
  TQ2_0: [35, 256, 66],
  MXFP4: [39, 32, 17],
  NVFP4: [40, 64, 36],
  Q1_0: [41, 128, 18],
} as const satisfies Record<string, readonly [number: number, elements: number, bytes: number]>;

/** Every tensor type that the format knows. */
export type GgufTensorType = keyof typeof tensorTypes;

const typeOfNumber = new Map<number, GgufTensorType>(
  Object.entries(tensorTypes).map(([name, [number]]) => [number, name as GgufTensorType]),
);

/** The rule of the format, or of its use, that was broken. */
export type GgufRule =
  | "file" // there, readable, a regular file, unchanged while open
  | "magic"
  | "version"
  | "limit" // a count or length above `ggufLimits`
  | "length" // a count or length that the rest of the file cannot hold, or the file ends
  | "utf8"
  | "key"
  | "value-type"
  | "value"
  | "alignment"
  | "name"
  | "shape"
  | "tensor-type"
  | "offset"
  | "file-size"
  | "metadata" // a value that is not what its reader needs
  | "buffer";

/** What is wrong with a GGUF file: `rule` says it to a program, `message` in one sentence with file, key or tensor. */
export class GgufError extends Error {
  override readonly name = "GgufError";
  readonly file: string;
  readonly rule: GgufRule;
  /** The metadata key or the tensor. */
  readonly subject: string | undefined;

  constructor(file: string, rule: GgufRule, problem: string, subject?: string, cause?: unknown) {
    super(`${file}: ${subject === undefined ? "" : `${quote(subject)}: `}${problem} (rule: ${rule})`, { cause });
    this.file = file;
    this.rule = rule;
    this.subject = subject;
  }
}

/** One tensor: its bytes `begin` to `end` (exclusive) of the file; `shape` has the fastest dimension last, as everywhere here. */
export interface GgufEntry {
  readonly name: string;
  readonly dtype: GgufTensorType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** What a header says, checked; tensors in the order of their data. */
export interface GgufHeader {
  readonly version: number;
  readonly alignment: number;
  readonly metadata: GgufMetadata;
  readonly entries: readonly GgufEntry[];
}

/** Thrown inside when the bytes at hand end before the header does. */
const moreNeeded = Symbol("more bytes needed");

/**
 * Applies every rule of the format to the first `bytes` of a file of `size` bytes.
 * Returns undefined when the header is longer than these bytes. Throws a GgufError for the first rule that is broken.
 */
export function parseGgufHeader(file: string, bytes: Uint8Array, size: number): GgufHeader | undefined {
  try {
    return parse(file, bytes, size);
  } catch (error) {
    if (error === moreNeeded) return undefined;
    throw error;
  }
}

/** Bytes of a row-major tensor. Throws a GgufError when a row is not a whole number of blocks or 2^53 is passed. */
export function ggufByteLength(file: string, name: string, type: GgufTensorType, shape: readonly number[]): number {
  const [, elements, bytes] = tensorTypes[type];
  const row = shape.at(-1) ?? 1;
  if (row % elements !== 0) {
    throw new GgufError(file, "shape", `rows of ${row} are not a whole number of ${type} blocks of ${elements}`, name);
  }
  const total = (shape.reduce((product, dim) => product * BigInt(dim), 1n) / BigInt(elements)) * BigInt(bytes);
  if (total > Number.MAX_SAFE_INTEGER) {
    throw new GgufError(file, "shape", `shape [${shape}] of ${type} takes ${total} bytes`, name);
  }
  return Number(total);
}

/** Whether the id of a special token says that there is none: all bits set, in 32 (signed or not) or in 64. */
export function isNoToken(id: unknown): boolean {
  return [0xffffffff, -1, 0xffffffffn, -1n, 0xffffffffffffffffn].some((none) => none === id);
}

/** Elements and bytes of a block of a tensor type. */
export function ggufBlock(type: GgufTensorType): { readonly elements: number; readonly bytes: number } {
  const [, elements, bytes] = tensorTypes[type];
  return { elements, bytes };
}

/** The number of a value type, or of a tensor type, in a file. */
export const valueTypeNumber = (type: GgufValueType): number => valueTypes.indexOf(type);
export const tensorTypeNumber = (type: GgufTensorType): number => tensorTypes[type][0];

function parse(file: string, bytes: Uint8Array, size: number): GgufHeader {
  const cursor = cursorOf(file, bytes, size);
  const magic = byteText(cursor.bytes(4, "the magic number"));
  if (magic !== "GGUF") throw new GgufError(file, "magic", `begins with ${quote(magic)}, expected "GGUF"`);
  const version = cursor.u32("the version");
  if ((version & 0xffff) === 0) {
    throw new GgufError(file, "version", `version ${version}: a big-endian file, expected a little-endian one`);
  }
  if (version !== 2 && version !== 3) throw new GgufError(file, "version", `version ${version}, expected 2 or 3`);
  const tensorCount = cursor.count("the number of tensors", ggufLimits.tensors, 24);
  const pairCount = cursor.count("the number of metadata pairs", ggufLimits.metadataPairs, 13);

  const metadata = new Map<string, GgufField>();
  for (let i = 0; i < pairCount; i++) {
    const key = cursor.string(`key ${i}`, ggufLimits.keyBytes);
    if (key === "") throw new GgufError(file, "key", `key ${i} is empty`);
    if (metadata.has(key)) throw new GgufError(file, "key", "this key is there twice", key);
    metadata.set(key, readField(cursor, file, key));
  }
  const alignment = alignmentOf(file, metadata);

  const names = new Set<string>();
  const claims = [];
  for (let i = 0; i < tensorCount; i++) {
    const name = cursor.string(`the name of tensor ${i}`, ggufLimits.nameBytes);
    if (name === "") throw new GgufError(file, "name", `tensor ${i} has an empty name`);
    if (names.has(name)) throw new GgufError(file, "name", "two tensors have this name", name);
    names.add(name);
    claims.push(readClaim(cursor, file, name));
  }

  const dataBegin = padded(cursor.position, alignment);
  let position = 0;
  const entries = claims.map(({ name, dtype, shape, length, offset }): GgufEntry => {
    if (offset !== BigInt(position)) {
      const problem = `its data begins at ${offset}, expected ${position}: after the tensor before it, aligned to ${alignment}`;
      throw new GgufError(file, "offset", problem, name);
    }
    const begin = dataBegin + position;
    const end = begin + length; // both below 2^53: `length` is, and `begin` is within the file
    if (end > size) throw new GgufError(file, "file-size", `ends at byte ${end} of a file of ${size}`, name);
    position = padded(position + length, alignment);
    return { name, dtype, shape, begin, end };
  });
  return { version, alignment, metadata, entries };
}

function readField(cursor: Cursor, file: string, key: string): GgufField {
  const type = valueTypeOf(cursor, file, key);
  if (type !== "array") return { type, value: readScalar(cursor, file, key, type) };
  const of = valueTypeOf(cursor, file, key);
  if (of === "array") throw new GgufError(file, "value-type", "an array of arrays, expected one of plain values", key);
  const length = cursor.count("the array's length", ggufLimits.arrayItems, leastBytes(of), key);
  if (of !== "bool" && of !== "string") {
    const bytes = cursor.bytes(length * leastBytes(of), "an array", key);
    return { type, of, value: new numberArrays[of](bytes.slice().buffer) };
  }
  const value: GgufScalar[] = [];
  for (let i = 0; i < length; i++) value.push(readScalar(cursor, file, key, of));
  return { type, of, value };
}

/** The typed array of each number type. */
export const numberArrays = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
  f64: Float64Array,
} as const;

/** The fewest bytes that a value takes: a string at least those of its length. */
function leastBytes(type: Exclude<GgufValueType, "array">): number {
  return type === "bool" ? 1 : type === "string" ? 8 : numberArrays[type].BYTES_PER_ELEMENT;
}

function valueTypeOf(cursor: Cursor, file: string, key: string): GgufValueType {
  const number = cursor.u32("the value's type", key);
  const type = valueTypes[number];
  if (type) return type;
  const known = valueTypes.map((name, i) => `${i} (${name})`).join(", ");
  throw new GgufError(file, "value-type", `value type ${number | 0}, expected one of ${known}`, key);
}

function readScalar(cursor: Cursor, file: string, key: string, type: Exclude<GgufValueType, "array">): GgufScalar {
  if (type === "string") return cursor.string("a string", ggufLimits.stringBytes, key);
  const at = cursor.take(leastBytes(type), "a value", key);
  const { view } = cursor;
  switch (type) {
    case "u8":
      return view.getUint8(at);
    case "i8":
      return view.getInt8(at);
    case "u16":
      return view.getUint16(at, true);
    case "i16":
      return view.getInt16(at, true);
    case "u32":
      return view.getUint32(at, true);
    case "i32":
      return view.getInt32(at, true);
    case "f32":
      return view.getFloat32(at, true);
    case "u64":
      return view.getBigUint64(at, true);
    case "i64":
      return view.getBigInt64(at, true);
    case "f64":
      return view.getFloat64(at, true);
    case "bool": {
      const byte = view.getUint8(at);
      if (byte > 1) throw new GgufError(file, "value", `a bool of ${byte}, expected 0 or 1`, key);
      return byte === 1;
    }
  }
}

function alignmentOf(file: string, metadata: GgufMetadata): number {
  const key = "general.alignment";
  const field = metadata.get(key);
  if (!field) return 32;
  if (field.type !== "u32") throw new GgufError(file, "alignment", `a value of type ${field.type}, expected u32`, key);
  const alignment = field.value as number;
  if (alignment === 0 || (alignment & (alignment - 1)) !== 0) {
    throw new GgufError(file, "alignment", `${alignment} is not a power of two`, key);
  }
  return alignment;
}

/** What the list says of one tensor, checked by itself; its offset counts from the start of the data. */
function readClaim(cursor: Cursor, file: string, name: string) {
  const rank = cursor.u32("the number of dimensions", name);
  if (rank > ggufLimits.dimensions) {
    throw new GgufError(file, "shape", `${rank} dimensions, at most ${ggufLimits.dimensions} allowed`, name);
  }
  const shape: number[] = [];
  for (let i = 0; i < rank; i++) {
    const dim = cursor.u64("a dimension", name);
    if (dim > Number.MAX_SAFE_INTEGER) throw new GgufError(file, "shape", `a dimension of ${dim}`, name);
    shape.unshift(Number(dim));
  }
  const number = cursor.u32("the tensor's type", name);
  const dtype = typeOfNumber.get(number);
  if (!dtype) {
    const known = Object.keys(tensorTypes).join(", ");
    throw new GgufError(file, "tensor-type", `tensor type ${number | 0} is unknown, expected one of ${known}`, name);
  }
  const offset = cursor.u64("the tensor's offset", name);
  return { name, dtype, shape, length: ggufByteLength(file, name, dtype, shape), offset };
}

/** The next multiple of `alignment`. */
export function padded(position: number, alignment: number): number {
  return Math.ceil(position / alignment) * alignment;
}

type Cursor = ReturnType<typeof cursorOf>;

/** Reads forward; nothing is taken that the file does not hold. */
function cursorOf(file: string, data: Uint8Array, size: number) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let position = 0;

  const cursor = {
    view,
    get position() {
      return position;
    },
    /** Where the next `length` bytes begin, which are then behind. */
    take(length: number, what: string, subject?: string): number {
      if (length > size - position) {
        const problem = `${what} takes ${length} bytes, but only ${size - position} are left in the file`;
        throw new GgufError(file, "length", problem, subject);
      }
      if (length > data.byteLength - position) throw moreNeeded;
      position += length;
      return position - length;
    },
    bytes(length: number, what: string, subject?: string): Uint8Array {
      const at = cursor.take(length, what, subject);
      return data.subarray(at, at + length);
    },
    u32: (what: string, subject?: string) => view.getUint32(cursor.take(4, what, subject), true),
    u64: (what: string, subject?: string) => view.getBigUint64(cursor.take(8, what, subject), true),
    /** A number of things of at least `bytesEach` bytes each. */
    count(what: string, limit: number, bytesEach: number, subject?: string): number {
      const count = cursor.u64(what, subject);
      if (count > limit) throw new GgufError(file, "limit", `${what} is ${count}, at most ${limit} allowed`, subject);
      if (Number(count) * bytesEach > size - position) {
        const problem = `${what} is ${count}, more than the ${size - position} bytes that are left can hold`;
        throw new GgufError(file, "length", problem, subject);
      }
      return Number(count);
    },
    string(what: string, limit: number, subject?: string): string {
      const length = cursor.count(`the length of ${what}`, limit, 1, subject);
      const bytes = cursor.bytes(length, what, subject);
      // Vocabularies are short strings of ASCII: calling the decoder takes longer than they do.
      if (length < 32 && bytes.every((byte) => byte < 0x80)) return byteText(bytes);
      try {
        return utf8.decode(bytes);
      } catch (cause) {
        throw new GgufError(file, "utf8", `${what} is not valid UTF-8`, subject, cause);
      }
    },
  };
  return cursor;
}
