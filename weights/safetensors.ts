// safetensors: opens a file, a sharded index or a directory, checks every rule of the format before anything is used, and
// reads each tensor by its byte range, so that a large file is never in memory as a whole; writes files byte for byte as
// the reference does. Not here: what the tensors mean to a model, and downloads.
// Source: huggingface/safetensors, README.md (the format) and safetensors/src/tensor.rs (the checks).

import { randomUUID } from "node:crypto";
import { type FileHandle, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { type DType, decodeF32 } from "./dtype.ts";
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
 * Opens a `.safetensors` file, a `*.safetensors.index.json`, or a directory that holds `model.safetensors` or, failing
 * that, `model.safetensors.index.json`. Throws a SafetensorsError when any rule of the format is broken.
 */
export async function openSafetensors(path: string): Promise<Checkpoint> {
  const file = await findCheckpoint(path);
  const weightMap = file.endsWith(".json") ? await readIndex(file) : undefined;
  const shards = weightMap ? [...new Set(weightMap.values())].map((shard) => join(dirname(file), shard)) : [file];

  const handles = new Map<string, FileHandle>();
  const close = async () => {
    for (const handle of handles.values()) await handle.close();
  };
  const tensors = new Map<string, TensorEntry>();
  const metadata = new Map<string, string>();
  try {
    for (const shard of shards) {
      if (weightMap && !(await stat(shard).catch(() => undefined))) {
        throw new SafetensorsError(file, "shard", `the shard ${basename(shard)} is missing`);
      }
      const handle = await openFile(shard);
      handles.set(shard, handle);
      const header = await readHeader(handle, shard);
      for (const entry of header.entries) {
        const home = weightMap?.get(entry.name);
        if (weightMap && home !== basename(shard)) {
          const place = home === undefined ? "does not list it" : `says that it is in ${home}`;
          throw new SafetensorsError(shard, "shard", `the index ${place}`, entry.name);
        }
        tensors.set(entry.name, { ...entry, file: shard });
      }
      for (const [key, text] of header.metadata) if (!metadata.has(key)) metadata.set(key, text);
    }
    for (const [name, shard] of weightMap ?? []) {
      if (tensors.has(name)) continue;
      throw new SafetensorsError(file, "shard", `the index says that it is in ${shard}, which does not hold it`, name);
    }
  } catch (error) {
    await close();
    throw error;
  }

  let totalBytes = 0;
  for (const entry of tensors.values()) totalBytes += entry.end - entry.begin;

  const read = async (name: string, into?: Uint8Array): Promise<Uint8Array> => {
    const entry = tensors.get(name);
    if (!entry) throw new SafetensorsError(file, "name", "no such tensor", name);
    const length = entry.end - entry.begin;
    if (into && into.byteLength !== length) {
      throw new SafetensorsError(entry.file, "buffer", `${length} bytes for a buffer of ${into.byteLength}`, name);
    }
    const bytes = into ?? allocate(length, entry);
    await readExactly(handles.get(entry.file) as FileHandle, entry.file, bytes, entry.begin);
    return bytes;
  };
  return { tensors, metadata: Object.fromEntries(metadata), files: shards, totalBytes, read, close };
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
  const { bytes, entries, sorted } = formatHeader(path, tensors, metadata);
  const partial = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    const handle = await open(partial, "wx");
    try {
      await handle.writeFile(bytes);
      for (const [i, { name, data }] of sorted.entries()) {
        const values = typeof data === "function" ? await data() : data;
        const length = entries[i].end - entries[i].begin;
        if (values.byteLength !== length) {
          throw new SafetensorsError(
            path,
            "size",
            `${values.byteLength} bytes of data, but its shape takes ${length}`,
            name,
          );
        }
        await handle.writeFile(values);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error instanceof SafetensorsError ? error : ioError(path, "cannot be written", error);
  }
}

async function findCheckpoint(path: string): Promise<string> {
  const found = await stat(path).catch((error) => {
    throw ioError(path, "cannot be opened", error);
  });
  if (!found.isDirectory()) return path;
  const names = await readdir(path);
  for (const name of ["model.safetensors", "model.safetensors.index.json"]) {
    if (names.includes(name)) return join(path, name);
  }
  throw new SafetensorsError(path, "file", "the directory holds no model.safetensors nor model.safetensors.index.json");
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    if (!(await stat(file)).isFile()) throw new Error("it is not a regular file"); // before open, which waits on a pipe
    return await open(file);
  } catch (error) {
    throw ioError(file, "cannot be opened", error);
  }
}

async function readIndex(file: string): Promise<Map<string, string>> {
  const handle = await openFile(file);
  try {
    const { size } = await handle.stat();
    if (size > maxHeaderBytes)
      throw new SafetensorsError(file, "index", `${size} bytes, at most ${maxHeaderBytes} allowed`);
    const bytes = new Uint8Array(size);
    await readExactly(handle, file, bytes, 0);
    const index = parseText(file, bytes);
    const weightMap = index instanceof Map ? index.get("weight_map") : undefined;
    if (!(weightMap instanceof Map) || weightMap.size === 0) {
      throw new SafetensorsError(file, "index", "weight_map must be an object that names a file for each tensor");
    }
    for (const [name, shard] of weightMap) {
      // A plain file name of this directory: no path, no drive, no stream, no control character.
      if (typeof shard !== "string" || !/^[^/\\:\p{Cc}]+\.safetensors$/u.test(shard)) {
        throw new SafetensorsError(file, "index", `${show(shard)} is not the plain name of a .safetensors file`, name);
      }
    }
    return weightMap as Map<string, string>;
  } finally {
    await handle.close();
  }
}

async function readHeader(handle: FileHandle, file: string): Promise<SafetensorsHeader> {
  const { size } = await handle.stat();
  if (size < 8)
    throw new SafetensorsError(file, "header-length", `${size} bytes, but the header's length alone takes 8`);
  const prefix = Buffer.alloc(8);
  await readExactly(handle, file, prefix, 0);
  const length = prefix.readBigUInt64LE();
  if (prefix.toString("latin1") === "version ") {
    throw new SafetensorsError(
      file,
      "header-length",
      "this is a Git LFS pointer, the data itself was never downloaded",
    );
  }
  if (length > maxHeaderBytes) {
    throw new SafetensorsError(file, "header-length", `a header of ${length} bytes, at most ${maxHeaderBytes} allowed`);
  }
  if (8n + length > size) {
    throw new SafetensorsError(file, "header-length", `a header of ${length} bytes in a file of ${size}`);
  }
  const bytes = new Uint8Array(Number(length));
  await readExactly(handle, file, bytes, 8);
  return parseHeader(file, bytes, size);
}

async function readExactly(handle: FileHandle, file: string, into: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < into.byteLength) {
    const length = Math.min(into.byteLength - done, 2 ** 30); // one call of the system reads less than 2 GiB
    const { bytesRead } = await handle.read(into, done, length, position + done).catch((error) => {
      throw ioError(file, "cannot be read", error);
    });
    if (bytesRead === 0) throw new SafetensorsError(file, "file", `ended at byte ${position + done} while it was open`);
    done += bytesRead;
  }
}

function allocate(length: number, entry: TensorEntry): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new SafetensorsError(entry.file, "buffer", `no memory for ${length} bytes`, entry.name, cause);
  }
}

function ioError(file: string, problem: string, cause: unknown): SafetensorsError {
  return new SafetensorsError(file, "file", `${problem}: ${(cause as Error).message}`, undefined, cause);
}
