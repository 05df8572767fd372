// A kernel set that rounds nothing before it multiplies: the products with quantized weights of one that rounds x to 8 bits for
// speed are replaced by those that it has for derivatives.

import { FieldError } from "../src/field-error.ts";
import { isBlockDType } from "../weights/dtype.ts";
import type { Kernels } from "./kernels.ts";

/** The set, with `linear` and `expertLinear` of x as it is. @throws FieldError if it rounds and has no other way. */
export function exactKernels(kernels: Kernels): Kernels {
  if (!kernels.roundsRows) return kernels;
  const { derivatives, name, about } = kernels;
  if (!derivatives)
    throw new FieldError(
      "exact",
      `the ${name} kernels round rows to 8 bits before they multiply them with quantized weights, and have no other way; expected simd or reference`,
      "unsupported",
    );
  return {
    ...kernels,
    about: `${about}, nothing rounded before products`,
    roundsRows: false,
    linear(out, x, w, dtype, bias, rows, inDim, outDim) {
      const linear = isBlockDType(dtype) ? derivatives.linearExact : kernels.linear;
      linear(out, x, w, dtype, bias, rows, inDim, outDim);
    },
    expertLinear(out, x, ids, w, dtype, ...sizes) {
      const expertLinear = isBlockDType(dtype) ? derivatives.expertLinearExact : kernels.expertLinear;
      expertLinear(out, x, ids, w, dtype, ...sizes);
    },
  };
}
