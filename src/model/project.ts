// A projection of rows: weight, bias, and whatever else is added to their product. The only place in model/ that multiplies
// by a weight.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { Linear } from "./model.ts";

/** x · weightᵀ + bias: x [rows, inDim] → [rows, outDim] */
export function project(ops: Ops, { weight, bias }: Linear, x: Tensor): Tensor {
  return ops.linear(x, weight, bias); // [rows, outDim]
}
