// Normalization of each row: RMS norm, or layer norm where the checkpoint has a bias.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { Norm } from "./model.ts";

/** x [rows, dim] → [rows, dim] */
export function normalize(ops: Ops, norm: Norm, x: Tensor, eps: number): Tensor {
  return norm.bias ? ops.layerNorm(x, norm.weight, norm.bias, eps) : ops.rmsNorm(x, norm.weight, eps);
}
