// The header of a safetensors file: every rule that the format's reference checks, applied to bytes already read.
// No file is opened here; safetensors.ts does that. Where README and reference differ, the reference is followed (white
// space may come before the header). Stricter than the reference: no key may occur twice, an entry is an object and a dtype a
// string (serde takes other forms too), and a dimension beside a 0 must still be exact as a JavaScript number.
// Source: huggingface/safetensors, README.md (the format) and safetensors/src/tensor.rs (the checks).

import { compareBytes } from "./bytes.ts";
import { parseStrictJson, type StrictJson } from "./strict-json.ts";

// In the reference's order of alignment, by which a writer sorts.
const bitsPerElement = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** Every dtype that the format knows. */
export type SafetensorsDType = keyof typeof bitsPerElement;

const dtypes = Object.keys(bitsPerElement) as SafetensorsDType[];
/** The longest header that the reference reads, in bytes. */
export const maxHeaderBytes = 100_000_000;
const maxU64 = 2n ** 64n - 1n;

/** The rule of the format, or of its use, that was broken. */
export type SafetensorsRule =
  | "file" // there, readable, a regular file, unchanged while open
  | "header-length"
  | "utf8"
  | "json"
  | "metadata"
  | "entry"
  | "dtype"
  | "shape"
  | "overflow"
  | "size"
  | "offsets"
  | "file-size"
  | "index"
  | "shard"
  | "name"
  | "buffer";

/** What is wrong with a checkpoint: `rule` says it to a program, `message` in one sentence with file and tensor. */
export class SafetensorsError extends Error {
  override readonly name = "SafetensorsError";
  readonly file: string;
  readonly rule: SafetensorsRule;
  readonly tensor: string | undefined;

  constructor(file: string, rule: SafetensorsRule, problem: string, tensor?: string, cause?: unknown) {
    super(`${file}: ${tensor === undefined ? "" : `tensor ${quote(tensor)}: `}${problem} (rule: ${rule})`, { cause });
    this.file = file;
    this.rule = rule;
    this.tensor = tensor;
  }
}

/** One tensor of a file: its bytes `begin` to `end` (exclusive) hold it, little-endian and row-major. */
export interface HeaderEntry {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** What a header says, checked; the entries come in order of offset. */
export interface SafetensorsHeader {
  readonly entries: readonly HeaderEntry[];
  readonly metadata: ReadonlyMap<string, string>;
}

/**
 * Applies every rule of the format to the header's `bytes` (without the 8 of their length) in a file of `size` bytes.
 * Throws a SafetensorsError for the first rule that is broken.
 */
export function parseHeader(file: string, bytes: Uint8Array, size: number): SafetensorsHeader {
  const header = parseText(file, bytes);
  if (!(header instanceof Map)) throw new SafetensorsError(file, "json", `${show(header)} is not an object`);

  const metadata = header.get("__metadata__") ?? new Map<string, StrictJson>();
  header.delete("__metadata__");
  if (!(metadata instanceof Map)) throw new SafetensorsError(file, "metadata", "__metadata__ is not an object");
  for (const [key, text] of metadata) {
    if (typeof text === "string") continue;
    throw new SafetensorsError(
      file,
      "metadata",
      `__metadata__ may hold strings only, but ${quote(key)} is ${show(text)}`,
    );
  }

  const claims = [...header].map(([name, entry]) => parseEntry(file, name, entry));
  claims.sort((a, b) => compare(a.begin, b.begin) || compare(a.end, b.end));
  const dataStart = 8 + bytes.length;
  let position = 0n;
  const entries = claims.map(({ name, dtype, shape, begin, end }): HeaderEntry => {
    if (begin !== position) {
      const problem = `begins at byte ${begin} of the data, ${begin < position ? "inside" : "past the end of"} the tensor`;
      throw new SafetensorsError(file, "offsets", `${problem} before it, which ends at ${position}`, name);
    }
    position = end;
    return { name, dtype, shape, begin: dataStart + Number(begin), end: dataStart + Number(end) };
  });
  if (BigInt(dataStart) + position !== BigInt(size)) {
    const problem = `the header describes ${position} bytes of data, the file holds ${size - dataStart}`;
    throw new SafetensorsError(file, "file-size", problem);
  }
  return { entries, metadata: metadata as Map<string, string> };
}

// What a header says of one tensor, checked by itself; offsets count from the start of the data.
function parseEntry(file: string, name: string, entry: StrictJson) {
  const fail = (rule: SafetensorsRule, problem: string): never => {
    throw new SafetensorsError(file, rule, problem, name);
  };
  if (!(entry instanceof Map))
    return fail("entry", `${show(entry)} is not an object with dtype, shape and data_offsets`);
  const [dtype, shape, offsets] = ["dtype", "shape", "data_offsets"].map((field) => entry.get(field));
  if (!isDType(dtype)) return fail("dtype", `dtype ${show(dtype)} is none of ${dtypes.join(", ")}`);
  if (!isUnsigned(shape)) return fail("shape", `shape ${show(shape)} is not an array of unsigned 64-bit integers`);
  let elements = 1n;
  for (const dimension of shape) {
    elements *= dimension;
    if (elements > maxU64) fail("overflow", `shape ${show(shape)} has more elements than 64 bits can count`);
  }
  const bits = elements * BigInt(bitsPerElement[dtype]);
  if (bits > maxU64) fail("overflow", `shape ${show(shape)} of ${dtype} has more bits than 64 bits can count`);
  if (bits % 8n !== 0n)
    fail("size", `shape ${show(shape)} of ${dtype} takes ${bits} bits, which is not a whole number of bytes`);
  if (!isUnsigned(offsets) || offsets.length !== 2) {
    return fail("offsets", `data_offsets ${show(offsets)} is not a pair of unsigned 64-bit integers`);
  }
  const [begin, end] = offsets;
  if (end < begin) fail("offsets", `data_offsets end at ${end}, before they begin at ${begin}`);
  if (end - begin !== bits / 8n) {
    fail("size", `data_offsets span ${end - begin} bytes, but shape ${show(shape)} of ${dtype} takes ${bits / 8n}`);
  }
  // Reached only with a dimension of 0 beside it: the format allows it, a JavaScript number could not hold it exactly.
  if (shape.some((dimension) => dimension > Number.MAX_SAFE_INTEGER)) {
    fail("shape", `shape ${show(shape)} has a dimension above 2^53 - 1`);
  }
  return { name, dtype, shape: shape.map(Number), begin, end };
}

/**
 * The first bytes of a file for these tensors, as the reference writes them: `sorted` by alignment of the dtype (largest
 * first), then by name; padded with spaces to 8 bytes. Throws a SafetensorsError when the result would break a rule.
 */
export function formatHeader<T extends Pick<HeaderEntry, "name" | "dtype" | "shape">>(
  file: string,
  tensors: Iterable<T>,
  metadata?: Readonly<Record<string, string>>,
): { bytes: Uint8Array; entries: readonly HeaderEntry[]; sorted: T[] } {
  const utf8 = new TextEncoder();
  const sorted = [...tensors]
    .map((tensor) => ({ tensor, alignment: dtypes.indexOf(tensor.dtype), name: utf8.encode(tensor.name) }))
    .sort((a, b) => b.alignment - a.alignment || compareBytes(a.name, b.name))
    .map(({ tensor }) => tensor);
  // Text by hand: an object would reorder names that look like integers and lose one that is called __proto__.
  const fields = metadata ? [`"__metadata__":${JSON.stringify(metadata)}`] : [];
  let end = 0;
  for (const { name, dtype, shape } of sorted) {
    const begin = end;
    end += shape.reduce((product, dimension) => product * dimension, bitsPerElement[dtype]) / 8;
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [begin, end] })}`);
  }
  const text = utf8.encode(`{${fields.join(",")}}`);
  const bytes = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true);
  bytes.set(text, 8);
  if (bytes.length - 8 > maxHeaderBytes) {
    throw new SafetensorsError(file, "header-length", `${bytes.length - 8} bytes, at most ${maxHeaderBytes} allowed`);
  }
  const { entries } = parseHeader(file, bytes.subarray(8), bytes.length + end); // what we write obeys what we read
  return { bytes, entries, sorted };
}

/** Bytes of strict JSON in UTF-8. Throws a SafetensorsError where either is malformed. */
export function parseText(file: string, bytes: Uint8Array): StrictJson {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new SafetensorsError(file, "utf8", "not valid UTF-8", undefined, cause);
  }
  try {
    return parseStrictJson(text);
  } catch (cause) {
    throw new SafetensorsError(file, "json", `malformed JSON, ${(cause as Error).message}`, undefined, cause);
  }
}

function isDType(value: StrictJson | undefined): value is SafetensorsDType {
  return typeof value === "string" && Object.hasOwn(bitsPerElement, value);
}

function isUnsigned(value: StrictJson | undefined): value is bigint[] {
  return Array.isArray(value) && value.every((item) => typeof item === "bigint" && item <= maxU64);
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A name as a message shows it: quoted, and cut at 200 characters, because files may hold names of any length. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

/** A value as a message shows it. */
export function show(value: StrictJson | undefined): string {
  if (typeof value === "string") return quote(value);
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(show).join(", ")}${value.length > 8 ? ", …" : ""}]`;
  return value instanceof Map ? "an object" : value === undefined ? "missing" : String(value);
}
