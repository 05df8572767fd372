// The loop itself: queueing, aborts, errors that stay with their own sequence, and pages that always come back.

import { expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import { eventQueue } from "../../src/engine/event-queue.ts";
import { loadModel } from "../../src/model/load.ts";
import { readGolden } from "../golden/golden.ts";

const golden = await readGolden("llama-gqa");
const ops = createOps(selectKernels().kernels);
const { model } = await loadModel(ops, golden.directory);
const idle = (pages: number) => ({ freePages: pages, pages, running: 0, waiting: 0 });

/** The first step of what was just begun, and no more. */
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Continues a prompt with fixed tokens; counts how many were asked for. */
function task(rows: number, tokens: number, extra: { signal?: AbortSignal; onToken?: (n: number) => void } = {}) {
  let n = 0;
  return {
    runs: [{ ids: Array.from({ length: rows }, (_, i) => i % 90) }],
    maxRows: rows + tokens - 1,
    firstOutput: rows - 1,
    accept: () => {
      n++;
      extra.onToken?.(n);
      return n < tokens ? [n] : [];
    },
    signal: extra.signal,
  };
}

test("more than run at a time wait, first come, first served, and all are done in the end", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 192, maxRunning: 2 });
  const order: number[] = [];
  const runs = [5, 5, 5, 5, 5].map((tokens, i) => engine.run(task(10, tokens)).then(() => order.push(i)));
  await turn();
  expect(engine.load()).toMatchObject({ freePages: 1, pages: 3, running: 2, waiting: 3 });
  await Promise.all(runs);
  expect(order).toEqual([0, 1, 2, 3, 4]);
  expect(engine.load()).toMatchObject(idle(3));
});

test("a prompt whose pages are not there waits; it is not let in to be thrown out", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 192 });
  const runs = [100, 100].map((rows) => engine.run(task(rows, 5)));
  await turn();
  expect(engine.load()).toMatchObject({ freePages: 1, pages: 3, running: 1, waiting: 1 });
  await Promise.all(runs);
  expect(engine.load()).toMatchObject({ ...idle(3), preemptions: 0 });
});

test("many short texts with a large maxTokens share a small cache: pages go to rows that exist", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 512 });
  const one = () => engine.run({ ...task(10, 5), maxRows: 500 });
  const runs = [one(), one(), one(), one()];
  await turn();
  expect(engine.load()).toMatchObject({ running: 4, waiting: 0, freePages: 4 });
  await Promise.all(runs);
});

test("a task larger than the cache is refused at once", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 128 });
  await expect(engine.run(task(100, 30))).rejects.toThrow(
    "input: prompt and continuation take 129 positions, the cache holds 128 (option cacheTokens)",
  );
  expect(engine.load()).toMatchObject(idle(2));
});

test("an abort ends a sequence within one step, running or waiting, and frees its pages", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 128 });
  const abort = new AbortController();
  let tokens = 0;
  const running = engine.run(
    task(10, 100, {
      signal: abort.signal,
      onToken: (n) => {
        tokens = n;
        if (n === 3) abort.abort(new Error("enough"));
      },
    }),
  );
  const waiting = engine.run(task(10, 100, { signal: abort.signal }));
  await expect(running).rejects.toThrow("enough");
  await expect(waiting).rejects.toThrow("enough");
  expect(tokens).toBe(3);
  expect(engine.load()).toMatchObject(idle(2));
  await expect(engine.run(task(5, 2, { signal: abort.signal }))).rejects.toThrow("enough");
});

test("an error in one sequence leaves the others alone", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 256 });
  const broken = engine.run(
    task(5, 10, {
      onToken: (n) => {
        if (n === 4) throw new Error("broken reader");
      },
    }),
  );
  const whole = engine.run(task(7, 10));
  await expect(broken).rejects.toThrow("broken reader");
  await whole;
  expect(engine.load()).toMatchObject(idle(4));
});

test("an error in the model ends the sequences of that step, and the engine goes on", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 256 });
  // An id without a row cannot come from promptOf; here it makes the step fail.
  const poisoned = engine.run({
    ...task(5, 3),
    runs: [{ embeds: new Float32Array(3), rows: 1 }],
    maxRows: 3,
    firstOutput: 0,
  });
  await expect(poisoned).rejects.toThrow("upload: 3 values do not fill");
  await engine.run(task(5, 3));
  expect(engine.load()).toMatchObject(idle(4));
});

test("closing ends what runs and what waits, and refuses what comes", async () => {
  const engine: Engine = createEngine(ops, model, { cacheTokens: 64 });
  const runs = [engine.run(task(10, 50)), engine.run(task(10, 50))];
  engine.close();
  for (const run of runs) await expect(run).rejects.toThrow("the model was closed");
  await expect(engine.run(task(1, 1))).rejects.toThrow("the model is closed");
});

test("prompt rows in one step never exceed the limit, and a long prompt does not hold up a running text", async () => {
  const rowsOfSteps: number[] = [];
  const probe = {
    wants: (name: string) => name === "residual.0",
    see: (_: string, tensor: { shape: readonly number[] }) => rowsOfSteps.push(tensor.shape[0]),
  };
  const engine = createEngine(ops, model, { cacheTokens: 512, stepRows: 32, promptRowsBesideText: 16, probe });
  const short = engine.run(task(4, 8));
  const long = engine.run(task(90, 2));
  await Promise.all([short, long]);
  // The short prompt and as much of the long one as fits; then, beside one row of text, 16 of the long prompt; 7 tokens
  // of text were fed back, and after its prompt 1 of the long one.
  expect(rowsOfSteps).toEqual([32, 17, 17, 17, 1 + 14, 2, 1, 1]);
  expect(rowsOfSteps.reduce((a, b) => a + b)).toBe(4 + 7 + 90 + 1);
});

test("an event queue keeps order, gives what is left, then its end or its error", async () => {
  const ended = eventQueue<number>();
  ended.push(1);
  setTimeout(() => {
    ended.push(2);
    ended.end();
  });
  const all: number[] = [];
  for await (const event of ended) all.push(event);
  expect(all).toEqual([1, 2]);
  const failed = eventQueue<number>();
  failed.push(1);
  failed.fail(new Error("lost"));
  const seen: number[] = [];
  await expect(
    (async () => {
      for await (const event of failed) seen.push(event);
    })(),
  ).rejects.toThrow("lost");
  expect(seen).toEqual([1]);
});
