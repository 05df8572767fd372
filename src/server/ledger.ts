// What each key has spent: an append-only journal, one JSON line a charge, synced to disk before the charge is answered for
// and replayed at start. A balance is what was paid in (the key list says) less what the journal holds.
//
// A crash can only tear the last line: whatever no newline ends was never answered for, and is cut off. Lines carry a
// running number, so none counts twice. Behind the last line stand spaces, which the next charges overwrite: so a disk that
// fills up is met before something is computed that could not be charged, and what runs then can still be.

import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Usage } from "../engine/generate.ts";
import { costOf, type Prices } from "./prices.ts";
import { lockFile } from "./process-lock.ts";

export interface Ledger {
  readonly prices: Prices;
  /**
   * Makes sure that one more charge finds room on disk; call what it returns when nothing more is charged for it.
   * @throws LedgerFullError if there is none, or charges wait that could not be written; both are tried again each time.
   */
  admit(): Promise<() => void>;
  /** What a key has spent, in millionths of the currency, charges that are still on their way to disk included. */
  spent(tenant: string): number;
  /** Adds what a request cost. */
  charge(tenant: string, requestId: string, usage: Usage): void;
  /** Resolves when all charges so far are on disk. @throws if they could not be written; they are tried again with the next. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

/** No charge can be written now; `code` is the system's. */
export class LedgerFullError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`the journal cannot be written (${code})`);
    this.name = "LedgerFullError";
    this.code = code;
  }
}

/** Bytes that a line takes at the utmost: its numbers are safe integers, a request's id has 36 characters, a key's 16. */
const maxLineBytes = 320;

/** Spaces are written so many at a time. */
const roomBytes = 16_384;

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
  /** Where the spaces behind the last line end. */
  let room = length;
  let admitted = 0;
  let turn: Promise<unknown> = Promise.resolve();

  /** One writes at a time: each knows where the other ended. */
  async function inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = turn.then(work);
    turn = result.catch(() => {});
    return result;
  }

  const pending: Line[] = [];
  let waiters: { upTo: number; resolve(): void; reject(reason: unknown): void }[] = [];
  let writing = false;
  let failed = false;

  async function writeAll(bytes: Buffer, at: number): Promise<void> {
    for (let done = 0; done < bytes.length; )
      done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
  }

  /** Writes what is pending, over and over until nothing is; many charges share one sync. */
  async function write(): Promise<void> {
    if (writing) return;
    writing = true;
    try {
      while (pending.length > 0) {
        const batch = [...pending];
        const bytes = Buffer.from(batch.map((line) => `${JSON.stringify(line)}\n`).join(""));
        await inTurn(async () => {
          await writeAll(bytes, length);
          await file.datasync();
          length += bytes.length;
          room = Math.max(room, length);
        });
        failed = false;
        pending.splice(0, batch.length);
        const synced = batch[batch.length - 1].n;
        for (const waiter of waiters) if (waiter.upTo <= synced) waiter.resolve();
        waiters = waiters.filter((waiter) => waiter.upTo > synced);
      }
    } catch (error) {
      failed = true;
      for (const waiter of waiters) waiter.reject(error);
      waiters = [];
    } finally {
      writing = false;
    }
  }

  /** Writes spaces behind the last line until all that is admitted finds room there. */
  async function extend(): Promise<void> {
    while (room - length < (admitted + pending.length) * maxLineBytes) {
      await writeAll(Buffer.alloc(roomBytes, " "), room);
      room += roomBytes;
    }
  }

  const ledger: Ledger = {
    prices,
    async admit() {
      admitted++;
      let inside = true;
      const leave = () => {
        if (inside) admitted--;
        inside = false;
      };
      try {
        if (failed) await ledger.settled();
        await inTurn(extend);
        return leave;
      } catch (error) {
        leave();
        throw new LedgerFullError((error as NodeJS.ErrnoException).code ?? String(error));
      }
    },
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
        await file.truncate(length);
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

/** Claims the journal for this process. */
async function lock(path: string): Promise<() => Promise<void>> {
  const taken = await lockFile(path).catch(({ code }) => {
    throw new Error(`journal: cannot write ${path}.lock (${code})`);
  });
  if (typeof taken === "function") return taken;
  throw new Error(
    `journal: ${path} is in use by ${taken.pid === undefined ? "another process" : `process ${taken.pid}`}`,
  );
}
