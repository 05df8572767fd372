// Money: prices, balances, the journal, and that no crash loses or doubles a charge that was answered for.

import { appendFile, mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { keysOf } from "../../src/server/access.ts";
import { openLedger } from "../../src/server/ledger.ts";
import type { Operation } from "../../src/server/operation.ts";
import { amountText, costOf, microsOf, readPrices } from "../../src/server/prices.ts";
import { balance } from "../../src/server/routes/balance.ts";
import { textStream } from "../../src/server/wire/stream.ts";
import { times } from "../long.ts";
import { child } from "./child.ts";
import { errorOf, start } from "./start.ts";

const prices = { currency: "USD", cacheHit: 70_000, cacheMiss: 270_000, output: 1_100_000 };

function usage(cachedTokens: number, miss: number, completionTokens: number) {
  const promptTokens = cachedTokens + miss;
  return { promptTokens, cachedTokens, embedTokens: 0, completionTokens, totalTokens: promptTokens + completionTokens };
}

let folder = "";
let journal = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "plainformer-ledger-"));
});
beforeEach(() => {
  journal = join(folder, `journal-${Math.random()}`);
});
afterAll(() => rm(folder, { recursive: true }));

describe("amounts", () => {
  test.each([
    ["0", 0],
    ["1.5", 1_500_000],
    ["0.000001", 1],
    ["999999999.999999", 999_999_999_999_999],
  ])("%s", (text, micros) => expect(microsOf(text)).toBe(micros));

  test.each(["", "-1", "1e3", "0.0000001", "1.", ".5", "NaN", "1000000000", " 1"])("%j is none", (text) =>
    expect(microsOf(text)).toBeUndefined(),
  );

  test.each([
    [110_000_000, "110.00"],
    [1, "0.000001"],
    [1_230_000, "1.23"],
    [-1_500_000, "-1.50"],
    [0, "0.00"],
    [-1, "-0.000001"],
  ])("%d is written %s", (micros, text) => expect(amountText(micros)).toBe(text));

  test("a request costs the sum of its tokens, rounded up once", () => {
    expect(costOf(prices, usage(1_000_000, 1_000_000, 1_000_000))).toBe(70_000 + 270_000 + 1_100_000);
    expect(costOf(prices, usage(0, 1, 0))).toBe(1); // 0.27 millionths
    expect(costOf(prices, usage(64, 10, 5))).toBe(13); // 4.48 + 2.7 + 5.5
    expect(costOf(prices, usage(0, 0, 0))).toBe(0);
  });

  test("a price list is read; what is wrong in it is named", async () => {
    const path = join(folder, "prices.json");
    await writeFile(path, '{"currency":"USD","prompt_cache_hit":0.07,"prompt_cache_miss":"0.27","completion":1.1}');
    expect(await readPrices(path)).toEqual(prices);
    await writeFile(path, '{"currency":"USD","prompt_cache_hit":-1,"prompt_cache_miss":"0.27","completion":1.1}');
    await expect(readPrices(path)).rejects.toThrow(
      `${path}: prompt_cache_hit: expected an amount with at most six decimals`,
    );
    await writeFile(path, "{");
    await expect(readPrices(path)).rejects.toThrow(`${path}: it is not JSON, expected a price list`);
    await expect(readPrices("/nowhere")).rejects.toThrow("prices: cannot read /nowhere (ENOENT)");
  });
});

describe("the journal", () => {
  test("what was charged is there when it is opened again", async () => {
    const ledger = await openLedger(journal, prices);
    for (let i = 0; i < 10; i++) ledger.charge(i % 2 ? "a" : "b", `r${i}`, usage(64, 10, 5));
    await ledger.settled();
    expect((await readFile(journal, "utf8")).split("\n")).toHaveLength(11);
    await ledger.close();
    const again = await openLedger(journal, prices);
    expect([again.spent("a"), again.spent("b"), again.spent("c")]).toEqual([65, 65, 0]);
    await again.close();
  });

  test("a charge that nobody waits for is written all the same", async () => {
    const ledger = await openLedger(journal, prices);
    ledger.charge("a", "gone", usage(64, 10, 5));
    await expect.poll(() => readFile(journal, "utf8"), { timeout: 30_000 }).toContain('"request":"gone"');
    await ledger.close();
  });

  test("a line that a crash tore is cut off at every length, and charges go on behind it", async () => {
    const whole = await openLedger(journal, prices);
    whole.charge("a", "first", usage(0, 10, 5));
    whole.charge("a", "second", usage(0, 100, 50));
    await whole.close();
    const text = await readFile(journal, "utf8");
    const first = text.indexOf("\n") + 1;
    for (let length = first; length < text.length; length += 7) {
      await writeFile(journal, text.slice(0, length));
      const ledger = await openLedger(journal, prices);
      expect(ledger.spent("a")).toBe(9);
      ledger.charge("a", "third", usage(0, 1, 0));
      await ledger.close();
      const again = await openLedger(journal, prices);
      expect(again.spent("a")).toBe(10);
      await again.close();
    }
  });

  test("a line twice counts once", async () => {
    const ledger = await openLedger(journal, prices);
    ledger.charge("a", "first", usage(0, 10, 5));
    await ledger.close();
    await appendFile(journal, await readFile(journal));
    const again = await openLedger(journal, prices);
    expect(again.spent("a")).toBe(9);
    await again.close();
  });

  test("a broken line in the middle stops the start and is named; nothing is changed", async () => {
    const ledger = await openLedger(journal, prices);
    ledger.charge("a", "first", usage(0, 10, 5));
    await ledger.close();
    const line = await readFile(journal, "utf8");
    await writeFile(journal, `${line}garbage\n${line}`);
    await expect(openLedger(journal, prices)).rejects.toThrow(
      `${journal}, line 2: it is not a charge; mend or remove this line`,
    );
    expect(await readFile(journal, "utf8")).toBe(`${line}garbage\n${line}`);
    await truncate(journal, line.length);
    await (await openLedger(journal, prices)).close(); // the lock of the failed start is gone
  });

  test("room for what is admitted is made before, and taken back at the end; a kill leaves nothing but spaces", async () => {
    const ledger = await openLedger(journal, prices);
    const leave = await ledger.admit();
    const before = (await stat(journal)).size;
    expect(before).toBeGreaterThan(0);
    for (let i = 0; i < 20; i++) ledger.charge("a", crypto.randomUUID(), usage(64, 10, 5));
    await ledger.settled();
    leave();
    expect((await stat(journal)).size).toBe(before); // charges took the place of spaces
    await writeFile(`${journal}-killed`, await readFile(journal));
    await ledger.close();
    const killed = await openLedger(`${journal}-killed`, prices);
    expect(killed.spent("a")).toBe(20 * 13);
    await killed.close();
    expect(await readFile(`${journal}-killed`, "utf8")).toBe(await readFile(journal, "utf8"));
    expect(await readFile(journal, "utf8")).toMatch(/^(\{[^\n]+\}\n){20}$/);
  });

  test("what is admitted while charges are written overwrites none of them", async () => {
    const ledger = await openLedger(journal, prices);
    const charges = Array.from({ length: 300 }, async (_, i) => {
      if (i % 3 === 0) ledger.charge("a", crypto.randomUUID(), usage(0, 0, 1));
      const leave = await ledger.admit();
      if (i % 3 !== 0) ledger.charge("a", crypto.randomUUID(), usage(0, 0, 1));
      await ledger.settled();
      if (i % 2 === 0) leave();
    });
    await Promise.all(charges);
    await ledger.close();
    expect((await readFile(journal, "utf8")).match(/"n":/g)).toHaveLength(300);
    const again = await openLedger(journal, prices);
    expect(again.spent("a")).toBe(600);
    await again.close();
  });

  test("two at a time are refused; a lock of a process that is gone is not", async () => {
    const other = child(new URL("./charging-server.ts", import.meta.url), await serverFiles(1));
    const [url] = await other.line(/http\S+/);
    expect(url).toMatch(/^http/);
    await expect(openLedger(journal, prices)).rejects.toThrow(/journal: .* is in use by process \d+/);
    other.kill("SIGKILL");
    await other.ended;
    await stat(`${journal}.lock`);
    await (await openLedger(journal, prices)).close();
  });

  test("a journal that cannot be made is one sentence", async () => {
    await expect(openLedger(folder, prices)).rejects.toThrow(`journal: cannot open ${folder} (EISDIR)`);
    await expect(openLedger("/nowhere/journal", prices)).rejects.toThrow(
      "journal: cannot write /nowhere/journal.lock (ENOENT)",
    );
  });
});

const spend: Operation = {
  method: "post",
  path: "/spend",
  summary: "",
  body: z.unknown(),
  responses: { 200: z.unknown() },
  async handle(_, __, call) {
    call.charge(usage(0, 0, 1_000_000));
    return Response.json({});
  },
};

test("a balance runs down to a 402, is told as DeepSeek tells it, and outlives the server", async () => {
  const keys = keysOf("sk-alice-0001 2.00\nsk-bob-00002", "keys");
  const alice = { authorization: "Bearer sk-alice-0001", "content-type": "application/json" };
  const bob = { ...alice, authorization: "Bearer sk-bob-00002" };
  for (const [spends, total, available] of [
    [1, "0.90", true],
    [1, "-0.20", false],
  ] as const) {
    const ledger = await openLedger(journal, prices);
    const { url, stop } = await start({ keys, ledger, operations: [spend, balance] });
    for (let i = 0; i < spends; i++)
      expect((await fetch(`${url}/spend`, { method: "POST", headers: alice, body: "{}" })).status).toBe(200);
    expect(await (await fetch(`${url}/user/balance`, { headers: alice })).json()).toEqual({
      is_available: available,
      balance_infos: [{ currency: "USD", total_balance: total, granted_balance: "0.00", topped_up_balance: total }],
    });
    if (!available) {
      const refused = await fetch(`${url}/spend`, { method: "POST", headers: alice, body: "{}" });
      expect(refused.status).toBe(402);
      expect(await errorOf(refused)).toMatchObject({ message: "Insufficient Balance", type: "unknown_error" });
    }
    // A key without an amount has nothing to run out of.
    expect((await fetch(`${url}/spend`, { method: "POST", headers: bob, body: "{}" })).status).toBe(200);
    expect(await (await fetch(`${url}/user/balance`, { headers: bob })).json()).toEqual({
      is_available: true,
      balance_infos: [],
    });
    await stop();
    await ledger.close();
  }
});

test("an answer waits for its charge, a stream for the part behind it; a disk that fails is a 500", async () => {
  const disk = { settle: () => {}, waits: 0 };
  const spent = new Map<string, number>();
  const ledger = {
    prices,
    admit: async () => () => {},
    spent: (tenant: string) => spent.get(tenant) ?? 0,
    charge: (tenant: string) => spent.set(tenant, 1),
    settled: () =>
      new Promise<void>((resolve) => {
        disk.waits++;
        disk.settle = resolve;
      }),
    close: async () => {},
  };
  const keys = keysOf("sk-alice-0001 2.00", "keys");
  const init = {
    method: "POST",
    headers: { authorization: "Bearer sk-alice-0001", "content-type": "application/json" },
    body: "{}",
  };
  const streamed: Operation = {
    ...spend,
    path: "/streamed",
    async handle(_, __, call) {
      const parts = ["first", "last"];
      return textStream(async () => {
        const part = parts.shift();
        if (part === "last") call.charge(usage(0, 0, 1));
        return part;
      }, call);
    },
  };
  const { url } = await start({ keys, ledger, operations: [spend, streamed] });
  let answered = false;
  const answer = fetch(`${url}/spend`, init).then(() => {
    answered = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect([answered, disk.waits]).toEqual([false, 1]);
  disk.settle();
  await answer;

  const reader = (await fetch(`${url}/streamed`, init)).body?.getReader();
  const decode = async () => new TextDecoder().decode((await reader?.read())?.value);
  expect(await decode()).toBe("first");
  let last = "";
  const more = decode().then((text) => {
    last = text;
  });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect([last, disk.waits]).toEqual(["", 2]);
  disk.settle();
  await more;
  expect(last).toBe("last");

  ledger.settled = () => Promise.reject(new Error("ENOSPC"));
  expect((await fetch(`${url}/spend`, init)).status).toBe(500);
});

/** Arguments of charging-server.ts: a key with 100 in the bank, tokens at a millionth each. */
async function serverFiles(drainSeconds: number): Promise<string[]> {
  const list = join(folder, "list.json");
  const keys = join(folder, "keys");
  await writeFile(list, '{"currency":"USD","prompt_cache_hit":0,"prompt_cache_miss":0,"completion":1}');
  await writeFile(keys, "sk-alice-0001 100\n");
  return [journal, list, keys, String(drainSeconds)];
}

test("kill -9 in the middle of many requests, several times: each answered one is charged, none twice", async () => {
  const args = await serverFiles(1);
  const headers = { authorization: "Bearer sk-alice-0001", "content-type": "application/json" };
  let answered = 0;
  let sent = 0;
  const rounds = times(2, 3);
  for (let round = 0; round < rounds; round++) {
    const server = child(new URL("./charging-server.ts", import.meta.url), args);
    const [url] = await server.line(/http\S+/);
    const told = (await (await fetch(`${url}/user/balance`, { headers })).json()) as {
      balance_infos: { total_balance: string }[];
    };
    const spent = Math.round((100 - Number(told.balance_infos[0].total_balance)) * 1e6);
    expect(spent).toBeGreaterThanOrEqual(answered);
    expect(spent).toBeLessThanOrEqual(sent);
    if (round === rounds - 1) break;
    answered = sent = spent; // what was on its way at the kill is known now
    const client = async () => {
      for (;;) {
        const tokens = 1 + Math.floor(Math.random() * 100);
        sent += tokens;
        const response = await fetch(`${url}/spend`, { method: "POST", headers, body: JSON.stringify({ tokens }) });
        await response.json();
        answered += tokens;
      }
    };
    const clients = Array.from({ length: 16 }, () => client().catch(() => {}));
    for (const enough = spent + 1000 * (round + 1); answered < enough; )
      await new Promise((resolve) => setTimeout(resolve, 5));
    server.kill("SIGKILL"); // while others are on their way
    await Promise.all([...clients, server.ended]);
  }
}, 180_000);
