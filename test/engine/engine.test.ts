// The loop itself: queueing, aborts, errors that stay with their own sequence, and pages that always come back.

import { readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import { EngineBusyError, EngineClosedError } from "../../src/engine/errors.ts";
import { eventQueue } from "../../src/engine/event-queue.ts";
import { placeWith } from "../../src/hooks.ts";
import { loadModel } from "../../src/model/load.ts";
import { readGolden } from "../golden/golden.ts";

const golden = await readGolden("llama-gqa");
const ops = createOps((await selectKernels()).kernels);
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
    wants: "id" as const,
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

/** Runs `step` whenever a step of the engine begins, with its number from 1. */
function atSteps(step: (n: number) => void) {
  let n = 0;
  return placeWith(ops, model, [{ at: "residual.0", read: () => step(++n) }]);
}

test.each<[string, number, number]>([
  ["in its prompt", 2, 2],
  ["at its first token", 4, 4],
  ["in mid-text", 9, 9],
])("an abort %s: no further token, and its place and pages are free one step later", async (_, at, last) => {
  const abort = new AbortController();
  const free: number[] = [];
  const probe = atSteps((n) => {
    free.push(engine.load().freePages);
    if (n === at) abort.abort(new Error("gone"));
  });
  // 200 rows in steps of 64: the fourth gives the first token. Another text goes on beside it.
  const engine: Engine = createEngine(ops, model, { cacheTokens: 512, stepRows: 65, prefixCache: true, probe });
  let tokens = 0;
  const stays = engine.run(task(5, 30));
  const leaves = engine.run(task(200, 50, { signal: abort.signal, onToken: () => tokens++ }));
  await expect(leaves).rejects.toThrow("gone");
  expect(tokens).toBe(Math.max(0, last - 4)); // none of the step that was under way
  expect(engine.load()).toMatchObject({ freePages: 7, running: 1, waiting: 0 });
  await stays;
  expect(free[last - 1]).toBeLessThan(7); // held in the step in which it was aborted,
  expect(free[last]).toBe(7); // given back before the next
  expect(engine.load()).toMatchObject(idle(8));
});

test("an abort while waiting frees the place in the queue before the next step", async () => {
  const abort = new AbortController();
  const engine: Engine = createEngine(ops, model, {
    cacheTokens: 128,
    maxRunning: 1,
    maxWaiting: 1,
    probe: atSteps((n) => n === 2 && abort.abort(new Error("gone"))),
  });
  const running = engine.run(task(5, 20));
  const waiting = engine.run(task(5, 20, { signal: abort.signal }));
  await expect(engine.run(task(5, 20))).rejects.toBeInstanceOf(EngineBusyError);
  await expect(waiting).rejects.toThrow("gone");
  expect(engine.load()).toMatchObject({ running: 1, waiting: 0, steps: 3 }); // the third began without it
  await Promise.all([running, engine.run(task(5, 2))]);
});

test("four times as many as there is place for: exactly the overflow is refused", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 512, maxRunning: 3, maxWaiting: 5 });
  const outcomes = await Promise.allSettled(Array.from({ length: 32 }, () => engine.run(task(20, 6))));
  const refused = outcomes.filter((outcome) => outcome.status === "rejected").map((outcome) => outcome.reason);
  expect(refused).toHaveLength(24);
  for (const reason of refused) expect(reason).toBeInstanceOf(EngineBusyError);
  expect(refused[0].message).toMatch("8 requests run or wait already");
  await engine.run(task(20, 6));
  expect(engine.load()).toMatchObject(idle(8));
});

test("of several prompts the short one need not wait for the long one, and the long one goes on", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 1024, stepRows: 32 });
  const order: string[] = [];
  const first = (name: string) => ({ onToken: (n: number) => n === 1 && order.push(name) });
  await Promise.all([
    engine.run(task(500, 2, first("long"))),
    engine.run({ ...task(40, 2, first("short")), tenant: "another" }),
  ]);
  expect(order).toEqual(["short", "long"]);
  expect(engine.load().steps).toBeLessThan(540 / 32 + 4);
});

test("forced tokens go in together; only the last one's logits are asked for", async () => {
  const rowsOfSteps: number[] = [];
  const read = ({ shape }: Tensor) => rowsOfSteps.push(shape[0]);
  const hooks = ["residual.0", "logits"].map((at) => ({ at, read }));
  const probe = placeWith(ops, model, hooks);
  const engine = createEngine(ops, model, { cacheTokens: 128, probe });
  const answers = [[1], [2, 3, 4, 5], [6], []];
  await engine.run({ ...task(10, 1), maxRows: 16, accept: () => answers.shift() ?? [] });
  expect(rowsOfSteps).toEqual([10, 1, 1, 1, 4, 1, 1, 1]);
});

test("a task that appends where rows are still to come, or more than it said, ends with an error", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 128, stepRows: 5 });
  const early = engine.run({ ...task(10, 1), maxRows: 20, firstOutput: 3, accept: () => [1] });
  await expect(early).rejects.toThrow("tokens were appended before the last known row");
  const more = engine.run({ ...task(10, 1), maxRows: 12, accept: () => [1, 2, 3] });
  await expect(more).rejects.toThrow("a sequence grew beyond its 12 rows");
  expect(engine.load()).toMatchObject(idle(2));
});

test.each([
  [{ maxRunning: 0 }, "maxRunning: got 0, expected a whole number ≥ 1"],
  [{ maxWaiting: -1 }, "maxWaiting: got -1, expected a whole number ≥ 0"],
  [{ stepRows: 1.5 }, "stepRows: got 1.5, expected a whole number ≥ 1"],
  [{ promptRowsBesideText: Number.NaN }, "promptRowsBesideText: got NaN, expected a whole number ≥ 1"],
])("%o is refused", (options, message) => {
  expect(() => createEngine(ops, model, { cacheTokens: 64, ...options })).toThrow(message);
});

test("a thousand mixed tasks: every page comes back, and the heap does not grow with them", {
  timeout: 120_000,
}, async () => {
  const engine = createEngine(ops, model, { cacheTokens: 1024, maxRunning: 8 });
  const some = async (n: number) => {
    for (let i = 0; i < n; i += 20)
      await Promise.allSettled(
        Array.from({ length: 20 }, (_, j) => {
          const signal = (i + j) % 7 === 0 ? AbortSignal.timeout((i + j) % 5) : undefined;
          return engine.run({ ...task(1 + (((i + j) * 37) % 150), 1 + (j % 9), { signal }), tenant: String(i % 40) });
        }),
      );
  };
  await some(300);
  const before = used();
  await some(1000);
  expect(engine.load()).toMatchObject(idle(16));
  expect(used() - before).toBeLessThan(4e6);
});

/** Bytes in use after a garbage collection. */
function used(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  return process.memoryUsage().heapUsed;
}

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

test("draining lets those inside go on, and refuses those that come; when time is up, the rest ends", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 512, maxRunning: 1 });
  const inside = [engine.run(task(5, 10)), engine.run(task(5, 10))];
  const closing = engine.close({ drainMs: 20_000 });
  await expect(engine.run(task(1, 1))).rejects.toBeInstanceOf(EngineClosedError);
  await Promise.all([...inside, closing]);

  const other = createEngine(ops, model, { cacheTokens: 8192 });
  const long = other.run(task(5, 8000)).catch((error) => error);
  await other.close({ drainMs: 50 });
  expect(await long).toBeInstanceOf(EngineClosedError);
  expect(other.load()).toMatchObject(idle(128));
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
  const probe = placeWith(ops, model, [{ at: "residual.0", read: ({ shape }) => rowsOfSteps.push(shape[0]) }]);
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

test("the loop and all that it stands on import nothing of Node: they run in browsers", () => {
  const seen = new Set<string>();
  const visit = (file: URL): void => {
    if (seen.has(file.href)) return;
    seen.add(file.href);
    const source = readFileSync(file, "utf8");
    for (const [, names, from] of source.matchAll(/^(?:import|export) ([^;]*?) ?from "([^"]+)";/gms)) {
      if (names.startsWith("type ") || from === "#platform") continue;
      expect(from, file.pathname).toMatch(/^\./);
      visit(new URL(from, file));
    }
  };
  for (const file of ["engine", "generate", "score"]) visit(new URL(`../../src/engine/${file}.ts`, import.meta.url));
  expect(seen.size).toBeGreaterThan(15);
});
