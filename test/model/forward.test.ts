// The forward pass against transformers on PyTorch: a tiny random checkpoint for every family and every rope scaling.

import { describe, expect, test } from "vitest";
import { pageSize } from "../../kernels/kernels.ts";
import { createOps } from "../../kernels/ops.ts";
import { argmax } from "../../src/decode/sampler.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { loadModel } from "../../src/model/load.ts";
import type { GroupedQuery } from "../../src/model/model.ts";
import { expectClose, tolerance } from "../expect-close.ts";
import { type Golden, goldenCases, readGolden } from "../golden/golden.ts";
import { collect, kernelSets, kernelsNamed, logitsOf } from "./run.ts";

test("there is a golden for every family and every rope scaling", () => {
  expect(goldenCases()).toEqual(
    expect.arrayContaining([
      "llama2",
      "llama-gqa",
      "qwen2",
      "qwen3",
      "gpt2",
      "rope-linear",
      "rope-llama3",
      "rope-yarn",
    ]),
  );
});

const cases = kernelSets.flatMap((kernels) => goldenCases().map((name) => [kernels, name] as const));

describe.each(cases)("%s: %s", (kernels, name) => {
  test("residual stream, attention, final norm and logits", async () => {
    const golden = await readGolden(name);
    const { ops, model } = await open(golden, kernels);
    for (const [p, prompt] of golden.prompts.entries()) {
      const { place, seen } = collect(ops, model);
      const logits = await logitsOf(ops, model, prompt.ids, { place });
      const value = async (tensor: string) => (await seen.get(tensor)?.values) ?? new Float32Array();

      for (let i = 0; i <= model.config.nLayers; i++) {
        const expected = golden.tensor(`prompt${p}.hidden.${i}`);
        expectClose(await value(`residual.${i}`), expected.values, tolerance.forward, `prompt ${p}, residual ${i}`);
      }
      for (const i of model.config.experts?.layers ?? []) await expectChoices(golden, p, i, value);
      for (const i of [0, model.config.nLayers - 1]) await expectProbs(golden, p, i, seen);
      const norm = golden.tensor(`prompt${p}.norm`);
      expectClose(await value("final"), norm.values, tolerance.forward, `prompt ${p}, final norm`);
      const expected = golden.tensor(`prompt${p}.logits`);
      expectClose(logits, expected.values, tolerance.forward, `prompt ${p}, logits`);
      expect(argmaxes(logits, model.config.vocabSize)).toEqual(argmaxes(expected.values, model.config.vocabSize));
    }
  });

  test("32 greedy ids", async () => {
    const golden = await readGolden(name);
    const { ops, model } = await open(golden, kernels);
    const engine = createEngine(ops, model, { cacheTokens: 512 });
    for (const { ids, greedy } of golden.prompts) {
      const chosen: number[] = [];
      await engine.run({
        runs: [{ ids }],
        maxRows: ids.length + greedy.length,
        firstOutput: ids.length - 1,
        wants: "id",
        accept({ outputs }) {
          chosen.push(...outputs);
          return chosen.length < greedy.length ? chosen.slice(-1) : [];
        },
      });
      expect(chosen).toEqual(greedy);
    }
  });
});

test.each(kernelSets.flatMap((kernels) => ["llama-gqa", "gpt2"].map((name) => [kernels, name])))(
  "%s: %s: embeddings that are in no table",
  async (kernels, name) => {
    const golden = await readGolden(name);
    const { ops, model } = await open(golden, kernels);
    const { values, shape } = golden.tensor("embeds.input");
    const logits = await logitsOf(ops, model, { embeds: values, rows: shape[0] });
    expectClose(logits, golden.tensor("embeds.logits").values, tolerance.forward, "logits");
  },
);

test.each(kernelSets)("%s: keys and values in f16", async (kernels) => {
  const golden = await readGolden("llama-gqa");
  const { ops, model } = await open(golden, kernels);
  const logits = await logitsOf(ops, model, golden.prompts[1].ids, { kv: "f16" });
  const { values } = golden.tensor("prompt1.logits");
  expectClose(logits, values, tolerance.forwardHalfCache, "logits");
  expect(argmaxes(logits, model.config.vocabSize)).toEqual(argmaxes(values, model.config.vocabSize));
  expect(logits).not.toEqual(await logitsOf(ops, model, golden.prompts[1].ids));
});

test("window, soft cap, sinks and scale of a layer reach its attention, and no other layer's", async () => {
  const golden = await readGolden("llama-gqa");
  const { ops, model } = await open(golden, "reference");
  const { ids } = golden.prompts[0];
  const { nHeads, nLayers } = model.config;
  const changed = async (
    attn: Partial<GroupedQuery>,
    windows?: readonly number[],
  ): Promise<[Float32Array, Float32Array]> => {
    const layers = model.layers.map((layer, i) =>
      i === 1 ? { ...layer, attn: { ...(layer.attn as GroupedQuery), ...attn } } : layer,
    );
    const { place, seen } = collect(ops, model, ["layers.*.probs"]);
    await logitsOf(ops, { ...model, layers, config: { ...model.config, windows } }, ids, { place });
    const [first, second] = await Promise.all([0, 1].map((i) => seen.get(`layers.${i}.probs`)?.values));
    return [first as Float32Array, second as Float32Array];
  };
  /** Probability of each row and head that lies at positions from `from(row)` on, over all of it that is there. */
  const share = (probs: Float32Array, from: (row: number) => number) =>
    Array.from({ length: ids.length * nHeads }, (_, i) =>
      probs
        .subarray(i * pageSize, (i + 1) * pageSize)
        .reduce((sum, p, at) => sum + (at < from(Math.floor(i / nHeads)) ? 0 : p), 0),
    );
  const [plain, plainNext] = await changed({});
  const row = (value: number) => () => value;
  expect(nLayers).toBe(2);
  expectClose(share(plainNext, row(0)), new Array(ids.length * nHeads).fill(1), tolerance.forward, "sums");

  const [whole, windowed] = await changed({}, [0, 3]);
  expect(whole).toEqual(plain);
  expectClose(
    share(windowed, (r) => r - 2),
    new Array(ids.length * nHeads).fill(1),
    tolerance.forward,
    "sums in the window",
  );
  expect(share(plainNext, (r) => r - 2)[ids.length * nHeads - 1]).toBeLessThan(0.99);

  const sinks = await ops.load(
    "f32",
    [nHeads],
    async (into) => void new Float32Array(into.buffer, into.byteOffset).fill(100),
  );
  const [beforeSinks, sunk] = await changed({ sinks });
  expect(beforeSinks).toEqual(plain);
  expect(Math.max(...share(sunk, row(0)))).toBeLessThan(1e-9); // they take it all

  // A cap near zero, and a scale of zero, leave no score: all positions alike.
  for (const flat of [{ softCap: 1e-6 }, { scale: 0 }]) {
    const [beforeFlat, even] = await changed(flat);
    expect(beforeFlat).toEqual(plain);
    const last = even.subarray((ids.length * nHeads - 1) * pageSize, (ids.length * nHeads - 1) * pageSize + ids.length);
    expectClose(last, new Array(ids.length).fill(1 / ids.length), tolerance.forward, "all alike");
  }
});

async function open(golden: Golden, kernels: string) {
  const ops = createOps(await kernelsNamed(kernels));
  const { model } = await loadModel(ops, golden.directory);
  return { ops, model };
}

function argmaxes(logits: Float32Array, vocabSize: number): number[] {
  return Array.from({ length: logits.length / vocabSize }, (_, r) =>
    argmax(logits.subarray(r * vocabSize, (r + 1) * vocabSize)),
  );
}

/** The golden's are in order of the experts' numbers, ours in that of their scores. */
async function expectChoices(golden: Golden, p: number, i: number, value: (tensor: string) => Promise<Float32Array>) {
  const expected = golden.tensor(`prompt${p}.experts.${i}`);
  const [rows, n] = expected.shape;
  const [ids, weights] = [await value(`layers.${i}.experts`), await value(`layers.${i}.expertWeights`)];
  expect(ids.length).toBe(rows * n);
  const order = Array.from(ids.keys()).sort((a, b) => Math.floor(a / n) - Math.floor(b / n) || ids[a] - ids[b]);
  expect(order.map((at) => ids[at])).toEqual([...expected.values]);
  const shares = golden.tensor(`prompt${p}.expertWeights.${i}`).values;
  expectClose(order.map((at) => weights[at]), shares, tolerance.forward, `prompt ${p}, weights of experts of layer ${i}`); // biome-ignore format: one line
}

/** Ours are [rows, heads, columns of whole pages]; the golden's [heads, last queries, rows]. */
async function expectProbs(
  golden: Golden,
  p: number,
  layer: number,
  seen: ReturnType<typeof collect>["seen"],
): Promise<void> {
  const expected = golden.tensor(`prompt${p}.attention.${layer}`);
  const ours = seen.get(`layers.${layer}.probs`);
  if (!ours) throw new Error(`layers.${layer}.probs was not offered`);
  const [heads, queries, keys] = expected.shape;
  const [rows, , columns] = ours.shape;
  const values = await ours.values;
  const picked: number[] = [];
  for (let head = 0; head < heads; head++)
    for (let query = rows - queries; query < rows; query++) {
      const at = (query * heads + head) * columns;
      picked.push(...values.subarray(at, at + keys));
      expect(values.subarray(at + keys, at + columns).every((value) => value === 0)).toBe(true);
    }
  expectClose(picked, expected.values, tolerance.forward, `prompt ${p}, attention probabilities of layer ${layer}`);
}
