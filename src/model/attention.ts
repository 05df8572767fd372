// Attention by its kind, and grouped-query attention: queries of every head look at the keys of their group, and take its
// values (Ainslie et al. 2023, arXiv 2305.13245). Softmax, mask and cache are inside the op `attention`; here are the
// projections, the norms that some families put on q and k, and the rotation.

import type { Ops } from "../../kernels/ops.ts";
import { reshape, type Tensor } from "../../kernels/tensor.ts";
import type { Batch } from "./batch.ts";
import type { ModelConfig } from "./config.ts";
import { latentAttention } from "./latent-attention.ts";
import type { Attention, GroupedQuery, Norm } from "./model.ts";
import type { Place } from "./places.ts";
import { normalize, project, projectAll } from "./project.ts";

/** h [rows, dModel] → [rows, dModel], what attention of layer i adds to the residual stream */
export function attention(
  ops: Ops,
  weights: Attention,
  config: ModelConfig,
  h: Tensor,
  batch: Batch,
  i: number,
  place: Place,
): Tensor {
  switch (weights.kind) {
    case "grouped-query":
      return groupedQuery(ops, weights, config, h, batch, i, place);
    case "latent":
      return latentAttention(ops, weights, config, h, batch, i, place);
  }
}

function groupedQuery(
  ops: Ops,
  weights: GroupedQuery,
  config: ModelConfig,
  h: Tensor,
  batch: Batch,
  i: number,
  place: Place,
): Tensor {
  const { nHeads, nKvHeads, headDim } = config;
  let [q, k, v] = projectAll(ops, [weights.q, weights.k, weights.v], h); // [rows, heads · headDim], nHeads of q and nKvHeads of k and v

  if (weights.qNorm) q = normalizeHeads(ops, weights.qNorm, q, config); // [rows, nHeads · headDim]
  if (weights.kNorm) k = normalizeHeads(ops, weights.kNorm, k, config); // [rows, nKvHeads · headDim]

  const rotation = batch.rotations[i];
  if (rotation) [q, k] = ops.ropes([q, k], rotation.cos, rotation.sin, headDim); // as before
  q = place("layers.*.q", q, i);
  k = place("layers.*.k", k, i);
  v = place("layers.*.v", v, i);

  const { scale, softCap, sinks } = weights;
  const window = config.windows?.[i];
  const heads = { nHeads, nCacheHeads: nKvHeads, kDim: headDim, vDim: headDim, scale, softCap, sinks, window };
  const mixed = ops.attention(q, k, v, batch.cache[i], batch, heads); // [rows, nHeads · headDim]
  if (place.isRead("layers.*.probs", i))
    place("layers.*.probs", ops.attentionProbs(q, batch.cache[i], batch, heads), i); // [rows, nHeads, pages · pageSize]
  return project(ops, weights.o, place("layers.*.heads", mixed, i)); // [rows, dModel]
}

/** Normalizes every head by itself: x [rows, heads · headDim] → the same shape */
function normalizeHeads(ops: Ops, norm: Norm, x: Tensor, config: ModelConfig): Tensor {
  const heads = reshape(x, [(x.shape[0] * x.shape[1]) / config.headDim, config.headDim]); // [rows · heads, headDim]
  return reshape(normalize(ops, norm, heads, config.normEps), x.shape); // [rows, heads · headDim]
}
