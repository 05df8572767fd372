// Derivatives. Of the reference set: against central differences of its own forward ops, in f64. Of the fast sets: against
// the reference set.

import { availableParallelism } from "node:os";
import { describe, expect, test } from "vitest";
import type { Kernels } from "../../kernels/kernels.ts";
import { createOps, type Ops } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { type SimdOptions, simdKernels } from "../../kernels/simd/host/simd.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { webgpuKernels } from "../../kernels/webgpu/webgpu.ts";
import { type LossOps, recording } from "../../src/tune/recording.ts";
import { decodeF32, encodeF32 } from "../../weights/dtype.ts";
import { expectClose, expectNmse, tolerance } from "../expect-close.ts";
import { gpuRun, noSoftwareGpu } from "../software-gpu.ts";
import { guarded } from "./cases.ts";
import { type DerivativeCase, derivativeCases, gradientsOf, uploadAs } from "./derivative-cases.ts";
import { noise } from "./noise.ts";
import { weights } from "./simd-cases.ts";

const small = {
  matrices: [
    [1, 1, 1],
    [3, 5, 4],
  ],
  rows: [
    [1, 2],
    [3, 5],
  ],
  ropes: [
    [1, 1, 2, 1, 0],
    [3, 2, 7, 2, 3],
  ],
  heads: [
    [1, 1, 1, 1],
    [4, 2, 3, 2],
  ],
  parts: [
    [[0, 1]],
    [[63, 3]],
    [
      [0, 3],
      [2, 2],
    ],
  ],
} as const;

describe("reference set in f64 against central differences", () => {
  test.each([...derivativeCases(small, true)].map((c) => [c.name, c] as const))("%s", (_, c) => {
    const ops = createOps(referenceKernels());
    const { c: weights, gradients } = gradientsOf(ops, c, true);
    for (const [name, { shape, values }] of Object.entries(c.inputs)) {
      const expected = Float64Array.from(values, (_, i) => centralDifference(ops, c, name, i, weights));
      expect(gradients[name].shape).toEqual(shape);
      expectClose(doubles(gradients[name]), expected, tolerance.derivative, `${c.name}: gradient by ${name}`);
    }
  });
});

/** (L(x + h) − L(x − h)) / 2h for one element of one input, L = Σ c · out. */
function centralDifference(ops: Ops, c: DerivativeCase, name: string, i: number, weights: Float32Array): number {
  const h = 1e-4;
  const loss = (step: number) => {
    const inputs: Record<string, Tensor> = {};
    for (const [other, { shape, values }] of Object.entries(c.inputs)) {
      const moved = Float64Array.from(values);
      if (other === name) moved[i] += step;
      inputs[other] = uploadAs(ops, true, moved, shape);
    }
    const derivatives = ops.derivatives();
    const out = c.run({ ...ops, logProbs: derivatives.logProbs } as Ops & LossOps, inputs);
    return doubles(out).reduce((sum, value, at) => sum + weights[at] * value, 0);
  };
  return (loss(h) - loss(-h)) / (2 * h);
}

/** The reference set's buffers are typed arrays; `read` would round them to f32. */
function doubles(t: Tensor): Float64Array {
  expect(t.dtype).toBe("f64");
  return t.buffer as Float64Array;
}

const large = {
  matrices: [
    [1, 1, 1],
    [3, 33, 7],
    [5, 70, 515],
    [33, 100, 47],
    [261, 67, 31],
    [1030, 40, 70],
  ],
  rows: [
    [1, 1],
    [3, 2051],
    [130, 577],
  ],
  ropes: [
    [1, 1, 2, 1, 0],
    [5, 3, 64, 32, 0],
    [150, 9, 70, 13, 41],
  ],
  heads: [
    [1, 1, 1, 1],
    [9, 3, 64, 64],
    [4, 1, 37, 21],
  ],
  parts: [
    [[0, 1]],
    [[0, 70]],
    [
      [575, 1],
      [150, 1],
      [3, 9],
      [190, 67],
    ],
  ],
} as const;

let webgpu: Promise<Kernels> | undefined;
/** One for all tests, whose steps end where it would be closed: opening it takes as long as many of them. */
async function sharedWebGpu(): Promise<Kernels> {
  webgpu ??= webgpuKernels() as Promise<Kernels>;
  const kernels = await webgpu;
  return { ...kernels, close: kernels.endStep };
}
const ofSimd = (options: SimdOptions) => (): Promise<Kernels> => simdKernels(options);
const sets: [string, () => Promise<Kernels>][] = !gpuRun
  ? [
      ["simd set, relaxed build", ofSimd({})],
      ["simd set, plain build", ofSimd({ plain: true })],
    ]
  : noSoftwareGpu
    ? []
    : [["webgpu set", sharedWebGpu]];

describe.each(sets)("%s, against the reference set", (_, open) => {
  test.each([...derivativeCases(large, false)].map((c) => [c.name, c] as const))("%s", async (_, c) => {
    const { kernels, expectGuards } = guarded(await open());
    const ops = createOps(kernels);
    const reference = createOps(referenceKernels());
    const actual = gradientsOf(ops, c, false);
    const expected = gradientsOf(reference, c, false);
    expectNmse(
      await actual.tape.ops.read(actual.out),
      await expected.tape.ops.read(expected.out),
      tolerance.fastKernel,
      "the output",
    );
    for (const [name, { shape }] of Object.entries(c.inputs)) {
      expect(actual.gradients[name].shape).toEqual(shape);
      const [of, by] = [await ops.read(actual.gradients[name]), await reference.read(expected.gradients[name])];
      if (by.some((value) => value !== 0)) expectNmse(of, by, tolerance.fastKernel, `gradient by ${name}`);
      else expect(of).toEqual(by);
    }
    await expectGuards();
    kernels.close();
  });
});

describe.each(sets.slice(0, 1))("%s", (_, open) => {
  test.each(["bf16", "f16", "q8_0", "q4_0", "q4_1", "q4_K", "q6_K"] as const)(
    "weights in %s: a recorded product leaves x in f32, and so does its derivative",
    async (dtype) => {
      const run = async (kernels: Kernels) => {
        const ops = createOps(kernels);
        const [rows, inDim, outDim] = [37, 768, 45];
        const w = await weights(ops, dtype, [outDim, inDim], 1);
        const x = ops.upload(noise(rows * inDim, 2), [rows, inDim]);
        const bias = ops.upload(noise(outDim, 3));
        const tape = recording(ops, [x, w]);
        const out = tape.ops.linear(x, w, bias);
        const found = tape.backward([[out, ops.upload(noise(rows * outDim, 4), [rows, outDim])]]);
        return Promise.all([out, found.get(x), found.get(w)].map((t) => tape.ops.read(t as Tensor)));
      };
      const [actual, expected] = [await run(await open()), await run(referenceKernels())];
      for (const [i, values] of expected.entries()) expectNmse(actual[i], values, tolerance.fastKernel, `result ${i}`);
    },
  );
});

test("simd set: a cache in f16 holds rounded keys and values, and the derivative is that of what it holds", async () => {
  const [rows, dim] = [70, 40];
  const heads = { nHeads: 2, nCacheHeads: 1, kDim: dim, vDim: dim, scale: dim ** -0.5 };
  const run = async (kernels: Kernels, cacheDType: "f16" | "f32") => {
    const ops = createOps(kernels);
    const round = (x: Float32Array) => (cacheDType === "f16" ? x : decodeF32("f16", encodeF32("f16", x)).slice());
    const leaves = [
      ops.upload(noise(rows * 2 * dim, 1), [rows, 2 * dim]),
      ops.upload(round(noise(rows * dim, 2)), [rows, dim]),
      ops.upload(round(noise(rows * dim, 3)), [rows, dim]),
    ];
    const tape = recording(ops, leaves);
    const pages = { k: ops.keep(cacheDType, [2, 64, 1, dim]), v: ops.keep(cacheDType, [2, 64, 1, dim]) };
    const step = {
      sequences: ops.upload(new Int32Array(rows)),
      positions: ops.upload(Int32Array.from({ length: rows }, (_, r) => r)),
      pageTable: ops.upload(Int32Array.of(1, 0), [1, 2]),
    };
    const out = tape.ops.attention(leaves[0], leaves[1], leaves[2], pages, step, heads);
    const found = tape.backward([[out, ops.upload(noise(rows * 2 * dim, 4), [rows, 2 * dim])]]);
    return Promise.all(leaves.map((leaf) => ops.read(found.get(leaf) as Tensor)));
  };
  const [actual, expected] = [await run(await simdKernels(), "f16"), await run(referenceKernels(), "f32")];
  for (const [i, values] of expected.entries()) expectNmse(actual[i], values, tolerance.fastKernel, `gradient ${i}`);
});

test("simd set: attention of more rows than p and s are stored of at a time", async () => {
  const [rows, nHeads, maxPages] = [21, 16, 1024]; // a long page table makes for blocks of eight rows
  const heads = { nHeads, nCacheHeads: 4, kDim: 12, vDim: 8, scale: 0.3 };
  const run = async (kernels: Kernels) => {
    const ops = createOps(kernels);
    const leaves = [nHeads * 12, 4 * 12, 4 * 8].map((width, i) => ops.upload(noise(rows * width, i), [rows, width]));
    const tape = recording(ops, leaves);
    const table = new Int32Array(2 * maxPages);
    table.set([0, 1], 0);
    table.set([2], maxPages);
    const step = {
      sequences: ops.upload(Int32Array.from({ length: rows }, (_, r) => Number(r % 5 === 0))),
      positions: ops.upload(Int32Array.from({ length: rows }, (_, r) => (r % 5 === 0 ? r / 5 : 55 + r))),
      pageTable: ops.upload(table, [2, maxPages]),
    };
    const pages = { k: ops.keep("f32", [3, 64, 4, 12]), v: ops.keep("f32", [3, 64, 4, 8]) };
    const out = tape.ops.attention(leaves[0], leaves[1], leaves[2], pages, step, heads);
    const found = tape.backward([[out, ops.upload(noise(rows * nHeads * 8, 4), [rows, nHeads * 8])]]);
    return Promise.all(leaves.map((leaf) => ops.read(found.get(leaf) as Tensor)));
  };
  const [actual, expected] = [await run(await simdKernels()), await run(referenceKernels())];
  for (const [i, values] of expected.entries()) expectNmse(actual[i], values, tolerance.fastKernel, `gradient ${i}`);
});

test.skipIf(availableParallelism() < 2)("simd set: one thread = two threads, to the bit", async () => {
  const results: Uint32Array[][] = [];
  for (const threads of [1, 2]) {
    const kernels = await simdKernels({ threads });
    const ops = createOps(kernels);
    await weights(ops, "f32", [1 << 18], 1); // a megabyte: starts the workers
    while (!kernels.ready()) await new Promise((resolve) => setTimeout(resolve, 1));
    const bits: Uint32Array[] = [];
    for (const c of [...derivativeCases(large, false)].filter((_, i) => i % 4 === 1)) {
      const { gradients } = gradientsOf(ops, c, false);
      for (const t of Object.values(gradients)) bits.push(new Uint32Array((await ops.read(t)).buffer));
    }
    results.push(bits);
    expect(kernels.chunkCounts().every((count) => count > 0)).toBe(true);
    kernels.close();
  }
  for (const [i, bits] of results[0].entries())
    expect(Buffer.compare(Buffer.from(bits.buffer), Buffer.from(results[1][i].buffer)), `gradient ${i}`).toBe(0);
});

test("a recording refuses gradients by attention's sinks, which have none", () => {
  const ops = createOps(referenceKernels());
  const sinks = ops.upload(Float32Array.of(1));
  const x = ops.upload(Float32Array.of(1), [1, 1]);
  const rows = {
    sequences: ops.upload(Int32Array.of(0)),
    positions: ops.upload(Int32Array.of(0)),
    pageTable: ops.upload(Int32Array.of(0), [1, 1]),
  };
  const pages = { k: ops.keep("f32", [1, 64, 1, 1]), v: ops.keep("f32", [1, 64, 1, 1]) };
  const heads = { nHeads: 1, nCacheHeads: 1, kDim: 1, vDim: 1, scale: 1, sinks };
  expect(() => recording(ops, [x, sinks]).ops.attention(x, x, x, pages, rows, heads)).toThrow(
    "recording: attention has no derivative by its sinks, expected them not to be wanted",
  );
  expect(recording(ops, [x]).ops.attention(x, x, x, pages, rows, heads).shape).toEqual([1, 1]);
});
