// Guessed rows change nothing: whatever a task guesses, however pages are short and prefixes shared, it sees the bits that it
// sees without guesses, and no page is ever named after a row that was not taken.

import fc from "fast-check";
import { beforeEach, expect, test, vi } from "vitest";
import { pageSize } from "../../kernels/kernels.ts";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import type { Output } from "../../src/decode/outputs.ts";
import { argmax } from "../../src/decode/sampler.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import { chainStart, pageKey } from "../../src/engine/prefix-key.ts";
import { slice, type Task } from "../../src/engine/sequence.ts";
import { loadModel } from "../../src/model/load.ts";
import type { Run } from "../../src/prompt/segments.ts";
import { readGolden } from "../golden/golden.ts";
import { times } from "../long.ts";

/** The names that pages were given. */
const published = vi.hoisted(() => new Set<string>());
vi.mock("../../src/engine/page-pool.ts", async (original) => {
  const actual = await original<typeof import("../../src/engine/page-pool.ts")>();
  return {
    ...actual,
    createPagePool(...args: Parameters<typeof actual.createPagePool>) {
      const pool = actual.createPagePool(...args);
      return {
        ...pool,
        publish(page: number, key: string) {
          published.add(key);
          pool.publish(page, key);
        },
      };
    },
  };
});
beforeEach(() => published.clear());

const golden = await readGolden("llama-gqa");
const ops = createOps((await selectKernels()).kernels);
const { model } = await loadModel(ops, golden.directory);
const { vocabSize, dModel } = model.config;

interface Request {
  /** Prompts of one family begin with the same rows. */
  family: number;
  rows: number;
  /** Whether some rows of the prompt are embeddings. */
  embeds: boolean;
  tokens: number;
  /** The most likely token, as the engine says it or by its logits; or one that depends on every bit of them, as if drawn. */
  choice: "id" | "greedy" | "drawn";
  /** Every so many tokens two more are forced. */
  forcedEvery: number;
  /** How many are guessed: up to so many, each right with this probability. */
  guesses: number;
  right: number;
  seed: number;
}

/** What a request came to: all that it was shown and took, its text, and how much of it was computed. */
interface Followed {
  seen: number[];
  text: number[];
  fed: number;
}

function runsOf({ family, rows, embeds }: Request): Run[] {
  const ids = Array.from({ length: rows }, (_, i) => (i * 7 + family * 31) % vocabSize);
  if (!embeds || rows < 20) return [{ ids }];
  const table = Float32Array.from({ length: 5 * dModel }, (_, i) => Math.sin(i + family));
  return [{ ids: ids.slice(0, 10) }, { embeds: table, rows: 5 }, { ids: ids.slice(15) }];
}

/** Runs a request; with `oracle`, what it will come to, it guesses. */
async function follow(engine: Engine, request: Request, oracle?: Followed): Promise<Followed> {
  const { rows, tokens, choice, forcedEvery, guesses: most, right, seed } = request;
  const random = randomOf(seed);
  const followed: Followed = { seen: [], text: [], fed: 0 };
  const { seen, text } = followed;

  function take(output: Output): number[] {
    if (typeof output === "number") seen.push(output);
    else if (output instanceof Float32Array) seen.push(digest(output));
    else throw new Error("a list was not asked for");
    const best =
      typeof output === "number" ? output : choice === "greedy" ? argmax(output) : digest(output) % vocabSize;
    return forcedEvery > 0 && text.length % forcedEvery === 0 ? [best, (best + 1) % vocabSize, 5] : [best];
  }

  const task: Task = {
    runs: runsOf(request),
    maxRows: rows + tokens + 2,
    firstOutput: rows - 1,
    wants: choice === "id" ? "id" : "logits",
    guess:
      oracle &&
      ((room) => {
        expect(room).toBeGreaterThan(0);
        const one = (_: unknown, i: number) =>
          random() < right ? (oracle.text[text.length + i] ?? 0) : Math.floor(random() * vocabSize);
        return Array.from({ length: Math.floor(random() * (most + 1)) }, one);
      }),
    accept({ outputs, guesses }) {
      const ids: number[] = [];
      while (ids.length <= guesses.length && ids.every((id, i) => id === guesses[i])) {
        const next = take(outputs[outputs.length - 1 - guesses.length + ids.length]);
        text.push(...next);
        if (text.length >= tokens) return ids; // the end; all of these were guessed
        ids.push(...next);
        followed.fed += next.length;
      }
      return ids;
    },
  };
  await engine.run(task);
  return followed;
}

function digest(logits: Float32Array): number {
  let hash = 2166136261;
  for (const word of new Uint32Array(logits.slice().buffer)) hash = Math.imul(hash ^ word, 16777619);
  return hash >>> 0;
}

/** Numbers from 0 to 1. Steele et al. 2014, splitmix */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}

const followedAlone = new Map<string, Promise<Followed>>();
function alone(request: Request): Promise<Followed> {
  const key = JSON.stringify({ ...request, guesses: 0, right: 0, seed: 0 });
  const known = followedAlone.get(key);
  if (known) return known;
  const engine = createEngine(ops, model, { cacheTokens: 512, prefixCache: false });
  const followed = follow(engine, request);
  followedAlone.set(key, followed);
  return followed;
}

/** The names of all full pages of the rows that a request computes. */
function namesOf(request: Request, { text, fed }: Followed): string[] {
  const runs = [...runsOf(request), { ids: text.slice(0, fed) }];
  const names: string[] = [];
  for (let n = 0; n < Math.floor((request.rows + fed) / pageSize); n++)
    names.push(pageKey(names[n - 1] ?? chainStart(undefined), slice(runs, n * pageSize, (n + 1) * pageSize)));
  return names;
}

const request: fc.Arbitrary<Request> = fc.record({
  family: fc.integer({ min: 0, max: 1 }),
  rows: fc.constantFrom(1, 9, 62, 63, 64, 65, 120, 128, 140),
  embeds: fc.boolean(),
  tokens: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 60, max: 140 })),
  choice: fc.constantFrom("id", "greedy", "drawn", "drawn"),
  forcedEvery: fc.constantFrom(0, 0, 0, 7, 1),
  guesses: fc.constantFrom(1, 3, 8),
  right: fc.constantFrom(0, 0.5, 0.9, 1),
  seed: fc.nat(),
});

const setting = fc.record({
  pages: fc.integer({ min: 5, max: 9 }),
  maxRunning: fc.integer({ min: 1, max: 5 }),
  stepRows: fc.constantFrom(3, 40, 512),
  stepOutputs: fc.constantFrom(4, 128),
  requests: fc.array(request, { minLength: 1, maxLength: 7 }),
});

const total = { preemptions: 0, promptRowsCached: 0, rowsAccepted: 0, rowsRejected: 0, cachedLater: 0 };

test("random guesses, short pages, shared prefixes: every text as if alone and without guesses", {
  timeout: 300_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(setting, async ({ pages, requests, ...limits }) => {
      published.clear();
      const engine = createEngine(ops, model, { cacheTokens: pages * pageSize, ...limits });
      const expected = await Promise.all(requests.map(alone));
      const found = await Promise.all(requests.map((request, i) => follow(engine, request, expected[i])));
      expect(found).toEqual(expected);
      const names = new Set(requests.flatMap((request, i) => namesOf(request, expected[i])));
      expect([...published].filter((name) => !names.has(name))).toEqual([]);
      const load = engine.load();
      expect(load).toMatchObject({ pages, freePages: pages, running: 0, waiting: 0 });

      // Who goes on from there finds pages with the right keys and values in them.
      const last = requests.length - 1;
      const runs = [...runsOf(requests[last]), { ids: expected[last].text }];
      const later = await logitsAfter(engine, runs);
      const fresh = await logitsAfter(createEngine(ops, model, { cacheTokens: 512, prefixCache: false }), runs);
      expect(later.digest).toBe(fresh.digest);

      total.preemptions += load.preemptions;
      total.promptRowsCached += load.promptRowsCached;
      total.rowsAccepted += load.rowsAccepted;
      total.rowsRejected += load.rowsGuessed - load.rowsAccepted;
      total.cachedLater += later.cached;
    }),
    { numRuns: times(40, 200), seed: 11 },
  );
});

test("the runs above did meet right and wrong guesses, preemptions and shared pages", () => {
  for (const [what, n] of Object.entries(total)) expect(n, `${what} ${JSON.stringify(total)}`).toBeGreaterThan(0);
});

/** What the last of some rows says, and how many of them were found computed. */
async function logitsAfter(engine: Engine, runs: readonly Run[]) {
  const rows = runs.reduce((sum, run) => sum + ("ids" in run ? run.ids.length : run.rows), 0);
  const found = { digest: 0, cached: 0 };
  await engine.run({
    runs,
    maxRows: rows,
    firstOutput: rows - 1,
    wants: "logits",
    accept({ outputs, cachedRows }) {
      found.digest = digest(outputs[0]);
      found.cached = cachedRows;
      return [];
    },
  });
  return found;
}

const plain: Request = { family: 0, rows: 60, embeds: false, tokens: 80, choice: "drawn", forcedEvery: 0, guesses: 8, right: 0.8, seed: 5 }; // biome-ignore format: one line

test("the same pages are named, and as many steps fewer as guesses were right", async () => {
  const expected = await alone(plain);
  const without = createEngine(ops, model, { cacheTokens: 512 });
  await follow(without, plain);
  const names = [...published];
  expect(names).toEqual(namesOf(plain, expected));
  published.clear();
  const engine = createEngine(ops, model, { cacheTokens: 512 });
  expect(await follow(engine, plain, expected)).toEqual(expected);
  expect([...published]).toEqual(names);
  const { steps, rowsAccepted, rowsGuessed } = engine.load();
  expect(rowsAccepted).toBeGreaterThan(20);
  expect(rowsGuessed).toBeGreaterThan(rowsAccepted);
  expect(steps).toBe(without.load().steps - rowsAccepted);
});

test("pages for wrong guesses are free again before the next step", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 4 * pageSize });
  const free: number[] = [];
  let n = 0;
  await engine.run({
    runs: [{ ids: [1, 2, 3] }],
    maxRows: 200,
    firstOutput: 2,
    wants: "id",
    guess: () => {
      free.push(engine.load().freePages);
      return new Array(70).fill(0); // 3 rows and these: the second page
    },
    accept({ outputs, guesses }) {
      expect(outputs).toHaveLength(guesses.length + 1);
      if (n > 0) expect(engine.load().freePages).toBe(2);
      return n++ < 5 ? [1] : [];
    },
  });
  expect(free).toEqual([3, 3, 3, 3, 3]);
  expect(engine.load()).toMatchObject({ rowsGuessed: 350, rowsAccepted: 0, freePages: 4, cachedPages: 0 });
});

test("guesses take empty pages alone: no page with a prefix goes for them, and nobody is sent back", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 4 * pageSize });
  const kept = { runs: [{ ids: new Array(130).fill(9) }], firstOutput: 129, maxRows: 130, wants: "id" as const };
  await engine.run({ ...kept, accept: () => [] }); // leaves two pages named, one that is free again
  const rooms: number[] = [];
  const text = (rows: number, tenant: string): Task<"id"> => {
    let n = 0;
    return {
      runs: [{ ids: new Array(rows).fill(3) }],
      maxRows: 250,
      firstOutput: rows - 1,
      wants: "id",
      tenant,
      guess(room) {
        rooms.push(room);
        return new Array(room).fill(0);
      },
      accept: () => (n++ < 3 ? [1] : []),
    };
  };
  expect(engine.load()).toMatchObject({ freePages: 4, cachedPages: 2 });
  await Promise.all([engine.run(text(10, "a")), engine.run(text(20, "b"))]);
  expect(rooms).toEqual([10, 20, 11, 21, 12, 22].map((known) => pageSize - known - 1));
  expect(engine.load()).toMatchObject({ preemptions: 0, cachedPages: 2 });
});

test("rows and outputs of a step bound the guesses, and prompts go first", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 512, stepRows: 30, promptRowsBesideText: 20, stepOutputs: 9 });
  const rooms: number[] = [];
  let n = 0;
  const text = engine.run({
    runs: [{ ids: [1] }],
    maxRows: 12,
    firstOutput: 0,
    wants: "id",
    guess(room) {
      rooms.push(room);
      return new Array(room + 5).fill(0);
    },
    accept: () => (n++ < 5 ? [1] : []),
  });
  const prompt = { runs: [{ ids: new Array(60).fill(4) }], maxRows: 60, firstOutput: 59, wants: "id" as const };
  await Promise.all([text, engine.run({ ...prompt, accept: () => [] })]);
  // Beside the text are first 20 rows of the prompt and none that is asked, then its last 11 and one, then nothing; in the
  // end the text cannot grow longer.
  expect(rooms).toEqual([8, 7, 8, 7, 6]);
});

test("what a guesser throws ends its own request", async () => {
  const engine = createEngine(ops, model, { cacheTokens: 512 });
  const broken = engine.run({
    ...{ runs: [{ ids: [1] }], maxRows: 9, firstOutput: 0, wants: "id" },
    accept: () => [1],
    guess() {
      throw new Error("broken guesser");
    },
  });
  const whole = follow(engine, plain, await alone(plain));
  await expect(broken).rejects.toThrow("broken guesser");
  expect(await whole).toEqual(await alone(plain));
});
