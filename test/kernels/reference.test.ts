import { describe } from "vitest";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { tolerance } from "../expect-close.ts";
import { testKernels } from "./cases.ts";

describe("reference kernels against PyTorch in f64", () => testKernels(referenceKernels, tolerance.kernel));
