// Grouped-query attention: queries of every head look at the keys of their group, and take its values.
// Ainslie et al. 2023, arXiv 2305.13245. Softmax, mask and cache are inside the op `attention`; here are the projections,
// the norms that some families put on q and k, and the rotation.

import type { Ops } from "../../kernels/ops.ts";
import { reshape, type Tensor } from "../../kernels/tensor.ts";
import type { Batch } from "./batch.ts";
import type { ModelConfig } from "./config.ts";
import type { Attention, Norm } from "./model.ts";
import { normalize } from "./norm.ts";
import { offer, type Probe } from "./probe.ts";

/** h [rows, dModel] → [rows, dModel], what attention of layer `index` adds to the residual stream */
export function attention(
  ops: Ops,
  weights: Attention,
  config: ModelConfig,
  h: Tensor,
  batch: Batch,
  index: number,
  probe?: Probe,
): Tensor {
  const { nHeads, nKvHeads, headDim } = config;
  let q = ops.linear(h, weights.q.weight, weights.q.bias); // [rows, nHeads · headDim]
  let k = ops.linear(h, weights.k.weight, weights.k.bias); // [rows, nKvHeads · headDim]
  const v = ops.linear(h, weights.v.weight, weights.v.bias); // [rows, nKvHeads · headDim]

  if (weights.qNorm) q = normalizeHeads(ops, weights.qNorm, q, config); // [rows, nHeads · headDim]
  if (weights.kNorm) k = normalizeHeads(ops, weights.kNorm, k, config); // [rows, nKvHeads · headDim]

  if (batch.rotation) {
    q = ops.rope(q, batch.rotation.cos, batch.rotation.sin, headDim); // [rows, nHeads · headDim]
    k = ops.rope(k, batch.rotation.cos, batch.rotation.sin, headDim); // [rows, nKvHeads · headDim]
  }
  offer(probe, `layers.${index}.q`, () => q);
  offer(probe, `layers.${index}.k`, () => k);

  const heads = { nHeads, nCacheHeads: nKvHeads, kDim: headDim, vDim: headDim, scale: 1 / Math.sqrt(headDim) };
  const mixed = ops.attention(q, k, v, batch.cache[index], batch, heads); // [rows, nHeads · headDim]
  offer(probe, `layers.${index}.probs`, () => ops.attentionProbs(q, batch.cache[index], batch, heads));

  return ops.linear(mixed, weights.o.weight, weights.o.bias); // [rows, dModel]
}

/** Normalizes every head by itself: x [rows, heads · headDim] → the same shape */
function normalizeHeads(ops: Ops, norm: Norm, x: Tensor, config: ModelConfig): Tensor {
  const heads = reshape(x, [(x.shape[0] * x.shape[1]) / config.headDim, config.headDim]); // [rows · heads, headDim]
  return reshape(normalize(ops, norm, heads, config.normEps), x.shape); // [rows, heads · headDim]
}
