// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1): of each position the cache holds one compressed
// vector c and one turned key for all heads, a fraction of what keys and values of every head would take.
//
// With K_h and V_h a head's share of the weights, its key is [K_h c | turned] and its value V_h c. Nobody has to make them:
// q·(K_h c) = (K_hᵀ q)·c and Σ p·(V_h c) = V_h (Σ p·c), so every head looks at c itself, with a query and a mixture of
// values as wide as c ("absorbed"). The sums are those of the plain form in another order.

import type { Ops } from "../../kernels/ops.ts";
import { reshape, type Tensor } from "../../kernels/tensor.ts";
import type { Batch } from "./batch.ts";
import type { LatentConfig, ModelConfig } from "./config.ts";
import type { Latent } from "./model.ts";
import type { Place } from "./places.ts";
import { normalize, project } from "./project.ts";

/** h [rows, dModel] → [rows, dModel], what attention of layer i adds to the residual stream */
export function latentAttention(
  ops: Ops,
  weights: Latent,
  config: ModelConfig,
  h: Tensor,
  batch: Batch,
  i: number,
  place: Place,
): Tensor {
  const { nHeads, normEps, headDim } = config;
  const { kvRank, nopeDim, vHeadDim } = config.latent as LatentConfig;
  const headIds = batch.heads as Tensor; // [rows · nHeads]
  const ropeDim = headDim - nopeDim;
  const kDim = kvRank + ropeDim;
  const rows = h.shape[0];

  const { qDown, qNorm } = weights;
  const small = qDown && qNorm ? normalize(ops, qNorm, project(ops, qDown, h), normEps) : h; // [rows, qRank or dModel]
  const queries = reshape(project(ops, weights.q, small), [rows * nHeads, headDim]); // [rows · nHeads, nopeDim + ropeDim]
  const absorbed = ops.expertLinear(ops.columns(queries, 0, nopeDim), headIds, weights.headK); // [rows · nHeads, kvRank]
  let q = ops.joinColumns([absorbed, ops.columns(queries, nopeDim, ropeDim)]); // [rows · nHeads, kDim]
  q = reshape(q, [rows, nHeads * kDim]); // [rows, nHeads · kDim]

  const kv = project(ops, weights.kv, h); // [rows, kvRank + ropeDim]
  const compressed = normalize(ops, weights.kvNorm, ops.columns(kv, 0, kvRank), normEps); // [rows, kvRank]
  let k = ops.joinColumns([compressed, ops.columns(kv, kvRank, ropeDim)]); // [rows, kDim]

  const rotation = batch.rotations[i];
  if (rotation) {
    q = ops.rope(q, rotation.cos, rotation.sin, kDim, kvRank); // [rows, nHeads · kDim]
    k = ops.rope(k, rotation.cos, rotation.sin, kDim, kvRank); // [rows, kDim]
  }
  q = place("layers.*.q", q, i);
  k = place("layers.*.k", k, i);

  const heads = { nHeads, nCacheHeads: 1, kDim, vDim: kvRank, scale: weights.scale, window: config.windows?.[i] };
  const mixed = ops.attention(q, k, null, batch.cache[i], batch, heads); // [rows, nHeads · kvRank]
  if (place.isRead("layers.*.probs", i))
    place("layers.*.probs", ops.attentionProbs(q, batch.cache[i], batch, heads), i); // [rows, nHeads, pages · pageSize]

  const perHead = reshape(mixed, [rows * nHeads, kvRank]); // [rows · nHeads, kvRank]
  const values = ops.expertLinear(perHead, headIds, weights.headV); // [rows · nHeads, vHeadDim]
  return project(ops, weights.o, place("layers.*.heads", reshape(values, [rows, nHeads * vHeadDim]), i)); // [rows, dModel]
}
