// Work between steps: it waits its turn, ends when it is told to, frees what it holds; texts go on meanwhile, and neither
// changes a bit of the other.

import { describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import { EngineBusyError, EngineClosedError } from "../../src/engine/errors.ts";
import { rowCost } from "../../src/engine/work.ts";
import { loadModel } from "../../src/model/load.ts";
import { load } from "../../src/plainformer.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { gradientsOf } from "../../src/tune/gradients.ts";
import { readGolden } from "../golden/golden.ts";
import { counted } from "../kernels/counted.ts";
import { noise } from "../kernels/noise.ts";
import { kernelSets } from "../model/run.ts";

async function open(name = "simd") {
  const counts = counted((await selectKernels(name)).kernels);
  const ops = createOps(counts.kernels);
  const { model } = await loadModel(ops, (await readGolden("llama-gqa")).directory);
  return { ...counts, ops, model };
}
const simd = await open();

/** A text of so many tokens after `rows` fixed rows; all ids. */
async function text(
  engine: Engine,
  rows: number,
  tokens: number,
  onToken: () => void = () => {},
  signal?: AbortSignal,
) {
  const ids: number[] = [];
  await engine.run({
    runs: [{ ids: Array.from({ length: rows }, (_, i) => (i * 5) % 90) }],
    maxRows: rows + tokens,
    firstOutput: rows - 1,
    wants: "id",
    signal,
    accept({ outputs }) {
      ids.push(outputs[0]);
      onToken();
      return ids.length < tokens ? [outputs[0]] : [];
    },
  });
  return ids;
}

/** Work that logs its pieces, each of a cost, and holds memory in between. */
async function* logged(
  log: string[],
  name: string,
  costs: number[],
  { ops } = simd,
): AsyncGenerator<number, string, void> {
  const release = ops.hold();
  try {
    log.push(`${name} begins`);
    ops.upload(new Float32Array(1000));
    for (const [i, cost] of costs.entries()) {
      yield cost;
      log.push(`${name} ${i}`);
    }
    return name;
  } finally {
    log.push(`${name} ends`);
    release();
    ops.step(() => {});
  }
}

const idle = { running: 0, waiting: 0, freePages: 8 };
const wait = async (turns: number) => {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
};

test("a piece is as many calls as promptRowsBesideText rows would cost, but one at least; between two, every text gets a token", async () => {
  const { ops, model } = simd;
  const engine = createEngine(ops, model, { cacheTokens: 512, promptRowsBesideText: 10 });
  const row = rowCost(model);
  expect(row).toBe(2 * (2 * 32 * 32 + 2 * 32 * 16 + 3 * 32 * 24));
  const log: string[] = [];
  const work = engine.work(
    logged(
      log,
      "w",
      [3, 3, 3, 3, 90, 5, 5, 0, 0].map((rows) => rows * row),
    ),
  );
  const texts = [1, 2].map((n) => text(engine, n, 5, () => log.push("token")));
  expect(await work).toBe("w");
  expect(log).toEqual([
    ...["token", "token", "w begins", "w 0", "w 1", "w 2"],
    ...["token", "token", "w 3"],
    ...["token", "token", "w 4"],
    ...["token", "token", "w 5", "w 6", "w 7", "w 8", "w ends"],
  ]);
  await Promise.all(texts);
  expect(engine.load()).toMatchObject({ ...idle, pieces: 4, steps: 5 });
});

test("first come, first served: work takes a place like a sequence, and only the oldest is under way", async () => {
  const engine = createEngine(simd.ops, simd.model, { cacheTokens: 512, maxRunning: 2 });
  const log: string[] = [];
  const done = (name: string) => () => log.push(`${name} done`);
  const all = [
    engine.work(logged(log, "a", new Array(30).fill(1e9))).then(done("a")),
    engine.work(logged(log, "b", [1e9])).then(done("b")),
    text(engine, 3, 1).then(done("text")),
    engine.work(logged(log, "c", [1e9])).then(done("c")),
  ];
  await wait(2);
  expect(engine.load()).toMatchObject({ running: 2, waiting: 2 });
  await Promise.all(all);
  expect(log.filter((entry) => !/[0-9]/.test(entry))).toEqual([
    ...["a begins", "a ends", "a done", "text done", "b begins", "b ends", "b done"],
    ...["c begins", "c ends", "c done"],
  ]);
  expect(engine.load()).toMatchObject(idle);
});

test("places are counted together: exactly the overflow is refused, of whatever kind", async () => {
  const engine = createEngine(simd.ops, simd.model, { cacheTokens: 512, maxRunning: 1, maxWaiting: 3 });
  const log: string[] = [];
  const work = (name: string) => engine.work(logged(log, name, [1]));
  const outcomes = await Promise.allSettled([work("a"), text(engine, 2, 2), work("b"), text(engine, 2, 2), work("c"), text(engine, 2, 2)]); // biome-ignore format: one line
  expect(outcomes.map(({ status }) => status === "fulfilled")).toEqual([true, true, true, true, false, false]);
  for (const outcome of outcomes.slice(4)) expect(outcome).toMatchObject({ reason: expect.any(EngineBusyError) });
  expect(log).not.toContain("c begins");
  expect(await work("d")).toBe("d");
});

test.each([
  ["before it begins", 0],
  ["under way", 4],
])("an abort %s ends it there, and it frees what it holds", async (_, turns) => {
  const engine = createEngine(simd.ops, simd.model, { cacheTokens: 512 });
  const log: string[] = [];
  const abort = new AbortController();
  const work = engine.work(logged(log, "w", new Array(90).fill(1e9)), abort.signal);
  const whole = text(engine, 3, 12);
  work.catch(() => {});
  await wait(turns);
  abort.abort(new Error("gone"));
  await expect(work).rejects.toThrow("gone");
  expect(await whole).toHaveLength(12);
  if (turns === 0) expect(log).toEqual([]);
  else {
    expect([log[0], log.at(-1)]).toEqual(["w begins", "w ends"]);
    expect(log.length).toBeLessThan(12);
  }
  expect(simd.inUse()).toBe(0);
  expect(engine.load()).toMatchObject(idle);
  await expect(engine.work(logged(log, "x", []), abort.signal)).rejects.toThrow("gone");
});

test("an error ends its own work, the next begins when it has freed what it held, and texts go on", async () => {
  const engine = createEngine(simd.ops, simd.model, { cacheTokens: 512 });
  const log: string[] = [];
  async function* broken() {
    yield* logged(log, "a", [1]);
    throw new Error("broken work");
  }
  const works = [engine.work(broken()), engine.work(logged(log, "b", [1]))];
  const whole = text(engine, 3, 8);
  await expect(works[0]).rejects.toThrow("broken work");
  expect(await works[1]).toBe("b");
  expect(await whole).toHaveLength(8);
  expect(log).toEqual(["a begins", "a 0", "a ends", "b begins", "b 0", "b ends"]);
  expect(simd.inUse()).toBe(0);
});

test("closing ends work where it is; draining lets it come to its end", async () => {
  const log: string[] = [];
  const engine = createEngine(simd.ops, simd.model, { cacheTokens: 512 });
  const works = ["a", "b"].map((name) => engine.work(logged(log, name, new Array(1000).fill(1e9))));
  for (const work of works) work.catch(() => {});
  await wait(3);
  await engine.close();
  for (const work of works) await expect(work).rejects.toBeInstanceOf(EngineClosedError);
  expect([log[0], log.at(-1)]).toEqual(["a begins", "a ends"]);
  expect(simd.inUse()).toBe(0);
  await expect(engine.work(logged(log, "c", []))).rejects.toBeInstanceOf(EngineClosedError);

  const other = createEngine(simd.ops, simd.model, { cacheTokens: 512 });
  const inside = other.work(logged(log, "d", [1, 1]));
  await other.close({ drainMs: 20_000 });
  expect(await inside).toBe("d");
});

describe.each(kernelSets)("%s: gradients beside texts", (name) => {
  const tokenizer = { encode: () => [] } as Pick<Tokenizer, "encode"> as Tokenizer; // everything is ids

  async function engineOf() {
    const counts = await open(name);
    const { ops, model } = counts;
    const { dModel } = model.config;
    const engine = createEngine(ops, model, { cacheTokens: 4096, promptRowsBesideText: 4, prefixCache: false });
    const input = [
      { ids: [4, 5, 6] },
      { id: "p", embeds: noise(9 * dModel, 3), shape: [9, dModel] as const },
      { ids: new Array(60).fill(7) },
    ];
    const gradients = (recompute: boolean, signal?: AbortSignal) =>
      engine.work(gradientsOf({ ops, model, tokenizer }, { input, targets: [[1, 2], [3]], recompute }), signal);
    return { ...counts, engine, gradients };
  }

  test("the bits of both are those alone", async () => {
    const { engine, gradients, ops } = await engineOf();
    const texts = () => Promise.all([text(engine, 70, 30), text(engine, 3, 40)]);
    for (const recompute of [false, true]) {
      const alone = [await gradients(recompute), await texts()];
      const { pieces } = engine.load();
      const both = await Promise.all([gradients(recompute), texts(), gradients(recompute)]);
      expect(both).toEqual([...alone, alone[0]]);
      expect(engine.load().pieces).toBeGreaterThan(pieces + 30);
    }
    ops.kernels.close();
  });

  test.each([3, 20, 40])("an abort after %i pieces frees all that the recording holds", async (n) => {
    const { engine, gradients, ops, inUse } = await engineOf();
    for (const recompute of [false, true]) {
      const abort = new AbortController();
      const work = gradients(recompute, abort.signal);
      work.catch(() => {});
      const { pieces } = engine.load();
      while (engine.load().pieces < pieces + n) await wait(1);
      expect(inUse()).toBeGreaterThan(0);
      abort.abort(new Error("gone"));
      await expect(work).rejects.toThrow("gone");
      await wait(1);
      expect(inUse()).toBe(0);
    }
    await gradients(false);
    ops.kernels.close();
  });

  test("memory is at most that of the gradients and one step", async () => {
    const { engine, gradients, ops, inUse, peak } = await engineOf();
    const end = new AbortController();
    let tokens = 0;
    const texts = [3, 70].map((rows) => text(engine, rows, 1900, () => tokens++, end.signal));
    for (const recompute of [false, true]) {
      await gradients(recompute);
      peak();
      const first = tokens;
      while (tokens < first + 10) await wait(1);
      const ofStep = peak();
      const [before, { pieces }] = [tokens, engine.load()];
      await Promise.all([gradients(recompute), gradients(recompute)]);
      expect(tokens - before).toBeGreaterThanOrEqual(2 * (engine.load().pieces - pieces - 1));
      const ofBoth = peak();
      const { peak: peakAlone, ...alone } = await engineOf();
      await alone.gradients(recompute);
      expect(ofStep).toBeGreaterThan(0);
      expect(ofBoth).toBeLessThanOrEqual(peakAlone() + ofStep);
      alone.ops.kernels.close();
    }
    end.abort();
    await Promise.allSettled(texts);
    await wait(1);
    expect(inUse()).toBe(0);
    ops.kernels.close();
  });
});

test("rows of the embedding table are read in the middle of it, and nothing that it holds is freed", async () => {
  const { kernels, inUse } = counted((await selectKernels("simd")).kernels);
  const model = await load(undefined, { kernels });
  const { dModel } = model.config;
  const ids = [5, 6, 7];
  const rows = await model.embed(ids);
  const work = model.gradients({ input: [{ id: "p", embeds: rows, shape: [3, dModel] }, { ids: new Array(200).fill(9) }], targets: [[4]] }); // biome-ignore format: one line
  let read = 0;
  while ((await model.load()).running > 0 || read === 0) {
    const before = inUse();
    expect(await model.embed(ids)).toEqual(rows);
    if (before > 0) {
      expect(inUse()).toBe(before);
      read++;
    }
    await wait(1);
  }
  expect(read).toBeGreaterThan(1);
  expect((await work).gradients.p).toHaveLength(3 * dModel);
  await model.close();
});

test("8 texts beside 4 gradients of 512 rows: no token waits for twice the work that it waits for beside a long prompt", {
  timeout: 120_000,
}, async () => {
  const { kernels, multiplications } = counted((await selectKernels("simd")).kernels);
  const model = await load(undefined, { kernels, prefixCache: false });
  const { dModel } = model.config;

  /** The most multiplications between two tokens of a text, while `beside` goes on and seven more texts do. */
  async function gap(beside: () => Promise<unknown>): Promise<{ largest: number; tokens: number }> {
    const done = new AbortController();
    const found = { largest: 0, tokens: 0 };
    let begun = 0;
    let ended = false;
    const texts = Array.from({ length: 8 }, async (_, n) => {
      const input = [{ ids: [5 + n, 6, 7] }];
      for await (const event of model.generate({
        input,
        maxTokens: 4000,
        ignoreEnd: true,
        temperature: 0,
        signal: done.signal,
      })) {
        if (event.type !== "token") continue;
        if (begun < 8) begun++;
        if (n > 0 || begun < 8) continue;
        const work = multiplications();
        if (!ended) {
          found.largest = Math.max(found.largest, work);
          found.tokens++;
        }
      }
    });
    while (begun < 8) await wait(1);
    multiplications();
    await beside();
    ended = true;
    done.abort();
    await Promise.allSettled(texts);
    return found;
  }

  const ids = Array.from({ length: 512 }, (_, i) => 5 + ((i * 7919) % 2500));
  const prompt = await gap(() => model.score({ input: [{ ids }], targets: [[5]] }));
  const embeds = (await model.embed(ids)).slice(0, 20 * dModel);
  const input = [{ id: "p", embeds, shape: [20, dModel] as const }, { ids: ids.slice(0, 492) }];
  const targets = [[5, 6, 7, 8]];
  const gradients = await gap(() => Promise.all([1, 2, 3, 4].map(() => model.gradients({ input, targets }))));
  expect(prompt.tokens).toBeGreaterThan(6);
  expect(gradients.tokens).toBeGreaterThan(4 * 10);
  expect(gradients.largest).toBeLessThanOrEqual(2 * prompt.largest);
  await model.close();
});
