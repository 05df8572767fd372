import { describe } from "vitest";
import { simdKernels } from "../../kernels/simd/host/simd.ts";
import { testKernels } from "./cases.ts";

describe("simd kernels against PyTorch in f64", () => testKernels(simdKernels, 1e-7));
