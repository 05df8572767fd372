// GGUF: opens a file, checks every rule of the format before anything is used, and reads each tensor by its byte range, so
// that a large file is never in memory as a whole. Not here: what metadata and tensors mean to a model, and writing.
// Source: ggml-org/ggml, docs/gguf.md.

import { type FileHandle, open, stat } from "node:fs/promises";
import {
  type GgufEntry,
  GgufError,
  type GgufHeader,
  type GgufMetadata,
  ggufLimits,
  parseGgufHeader,
} from "./gguf-header.ts";

/** An open file; metadata and tensors are checked, the tensors' data is read on demand. */
export interface GgufFile {
  readonly file: string;
  readonly version: number;
  readonly metadata: GgufMetadata;
  readonly tensors: ReadonlyMap<string, GgufEntry>;
  /** Bytes of all tensors together, without padding. */
  readonly totalBytes: number;
  /** The bytes of one tensor, straight into `into` where given. Throws a GgufError; a short read is one too. */
  read(name: string, into?: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Opens a .gguf file. Throws a GgufError when any rule of the format is broken. */
export async function openGguf(file: string): Promise<GgufFile> {
  const handle = await openFile(file);
  let header: GgufHeader;
  try {
    header = await readHeader(handle, file);
  } catch (error) {
    await handle.close();
    throw error;
  }
  const tensors = new Map(header.entries.map((entry) => [entry.name, entry]));
  let totalBytes = 0;
  for (const { begin, end } of header.entries) totalBytes += end - begin;

  const read = async (name: string, into?: Uint8Array): Promise<Uint8Array> => {
    const entry = tensors.get(name);
    if (!entry) throw new GgufError(file, "name", "no such tensor", name);
    const length = entry.end - entry.begin;
    if (into && into.byteLength !== length) {
      throw new GgufError(file, "buffer", `${length} bytes for a buffer of ${into.byteLength}`, name);
    }
    const bytes = into ?? allocate(length, file, name);
    await readExactly(handle, file, bytes, entry.begin);
    return bytes;
  };
  const { version, metadata } = header;
  return { file, version, metadata, tensors, totalBytes, read, close: () => handle.close() };
}

/** Only the metadata of a .gguf file. Throws as `openGguf`. */
export async function readGgufMetadata(file: string): Promise<GgufMetadata> {
  const opened = await openGguf(file);
  await opened.close();
  return opened.metadata;
}

// How long a header is, no field says: the first bytes are read, and more of them as long as it goes on.
async function readHeader(handle: FileHandle, file: string): Promise<GgufHeader> {
  const { size } = await handle.stat();
  for (let length = 2 ** 20; ; length *= 4) {
    const bytes = new Uint8Array(Math.min(size, length, ggufLimits.headerBytes));
    await readExactly(handle, file, bytes, 0);
    const header = parseGgufHeader(file, bytes, size);
    if (header) return header;
    if (length >= ggufLimits.headerBytes) {
      throw new GgufError(file, "limit", `the header has over ${ggufLimits.headerBytes} bytes, no more are allowed`);
    }
  }
}

async function openFile(file: string): Promise<FileHandle> {
  try {
    if (!(await stat(file)).isFile()) throw new Error("it is not a regular file"); // before open, which waits on a pipe
    return await open(file);
  } catch (error) {
    throw ioError(file, "cannot be opened", error);
  }
}

async function readExactly(handle: FileHandle, file: string, into: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < into.byteLength) {
    const length = Math.min(into.byteLength - done, 2 ** 30); // one call of the system reads less than 2 GiB
    const { bytesRead } = await handle.read(into, done, length, position + done).catch((error) => {
      throw ioError(file, "cannot be read", error);
    });
    if (bytesRead === 0) throw new GgufError(file, "file", `ended at byte ${position + done} while it was open`);
    done += bytesRead;
  }
}

function allocate(length: number, file: string, name: string): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new GgufError(file, "buffer", `no memory for ${length} bytes`, name, cause);
  }
}

function ioError(file: string, problem: string, cause: unknown): GgufError {
  return new GgufError(file, "file", `${problem}: ${(cause as Error).message}`, undefined, cause);
}
