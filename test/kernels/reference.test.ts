import { describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { decodeF32, encodeF32 } from "../../weights/dtype.ts";
import { tolerance } from "../expect-close.ts";
import { testKernels } from "./cases.ts";
import { noise } from "./simd-cases.ts";

describe("reference kernels against PyTorch in f64", () => testKernels(referenceKernels, tolerance.kernel));

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
