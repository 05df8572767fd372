// The SIMD set: right in both of its builds, and the same to the bit however the work is cut.

import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import type { Kernels } from "../../kernels/kernels.ts";
import { createOps, type Ops } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { type SimdOptions, simdKernels } from "../../kernels/simd/host/simd.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { byteLengthOf, decodeF32, encodeF32, type FloatDType } from "../../weights/dtype.ts";
import { expectNmse, expectSameBits, tolerance } from "../expect-close.ts";
import { testKernels, testSoftmax } from "./cases.ts";
import { noise } from "./noise.ts";
import { routeRules } from "./route-rules.ts";
import { attend, expertIds, testAgainstReference, weights } from "./simd-cases.ts";

const open: (options?: SimdOptions) => Promise<Kernels> = simdKernels;
const blockDTypes: FloatDType[] = ["q8_0", "q4_0", "q4_1", "q4_K", "q6_K"];
const dtypes: FloatDType[] = ["f32", "bf16", "f16", ...blockDTypes];

describe.each([
  ["relaxed", {}],
  ["plain", { plain: true }],
] as [string, SimdOptions][])("%s build", (_, options) => {
  describe("against PyTorch in f64", () => testKernels(() => open(options), tolerance.fastKernel));
  describe("with a window, sinks, a soft cap", () => testSoftmax(() => open(options), tolerance.fastKernel));
  describe("against the reference set", () =>
    testAgainstReference(() => open(options), dtypes, tolerance.fastKernel, true));
});

test.each(blockDTypes)("%s: rounding x to 8 bits costs an NMSE of about 3e-5", async (dtype) => {
  const product = async (kernels: Kernels) => {
    const ops = createOps(kernels);
    return ops.read(ops.linear(ops.upload(noise(16 * 1024, 1), [16, 1024]), await weights(ops, dtype, [64, 1024], 2)));
  };
  expectNmse(await product(await open()), await product(referenceKernels()), 5e-5, dtype);
});

test("a cache in f16 holds keys and values rounded to nearest, ties to even, at most ±65504", async () => {
  const special = [0, -0, 1, -2.5, 65504, 65519.99, 65520, -65536, 1e30, Infinity, NaN, 2 ** -14, 2 ** -24, 2 ** -25];
  const ties = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 2 ** -25 * 3, 2 ** -25 * 1.01, 1e-10, 6.1e-5, 6.097e-5, -(2 ** -15)];
  const values = Float32Array.from([...special, ...ties, ...noise(1000, 1), ...noise(1002, 2).map((x) => x * 1e-5)]);
  const ops = createOps(await open());
  const dim = values.length;
  const rows = {
    sequences: ops.upload(Int32Array.of(0)),
    positions: ops.upload(Int32Array.of(3)),
    pageTable: ops.upload(Int32Array.of(0), [1, 1]),
  };
  const cache = { k: ops.keep("f16", [1, 64, 1, dim]), v: ops.keep("f16", [1, 64, 1, dim]) };
  const x = ops.upload(values, [1, dim]);
  ops.attention(x, x, x, cache, rows, { nHeads: 1, nCacheHeads: 1, kDim: dim, vDim: dim, scale: 1 });
  const expected = new Float32Array(64 * dim);
  const fit = (x: number) => (Number.isNaN(x) ? 65504 : Math.min(65504, Math.max(-65504, x)));
  expected.set(decodeF32("f16", encodeF32("f16", values.map(fit))), 3 * dim);
  expect(await ops.read(cache.k)).toEqual(expected);
  expect(await ops.read(cache.v)).toEqual(expected);
});

describe("the same bits", () => {
  test("the sets state what the tests below show", async () => {
    expect([(await open()).sameBits, (await open({ plain: true })).sameBits]).toEqual([true, true]);
    expect(referenceKernels().sameBits).toBe(true);
  });

  const sizes = (dtype: FloatDType) =>
    blockDTypes.includes(dtype) ? [256, 768] : [1, 15, 16, 37, 576, 1000, 1031, 1032];
  test.each(dtypes.flatMap((dtype) => sizes(dtype).map((inDim) => [dtype, inDim] as const)))(
    "linear, %s, inDim %i: rows alone, in chunks, all at once",
    async (dtype, inDim) => {
      const ops = createOps(await open());
      const outDim = 19;
      const w = await weights(ops, dtype, [outDim, inDim], 1);
      const x = noise(70 * inDim, 2);
      for (let i = 3 * inDim; i < 4 * inDim; i++) x[i] *= 1e-38; // too small to be scaled to 8 bits
      const product = (begin: number, end: number) =>
        bits(ops, ops.linear(ops.upload(x.slice(begin * inDim, end * inDim), [end - begin, inDim]), w));
      const whole = await product(0, 70);
      for (const size of [1, 2, 3, 4, 5, 7, 32, 64, 69])
        for (let begin = 0; begin < 70; begin += size) {
          const end = Math.min(70, begin + size);
          const expected = whole.subarray(begin * outDim, end * outDim);
          expectSameBits(await product(begin, end), expected, `rows ${begin} to ${end}`);
        }
      for (let rows = 1; rows < 70; rows++)
        expectSameBits(await product(0, rows), whole.subarray(0, rows * outDim), `${rows} rows`);
    },
  );

  test.each(dtypes)(
    "expertLinear, %s: each row as linear with its expert's weights, alone or among others",
    async (dtype) => {
      const ops = createOps(await open());
      const [n, outDim, inDim, rows, perRow] = [4, 19, 256, 300, 2];
      const w = await weights(ops, dtype, [n, outDim, inDim], 1);
      const ids = expertIds(rows * perRow, n);
      const x = noise(rows * inDim, 2);
      const row = (r: number) => ops.upload(x.slice(r * inDim, (r + 1) * inDim), [1, inDim]);
      const whole = await bits(ops, ops.expertLinear(ops.upload(x, [rows, inDim]), ops.upload(ids), w));
      const of = Array.from({ length: n }, (_, e) => expert(w, e));
      for (const r of [0, 1, 2, 7, 150, 299]) {
        const own = ids.slice(r * perRow, (r + 1) * perRow);
        const expected = whole.subarray(r * perRow * outDim, (r + 1) * perRow * outDim);
        expectSameBits(await bits(ops, ops.expertLinear(row(r), ops.upload(own), w)), expected, `row ${r} alone`);
        for (const [j, id] of own.entries())
        expectSameBits(await bits(ops, ops.linear(row(r), of[id])), expected.subarray(j * outDim, (j + 1) * outDim), `row ${r}, expert ${id}`); // biome-ignore format: one line
      }
    },
  );

  const widths = [
    { nHeads: 6, nCacheHeads: 2, kDim: 40, vDim: 24, scale: 0.2 },
    { nHeads: 6, nCacheHeads: 2, kDim: 32, vDim: 16, scale: 0.2 },
    { nHeads: 8, nCacheHeads: 2, kDim: 20, vDim: 12, scale: 0.2 }, // three queries together, and one
    { nHeads: 5, nCacheHeads: 1, kDim: 16, vDim: 8, scale: 0.2 }, // three, and two
    { nHeads: 6, nCacheHeads: 2, kDim: 18, vDim: 16, scale: 0.2 }, // no whole fours
    { nHeads: 6, nCacheHeads: 2, kDim: 16, vDim: 8, scale: 0.2, window: 70, softCap: 3 },
    { nHeads: 4, nCacheHeads: 2, kDim: 16, vDim: 8, scale: 0.2, window: 5 },
    { nHeads: 6, nCacheHeads: 2, kDim: 16, vDim: 16, scale: 1e-6, qSize: 1e6 }, // times 2^112 it would be infinite
  ].flatMap((heads) => (["f32", "f16"] as const).map((cache) => ({ ...heads, cache })));
  test.each(([1, 7, 64] as const).flatMap((size) => widths.map((heads) => ({ size, ...heads }))))(
    "attention: chunks of $size rows = all at once, $cache cache, $nHeads heads of $kDim and $vDim, scale $scale",
    async ({ size, cache, ...heads }) => {
      const ops = createOps(await open());
      const whole = await bits(ops, await attend(ops, [[0, 130]], heads, false, 130, cache));
      expectSameBits(await bits(ops, await attend(ops, [[0, 130]], heads, false, size, cache)), whole, "in chunks");
      // Beside another sequence, in other pages.
      const both = await bits(ops, await attend(ops, [[0, 130], [0, 5]], heads, false, size, cache)); // biome-ignore format: pairs
      expectSameBits(both.subarray(0, whole.length), whole, "beside another");
    },
  );

  test.skipIf(availableParallelism() < 2)("one thread = two threads", async () => {
    const results: Uint32Array[][] = [];
    for (const threads of [1, 2]) {
      const kernels = await simdKernels({ threads });
      const ops = createOps(kernels);
      const w = await weights(ops, "bf16", [1100, 577], 1); // over a megabyte: starts the workers
      const w576 = await weights(ops, "bf16", [1100, 576], 1);
      const blocks = await weights(ops, "q8_0", [1100, 576], 1);
      const experts = await weights(ops, "q8_0", [4, 1100, 576], 1);
      const rule = { ...[...routeRules(577 - 1)][1], nExperts: 577, nGroups: 1 };
      const superblocks = await Promise.all(
        (["q4_K", "q6_K"] as const).map((dtype) => weights(ops, dtype, [1100, 768], 1)),
      );
      while (!kernels.ready()) await new Promise((resolve) => setTimeout(resolve, 1));
      const of = async (): Promise<Uint32Array[]> => {
        const x = ops.upload(noise(130 * 577, 2), [130, 577]);
        const even = (rows: number) => ops.upload(noise(rows * 576, 6), [rows, 576]);
        const all: Tensor[] = [
          ...[1, 9, 130].flatMap((rows) => [ops.linear(even(rows), w576), ops.linear(even(rows), blocks)]),
          ...superblocks.map((w) => ops.linear(ops.upload(noise(768, 7), [1, 768]), w)),
          ops.linear(x, w),
          ops.linear(ops.upload(noise(577, 3), [1, 577]), w),
          ops.add(x, x),
          ops.expertLinear(even(130), ops.upload(expertIds(390, 4)), experts),
          ops.weightedSum(x, ops.upload(noise(130, 8), [26, 5])),
          ops.routeWeights(x, ops.route(x, undefined, rule), rule),
          ops.multiply(x, ops.scale(x, 3)),
          ops.columns(x, 300, 211),
          ops.swiglu(x, x),
          ops.gelu(x),
          ops.rmsNorm(x, ops.upload(noise(577, 4)), 1e-5),
          ops.layerNorm(x, ops.upload(noise(577, 4)), ops.upload(noise(577, 5)), 1e-5),
          ops.gather(w, ops.upload(Int32Array.from({ length: 130 }, (_, i) => i))),
          await attend(
            ops,
            [
              [70, 40],
              [0, 3],
            ],
            { nHeads: 6, nCacheHeads: 2, kDim: 40, vDim: 24, scale: 0.2 },
            false,
          ),
          await attend(
            ops,
            [
              [70, 40],
              [0, 3],
            ],
            { nHeads: 6, nCacheHeads: 2, kDim: 40, vDim: 24, scale: 0.2 },
            true,
          ),
        ];
        return Promise.all(all.map((t) => bits(ops, t)));
      };
      results.push(await of());
      for (let i = 0; i < 5 || kernels.chunkCounts().at(-1) === 0; i++) {
        for (const [t, result] of (await of()).entries())
          expect(Buffer.compare(Buffer.from(result.buffer), Buffer.from(results[0][t].buffer)), `op ${t}`).toBe(0);
        ops.endStep();
      }
      expect(kernels.chunkCounts().every((count) => count > 0)).toBe(true);
      kernels.close();
    }
  });
});

describe("threads", () => {
  test("about says what runs", async () => {
    const about = async (options: SimdOptions) => (await open(options)).about;
    expect(await about({ threads: 1 })).toMatch(/^WebAssembly SIMD, relaxed, one thread$/);
    expect(await about({ threads: 1, plain: true })).toBe("WebAssembly SIMD without relaxed instructions, one thread");
  });

  test.skipIf(availableParallelism() < 2)("workers sleep when idle, and do not keep the process alive", () => {
    const program = fileURLToPath(new URL("simd-idle.ts", import.meta.url));
    const run = spawnSync(process.execPath, ["--import", "tsx", program], { encoding: "utf8", timeout: 30_000 });
    expect(run.stderr).toBe("");
    expect(run.status).toBe(0);
    const { idleCpuMs, counts } = JSON.parse(run.stdout);
    expect(idleCpuMs).toBeLessThan(150); // of 500 ms
    expect(counts[1]).toBeGreaterThan(0);
  });
});

test("memory: what does not fit is refused with how much is needed and how much there is; what fits still does", async () => {
  const ops = createOps(await open({ limitPages: 64 })); // 4 MiB
  expect(() => ops.keep("f32", [2 ** 20])).toThrow(
    "simd kernels: 5 MiB of memory are needed (1 MiB are in use), at most 4 MiB can be had",
  );
  const kept = ops.keep("f32", [1000]);
  expect(() => ops.upload(new Float32Array(2 ** 20))).toThrow("5 MiB of memory are needed");
  expect(await ops.read(kept)).toEqual(new Float32Array(1000));
});

test("memory: steps use the same memory again, what is kept stays", async () => {
  const ops = createOps(await open({ limitPages: 64 }));
  const values = noise(1000, 1);
  const kept: Tensor[] = [];
  for (let step = 0; step < 100; step++) {
    const x = ops.upload(noise(50_000, step), [50, 1000]);
    if (step % 10 === 0) kept.push(await weights(ops, "f32", [1000], 1));
    const y = ops.upload(noise(50_000, step + 1), [50, 1000]);
    expect((await ops.read(ops.add(x, y)))[49_999]).toBe(
      Math.fround(noise(50_000, step)[49_999] + noise(50_000, step + 1)[49_999]),
    );
    ops.endStep();
  }
  for (const t of kept) expect(await ops.read(t)).toEqual(values);
});

/** The weights of one expert as a matrix. */
function expert({ dtype, shape: [, outDim, inDim], buffer }: Tensor, e: number): Tensor {
  const bytes = byteLengthOf(dtype, outDim * inDim);
  const { address } = buffer as { address: number };
  return { dtype, shape: [outDim, inDim], buffer: { address: address + e * bytes } };
}

async function bits(ops: Ops, t: Tensor): Promise<Uint32Array> {
  return new Uint32Array((await ops.read(t)).buffer);
}
