// The rows that enter a step: ids become rows of the embedding table, embeddings are rows already.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { embed } from "../model/embed.ts";
import type { Model } from "../model/model.ts";
import type { Run } from "../prompt/segments.ts";

/** The rows of all runs, in order: [rows, dModel] */
export function embedRows(ops: Ops, model: Model, runs: Iterable<Run>): Tensor {
  const { dModel } = model.config;
  const tensors: Tensor[] = [];
  let ids: number[] = [];
  const flush = () => {
    if (ids.length > 0) tensors.push(embed(ops, model, ops.upload(Int32Array.from(ids)))); // [ids, dModel]
    ids = [];
  };
  for (const run of runs) {
    if ("ids" in run) ids.push(...run.ids);
    else {
      flush();
      tensors.push(ops.upload(run.embeds, [run.rows, dModel]));
    }
  }
  flush();
  return tensors.length === 1 ? tensors[0] : ops.concat(tensors); // [rows, dModel]
}
