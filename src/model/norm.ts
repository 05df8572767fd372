// Normalization of each row: RMS norm, or layer norm where the checkpoint has a bias.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { Norm } from "./model.ts";

/** x [rows, dim] → [rows, dim] */
export function normalize(ops: Ops, { weight, bias, eps }: Norm, x: Tensor, modelEps: number): Tensor {
  return bias ? ops.layerNorm(x, weight, bias, eps ?? modelEps) : ops.rmsNorm(x, weight, eps ?? modelEps);
}

/** The same where there is a norm, else x itself. */
export function normalizeIf(ops: Ops, norm: Norm | undefined, x: Tensor, modelEps: number): Tensor {
  return norm ? normalize(ops, norm, x, modelEps) : x;
}
