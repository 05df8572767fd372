// What is done to rows with a layer's weights: a projection (weight, bias, and whatever else is added to their product), the
// only place in model/ that multiplies by a weight; and the normalization of each row.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { Linear, Norm } from "./model.ts";

/** x · weightᵀ + bias: x [rows, inDim] → [rows, outDim] */
export function project(ops: Ops, { weight, bias }: Linear, x: Tensor): Tensor {
  return ops.linear(x, weight, bias); // [rows, outDim]
}

/** Several projections of one x, which a kernel set may do together: x [rows, inDim] → each [rows, outDim] */
export function projectAll(ops: Ops, projections: readonly Linear[], x: Tensor): Tensor[] {
  return ops.linears(x, projections); // each [rows, outDim]
}

/** x [rows, dim] → [rows, dim] */
export function normalize(ops: Ops, norm: Norm, x: Tensor, eps: number): Tensor {
  return norm.bias ? ops.layerNorm(x, norm.weight, norm.bias, eps) : ops.rmsNorm(x, norm.weight, eps);
}
