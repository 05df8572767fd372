// One URL becomes one verified file: a range request goes on where an earlier attempt broke off, the finished file is hashed
// as it lies on the disk, and only then does it get its name. It knows nothing of repositories; hub.ts says what to fetch.
// Source: RFC 9110 section 14 (ranges); the digests are those of Git LFS (sha256) and of Git (blob objects).

import { createHash } from "node:crypto";
import { constants, createReadStream } from "node:fs";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Whom to ask and how. */
export interface Remote {
  /** The token is sent to this origin only. */
  readonly origin: string;
  readonly token: string | undefined;
  readonly signal: AbortSignal | undefined;
  /** How often in a row a request may fail without one new byte. */
  readonly attempts: number;
  /** The words for a status of 4xx, which another attempt would not change. */
  refusal(response: Response, url: string): Error;
}

/** A file to fetch. `digest` is the lower-case hex of sha256 over the content, or of Git's sha1 over the blob. */
export interface RemoteFile {
  readonly name: string;
  readonly url: string;
  readonly size: number;
  readonly algorithm: "sha256" | "sha1";
  readonly digest: string;
}

/** What an attempt came to; a failure is worth another attempt, anything that is not is thrown. */
type Outcome<T> = { value: T } | { failure: string; cause?: unknown; progressed?: boolean };

/** The answer to a GET, read whole. Throws an Error when it is refused or keeps failing; an abort throws its reason. */
export function request(remote: Remote, url: string): Promise<Response> {
  return persist(remote, async () => {
    const outcome = await send(remote, url);
    if ("failure" in outcome) return outcome;
    try {
      return { value: new Response(await outcome.value.arrayBuffer(), outcome.value) };
    } catch (cause) {
      return { failure: `the answer of ${url} broke off`, cause };
    }
  });
}

/**
 * Fetches `file` to `path` unless it is there already; `onBytes` hears how much has arrived. A broken attempt leaves a
 * `.part` file whose name tells content and process: the next attempt goes on from there, never on another content, and two
 * processes never write to one file. Throws an Error when it is refused or keeps failing; an abort throws its reason.
 */
export async function download(
  remote: Remote,
  file: RemoteFile,
  path: string,
  onBytes: (loaded: number) => void,
): Promise<void> {
  if (!(await isIntact(path, file))) {
    const part = await claimPart(path, file);
    let furthest = 0;
    await persist(remote, async () => {
      const before = furthest;
      const outcome = await receive(remote, file, part, (loaded) => {
        furthest = Math.max(furthest, loaded);
        onBytes(loaded);
      });
      if ("failure" in outcome) return { ...outcome, progressed: furthest > before };
      if (await isIntact(part, file)) return outcome;
      await rm(part);
      return { failure: `${file.url}: what arrived does not have the ${file.algorithm} that the repository lists` };
    });
    await rename(part, path);
  }
  onBytes(file.size);
}

async function receive(
  remote: Remote,
  file: RemoteFile,
  part: string,
  onBytes: (loaded: number) => void,
): Promise<Outcome<void>> {
  const handle = await open(part, constants.O_RDWR | constants.O_CREAT);
  try {
    const { size: had } = await handle.stat();
    if (had === file.size) return { value: undefined };
    const outcome = await send(remote, file.url, had > 0 ? { Range: `bytes=${had}-` } : {});
    if ("failure" in outcome) return outcome;
    const response = outcome.value;
    // 200 is the whole file, from a server without ranges; 416 and any other place do not continue what is here.
    const from = response.status === 206 ? /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1] : 0;
    let position = Number(from) === had ? had : 0;
    await handle.truncate(position);
    if (response.status === 416 || Number(from) !== position) {
      await response.body?.cancel();
      return { failure: `${file.url}: the server does not continue at byte ${had}` };
    }
    const reader = response.body?.getReader();
    for (;;) {
      const chunk = await reader?.read().catch((cause: unknown) => ({ cause }));
      if (chunk && "cause" in chunk) {
        return { failure: `${file.url} broke off at byte ${position} of ${file.size}`, cause: chunk.cause };
      }
      if (!chunk?.value) break;
      await handle.write(chunk.value, 0, chunk.value.length, position);
      position += chunk.value.length;
      if (position > file.size) break;
      onBytes(position);
    }
    if (position === file.size) {
      await handle.sync(); // before the name: a power cut must not leave a complete file of zeros
      return { value: undefined };
    }
    await reader?.cancel();
    const amount = position < file.size ? `only ${position} of` : "more than";
    if (position > file.size) await handle.truncate(0);
    return { failure: `${file.url} gave ${amount} the ${file.size} bytes that the repository lists` };
  } finally {
    await handle.close();
  }
}

async function send(remote: Remote, url: string, headers: Record<string, string> = {}): Promise<Outcome<Response>> {
  const authorization = remote.token && new URL(url).origin === remote.origin ? `Bearer ${remote.token}` : undefined;
  let response: Response;
  try {
    response = await fetch(url, {
      // Identity, because a range counts bytes of what is sent. A redirect to another origin does not get the token: fetch
      // takes it off by itself.
      headers: { ...headers, "Accept-Encoding": "identity", ...(authorization && { Authorization: authorization }) },
      signal: remote.signal,
    });
  } catch (cause) {
    return { failure: `${url} cannot be reached`, cause };
  }
  if (response.ok || response.status === 416) return { value: response };
  await response.body?.cancel();
  if (response.status < 500 && response.status !== 408 && response.status !== 429) throw remote.refusal(response, url);
  return { failure: `${url} answered ${response.status} ${response.statusText}` };
}

async function persist<T>(remote: Remote, attempt: () => Promise<Outcome<T>>): Promise<T> {
  for (let failures = 0; ; ) {
    remote.signal?.throwIfAborted();
    const outcome = await attempt();
    remote.signal?.throwIfAborted();
    if ("value" in outcome) return outcome.value;
    failures = outcome.progressed ? 1 : failures + 1;
    if (failures >= remote.attempts) {
      const { failure, cause } = outcome;
      const reason = cause instanceof Error ? ` (${(cause.cause as Error | undefined)?.message ?? cause.message})` : "";
      throw new Error(`${failure}${reason}; given up after ${failures} attempts`, { cause });
    }
    const delay = Math.min(250 * 2 ** failures, 8000); // milliseconds
    await sleep(delay, undefined, { signal: remote.signal }).catch(() => {}); // the loop throws the signal's own reason
  }
}

/** Whether the file at `path` has the size and the digest that are asked for. */
async function isIntact(path: string, file: RemoteFile): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found?.size !== file.size) return false;
  const hash = createHash(file.algorithm);
  if (file.algorithm === "sha1") hash.update(`blob ${file.size}\0`); // what Git hashes
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk);
  return hash.digest("hex") === file.digest;
}

/** The name of this process's part of `file`; the part of a process that is gone is taken over, or removed if outdated. */
async function claimPart(path: string, file: RemoteFile): Promise<string> {
  const folder = dirname(path);
  const own = `${file.name}.${file.digest.slice(0, 16)}.${process.pid}.part`;
  for (const name of await readdir(folder)) {
    const [digest, pid, extension, ...rest] = name.startsWith(`${file.name}.`)
      ? name.slice(file.name.length + 1).split(".")
      : [];
    if (extension !== "part" || rest.length > 0 || name === own || isRunning(Number(pid))) continue;
    const usable = file.digest.startsWith(digest) && !(await stat(join(folder, own)).catch(() => undefined));
    // Of two processes that take the same part over, one finds it gone.
    await (usable ? rename(join(folder, name), join(folder, own)) : rm(join(folder, name))).catch(() => {});
  }
  return join(folder, own);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0); // sends nothing, asks only
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
