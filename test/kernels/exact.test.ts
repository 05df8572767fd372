// Products with quantized weights where nothing is rounded: against the definition, the same bits whatever is computed beside
// them, and what a model says of it: log-probabilities, and a loss whose differences are its gradient.

import { afterAll, describe, expect, test } from "vitest";
import { exactKernels } from "../../kernels/exact.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { selectKernels } from "../../kernels/select.ts";
import { simdKernels } from "../../kernels/simd/host/simd.ts";
import { load, type Plainformer } from "../../src/plainformer.ts";
import { byteLengthOf, encodeF32, type FloatDType } from "../../weights/dtype.ts";

const dtypes = ["q8_0", "q4_0", "q4_1", "q4_K", "q6_K"] as const;
const numbers = (n: number, seed: number) =>
  Float32Array.from({ length: n }, (_, i) => Math.sin(seed + i * 12.9898) * ((i * 7 + seed) % 5));

/** The product of a set: x [rows, inDim], w [outDim, inDim], a bias. */
async function product(kernels: Kernels, dtype: FloatDType, rows: number, inDim: number, outDim: number) {
  const bytes = encodeF32(dtype, numbers(outDim * inDim, 1));
  const w = await kernels.load(dtype, outDim * inDim, async (into) => into.set(bytes));
  const x = kernels.upload(numbers(rows * inDim, 2));
  const bias = kernels.upload(numbers(outDim, 3));
  const out = kernels.alloc("f32", rows * outDim, false);
  kernels.linear(out, x, w, dtype, bias, rows, inDim, outDim);
  const values = await kernels.read(out, "f32", rows * outDim);
  kernels.endStep();
  return values;
}

function meanSquaredError(values: Float32Array, expected: Float32Array): number {
  const squares = (numbers: Iterable<number>) => [...numbers].reduce((sum, x) => sum + x * x, 0);
  return squares(values.map((value, i) => value - expected[i])) / squares(expected);
}

describe("the simd kernels, exact", async () => {
  const sets = await Promise.all([1, 2].map(async (threads) => exactKernels(await simdKernels({ threads }))));
  const rounded = await simdKernels({ threads: 1 });
  const reference = referenceKernels();
  afterAll(() => {
    for (const set of [...sets, rounded]) set.close();
  });

  test.each(dtypes)(
    "%s: as the reference has it, in odd sizes; the same bits for any rows and threads",
    async (dtype) => {
      const [inDim, outDim] = [512, 203];
      const expected = await product(reference, dtype, 9, inDim, outDim);
      const nine = await product(sets[1], dtype, 9, inDim, outDim);
      expect(meanSquaredError(nine, expected)).toBeLessThan(1e-12);
      expect(meanSquaredError(await product(rounded, dtype, 9, inDim, outDim), expected)).toBeGreaterThan(1e-8); // or nothing is shown
      for (const set of sets)
        for (const rows of [1, 3, 4, 7])
          expect(await product(set, dtype, rows, inDim, outDim)).toEqual(nine.subarray(0, rows * outDim));
    },
  );

  test("experts: each row as `linear` multiplies it with the weights of its expert", async () => {
    const [n, rows, inDim, outDim] = [3, 5, 256, 7];
    const ids = Int32Array.of(2, 0, 2, 1, 0);
    for (const set of sets) {
      const bytes = encodeF32("q8_0", numbers(n * outDim * inDim, 1));
      const w = await set.load("q8_0", n * outDim * inDim, async (into) => into.set(bytes));
      const values = numbers(rows * inDim, 2);
      const out = set.alloc("f32", rows * outDim, false);
      set.expertLinear(out, set.upload(values), set.upload(ids), w, "q8_0", rows, 1, inDim, outDim, n);
      const all = await set.read(out, "f32", rows * outDim);
      for (const [row, id] of ids.entries()) {
        const size = bytes.length / n;
        const own = await set.load("q8_0", outDim * inDim, async (into) =>
          into.set(bytes.subarray(id * size, (id + 1) * size)),
        );
        const one = set.alloc("f32", outDim, false);
        const x = set.upload(values.subarray(row * inDim, (row + 1) * inDim));
        set.linear(one, x, own, "q8_0", null, 1, inDim, outDim);
        expect(all.subarray(row * outDim, (row + 1) * outDim)).toEqual(await set.read(one, "f32", outDim));
      }
      set.endStep();
    }
  });

  test("weights that are not quantized are multiplied as ever", async () => {
    expect(await product(sets[0], "f16", 5, 64, 33)).toEqual(await product(rounded, "f16", 5, 64, 33));
  });
});

describe("a model", async () => {
  const input = "The fox ran home because";
  const targets = [" it was late and the rain had begun."];
  const logprobsOf = async (model: Plainformer) => (await model.score({ input, targets }))[0].logprobs;
  const away = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + Math.abs(x - b[i]), 0) / a.length;
  const exact = await load(undefined, { dtype: "q4_1", exact: true });
  const rounding = await load(undefined, { dtype: "q4_1", kernels: "simd" });
  const definition = await load(undefined, { dtype: "q4_1", kernels: "reference", exact: true });
  afterAll(() => Promise.all([exact, rounding, definition].map((model) => model.close())));

  test("says the log-probabilities of its quantized weights", async () => {
    const [e, r, d] = await Promise.all([exact, rounding, definition].map(logprobsOf));
    expect(away(e, d)).toBeLessThan(1e-4);
    expect(away(r, d)).toBeGreaterThan(1e-3);
    expect([exact, rounding, definition].map(({ kernels }) => kernels.roundsRows)).toEqual([false, true, false]);
  });

  test("its loss is that of its scores, and differences of its loss are its gradient", async () => {
    const { dModel } = exact.config;
    const embeds = await exact.embed(exact.tokenizer.encode(input));
    const rows = embeds.length / dModel;
    const at = (values: Float32Array) => [{ id: "x", embeds: values, shape: [rows, dModel] as [number, number] }];
    const { loss, gradients } = await exact.gradients({ input: at(embeds), targets });
    const lossOf = async (model: Plainformer, values: Float32Array) => {
      const [{ sum, ids }] = await model.score({ input: at(values), targets });
      return -sum / ids.length;
    };
    expect(await lossOf(exact, embeds)).toBeCloseTo(loss, 5);
    const gradient = gradients.x as Float32Array;
    const length = Math.hypot(...gradient);
    const step = 0.02 / length;
    const ahead = embeds.map((x, i) => x + step * gradient[i]);
    const behind = embeds.map((x, i) => x - step * gradient[i]);
    const slope = ((await lossOf(exact, ahead)) - (await lossOf(exact, behind))) / (2 * step * length);
    expect(Math.abs(slope / length - 1)).toBeLessThan(0.01);
  });
});

test("a set that rounds and has no other way says so, by name or open; auto goes on", async () => {
  const stuck = { ...referenceKernels(), name: "stuck", roundsRows: true, derivatives: undefined };
  const sentence =
    "exact: the stuck kernels round rows to 8 bits before they multiply them with quantized weights, and have no other way; expected simd or reference";
  await expect(selectKernels(stuck, { exact: true })).rejects.toMatchObject({ name: "FieldError", message: sentence });
  await expect(load(undefined, { kernels: stuck, exact: true })).rejects.toThrow(sentence);
  expect((await selectKernels(stuck)).kernels).toBe(stuck);
  const { kernels } = await selectKernels("auto", { exact: true });
  expect([kernels.name, kernels.roundsRows]).toEqual(["simd", false]);
  kernels.close();
});

test("no more memory than the weights and a few rows for each thread", async () => {
  expect(byteLengthOf("q4_1", 2048 * 2048)).toBeLessThan(2048 * 2048);
  const kernels = exactKernels(await simdKernels({ threads: 2, limitPages: 100 })); // 6.25 MiB; as f32 the weights alone take 16
  expect((await product(kernels, "q4_1", 1, 2048, 2048)).every(Number.isFinite)).toBe(true);
  kernels.close();
});
