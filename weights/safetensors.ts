// safetensors: opens a file, a sharded index or a folder, checks every rule of the format before anything is used, and
// reads each tensor by its byte range, so that a large file is never in memory as a whole; writes files byte for byte as
// the reference does. Not here: what the tensors mean to a model, and downloads.
// Source: huggingface/safetensors, README.md (the format) and safetensors/src/tensor.rs (the checks).

import { kindOf, writeFile } from "#platform";
import { type ByteSource, hasExtension, isUrl, openSource } from "./byte-source.ts";
import { byteText } from "./bytes.ts";
import { type DType, decodeF32 } from "./dtype.ts";
import { type Folder, folderAt, folderOf } from "./folder.ts";
import {
  formatHeader,
  type HeaderEntry,
  maxHeaderBytes,
  parseHeader,
  parseText,
  type SafetensorsDType,
  SafetensorsError,
  type SafetensorsHeader,
  show,
} from "./safetensors-header.ts";

/** One tensor of a checkpoint: bytes `begin` to `end` (exclusive) of `file` hold it, little-endian and row-major. */
export interface TensorEntry extends HeaderEntry {
  readonly file: string;
}

/** An open checkpoint of one or more files; its tensors are checked, their data is read on demand. */
export interface Checkpoint {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** The free-form strings of all files; where two files disagree about a key, the first one's. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly files: readonly string[];
  /** Bytes of all tensors together. */
  readonly totalBytes: number;
  /** The bytes of one tensor, straight into `into` where given. Throws a SafetensorsError; a short read is one too. */
  read(name: string, into?: Uint8Array): Promise<Uint8Array>;
  /** The bytes `from` to `to` (exclusive) of one of the files. Throws a SafetensorsError. */
  readRange(file: string, from: number, to: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A tensor to be written: `data` little-endian and row-major, or a function that gives it when its turn comes. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: SafetensorsDType;
  readonly shape: readonly number[];
  readonly data: Uint8Array | (() => Uint8Array | Promise<Uint8Array>);
}

/**
 * Opens a `.safetensors` file, a `*.safetensors.index.json`, or a folder that holds `model.safetensors` or, failing that,
 * `model.safetensors.index.json`; each by its path or its URL, or a single file as an open source. Throws a SafetensorsError
 * when any rule of the format is broken.
 */
export async function openSafetensors(place: string | Folder | ByteSource): Promise<Checkpoint> {
  const { found, folder } = await findCheckpoint(place);
  const weightMap = hasExtension(found.name, ".json") ? await readIndex(found) : undefined;
  const sources = new Map<string, ByteSource>();
  const tensors = new Map<string, TensorEntry>();
  const metadata = new Map<string, string>();
  const close = async () => {
    for (const source of sources.values()) await source.close();
  };

  async function add(source: ByteSource): Promise<void> {
    sources.set(source.name, source);
    const header = await readHeader(source);
    for (const entry of header.entries) {
      const home = weightMap?.get(entry.name);
      if (weightMap && (home === undefined || folder.placeOf(home) !== source.name)) {
        const where = home === undefined ? "does not list it" : `says that it is in ${home}`;
        throw new SafetensorsError(source.name, "shard", `the index ${where}`, entry.name);
      }
      tensors.set(entry.name, { ...entry, file: source.name });
    }
    for (const [key, text] of header.metadata) if (!metadata.has(key)) metadata.set(key, text);
  }

  try {
    if (!weightMap) await add(found);
    for (const shard of new Set(weightMap?.values())) {
      const source = await ioErrors(folder.placeOf(shard), "cannot be opened", folder.open(shard));
      if (!source) throw new SafetensorsError(found.name, "shard", `the shard ${shard} is missing`);
      await add(source);
    }
    for (const [name, shard] of weightMap ?? []) {
      if (tensors.has(name)) continue;
      const problem = `the index says that it is in ${shard}, which does not hold it`;
      throw new SafetensorsError(found.name, "shard", problem, name);
    }
  } catch (error) {
    await close();
    throw error;
  }

  let totalBytes = 0;
  for (const entry of tensors.values()) totalBytes += entry.end - entry.begin;

  const readRange = (file: string, from: number, to: number, into?: Uint8Array) =>
    ioErrors(file, "cannot be read", (sources.get(file) as ByteSource).read(from, to, into));
  const read = async (name: string, into?: Uint8Array): Promise<Uint8Array> => {
    const entry = tensors.get(name);
    if (!entry) throw new SafetensorsError(found.name, "name", "no such tensor", name);
    const { file, begin, end } = entry;
    if (into && into.byteLength !== end - begin) {
      throw new SafetensorsError(file, "buffer", `${end - begin} bytes for a buffer of ${into.byteLength}`, name);
    }
    return readRange(file, begin, end, into ?? allocate(end - begin, entry));
  };
  const files = [...sources.keys()];
  return { tensors, metadata: Object.fromEntries(metadata), files, totalBytes, read, readRange, close };
}

/**
 * The engine's dtype for a tensor's data.
 * Throws a SafetensorsError that names tensor and dtype when the engine does not compute with it.
 */
export function engineDType(entry: TensorEntry): DType {
  switch (entry.dtype) {
    case "F64":
    case "F32":
    case "BF16":
    case "F16":
    case "I32":
      return entry.dtype.toLowerCase() as DType;
    default:
      throw new SafetensorsError(entry.file, "dtype", `the engine does not compute with ${entry.dtype}`, entry.name);
  }
}

/** One tensor as f32, decoded from F64, F32, BF16 or F16. Throws a SafetensorsError for any other dtype. */
export async function readF32(checkpoint: Checkpoint, name: string): Promise<Float32Array> {
  const bytes = await checkpoint.read(name); // first, because it says when there is no such tensor
  const entry = checkpoint.tensors.get(name) as TensorEntry;
  const dtype = engineDType(entry);
  if (dtype === "i32") throw new SafetensorsError(entry.file, "dtype", "I32 is not a floating-point dtype", name);
  return decodeF32(dtype, bytes);
}

/**
 * Writes a file as the reference does: sorted by alignment of the dtype (largest first), then by name; header padded with
 * spaces to 8 bytes. The file appears under its name only when it is complete. Throws a SafetensorsError.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  try {
    await writeFile(path, partsOf(path, tensors, metadata));
  } catch (error) {
    throw error instanceof SafetensorsError ? error : ioError(path, "cannot be written", error);
  }
}

async function* partsOf(
  path: string,
  tensors: Iterable<TensorToWrite>,
  metadata: Readonly<Record<string, string>> | undefined,
): AsyncGenerator<Uint8Array> {
  const { bytes, entries, sorted } = formatHeader(path, tensors, metadata);
  yield bytes;
  for (const [i, { name, data }] of sorted.entries()) {
    const values = typeof data === "function" ? await data() : data;
    const length = entries[i].end - entries[i].begin;
    if (values.byteLength !== length) {
      const problem = `${values.byteLength} bytes of data, but its shape takes ${length}`;
      throw new SafetensorsError(path, "size", problem, name);
    }
    yield values;
  }
}

/** The file that a place stands for, a single one or an index, and the folder in which an index has its shards. */
async function findCheckpoint(place: string | Folder | ByteSource): Promise<{ found: ByteSource; folder: Folder }> {
  if (typeof place !== "string" && "read" in place) return { found: place, folder: folderOf(place.name) };
  if (typeof place === "string" && !(await isFolder(place)))
    return { found: await ioErrors(place, "cannot be opened", openSource(place)), folder: folderOf(place) };
  const folder = typeof place === "string" ? folderAt(place) : place;
  for (const name of ["model.safetensors", "model.safetensors.index.json"]) {
    const found = await ioErrors(folder.placeOf(name), "cannot be opened", folder.open(name));
    if (found) return { found, folder };
  }
  const problem = "the directory holds no model.safetensors nor model.safetensors.index.json";
  throw new SafetensorsError(folder.name, "file", problem);
}

async function isFolder(place: string): Promise<boolean> {
  if (isUrl(place)) return ![".safetensors", ".json"].some((extension) => hasExtension(place, extension));
  return (await kindOf(place)) === "directory";
}

async function readIndex(source: ByteSource): Promise<Map<string, string>> {
  const { name: file, size } = source;
  try {
    if (size > maxHeaderBytes)
      throw new SafetensorsError(file, "index", `${size} bytes, at most ${maxHeaderBytes} allowed`);
    const index = parseText(file, await ioErrors(file, "cannot be read", source.read(0, size)));
    const weightMap = index instanceof Map ? index.get("weight_map") : undefined;
    if (!(weightMap instanceof Map) || weightMap.size === 0) {
      throw new SafetensorsError(file, "index", "weight_map must be an object that names a file for each tensor");
    }
    for (const [name, shard] of weightMap) {
      // A plain file name of this folder: no path, no drive, no stream, no control character.
      if (typeof shard !== "string" || !/^[^/\\:\p{Cc}]+\.safetensors$/u.test(shard)) {
        throw new SafetensorsError(file, "index", `${show(shard)} is not the plain name of a .safetensors file`, name);
      }
    }
    return weightMap as Map<string, string>;
  } finally {
    await source.close();
  }
}

async function readHeader({ name: file, size, read }: ByteSource): Promise<SafetensorsHeader> {
  if (size < 8)
    throw new SafetensorsError(file, "header-length", `${size} bytes, but the header's length alone takes 8`);
  const prefix = await ioErrors(file, "cannot be read", read(0, 8));
  if (byteText(prefix) === "version ") {
    throw new SafetensorsError(
      file,
      "header-length",
      "this is a Git LFS pointer, the data itself was never downloaded",
    );
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (length > maxHeaderBytes) {
    throw new SafetensorsError(file, "header-length", `a header of ${length} bytes, at most ${maxHeaderBytes} allowed`);
  }
  if (8n + length > size) {
    throw new SafetensorsError(file, "header-length", `a header of ${length} bytes in a file of ${size}`);
  }
  return parseHeader(file, await ioErrors(file, "cannot be read", read(8, 8 + Number(length))), size);
}

function allocate(length: number, entry: TensorEntry): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new SafetensorsError(entry.file, "buffer", `no memory for ${length} bytes`, entry.name, cause);
  }
}

/** What is promised; a failure becomes a SafetensorsError that names the file. */
function ioErrors<T>(file: string, problem: string, promise: Promise<T>): Promise<T> {
  return promise.catch((cause) => {
    throw ioError(file, problem, cause);
  });
}

function ioError(file: string, problem: string, cause: unknown): SafetensorsError {
  return new SafetensorsError(file, "file", `${problem}: ${(cause as Error).message}`, undefined, cause);
}
