// Where the bytes of weights and tokenizers come from: a file, a range of a URL, a Blob. Above this nobody knows which. A
// source whose bytes change while it is open is an error where that can be seen, never a mixture of old and new.
// Source for ranges: RFC 9110, section 14.

import { openFile } from "#platform";

/** Bytes of a known number, read by ranges. */
export interface ByteSource {
  /** The path, the URL, or a name that somebody gave. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /**
   * The bytes `from` to `to` (exclusive), straight into `into` where given, which has as many.
   * @throws what went wrong, without the source's name: who reads says what was read.
   */
  read(from: number, to: number, into?: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Opens a path or a URL of http(s). @throws what went wrong, without the name. */
export function openSource(place: string): Promise<ByteSource> {
  return isUrl(place) ? urlSource(place) : fileSource(place);
}

/** Whether a place is a URL of http(s); a path otherwise. */
export function isUrl(place: string): boolean {
  return /^https?:\/\//i.test(place);
}

/** Whether a path, or the path of a URL, ends like this. */
export function hasExtension(place: string, extension: string): boolean {
  return (isUrl(place) ? new URL(place).pathname : place).endsWith(extension);
}

/** A file, which stays open. @throws if there is none, or it is no regular file. */
export async function fileSource(path: string): Promise<ByteSource> {
  const file = await openFile(path);
  return {
    name: path,
    size: file.size,
    async read(from, to, into = new Uint8Array(to - from)) {
      for (let at = from; at < to; ) {
        const count = await file.read(into.subarray(at - from), at);
        if (count === 0) throw new Error(`it ended at byte ${at} while it was open`);
        at += count;
      }
      return into;
    },
    close: () => file.close(),
  };
}

/** A file that a browser's user has chosen, or bytes in memory. */
export function blobSource(blob: Blob, name: string): ByteSource {
  return {
    name,
    size: blob.size,
    async read(from, to, into) {
      const bytes = new Uint8Array(await blob.slice(from, to).arrayBuffer());
      if (bytes.length !== to - from) throw new Error(`it ended at byte ${from + bytes.length}`);
      if (!into) return bytes;
      into.set(bytes);
      return into;
    },
    async close() {},
  };
}

/** What the server answered: there is nothing at this URL. */
export class NotFoundError extends Error {
  override readonly name = "NotFoundError";
}

/** Bytes that are fetched on opening, to learn the size: often all that is ever read of a small file. */
const firstBytes = 2 ** 16;

/**
 * A URL of http(s), whose server must answer requests for ranges.
 * @throws a NotFoundError where the server has nothing; if it cannot be reached, refuses, or knows no ranges.
 */
export async function urlSource(url: string): Promise<ByteSource> {
  const closing = new AbortController();
  const first = await fetchRange(url, 0, firstBytes, closing.signal);
  const { size, version } = first;
  const start = new Uint8Array(Math.min(size, firstBytes));
  await receive(first.body, start, 0);
  return {
    name: url,
    size,
    async read(from, to, into = new Uint8Array(to - from)) {
      closing.signal.throwIfAborted();
      if (to > size) throw new Error(`it ends at byte ${size}, ${to} was asked for`);
      if (to <= start.length) into.set(start.subarray(from, to));
      else if (to > from) {
        const range = await fetchRange(url, from, to, closing.signal);
        if (range.size !== size || range.version !== version) {
          await range.body?.cancel();
          throw new Error("it changed on the server while it was open");
        }
        await receive(range.body, into, from);
      }
      return into;
    },
    async close() {
      closing.abort(new Error("it is closed"));
    },
  };
}

/** The body of an answer with the bytes `from` to `to`, or to the end where that comes first; the size of the whole, and its version. */
async function fetchRange(url: string, from: number, to: number, signal: AbortSignal) {
  // Identity, because a range counts bytes of what is sent.
  const headers = { Range: `bytes=${from}-${to - 1}`, "Accept-Encoding": "identity" };
  const response = await fetch(url, { headers, signal }).catch((cause) => {
    signal.throwIfAborted();
    throw new Error(`the server cannot be reached (${cause.cause?.message ?? cause.message})`, { cause });
  });
  const { status, statusText, body } = response;
  const given = response.headers.get("content-range") ?? "";
  const version = response.headers.get("etag") ?? response.headers.get("last-modified");
  if (status === 416 && from === 0 && given === "bytes */0") {
    await body?.cancel();
    return { body: null, size: 0, version };
  }
  const [, first, last, total] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(given)?.map(Number) ?? [];
  const encoding = response.headers.get("content-encoding") ?? "identity";
  if (status === 206 && first === from && last === Math.min(to, total) - 1 && encoding === "identity")
    return { body, size: total, version };

  await body?.cancel();
  if (status === 404 || status === 410) throw new NotFoundError(`the server answered ${status} ${statusText}`);
  if (status === 200)
    throw new Error("the server answered 200 to a request for a range, expected 206: it must know ranges");
  if (status !== 206) throw new Error(`the server answered ${status} ${statusText}, expected 206`);
  if (encoding !== "identity")
    throw new Error(`the server sent a range in content-encoding ${encoding}, expected none`);
  // A browser sees the header of another origin's answer only where that server exposes it.
  const problem = given === "" ? "no content-range that can be read" : `content-range ${JSON.stringify(given)}`;
  throw new Error(`the server sent ${problem}, expected bytes ${from}-${to - 1} and the size`);
}

/** Takes exactly the bytes of `into`, which begin at `from`. */
async function receive(body: ReadableStream<Uint8Array> | null, into: Uint8Array, from: number): Promise<void> {
  const reader = body?.getReader();
  let at = 0;
  for (;;) {
    const chunk = await reader?.read().catch((cause) => {
      throw new Error(`the answer broke off at byte ${from + at} of ${from + into.length}`, { cause });
    });
    if (!chunk?.value) break;
    if (at + chunk.value.length > into.length) {
      await reader?.cancel();
      throw new Error(`the server sent more than the ${into.length} bytes of a range`);
    }
    into.set(chunk.value, at);
    at += chunk.value.length;
  }
  if (at < into.length) throw new Error(`the answer broke off at byte ${from + at} of ${from + into.length}`);
}
