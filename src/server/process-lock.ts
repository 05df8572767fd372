// A lock on a file that one process has at a time, and that ends with its process whatever becomes of it: a socket beside the
// file, on which the owner listens. A process that is gone, or a zombie, does not; no process id is believed, because ids are
// given out again, and mean nothing between containers that share a folder.

import { createHash } from "node:crypto";
import { rm, stat } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Who has the lock: its process id if it tells. */
export interface Owner {
  readonly pid: number | undefined;
}

/** What the systems let an address of a socket have; macOS has 104. */
const longestAddress = 100;

/** How long an owner may take to say who it is. */
const answerMs = 500;

/** Two that find the lock of one that is gone take it at once: the later stays. By then both have. */
const settleMs = 50;

/**
 * Takes the lock of a file, which need not be there. → a function that gives it back, or who has it
 * @throws the system's error, if there can be no socket.
 */
export async function lockFile(path: string): Promise<(() => Promise<void>) | Owner> {
  const address = addressOf(path);
  if (process.platform !== "win32") await stat(dirname(address)); // says better than a socket what is wrong with a folder
  for (let first = true; ; first = false) {
    const server = await listen(address);
    if (server) {
      const unlock = () => new Promise<void>((done) => server.close(() => done()));
      if (first) return unlock; // there was none to find
      const mine = await identityOf(address);
      await sleep(settleMs);
      if (mine === (await identityOf(address))) return unlock;
      return { pid: undefined }; // it listens on, unseen: to close it would take the address from who has it now
    }
    const seen = await identityOf(address);
    const owner = await ownerOf(address);
    if (owner) return owner;
    if (seen === (await identityOf(address))) await rm(address, { force: true });
  }
}

/** Where the lock of a file is: beside it, or in the folder for temporary files where that is too long for a socket. */
export function addressOf(path: string): string {
  const name = createHash("sha256").update(resolve(path)).digest("hex").slice(0, 32);
  if (process.platform === "win32") return `\\\\.\\pipe\\plainformer-${name}`;
  const beside = `${path}.lock`;
  return Buffer.byteLength(beside) <= longestAddress ? beside : join(tmpdir(), `plainformer-${name}.lock`);
}

/** A server that tells who asks this process's id; undefined: there is something at the address. */
async function listen(address: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.on("error", () => {}).end(String(process.pid)));
  server.unref();
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      error.code === "EADDRINUSE" ? resolve(undefined) : reject(error),
    );
    server.listen(address, () => resolve(server));
  });
}

/** Who listens at an address; undefined: nobody, and nobody will. */
async function ownerOf(address: string): Promise<Owner | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect(address);
    const answered = () => {
      socket.destroy();
      resolve({ pid: Number(text) || undefined });
    };
    socket.setTimeout(answerMs, answered);
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("end", answered);
    socket.on("error", ({ code }: NodeJS.ErrnoException) =>
      resolve(["ECONNREFUSED", "ENOENT", "ENOTSOCK"].includes(code ?? "") ? undefined : { pid: undefined }),
    );
  });
}

/** Tells what is at an address now from what was there before: an inode's number alone is given out again. */
async function identityOf(address: string): Promise<string | undefined> {
  if (process.platform === "win32") return undefined;
  const found = await stat(address, { bigint: true }).catch(() => undefined);
  return found && `${found.ino} ${found.ctimeNs}`;
}
