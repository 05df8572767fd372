import { describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { decodeF32, encodeF32 } from "../../weights/dtype.ts";
import { tolerance } from "../expect-close.ts";
import { testKernels, testSoftmax } from "./cases.ts";
import { noise } from "./noise.ts";

describe("reference kernels against PyTorch in f64", () => testKernels(referenceKernels, tolerance.kernel));
describe("with a window, sinks, a soft cap", () => testSoftmax(referenceKernels, tolerance.kernel));

test("a cache in f16 = one in f32 of keys and values that were rounded before", async () => {
  const attended = (dtype: "f32" | "f16", round: (x: Float32Array) => Float32Array) => {
    const ops = createOps(referenceKernels());
    const cache = { k: ops.keep(dtype, [1, 64, 2, 8]), v: ops.keep(dtype, [1, 64, 2, 8]) };
    const rows = {
      sequences: ops.upload(new Int32Array(5)),
      positions: ops.upload(Int32Array.from([0, 1, 2, 3, 4])),
      pageTable: ops.upload(Int32Array.of(0), [1, 1]),
    };
    const [q, k, v] = [noise(5 * 32, 1), round(noise(5 * 16, 2)), round(noise(5 * 16, 3))];
    const heads = { nHeads: 4, nCacheHeads: 2, kDim: 8, vDim: 8, scale: 1 };
    return ops.read(
      ops.attention(ops.upload(q, [5, 32]), ops.upload(k, [5, 16]), ops.upload(v, [5, 16]), cache, rows, heads),
    );
  };
  const half = await attended("f16", (x) => x);
  expect(half).toEqual(await attended("f32", (x) => decodeF32("f16", encodeF32("f16", x))));
  expect(half).not.toEqual(await attended("f32", (x) => x));
});

test("pages before the window are never looked at: they may be gone", async () => {
  const attended = async (firstPages: number[]) => {
    const ops = createOps(referenceKernels());
    const page = (seed: number) =>
      ops.load("f32", [1, 64, 1, 8], async (into) => into.set(encodeF32("f32", noise(512, seed))));
    const cache = { k: await page(1), v: await page(2) };
    const rows = {
      sequences: ops.upload(new Int32Array(3)),
      positions: ops.upload(Int32Array.from([131, 132, 133])),
      pageTable: ops.upload(Int32Array.from([...firstPages, 0]), [1, 3]),
    };
    const heads = { nHeads: 2, nCacheHeads: 1, kDim: 8, vDim: 8, scale: 1, window: 4 };
    const [q, k, v] = [16, 8, 8].map((width, i) => ops.upload(noise(3 * width, 3 + i), [3, width]));
    const out = ops.attention(q, k, v, cache, rows, heads);
    const { dQ, dK, dV } = ops.derivatives().attentionBackward(out, q, cache, rows, heads);
    const probs = ops.attentionProbs(q, cache, rows, heads);
    return Promise.all([out, probs, dQ, dK, dV].map((t) => ops.read(t as Tensor)));
  };
  const there = await attended([0, 0]);
  expect(there.flatMap((values) => [...values]).every(Number.isFinite)).toBe(true);
  expect(await attended([7, -1])).toEqual(there);
});
