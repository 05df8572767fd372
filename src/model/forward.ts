// PAGE ONE. A decoder-only transformer: rows of embeddings go in, logits come out.
//
// Each row is one position of one sequence. The residual stream x passes through nLayers blocks; each block adds to it
// what attention finds at earlier positions and what the feed-forward makes of the row alone. Both see x normalized
// first ("pre-norm", Radford et al. 2019). Everything a model family does differently is in the weights' record.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { attention } from "./attention.ts";
import type { Batch } from "./batch.ts";
import { feedForward } from "./feed-forward.ts";
import type { Model } from "./model.ts";
import { normalize } from "./norm.ts";
import { offer, type Probe } from "./probe.ts";
import { project } from "./project.ts";

/**
 * One step of the model: x [rows, dModel], rows of embeddings → logits [outputs, vocabSize] of the rows that the batch
 * wants logits of. Writes the keys and values of every row to the batch's cache pages.
 * @throws if a tensor does not have the shape that the model's config promises.
 */
export function forward(ops: Ops, model: Model, x: Tensor, batch: Batch, probe?: Probe): Tensor {
  const { config } = model;
  if (model.positionTable) x = ops.add(x, ops.gather(model.positionTable, batch.positions)); // [rows, dModel]
  offer(probe, "residual.0", () => x);

  for (const index of model.layers.keys()) x = ops.scope(() => block(ops, model, index, x, batch, probe)); // [rows, dModel]

  const last = ops.gather(x, batch.outputRows); // [outputs, dModel]
  const final = normalize(ops, model.finalNorm, last, config.normEps); // [outputs, dModel]
  offer(probe, "final", () => final);
  const logits = project(ops, model.head, final); // [outputs, vocabSize]
  offer(probe, "logits", () => logits);
  return logits;
}

/** One block: x [rows, dModel] → [rows, dModel] */
function block(ops: Ops, { config, layers }: Model, index: number, x: Tensor, batch: Batch, probe?: Probe): Tensor {
  const layer = layers[index];
  const h = normalize(ops, layer.attnNorm, x, config.normEps); // [rows, dModel]
  const attended = attention(ops, layer.attn, config, h, batch, index, probe); // [rows, dModel]
  offer(probe, `layers.${index}.attention`, () => attended);
  const y = ops.add(x, attended); // [rows, dModel]

  const g = normalize(ops, layer.ffNorm, y, config.normEps); // [rows, dModel]
  const fed = feedForward(ops, layer.ff, g); // [rows, dModel]
  offer(probe, `layers.${index}.feedForward`, () => fed);
  const out = ops.add(y, fed); // [rows, dModel]
  offer(probe, `residual.${index + 1}`, () => out);
  return out;
}
