// A slip in the name of an option is refused wherever options go in, with the name that was meant.

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { referenceKernels } from "../kernels/reference/reference.ts";
import {
  adamStep,
  createAdamState,
  createOps,
  type FieldError,
  load,
  loadInWorker,
  loadModel,
  pull,
  selectKernels,
} from "../src/index.ts";
import { createApp } from "../src/server/app.ts";

const here = await load();
const there = await loadInWorker();
afterAll(() => Promise.all([here.close(), there.close()]));

const input = "Once";
const targets = ["a"];

/** A caller whose compiler does not look. */
const loose = (options: object) => options as never;

async function first(events: AsyncIterable<unknown>): Promise<unknown> {
  for await (const event of events) return event;
  return undefined;
}

const calls: [string, (model: typeof there) => Promise<unknown>, string][] = [
  [
    "generate",
    (model) => first(model.generate(loose({ input, max_tokens: 1 }))),
    "max_tokens: unknown option, did you mean maxTokens?",
  ],
  [
    "generate, letters",
    (model) => first(model.generate(loose({ input, temprature: 1 }))),
    "temprature: unknown option, did you mean temperature?",
  ],
  ["score", (model) => model.score(loose({ input, target: targets })), "target: unknown option, did you mean targets?"],
  [
    "gradients",
    (model) => model.gradients(loose({ input, targets, weight: [[1]] })),
    "weight: unknown option, did you mean weights?",
  ],
  [
    "one of a batch",
    (model) => model.batchGradients(loose({ examples: [{ inputs: input, targets }] })),
    "examples[0].inputs: unknown option, did you mean input?",
  ],
  [
    "trace",
    (model) => model.trace(loose({ input, names: ["final"], max_bytes: 1 })),
    "max_bytes: unknown option, did you mean maxBytes?",
  ],
  [
    "far from all",
    (model) => model.score(loose({ input, targets, somethingElse: 1 })),
    "somethingElse: unknown option, expected input, targets, signal, tenant",
  ],
];

test.each(calls)("%s", async (_, call, message) => {
  await expect(call(here)).rejects.toMatchObject({ name: "FieldError", message });
  await expect(call(there)).rejects.toMatchObject({ name: "FieldError", message });
});

test("a slip whose value is a function is the same slip in a worker", async () => {
  const slips: [string, (model: typeof there) => Promise<unknown>][] = [
    ["onTokens", (model) => first(model.generate(loose({ input, onTokens() {} })))],
    ["target", (model) => model.score(loose({ input, targets, target() {} }))],
    ["candidate", (model) => model.candidateScores(loose({ input, targets, candidates: [], candidate() {} }))],
    ["wieghts", (model) => model.gradients(loose({ input, targets, wieghts() {} }))],
    ["example", (model) => model.batchGradients(loose({ examples: [], example() {} }))],
    ["see", (model) => model.trace(loose({ input, names: ["final"], see() {} }))],
  ];
  for (const [field, call] of slips)
    for (const model of [here, there])
      await expect(call(model)).rejects.toMatchObject({ name: "FieldError", field, code: "unknown" });
  await expect(loadInWorker(undefined, loose({ onProgres() {} }))).rejects.toMatchObject({
    problem: "unknown option, did you mean onProgress?",
  });
});

test("a known name whose value cannot cross into a worker is named", async () => {
  const problem = "got a function, of which something cannot cross into a worker";
  await expect(there.score(loose({ input, targets, tenant() {} }))).rejects.toMatchObject({ field: "tenant", problem });
  await expect(loadInWorker(undefined, loose({ kv() {} }))).rejects.toMatchObject({ field: "kv", problem });
});

test("kernels, downloads and servers look too", async () => {
  await expect(selectKernels("auto", loose({ thread: 1 }))).rejects.toThrow(
    "thread: unknown option, did you mean threads?",
  );
  await expect(loadModel(createOps(referenceKernels()), "nowhere", loose({ dtypes: "f32" }))).rejects.toThrow(
    "dtypes: unknown option, did you mean dtype?",
  );
  expect(() => here.tokenizer.encode("a", loose({ addSpecialToken: false }))).toThrow("did you mean addSpecialTokens?");
  expect(() => here.tokenizer.decode([5], loose({ skip_special_tokens: true }))).toThrow(
    "did you mean skipSpecialTokens?",
  );
  const none = new Map<string, Float32Array>();
  expect(() => adamStep(createAdamState(none), none, none, 1, loose({ weight_decay: 1 }))).toThrow(
    "did you mean weightDecay?",
  );
  await expect(pull("owner/name", loose({ onprogress() {} }))).rejects.toThrow("did you mean onProgress?");
  expect(() => createApp(here, loose({ cors: ["*"] }))).toThrow("cors: unknown option");
  await expect(here.close(loose({ drainms: 1 }))).rejects.toThrow("did you mean drainMs?");
  await expect(there.close(loose({ drainms: 1 }))).rejects.toThrow("did you mean drainMs?");
});

test("no options at all", async () => {
  const message = "got nothing, expected an object with input, targets, signal, tenant";
  await expect(here.score(loose(undefined as never))).rejects.toMatchObject({ name: "FieldError", message });
});

test("load takes its options alone: the model that ships", async () => {
  const kernels = referenceKernels();
  for (const model of [await load({ kernels }), await loadInWorker({ kernels: "reference" })]) {
    expect(model.kernels.name).toBe("reference");
    expect(model.fingerprint).toBe(here.fingerprint);
    await model.close();
  }
  await expect(load(loose({ kernel: "simd" }))).rejects.toThrow("kernel: unknown option, did you mean kernels?");
  await expect(load(loose(7 as never))).rejects.toThrow("source: got 7, expected a path, a URL or hf:owner/name");
});

test("load, here and in a worker", async () => {
  const options = loose({ cache_tokens: 5, onProgress() {} });
  for (const loading of [load, loadInWorker])
    await expect(loading(await mkdtemp(join(tmpdir(), "plainformer-")), options)).rejects.toMatchObject({
      field: "cache_tokens",
      problem: "unknown option, did you mean cacheTokens?",
      code: "unknown",
    } satisfies Partial<FieldError>);
});

test("an option that is there without a value asks for nothing", async () => {
  expect(await here.score(loose({ input, targets, max_tokens: undefined }))).toHaveLength(1);
});
