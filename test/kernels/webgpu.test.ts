// The WebGPU set on a GPU in software: right, and the same to the bit however the work is cut. In the short run the table of
// golden cases; `npm run test:gpu` also judges it by the reference set at the borders of everything.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Kernels } from "../../kernels/kernels.ts";
import { type WebGpuKernels, webgpuKernels } from "../../kernels/webgpu/webgpu.ts";
import type { FloatDType } from "../../weights/dtype.ts";
import { tolerance } from "../expect-close.ts";
import { gpuRun, noSoftwareGpu } from "../software-gpu.ts";
import { testKernels, testSoftmax } from "./cases.ts";
import { testAgainstReference } from "./simd-cases.ts";

const dtypes: FloatDType[] = ["f32", "bf16", "f16", "q8_0", "q4_0", "q4_1", "q4_K", "q6_K"];

let kernels: WebGpuKernels;

/** The set that all tests share: opening one takes as long as many tests. */
const open = (): Kernels => ({ ...kernels, close: () => kernels.endStep() }) as Kernels;

test.runIf(noSoftwareGpu)(`all were skipped: ${noSoftwareGpu}`, () => {});

describe.skipIf(noSoftwareGpu)("webgpu", () => {
  beforeAll(async () => {
    kernels = await webgpuKernels();
  });
  afterAll(() => kernels.close());

  describe("against PyTorch in f64", () => testKernels(open, tolerance.fastKernel));
  describe("a window, sinks, a soft cap", () => testSoftmax(open, tolerance.fastKernel));
  describe.runIf(gpuRun)("against the reference set", () =>
    testAgainstReference(open, dtypes, tolerance.fastKernel, false),
  );
  test("keeps its bits here", () => expect(kernels.sameBits).toBe(true));
});
