// A model in a worker thread is the same model: the same tokens, errors and counters, through messages.

import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Worker } from "node:worker_threads";
import { afterAll, expect, test, vi } from "vitest";
import {
  EngineBusyError,
  EngineClosedError,
  FieldError,
  type GenerateEvent,
  type GenerateOptions,
  load,
  loadInWorker,
  type ServedModel,
} from "../../src/index.ts";

const threads: Worker[] = [];
vi.mock("node:worker_threads", async (original) => {
  const actual = await original<typeof import("node:worker_threads")>();
  class Watched extends actual.Worker {
    constructor(...args: ConstructorParameters<typeof Worker>) {
      super(...args);
      threads.push(this);
    }
  }
  return { ...actual, Worker: Watched };
});

const [here, there] = await Promise.all([load(), loadInWorker()]);
afterAll(() => Promise.all([here.close(), there.close()]));

async function all(model: ServedModel, options: GenerateOptions): Promise<GenerateEvent[]> {
  const events: GenerateEvent[] = [];
  for await (const event of model.generate(options))
    events.push(event.type === "end" ? { ...event, timings: { firstTokenMs: 0, decodeMs: 0 } } : event);
  return events;
}

test("the same facts, events, scores and embeddings as in this thread", async () => {
  for (const fact of ["config", "kernels", "endIds", "cacheTokens", "directory", "files"] as const)
    expect(there[fact]).toEqual(here[fact]);
  expect(there.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  expect(there.fingerprint).toBe(here.fingerprint);
  expect(there.chatTemplate).toBe(here.chatTemplate);
  const ids = here.tokenizer.encode("Once upon a time");
  expect(there.tokenizer.encode("Once upon a time")).toEqual(ids);

  const embeds = await there.embed(ids);
  expect(embeds).toEqual(await here.embed(ids));
  const shape = [ids.length, here.config.dModel] as const;
  const input = [{ embeds, shape }, { text: ", there was" }];
  const options = { input, maxTokens: 20, temperature: 0.8, seed: 3, logprobs: 2, promptLogprobs: 1 };
  const events = await all(there, options);
  expect(events).toEqual(await all(here, options));
  expect(events.map((event) => event.type)).toEqual(["prompt", ...new Array(20).fill("token"), "end"]);
  expect(embeds).toHaveLength(ids.length * here.config.dModel); // copied, not taken away

  const scores = { input: "The cat sat on the", targets: [" mat", [5, 6]] };
  expect(await there.score(scores)).toEqual(await here.score(scores));
  expect((await there.load()).generatedTokens).toBe((await here.load()).generatedTokens);
});

test.each<[string, (model: ServedModel) => Promise<unknown>, string]>([
  ["a field out of range", (model) => all(model, { input: "a", temperature: -1 }), "temperature"],
  ["a field of the wrong kind", (model) => model.score({ input: "a", targets: [] }), "targets"],
  ["an id outside the vocabulary", (model) => model.embed([1e6]), "ids"],
])("%s: the same error", async (_, attempt, field) => {
  const errorOf = (model: ServedModel) => attempt(model).then(Object, (error: FieldError) => error);
  const [expected, error] = [await errorOf(here), await errorOf(there)];
  expect(error).toBeInstanceOf(FieldError);
  expect(error.field).toBe(field);
  expect(error).toEqual(expected); // words and code too
});

test("an abort ends the work with the signal's own reason, and leaves nothing behind", async () => {
  const abort = new AbortController();
  const reason = { any: "thing" };
  let tokens = 0;
  const work = (async () => {
    for await (const event of there.generate({ input: "Once", maxTokens: 4000, ignoreEnd: true, signal: abort.signal }))
      if (event.type === "token" && ++tokens === 3) abort.abort(reason);
  })();
  await expect(work).rejects.toBe(reason);
  await expect(all(there, { input: "a", signal: abort.signal })).rejects.toBe(reason);
  await expect.poll(() => there.load()).toMatchObject({ running: 0, waiting: 0, freePages: 128 });
});

test("leaving the loop early ends the work too", async () => {
  const before = (await there.load()).generatedTokens;
  for await (const event of there.generate({ input: "Once", maxTokens: 4000, ignoreEnd: true }))
    if (event.type === "token") break;
  await expect.poll(() => there.load()).toMatchObject({ running: 0, freePages: 128 });
  expect((await there.load()).generatedTokens - before).toBeLessThan(1000);
});

test("a full queue is an EngineBusyError here too", async () => {
  const small = await loadInWorker(undefined, { maxRunning: 1, maxWaiting: 1 });
  const long = { input: "Once", maxTokens: 50, ignoreEnd: true };
  const outcomes = await Promise.allSettled([1, 2, 3, 4].map(() => all(small, long)));
  expect(outcomes.map((outcome) => outcome.status)).toEqual(["fulfilled", "fulfilled", "rejected", "rejected"]);
  for (const outcome of outcomes)
    if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(EngineBusyError);
  await small.close();
});

test("closing drains: what runs is finished, what comes is refused; then the thread is gone", async () => {
  const model = await loadInWorker();
  const running = all(model, { input: "Once", maxTokens: 60, ignoreEnd: true });
  await expect.poll(() => model.load()).toMatchObject({ running: 1 });
  const closing = model.close({ drainMs: 30_000 });
  await expect(all(model, { input: "late" })).rejects.toBeInstanceOf(EngineClosedError);
  expect((await running).at(-1)).toMatchObject({ type: "end", finishReason: "length" });
  await closing;
  await expect(model.embed([1])).rejects.toBeInstanceOf(EngineClosedError);
  await model.close(); // again: nothing to do
});

test("closing without patience ends what runs, also when it was to be drained", async () => {
  const model = await loadInWorker();
  const running = all(model, { input: "Once", maxTokens: 8000, ignoreEnd: true }).catch((error) => error);
  await expect.poll(() => model.load()).toMatchObject({ running: 1 });
  const slow = model.close({ drainMs: 60_000 });
  await model.close();
  expect(await running).toBeInstanceOf(EngineClosedError);
  await slow;
});

test("a thread that dies rejects what it was doing and what comes later", async () => {
  const model = await loadInWorker();
  const running = all(model, { input: "Once", maxTokens: 8000, ignoreEnd: true }).catch((error) => error);
  await expect.poll(() => model.load()).toMatchObject({ running: 1 });
  await threads.at(-1)?.terminate();
  expect((await running).message).toBe("the model's worker ended (1)");
  await expect(model.embed([1])).rejects.toThrow("the model's worker ended (1)");
  await model.close();
});

test("what goes wrong at the start is the sentence of load", async () => {
  const attempts: [string, object][] = [
    ["/no/such/model", {}],
    ["/no/such/model.gguf", {}],
    [here.directory, { kernels: "abacus" }],
    [here.directory, { cacheTokens: 0 }],
  ];
  for (const [source, options] of attempts) {
    const expected = await load(source, options).catch((error) => error);
    const error = await loadInWorker(source, options).catch((error) => error);
    expect(error.message).toBe(expected.message);
    expect(error.name).toBe(expected.name);
  }
});

test("progress of loading comes through", async () => {
  const seen: number[] = [];
  const model = await loadInWorker(undefined, { onProgress: ({ loaded, total }) => seen.push(loaded / total) });
  expect(seen.at(-1)).toBe(1);
  await model.close();
});

test("a program ends by itself after close, and also when the model is idle", { timeout: 30_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "plainformer-"));
  const library = new URL("../../dist/src/index.js", import.meta.url).href;
  for (const last of ["await model.close();", ""]) {
    const file = join(folder, "program.mjs");
    await writeFile(
      file,
      `import { loadInWorker } from ${JSON.stringify(library)};
       const model = await loadInWorker();
       for await (const event of model.generate({ input: "a", maxTokens: 3 })) if (event.type === "end") console.log("end");
       ${last}`,
    );
    const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 20_000 });
    expect(stdout).toBe("end\n");
  }
  await rm(folder, { recursive: true });
});
