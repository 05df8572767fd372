// What each key has spent: an append-only journal, one JSON line a charge, synced to disk before the charge is answered for
// and replayed at start. A balance is what was paid in (the key list says) less what the journal holds.
//
// A crash can only tear the last line: whatever no newline ends was never answered for, and is cut off. Lines carry a
// running number, so none counts twice.

import { constants } from "node:fs";
import { type FileHandle, open, readFile, rm, writeFile } from "node:fs/promises";
import type { Usage } from "../engine/generate.ts";
import { costOf, type Prices } from "./prices.ts";

export interface Ledger {
  readonly prices: Prices;
  /** What a key has spent, in millionths of the currency, charges that are still on their way to disk included. */
  spent(tenant: string): number;
  /** Adds what a request cost. */
  charge(tenant: string, requestId: string, usage: Usage): void;
  /** Resolves when all charges so far are on disk. @throws if they could not be written; they are tried again with the next. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

interface Line {
  n: number;
  time: string;
  request: string;
  key: string;
  hit: number;
  miss: number;
  output: number;
  /** Millionths of the currency. */
  amount: number;
}

/**
 * Opens a journal, a new one where there is none, and replays it.
 * @throws one sentence if another process has it open, or a line before the last is broken.
 */
export async function openLedger(path: string, prices: Prices): Promise<Ledger> {
  const unlock = await lock(path);
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600).catch(async ({ code }) => {
    await unlock();
    throw new Error(`journal: cannot open ${path} (${code})`);
  });
  const { spent, ...end } = await replay(file, path).catch(async (error) => {
    await file.close();
    await unlock();
    throw error;
  });
  let { length, number } = end;
  const pending: Line[] = [];
  let waiters: { upTo: number; resolve(): void; reject(reason: unknown): void }[] = [];
  let writing = false;

  /** Writes what is pending, over and over until nothing is; many charges share one sync. */
  async function write(): Promise<void> {
    if (writing) return;
    writing = true;
    try {
      while (pending.length > 0) {
        const batch = [...pending];
        const bytes = Buffer.from(batch.map((line) => `${JSON.stringify(line)}\n`).join(""));
        let done = 0;
        while (done < bytes.length)
          done += (await file.write(bytes, done, bytes.length - done, length + done)).bytesWritten;
        await file.datasync();
        length += bytes.length;
        pending.splice(0, batch.length);
        const synced = batch[batch.length - 1].n;
        for (const waiter of waiters) if (waiter.upTo <= synced) waiter.resolve();
        waiters = waiters.filter((waiter) => waiter.upTo > synced);
      }
    } catch (error) {
      for (const waiter of waiters) waiter.reject(error);
      waiters = [];
    } finally {
      writing = false;
    }
  }

  const ledger: Ledger = {
    prices,
    spent: (tenant) => spent.get(tenant) ?? 0,
    charge(tenant, requestId, usage) {
      const amount = costOf(prices, usage);
      spent.set(tenant, (spent.get(tenant) ?? 0) + amount);
      pending.push({
        n: ++number,
        time: new Date().toISOString(),
        request: requestId,
        key: tenant,
        hit: usage.cachedTokens,
        miss: usage.promptTokens - usage.cachedTokens,
        output: usage.completionTokens,
        amount,
      });
      void write(); // whether or not somebody waits: a client that has gone still pays for what it got
    },
    async settled() {
      if (pending.length === 0) return;
      const settled = new Promise<void>((resolve, reject) => waiters.push({ upTo: number, resolve, reject }));
      void write();
      await settled;
    },
    async close() {
      try {
        await ledger.settled();
      } finally {
        await file.close();
        await unlock();
      }
    },
  };
  return ledger;
}

/** What the journal holds; a torn line at its end is cut off. */
async function replay(file: FileHandle, path: string) {
  const spent = new Map<string, number>();
  let length = 0;
  let number = 0;
  for await (const { line, end, where } of linesOf(file, path)) {
    const { n, key, amount } = parsed(line, where);
    length = end;
    if (n <= number) continue;
    number = n;
    spent.set(key, (spent.get(key) ?? 0) + amount);
  }
  await file.truncate(length);
  await file.sync();
  return { spent, length, number };
}

function parsed(line: string, where: string): Line {
  try {
    const value = JSON.parse(line) as Line;
    if (Number.isSafeInteger(value.n) && typeof value.key === "string" && Number.isSafeInteger(value.amount))
      return value;
  } catch {}
  throw new Error(`${where}: it is not a charge; mend or remove this line, then start again`);
}

/** The lines that a newline ends, each with the offset behind it. */
async function* linesOf(file: FileHandle, path: string): AsyncGenerator<{ line: string; end: number; where: string }> {
  const chunk = Buffer.alloc(2 ** 16);
  let rest = Buffer.alloc(0);
  let at = 0;
  let count = 0;
  for (let read = at; ; ) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, read);
    if (bytesRead === 0) return;
    read += bytesRead;
    rest = Buffer.concat([rest, chunk.subarray(0, bytesRead)]);
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
      at += end + 1;
      yield { line: rest.subarray(0, end).toString("utf8"), end: at, where: `${path}, line ${++count}` };
      rest = rest.subarray(end + 1);
    }
  }
}

/** Claims the journal for this process; a claim of a process that is gone does not count. */
async function lock(path: string): Promise<() => Promise<void>> {
  const file = `${path}.lock`;
  for (;;) {
    try {
      await writeFile(file, String(process.pid), { flag: "wx" });
      return () => rm(file, { force: true });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EEXIST") throw new Error(`journal: cannot write ${file} (${code})`);
    }
    const owner = Number(await readFile(file, "utf8").catch(() => "0"));
    if (owner !== process.pid && isRunning(owner))
      throw new Error(`journal: ${path} is in use by process ${owner}; if that is no plainformer, remove ${file}`);
    await rm(file, { force: true });
  }
}

function isRunning(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid < 1) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
