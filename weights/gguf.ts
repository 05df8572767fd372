// GGUF: opens a file, checks every rule of the format before anything is used, and reads each tensor by its byte range, so
// that a large file is never in memory as a whole. Not here: what metadata and tensors mean to a model, and writing.
// Source: ggml-org/ggml, docs/gguf.md.

import { type ByteSource, openSource } from "./byte-source.ts";
import { concatBytes } from "./bytes.ts";
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
  /** The bytes `from` to `to` (exclusive) of the file. Throws a GgufError. */
  readRange(file: string, from: number, to: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Opens a .gguf file by its path or its URL. Throws a GgufError when any rule of the format is broken. */
export async function openGguf(place: string | ByteSource): Promise<GgufFile> {
  const source = typeof place === "string" ? await ioErrors(place, "cannot be opened", openSource(place)) : place;
  const { name: file } = source;
  let header: GgufHeader;
  try {
    header = await readHeader(source);
  } catch (error) {
    await source.close();
    throw error;
  }
  const tensors = new Map(header.entries.map((entry) => [entry.name, entry]));
  let totalBytes = 0;
  for (const { begin, end } of header.entries) totalBytes += end - begin;

  const readRange = (_: string, from: number, to: number, into?: Uint8Array) =>
    ioErrors(file, "cannot be read", source.read(from, to, into));
  const read = async (name: string, into?: Uint8Array): Promise<Uint8Array> => {
    const entry = tensors.get(name);
    if (!entry) throw new GgufError(file, "name", "no such tensor", name);
    const length = entry.end - entry.begin;
    if (into && into.byteLength !== length) {
      throw new GgufError(file, "buffer", `${length} bytes for a buffer of ${into.byteLength}`, name);
    }
    return readRange(file, entry.begin, entry.end, into ?? allocate(length, file, name));
  };
  const { version, metadata } = header;
  return { file, version, metadata, tensors, totalBytes, read, readRange, close: source.close };
}

/** Only the metadata of a .gguf file. Throws as `openGguf`. */
export async function readGgufMetadata(place: string): Promise<GgufMetadata> {
  const opened = await openGguf(place);
  await opened.close();
  return opened.metadata;
}

// How long a header is, no field says: the first bytes are read, and more of them as long as it goes on.
async function readHeader({ name: file, size, read }: ByteSource): Promise<GgufHeader> {
  let bytes = new Uint8Array(0);
  for (let length = 2 ** 20; ; length *= 4) {
    const more = read(bytes.length, Math.min(size, length, ggufLimits.headerBytes));
    bytes = concatBytes([bytes, await ioErrors(file, "cannot be read", more)]);
    const header = parseGgufHeader(file, bytes, size);
    if (header) return header;
    if (length >= ggufLimits.headerBytes) {
      throw new GgufError(file, "limit", `the header has over ${ggufLimits.headerBytes} bytes, no more are allowed`);
    }
  }
}

function allocate(length: number, file: string, name: string): Uint8Array {
  try {
    return new Uint8Array(length);
  } catch (cause) {
    throw new GgufError(file, "buffer", `no memory for ${length} bytes`, name, cause);
  }
}

/** What is promised; a failure becomes a GgufError that names the file. */
function ioErrors<T>(file: string, problem: string, promise: Promise<T>): Promise<T> {
  return promise.catch((cause) => {
    throw new GgufError(file, "file", `${problem}: ${cause.message}`, undefined, cause);
  });
}
