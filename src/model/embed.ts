// The rows of the embedding table that ids name, as they enter the forward pass: some families multiply them by a number.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { Model } from "./model.ts";

/** ids [rows] i32 → [rows, dModel] */
export function embed(ops: Ops, { embedding, config }: Model, ids: Tensor): Tensor {
  const rows = ops.gather(embedding, ids); // [rows, dModel]
  return config.embeddingScale === undefined ? rows : ops.scale(rows, config.embeddingScale); // [rows, dModel]
}
