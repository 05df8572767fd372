// No token lost, none doubled, none changed: under random arrivals, aborts, page pressure, preemptions and shared prefixes
// each sequence sees the bits that it sees alone, and every page comes back.

import fc from "fast-check";
import { expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import { argmax } from "../../src/decode/sampler.ts";
import { createEngine, type Engine } from "../../src/engine/engine.ts";
import { loadModel } from "../../src/model/load.ts";
import type { Run } from "../../src/prompt/segments.ts";
import { readGolden } from "../golden/golden.ts";
import { times } from "../long.ts";

const golden = await readGolden("llama-gqa");
const ops = createOps((await selectKernels()).kernels);
const { model } = await loadModel(ops, golden.directory);
const { vocabSize, dModel } = model.config;

interface Request {
  /** Prompts of one family begin with the same rows. */
  family: number;
  rows: number;
  /** Rows of the prompt that come as embeddings, from the tenth on. */
  embeds: number;
  tokens: number;
  /** Every so many tokens two more are forced. */
  forcedEvery: number;
  /** Logits are wanted from this part of the prompt on. */
  from: number;
  tenant: string | undefined;
  /** Turns of the event loop before it arrives. */
  arrives: number;
  /** Aborted at its so-manieth row of logits. */
  abortAt: number | undefined;
}

const request: fc.Arbitrary<Request> = fc.record({
  family: fc.integer({ min: 0, max: 1 }),
  rows: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 60, max: 200 })),
  embeds: fc.constantFrom(0, 0, 0, 0, 3, 70),
  tokens: fc.oneof(
    fc.integer({ min: 1, max: 20 }),
    fc.integer({ min: 100, max: 190 }),
    fc.integer({ min: 100, max: 190 }),
  ),
  forcedEvery: fc.constantFrom(0, 0, 1, 5),
  from: fc.constantFrom(1, 1, 1, 0, 0.5),
  tenant: fc.constantFrom(undefined, undefined, undefined, "a"),
  arrives: fc.integer({ min: 0, max: 12 }),
  abortAt: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat(40) }),
});

const setting = fc.record({
  pages: fc.integer({ min: 7, max: 10 }),
  maxRunning: fc.integer({ min: 1, max: 6 }),
  stepRows: fc.constantFrom(3, 40, 64, 200, 512),
  promptRowsBesideText: fc.constantFrom(1, 16, 64),
  stepOutputs: fc.constantFrom(6, 128),
  requests: fc.array(request, { minLength: 1, maxLength: 12 }),
});

/** The rows of a prompt: one number decides which ids and embeddings. */
function runsOf({ family, rows, embeds }: Request): Run[] {
  const ids = Array.from({ length: rows }, (_, i) => (i * 7 + family * 31 + (i >> 6) * 5) % vocabSize);
  const [from, to] = [Math.min(10, rows), Math.min(10 + embeds, rows)];
  const table = Float32Array.from({ length: (to - from) * dModel }, (_, i) => Math.sin(i + family));
  const runs: Run[] = [{ ids: ids.slice(0, from) }, { embeds: table, rows: to - from }, { ids: ids.slice(to) }];
  return runs.filter((run) => ("ids" in run ? run.ids.length : run.rows) > 0);
}

/** Runs a request; the digests of all logits that it saw, and why it ended. */
async function follow(engine: Engine, request: Request, abort: AbortController): Promise<[number[], string]> {
  const { rows, tokens, forcedEvery, from, tenant, abortAt } = request;
  const firstOutput = Math.min(rows - 1, Math.floor(from * rows));
  const seen: number[] = [];
  let generated = 0;
  let left = rows - 1 - firstOutput; // wanted rows of the prompt before its last
  const outcome = await engine
    .run({
      runs: runsOf(request),
      maxRows: rows + tokens + 2,
      firstOutput,
      tenant,
      signal: abort.signal,
      wants: "logits",
      accept({ outputs }) {
        for (const logits of outputs) {
          if (abort.signal.aborted) return [];
          seen.push(digest(logits));
          if (seen.length - 1 === abortAt) abort.abort("abort");
        }
        left -= outputs.length;
        if (left >= 0) return [];
        const best = argmax(outputs[outputs.length - 1]);
        const ids = forcedEvery > 0 && generated % forcedEvery === 0 ? [best, (best + 1) % vocabSize, 5] : [best];
        generated += ids.length;
        return generated < tokens ? ids : [];
      },
    })
    .then(
      () => "done",
      (reason) => String(reason),
    );
  return [seen, outcome];
}

function digest(logits: Float32Array): number {
  let hash = 2166136261;
  for (const word of new Uint32Array(logits.slice().buffer)) hash = Math.imul(hash ^ word, 16777619);
  return hash;
}

const alone = new Map<string, Promise<[number[], string]>>();
function followAlone(request: Request): Promise<[number[], string]> {
  const still = { ...request, abortAt: undefined, arrives: 0, tenant: undefined };
  const key = JSON.stringify(still);
  if (!alone.has(key)) {
    const engine = createEngine(ops, model, { cacheTokens: 448, prefixCache: false });
    alone.set(key, follow(engine, still, new AbortController()));
  }
  return alone.get(key) as Promise<[number[], string]>;
}

const turns = async (n: number) => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

const total = { preemptions: 0, promptRowsCached: 0, waited: 0, aborted: 0 };

test("random arrivals, aborts and page pressure: every sequence as if alone", { timeout: 300_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(setting, async ({ pages, requests, ...limits }) => {
      const engine = createEngine(ops, model, { cacheTokens: pages * 64, ...limits });
      const results = await Promise.all(
        requests.map(async (request) => {
          await turns(request.arrives);
          const result = await follow(engine, request, new AbortController());
          total.waited = Math.max(total.waited, engine.load().waiting);
          return result;
        }),
      );
      for (const [i, [seen, outcome]] of results.entries()) {
        const { abortAt } = requests[i];
        const [whole] = await followAlone(requests[i]);
        if (outcome === "done") expect(seen, `request ${i}`).toEqual(whole);
        else {
          total.aborted++;
          expect(outcome, `request ${i}`).toBe("abort");
          expect(seen, `request ${i}`).toEqual(whole.slice(0, (abortAt ?? Number.NaN) + 1));
        }
      }
      const load = engine.load();
      expect(load).toMatchObject({ pages, freePages: pages, running: 0, waiting: 0 });
      total.preemptions += load.preemptions;
      total.promptRowsCached += load.promptRowsCached;
    }),
    { numRuns: times(25, 80), seed: 4 },
  );
});

test("the runs above did meet preemptions, shared pages, waiting and aborts", () => {
  for (const [what, times] of Object.entries(total))
    expect(times, `${what} ${JSON.stringify(total)}`).toBeGreaterThan(0);
});
