// A slip in the name of an option is refused wherever options go in, with the name that was meant.

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type FieldError, load, loadInWorker } from "../src/index.ts";

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

test("no options at all", async () => {
  const message = "got nothing, expected an object with input, targets, signal, tenant";
  await expect(here.score(loose(undefined as never))).rejects.toMatchObject({ name: "FieldError", message });
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
