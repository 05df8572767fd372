// What is done to rows with a layer's weights: a projection (weight, bias, and whatever else is added to their product), the
// only place in model/ that multiplies by a weight; the normalization of each row; and the rows of the embedding table.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { Linear, Model, Norm } from "./model.ts";

/** x · weightᵀ + bias: x [rows, inDim] → [rows, outDim] */
export function project(ops: Ops, { weight, bias }: Linear, x: Tensor): Tensor {
  return ops.linear(x, weight, bias); // [rows, outDim]
}

/** Several projections of one x, which a kernel set may do together: x [rows, inDim] → each [rows, outDim] */
export function projectAll(ops: Ops, projections: readonly Linear[], x: Tensor): Tensor[] {
  return ops.linears(x, projections); // each [rows, outDim]
}

/** x [rows, dim] → [rows, dim] */
export function normalize(ops: Ops, { weight, bias, eps }: Norm, x: Tensor, modelEps: number): Tensor {
  return bias ? ops.layerNorm(x, weight, bias, eps ?? modelEps) : ops.rmsNorm(x, weight, eps ?? modelEps);
}

/** The same where there is a norm, else x itself. */
export function normalizeIf(ops: Ops, norm: Norm | undefined, x: Tensor, modelEps: number): Tensor {
  return norm ? normalize(ops, norm, x, modelEps) : x;
}

/** Rows of the embedding table as they enter the forward pass; some families multiply them by a number. ids [rows] i32 → [rows, dModel] */
export function embed(ops: Ops, { embedding, config }: Model, ids: Tensor): Tensor {
  const rows = ops.gather(embedding, ids); // [rows, dModel]
  return config.embeddingScale === undefined ? rows : ops.scale(rows, config.embeddingScale); // [rows, dModel]
}
