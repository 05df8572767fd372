// Pages shared by prefix: what is found computed is counted right, changes no bit, stays within its tenant, and goes when
// its place is needed.

import { expect, test } from "vitest";
import { pageSize } from "../../kernels/kernels.ts";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import { createPagePool } from "../../src/engine/page-pool.ts";
import { chainStart, pageKey } from "../../src/engine/prefix-key.ts";
import { placeWith } from "../../src/hooks.ts";
import { createKvCache } from "../../src/model/kv-cache.ts";
import { loadModel } from "../../src/model/load.ts";
import type { Run } from "../../src/prompt/segments.ts";
import { readGolden } from "../golden/golden.ts";

const golden = await readGolden("llama-gqa");
const ops = createOps((await selectKernels()).kernels);
const { model } = await loadModel(ops, golden.directory);
const { dModel, vocabSize } = model.config;

const ids = (n: number, from = 0) => Array.from({ length: n }, (_, i) => ((from + i) * 7) % vocabSize);
const table = (rows: number, seed = 0) => Float32Array.from({ length: rows * dModel }, (_, i) => Math.sin(i + seed));
const embeds = (rows: number, seed = 0): Run => ({ embeds: table(rows, seed), rows });

/** Continues a prompt by fixed tokens; the logits of each, and how many of its rows were found computed. */
async function run(engine: Engine, runs: Run[], { next = [1], tenant, from }: Partial<Ask> = {}) {
  const rows = runs.reduce((sum, run) => sum + ("ids" in run ? run.ids.length : run.rows), 0);
  const logits: number[][] = [];
  const wanted = rows - (from ?? rows - 1); // rows of the prompt with logits
  let cached = 0;
  await engine.run({
    runs,
    maxRows: rows + next.length,
    firstOutput: from ?? rows - 1,
    tenant,
    wants: "logits",
    accept({ outputs, cachedRows }) {
      for (const row of outputs) logits.push([...row]);
      cached = cachedRows;
      const id = next[logits.length - wanted];
      return id === undefined ? [] : [id];
    },
  });
  return { logits, cached };
}
interface Ask {
  next: number[];
  tenant: string;
  from: number;
}

const open = (pages = 16, options = {}) => createEngine(ops, model, { cacheTokens: pages * pageSize, ...options });

test.each([
  [63, 0],
  [64, 0], // the last row's logits are wanted, so its page has to be computed
  [65, 64],
  [128, 64],
  [129, 128],
  [300, 256],
])("a prompt of %i rows, sent again, finds %i of them", async (rows, expected) => {
  const engine = open();
  const first = await run(engine, [{ ids: ids(rows) }]);
  const second = await run(engine, [{ ids: ids(rows) }]);
  expect(first.cached).toBe(0);
  expect(second.cached).toBe(expected);
  expect(second.logits).toEqual(first.logits);
  const load = engine.load();
  expect(load).toMatchObject({ promptRowsCached: expected, promptRowsComputed: 2 * rows - expected });
  expect(load.cachedPages).toBe(Math.floor((rows + 1) / 64)); // with the token that was fed back
});

test("generated text is found too: the next turn of a conversation", async () => {
  const engine = open();
  const reply = ids(100, 50);
  await run(engine, [{ ids: ids(70) }], { next: reply });
  const turn = [{ ids: [...ids(70), ...reply, 5, 6, 7] }];
  const { cached, logits } = await run(engine, turn);
  expect(cached).toBe(128);
  expect(logits).toEqual((await run(open(16, { prefixCache: false }), turn)).logits);
});

test("two that arrive together: the second waits for the pages that the first computes", async () => {
  const engine = open(32, { stepRows: 100 });
  const [a, b, c] = await Promise.all([
    run(engine, [{ ids: ids(500) }]),
    run(engine, [{ ids: [...ids(450), 3, 3, 3] }]),
    run(engine, [{ ids: ids(400, 9) }]), // shares nothing and does not wait
  ]);
  expect([a.cached, b.cached, c.cached]).toEqual([0, 448, 0]);
  expect(engine.load().promptRowsComputed).toBe(500 + 5 + 400);
  const alone = open(16, { prefixCache: false });
  expect(b.logits).toEqual((await run(alone, [{ ids: [...ids(450), 3, 3, 3] }])).logits);
});

test("the one that waits goes on alone when the first is aborted", async () => {
  const engine = open(32, { stepRows: 100 });
  const abort = new AbortController();
  const first = engine.run({
    runs: [{ ids: ids(500) }],
    maxRows: 500,
    firstOutput: 499,
    wants: "id",
    accept: () => [],
    signal: abort.signal,
  });
  const second = run(engine, [{ ids: ids(500) }]);
  setImmediate(() => setImmediate(() => abort.abort(new Error("gone"))));
  await expect(first).rejects.toThrow("gone");
  const { cached, logits } = await second;
  expect(cached).toBeLessThan(448);
  expect(logits).toEqual((await run(open(), [{ ids: ids(500) }])).logits);
});

test("wanted logits of the prompt are computed: pages count only before the first of them", async () => {
  const engine = open();
  const whole = await run(engine, [{ ids: ids(200) }], { from: 0 });
  const later = await run(engine, [{ ids: ids(200) }], { from: 130 });
  expect(later.cached).toBe(128);
  expect(later.logits).toEqual(whole.logits.slice(130));
  expect((await run(engine, [{ ids: ids(200) }], { from: 0 })).cached).toBe(0);
});

test("embeddings count by content, and are not the ids whose rows they are", async () => {
  const engine = open();
  await run(engine, [embeds(100), { ids: ids(30) }]);
  expect((await run(engine, [embeds(100), { ids: ids(30) }])).cached).toBe(128);
  expect(
    (await run(engine, [embeds(40), { embeds: table(100).subarray(40 * dModel), rows: 60 }, { ids: [1] }])).cached,
  ).toBe(64);
  expect((await run(engine, [embeds(100, 1), { ids: ids(30) }])).cached).toBe(0);
  const off = table(100);
  off[70 * dModel] += 1e-6; // in the second page
  expect((await run(engine, [{ embeds: off, rows: 100 }, { ids: ids(30) }])).cached).toBe(64);
});

test("tenants share nothing with each other, nor with those who name none", async () => {
  const engine = open(32);
  for (const tenant of ["a", "b", undefined]) {
    const ask = { next: [1], ...(tenant === undefined ? {} : { tenant }) };
    expect((await run(engine, [{ ids: ids(100) }], ask)).cached).toBe(0);
    expect((await run(engine, [{ ids: ids(100) }], ask)).cached).toBe(64);
  }
});

test("without a prefix cache, and under a probe, everything is computed", async () => {
  for (const options of [{ prefixCache: false }, { probe: placeWith(ops, model, []) }]) {
    const engine = open(8, options);
    await run(engine, [{ ids: ids(100) }]);
    expect((await run(engine, [{ ids: ids(100) }])).cached).toBe(0);
    expect(engine.load()).toMatchObject({ freePages: 8, cachedPages: 0 });
  }
});

test("a page's name depends on every row before it and on their kind, not on how they are cut", () => {
  const start = chainStart(undefined);
  const rows = ids(64);
  const name = pageKey(start, [{ ids: rows }]);
  expect(pageKey(start, [{ ids: rows.slice(0, 9) }, { ids: rows.slice(9) }])).toBe(name);
  const others = [
    pageKey(chainStart(""), [{ ids: rows }]),
    pageKey(name, [{ ids: rows }]),
    pageKey(start, [{ ids: rows.with(63, 95) }]),
    pageKey(start, [{ ids: rows.slice(0, 63) }, { embeds: new Float32Array(Int32Array.of(rows[63]).buffer), rows: 1 }]),
  ];
  expect(new Set([name, ...others]).size).toBe(5);
});

test("the pool gives free pages first, then the page that was left longest ago, last page of a text first", () => {
  const pool = createPagePool(createKvCache(ops, model.config, 4 * pageSize));
  const take = () => pool.take() as number;
  const [a, b, c] = [take(), take(), take()];
  pool.publish(a, "a");
  pool.publish(b, "ab");
  pool.publish(c, "c");
  pool.release([c]);
  pool.release([a, b]);
  expect(pool.counts()).toEqual({ free: 1, kept: 3 });
  expect(pool.share("c")).toBe(c); // used again: now the one used last
  pool.release([c]);
  expect(new Set([a, b, c]).has(take())).toBe(false);
  expect([take(), take(), take()]).toEqual([b, a, c]);
  expect(pool.take()).toBeUndefined();
  expect(pool.share("a")).toBeUndefined();
});

test("a page with two holders stays until both have left; a name that is taken is not given twice", () => {
  const pool = createPagePool(createKvCache(ops, model.config, 2 * pageSize));
  const page = pool.take() as number;
  pool.publish(page, "a");
  expect(pool.share("a")).toBe(page);
  pool.release([page]);
  expect(pool.counts()).toEqual({ free: 1, kept: 0 });
  const twin = pool.take() as number;
  pool.publish(twin, "a");
  pool.release([twin]);
  expect(pool.counts()).toEqual({ free: 1, kept: 0 });
  pool.release([page]);
  expect(pool.counts()).toEqual({ free: 1, kept: 1 });
});
