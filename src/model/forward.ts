// PAGE ONE. A decoder-only transformer: rows of embeddings go in, logits come out.
//
// Each row is one position of one sequence. The residual stream x passes through nLayers blocks; each block adds to it
// what attention finds at earlier positions and what the feed-forward makes of the row alone. Both see x normalized
// first ("pre-norm", Radford et al. 2019), some families normalize what is added too. Everything a model family does differently is in the weights' record.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { attention } from "./attention.ts";
import type { Batch } from "./batch.ts";
import { feedForward } from "./feed-forward.ts";
import type { Model } from "./model.ts";
import { nobody, type Place } from "./places.ts";
import { normalize, normalizeIf, project } from "./project.ts";

/**
 * One step of the model: x [rows, dModel], rows of embeddings → logits [outputs, vocabSize] of the rows that the batch
 * wants logits of. Writes the keys and values of every row to the batch's cache pages. Whoever reads or changes what lies
 * between is at a `place`.
 * @throws if a tensor does not have the shape that the model's config promises.
 */
export function forward(ops: Ops, model: Model, x: Tensor, batch: Batch, place: Place = nobody): Tensor {
  const { config } = model;
  if (model.positionTable) x = ops.add(x, ops.gather(model.positionTable, batch.positions)); // [rows, dModel]
  x = place("residual.*", x, 0);

  for (const i of model.layers.keys()) x = ops.scope(() => block(ops, model, i, x, batch, place)); // [rows, dModel]

  const last = ops.gather(x, batch.outputRows); // [outputs, dModel]
  const final = place("final", normalize(ops, model.finalNorm, last, config.normEps)); // [outputs, dModel]
  return place("logits", project(ops, model.head, final)); // [outputs, vocabSize]
}

/** Block i: x [rows, dModel] → [rows, dModel] */
function block(ops: Ops, { config, layers }: Model, i: number, x: Tensor, batch: Batch, place: Place): Tensor {
  const { attnNorm, attn, attnAfterNorm, ffNorm, ff, ffAfterNorm } = layers[i];
  const h = place("layers.*.attentionNorm", normalize(ops, attnNorm, x, config.normEps), i); // [rows, dModel]
  const found = attention(ops, attn, config, h, batch, i, place); // [rows, dModel]
  const attended = place("layers.*.attention", normalizeIf(ops, attnAfterNorm, found, config.normEps), i); // [rows, dModel]
  const y = place("layers.*.between", ops.add(x, attended), i); // [rows, dModel]

  const g = place("layers.*.feedForwardNorm", normalize(ops, ffNorm, y, config.normEps), i); // [rows, dModel]
  const made = feedForward(ops, ff, g, i, place); // [rows, dModel]
  const fed = place("layers.*.feedForward", normalizeIf(ops, ffAfterNorm, made, config.normEps), i); // [rows, dModel]
  return place("residual.*", ops.add(y, fed), i + 1); // [rows, dModel]
}
