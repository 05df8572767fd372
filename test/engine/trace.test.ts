// A trace is what the goldens say, wherever it is computed: in this thread, in a worker, in one step or many, alone or
// beside other requests.

import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import {
  defaultModel,
  EngineClosedError,
  type GenerateEvent,
  type GenerateOptions,
  load,
  loadInWorker,
  type PlaceValue,
  type ServedModel,
  type Trace,
  type TraceOptions,
} from "../../src/index.ts";
import { loadModel } from "../../src/model/load.ts";
import { expectClose, tolerance } from "../expect-close.ts";
import { readGolden } from "../golden/golden.ts";
import { long } from "../long.ts";
import { collect, logitsOf } from "../model/run.ts";

const scratch = await mkdtemp(join(tmpdir(), "plainformer-trace-"));
const [here, there] = await Promise.all([load(), loadInWorker()]);
afterAll(() => Promise.all([here.close(), there.close(), rm(scratch, { recursive: true })]));

const names = ["residual.*", "layers.*.*", "final", "logits"];
/** Ids that a text would not have, so that a rotated or repeated row shows. */
const ids = (n: number, vocabSize = here.config.vocabSize) =>
  Array.from({ length: n }, (_, i) => (i * i * 7 + 3) % vocabSize);

describe.each(["llama-gqa", "qwen3", "gpt2", "rope-yarn"])("%s", (name) => {
  test("in this thread = in a worker = the golden", async () => {
    const golden = await readGolden(name);
    const directory = join(scratch, name);
    await cp(golden.directory, directory, { recursive: true });
    await cp(join(defaultModel, "tokenizer.json"), join(directory, "tokenizer.json")); // inputs here are ids
    const models: ServedModel[] = [await load(directory), await loadInWorker(directory)];
    const { nLayers, nHeads } = models[0].config;
    for (const [p, prompt] of golden.prompts.entries()) {
      const rows = prompt.ids.length;
      const [own, theirs] = await Promise.all(
        models.map((model) => model.trace({ input: [{ ids: prompt.ids }], names })),
      );
      expectSame(theirs, own);

      const close = (place: string, tensor: string) => {
        const expected = golden.tensor(`prompt${p}.${tensor}`);
        expect(own[place].shape, place).toEqual(expected.shape);
        expectClose(own[place].data, expected.values, tolerance.forward, `prompt ${p}, ${place}`);
      };
      for (let i = 0; i <= nLayers; i++) close(`residual.${i}`, `hidden.${i}`);
      close("final", "norm");
      close("logits", "logits");
      for (const i of [0, nLayers - 1]) {
        const expected = golden.tensor(`prompt${p}.attention.${i}`); // [nHeads, last queries, rows]
        const { shape, data } = own[`layers.${i}.probs`];
        expect(shape).toEqual([rows, nHeads, rows]);
        const [, queries] = expected.shape;
        const last = Array.from({ length: nHeads * queries }, (_, n) => {
          const [head, query] = [Math.floor(n / queries), rows - queries + (n % queries)];
          return [...data.subarray((query * nHeads + head) * rows, (query * nHeads + head + 1) * rows)];
        });
        expectClose(last.flat(), expected.values, tolerance.forward, `prompt ${p}, probabilities of layer ${i}`);
      }
    }
    await Promise.all(models.map((model) => model.close()));
  });
});

test("an input of several steps is as one step", async () => {
  const ops = createOps((await selectKernels()).kernels);
  const { model } = await loadModel(ops, defaultModel);
  const input = ids(1100);
  const places = ["residual.0", "residual.6", "layers.3.k", "layers.5.heads"];
  const { place, seen } = collect(ops, model, [...places, "layers.2.probs"]);
  await logitsOf(ops, model, input, { place });
  const found = await here.trace({ input: [{ ids: input }], names: [...places, "layers.2.probs"] });
  expect(Object.keys(found)).toEqual([...seen.keys()]);
  for (const at of places) {
    expect(found[at].shape).toEqual(seen.get(at)?.shape);
    expect(same(found[at].data, (await seen.get(at)?.values) as Float32Array), at).toBe(true);
  }
  const { nHeads } = here.config;
  const { shape, data } = found["layers.2.probs"];
  expect(shape).toEqual([1100, nHeads, 1100]);
  const whole = (await seen.get("layers.2.probs")?.values) as Float32Array; // with columns for whole pages
  for (let i = 0; i < 1100 * nHeads; i++) {
    const row = data.subarray(i * 1100, (i + 1) * 1100);
    if (!same(row, whole.subarray(i * 1152, i * 1152 + 1100))) expect.fail(`row ${i} of the probabilities`);
  }
  ops.kernels.close();
});

test("text, ids and embeddings are one kind of input", async () => {
  const text = "Once upon a time, there was";
  const own = here.tokenizer.encode(text);
  const embeds = await here.embed(own);
  const inputs = [text, [{ ids: own }], [{ embeds, shape: [own.length, here.config.dModel] as const }]];
  const [first, ...others] = await Promise.all(inputs.map((input) => here.trace({ input, names })));
  for (const other of others) expectSame(other, first);
  const named = new Map([["rows", { embeds, shape: [own.length, here.config.dModel] as const }]]);
  const withPrompts = await load(undefined, { softPrompts: named });
  expectSame(await withPrompts.trace({ input: [{ softPrompt: "rows" }], names }), first);
  await withPrompts.close();
});

test.runIf(long)("beside other requests everything is as it is alone (test:long)", async () => {
  const prompts = ["Once upon a time", "The little fox", "A cat and a dog"];
  const long: TraceOptions = { input: [{ ids: ids(1300) }], names: ["residual.3", "layers.*.v"] };
  const short: TraceOptions = { input: prompts[1], names };
  const work = (model: ServedModel): (() => Promise<unknown>)[] => [
    () => model.trace(long),
    ...prompts.map((input) => () => all(model, { input, maxTokens: 30, temperature: 0 })),
    () => model.trace(short),
    () => model.gradients({ input: [{ embeds: new Float32Array(512).fill(0.01), shape: [2, 256] }], targets: ["cat"] }),
  ];
  const alone: unknown[] = [];
  for (const run of work(here)) alone.push(await run());
  for (const model of [here, there]) {
    const together = await Promise.all(work(model).map((run) => run()));
    for (const [i, found] of together.entries()) {
      if (i === 0 || i === 4) expectSame(found as Trace, alone[i] as Trace);
      else expect(found).toEqual(alone[i]);
    }
  }
});

test("texts go on between the steps of a trace", async () => {
  const order: string[] = [];
  const text = (async () => {
    for await (const event of here.generate({ input: "Once", maxTokens: 40, ignoreEnd: true })) order.push(event.type);
  })();
  await here.trace({ input: [{ ids: ids(2000) }], names: ["residual.0"] }).then(() => order.push("trace"));
  expect(order.filter((step) => step === "token").length).toBeGreaterThan(2);
  await text;
});

describe.each<[string, () => ServedModel]>([
  ["in this thread", () => here],
  ["in a worker", () => there],
])("refused %s", (_, model) => {
  test.each<[string, Partial<Record<keyof TraceOptions, unknown>>, string]>([
    ["no names", { names: [] }, "names: got [], expected a list of at least one name"],
    ["names that are no list", { names: "final" }, 'names: got "final", expected a list of at least one name'],
    ["a name that is none", { names: ["final", 7] }, "names[1]: got number, expected a name"],
    [
      "a misspelled name",
      { names: ["final", "logits", "layers.2.prob"] },
      'names[2]: no place is called "layers.2.prob", expected one such as layers.2.probs, layers.0.probs, layers.1.probs',
    ],
    [
      "more than the limit",
      { names: ["layers.*.probs", "residual.0", "layers.0.probs"], maxBytes: 2 ** 16 },
      "names: 7 places of 64 rows take 458752 bytes, expected at most 65536 (option maxBytes)",
    ],
    [
      "more than the default limit",
      { input: [{ ids: ids(8000) }], names: ["layers.*.probs"] },
      "names: 6 places of 8000 rows take 6144000000 bytes, expected at most 268435456 (option maxBytes)",
    ],
    ["a limit that is none", { names: ["final"], maxBytes: 0.5 }, "maxBytes: got 0.5, expected a whole number ≥ 1"],
  ])("%s", async (_, options, message) => {
    const error = await errorOf(model().trace({ input: [{ ids: ids(64) }], ...options } as TraceOptions));
    expect({ name: error.name, message: error.message }).toEqual({ name: "FieldError", message });
  });

  test.each<[string, unknown]>([
    ["nothing", []],
    ["a number", 5],
    ["a segment of no kind", ["text"]],
    ["an id outside the vocabulary", [{ text: "a" }, { ids: [1e6] }]],
    ["embeddings of another width", [{ embeds: new Float32Array(3), shape: [1, 3] }]],
    ["embeddings that are not finite", [{ embeds: new Float32Array(256).fill(Number.NaN), shape: [1, 256] }]],
    ["a soft prompt that nobody knows", [{ softPrompt: "x" }]],
    ["more than the context", [{ ids: ids(9000) }]],
  ])("as generate refuses it: %s", async (_, input) => {
    const options = { input } as { input: string };
    const [error, expected] = await Promise.all([
      errorOf(model().trace({ ...options, names: ["final"] })),
      errorOf(all(model(), { ...options, maxTokens: 0, promptLogprobs: 0 })),
    ]);
    expect({ ...error, message: error.message }).toEqual({ ...expected, message: expected.message });
  });

  test("an abort ends it between two steps, with the signal's own reason", async () => {
    const reason = { any: "thing" };
    const input = [{ ids: ids(8000) }];
    await expect(model().trace({ input, names: ["residual.0"], signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
    const abort = new AbortController();
    setTimeout(() => abort.abort(reason), 20);
    await expect(model().trace({ input, names: ["residual.0"], signal: abort.signal })).rejects.toBe(reason);
    expect((await model().trace({ input: "a", names: ["final"] })).final.shape[1]).toBe(here.config.dModel);
  });
});

test("an input that the cache does not hold is refused as by generate", async () => {
  const model = await load(undefined, { cacheTokens: 128 });
  const input = [{ ids: ids(129) }];
  const error = await errorOf(model.trace({ input, names: ["final"] }));
  expect(error.message).toBe(
    "input: got 129 tokens, expected at most 128: the maximum context length is 128 tokens (option cacheTokens)",
  );
  expect(error.message).toBe((await errorOf(all(model, { input }))).message);
  await model.close();
});

test("a model that is closed traces no more, and what it was at ends", async () => {
  const model = await load();
  const running = errorOf(model.trace({ input: [{ ids: ids(4000) }], names: ["residual.0"] }));
  await model.close();
  expect(await running).toBeInstanceOf(EngineClosedError);
  await expect(model.trace({ input: "a", names: ["final"] })).rejects.toBeInstanceOf(EngineClosedError);
});

describe("a probe", () => {
  /** What is seen and said while a text is generated. */
  async function seenBy(start: typeof load | typeof loadInWorker) {
    const order: (string | PlaceValue)[] = [];
    const names = ["residual.0", "layers.*.probs", "logits"];
    const model: ServedModel = await start(undefined, {
      probe: { names, see: (name, value) => order.push(name, value) },
    });
    const options = { input: "Once upon a time", maxTokens: 3, temperature: 0, ignoreEnd: true };
    for await (const event of model.generate(options)) if (event.type === "token") order.push(event.text);
    await model.close();
    return order;
  }

  test("sees values, step by step before the token of the step, in a worker as in this thread", async () => {
    const order = await seenBy(load);
    expect(await seenBy(loadInWorker)).toEqual(order);
    const step = [...["residual.0", ...[0, 1, 2, 3, 4, 5].map((i) => `layers.${i}.probs`), "logits"]];
    const words = order.filter((item) => typeof item === "string");
    expect(words.map((word) => (step.includes(word) ? word : "token"))).toEqual(
      [1, 2, 3].flatMap(() => [...step, "token"]),
    );
    const values = order.filter((item) => typeof item !== "string");
    const { nHeads, dModel, vocabSize } = here.config;
    const rows = here.tokenizer.encode("Once upon a time").length;
    expect(values.slice(0, 8).map(({ shape }) => shape)).toEqual([
      [rows, dModel],
      ...new Array(6).fill([rows, nHeads, 64]),
      [1, vocabSize],
    ]);
    const { logits } = await here.trace({ input: "Once upon a time", names: ["logits"] });
    expect(same(values[7].data, logits.data.subarray((rows - 1) * vocabSize))).toBe(true);
  });

  test.each([
    ["this thread", load],
    ["a worker", loadInWorker],
  ])("of a name that is none is refused in %s", async (_, start) => {
    const probe = { names: ["logits", "residual"], see: () => {} };
    expect((await errorOf(start(undefined, { probe }))).message).toBe(
      'probe.names[1]: no place is called "residual", expected one such as residual.0, residual.1, residual.2',
    );
  });
});

async function all(model: ServedModel, options: GenerateOptions): Promise<GenerateEvent[]> {
  const events: GenerateEvent[] = [];
  for await (const event of model.generate(options))
    events.push(event.type === "end" ? { ...event, timings: { firstTokenMs: 0, decodeMs: 0 } } : event);
  return events;
}

function errorOf(work: Promise<unknown>): Promise<Error> {
  return work.then(
    () => expect.fail("it was not refused"),
    (error) => error,
  );
}

function expectSame(found: Trace, expected: Trace): void {
  expect(Object.keys(found)).toEqual(Object.keys(expected));
  for (const [name, { shape, data }] of Object.entries(found)) {
    expect(shape, name).toEqual(expected[name].shape);
    expect(same(data, expected[name].data), name).toBe(true);
  }
}

/** Equal to the bit; faster than an assertion. */
function same(a: Float32Array, b: Float32Array): boolean {
  const [bytes, others] = [a, b].map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength),
  );
  return bytes.equals(others);
}
