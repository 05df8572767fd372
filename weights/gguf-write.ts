// Writing GGUF (version 3, little-endian). What is written obeys what is read: the header goes through the reader's checks
// before the file appears under its name. Source: ggml-org/ggml, docs/gguf.md.

import { writeFile } from "#platform";
import { concatBytes } from "./bytes.ts";
import {
  GgufError,
  type GgufField,
  type GgufItems,
  type GgufMetadata,
  type GgufTensorType,
  ggufByteLength,
  numberArrays,
  padded,
  parseGgufHeader,
  tensorTypeNumber,
  valueTypeNumber,
} from "./gguf-header.ts";

/** A tensor to be written: `data` as the file has it, or a function that gives it when its turn comes. */
export interface GgufTensorToWrite {
  readonly name: string;
  readonly dtype: GgufTensorType;
  /** The fastest dimension last. */
  readonly shape: readonly number[];
  readonly data: Uint8Array | (() => Uint8Array | Promise<Uint8Array>);
}

const alignment = 32;
const utf8 = new TextEncoder();

/**
 * Writes a file with these tensors, in this order. It appears under its name only when it is complete.
 * `onProgress` is told the bytes written so far and in all. Throws a GgufError when the result would break a rule.
 */
export async function writeGguf(
  path: string,
  metadata: GgufMetadata,
  tensors: readonly GgufTensorToWrite[],
  onProgress?: (written: number, total: number) => void,
): Promise<void> {
  try {
    await writeFile(path, partsOf(path, metadata, tensors, onProgress));
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    throw code === undefined ? error : new GgufError(path, "file", `cannot be written: ${message}`, undefined, error);
  }
}

async function* partsOf(
  path: string,
  metadata: GgufMetadata,
  tensors: readonly GgufTensorToWrite[],
  onProgress?: (written: number, total: number) => void,
): AsyncGenerator<Uint8Array> {
  const { bytes, lengths, total } = formatHeader(path, metadata, tensors);
  yield bytes;
  let written = bytes.length;
  for (const [i, { name, data }] of tensors.entries()) {
    const values = typeof data === "function" ? await data() : data;
    if (values.byteLength !== lengths[i]) {
      const problem = `${values.byteLength} bytes of data, but its shape takes ${lengths[i]}`;
      throw new GgufError(path, "buffer", problem, name);
    }
    yield values;
    yield new Uint8Array(padded(lengths[i], alignment) - lengths[i]);
    written += padded(lengths[i], alignment);
    onProgress?.(written, total);
  }
}

/** The bytes before the data, and how many bytes each tensor has. */
function formatHeader(path: string, metadata: GgufMetadata, tensors: readonly GgufTensorToWrite[]) {
  const parts: Uint8Array[] = [utf8.encode("GGUF"), u32(3), u64(tensors.length), u64(metadata.size)];
  for (const [key, field] of metadata) parts.push(text(key), ...fieldParts(field));
  const lengths: number[] = [];
  let offset = 0;
  for (const { name, dtype, shape } of tensors) {
    const dims = [...shape].reverse().map(u64);
    parts.push(text(name), u32(shape.length), ...dims, u32(tensorTypeNumber(dtype)), u64(offset));
    const length = ggufByteLength(path, name, dtype, shape);
    lengths.push(length);
    offset += padded(length, alignment);
  }
  const used = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = concatBytes(parts, padded(used, alignment));
  const total = bytes.length + offset;
  parseGgufHeader(path, bytes, total);
  return { bytes, lengths, total };
}

function fieldParts(field: GgufField): Uint8Array[] {
  if (field.type !== "array") return [u32(valueTypeNumber(field.type)), valueBytes(field.type, [field.value])];
  const { of, value } = field;
  return [u32(valueTypeNumber("array")), u32(valueTypeNumber(of)), u64(value.length), valueBytes(of, value)];
}

function valueBytes(type: Exclude<GgufField["type"], "array">, values: GgufItems): Uint8Array {
  if (type === "string") return concatBytes(Array.from(values, (value) => text(value as string)));
  if (type === "bool") return Uint8Array.from(values, Number);
  if (type === "u64" || type === "i64")
    return new Uint8Array(numberArrays[type].from(Array.from(values, BigInt)).buffer);
  return new Uint8Array(numberArrays[type].from(Array.from(values, Number)).buffer);
}

function u32(value: number): Uint8Array {
  return valueBytes("u32", [value]);
}

function u64(value: number): Uint8Array {
  return valueBytes("u64", [value]);
}

function text(value: string): Uint8Array {
  const bytes = utf8.encode(value);
  return concatBytes([u64(bytes.length), bytes]);
}
