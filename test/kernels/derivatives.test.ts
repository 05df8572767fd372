// Derivatives. Of the reference set: against central differences of its own forward ops, in f64. Of the fast sets: against
// the reference set.

import { describe, expect, test } from "vitest";
import type { Kernels } from "../../kernels/kernels.ts";
import { createOps, type Ops } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { type SimdOptions, simdKernels } from "../../kernels/simd/host/simd.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { LossOps } from "../../src/tune/recording.ts";
import { expectClose, expectNmse, tolerance } from "../expect-close.ts";
import { guarded } from "./cases.ts";
import { type DerivativeCase, derivativeCases, gradientsOf, uploadAs } from "./derivative-cases.ts";

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

describe.each([
  ["relaxed", {}],
  ["plain", { plain: true }],
] as [string, SimdOptions][])("simd set, %s build, against the reference set", (_, options) => {
  test.each([...derivativeCases(large, false)].map((c) => [c.name, c] as const))("%s", async (_, c) => {
    const { kernels, expectGuards } = guarded(simdKernels(options) as Kernels);
    const ops = createOps(kernels);
    const reference = createOps(referenceKernels());
    const actual = gradientsOf(ops, c, false);
    const expected = gradientsOf(reference, c, false);
    expectNmse(await ops.read(actual.out), await reference.read(expected.out), tolerance.fastKernel, "the output");
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
