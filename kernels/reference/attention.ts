// Attention over pages: first every row of the step stores its key and value, then every row attends to its own sequence
// up to and including its own position. That second "up to" is the causal mask: later rows are in the cache already, and
// are not looked at.
// Vaswani et al. 2017, arXiv 1706.03762; grouped heads: Ainslie et al. 2023, arXiv 2305.13245;
// pages: Kwon et al. 2023, "PagedAttention", arXiv 2309.06180

import type { DType } from "../../weights/dtype.ts";
import { type AttentionShape, type CacheBuffers, pageSize, type RowBuffers } from "../kernels.ts";
import { type Floats, readRow, type Stored } from "./values.ts";

/** q [rows, nHeads, kDim], k [rows, nCacheHeads, kDim], v [rows, nCacheHeads, vDim] or null → out [rows, nHeads, vDim] */
export function attention(
  out: Floats,
  q: Floats,
  k: Floats,
  v: Floats | null,
  cache: CacheBuffers<Stored>,
  cacheDType: DType,
  rows: RowBuffers<Int32Array>,
  shape: AttentionShape,
): void {
  const { nHeads, nCacheHeads, kDim, vDim } = shape;
  const kWidth = nCacheHeads * kDim;
  const vWidth = nCacheHeads * vDim;
  for (let r = 0; r < shape.rows; r++) {
    const slot = slotOf(rows, shape, r, rows.positions[r]);
    (cache.k as Floats).set(k.subarray(r * kWidth, (r + 1) * kWidth), slot * kWidth);
    if (v) (cache.v as Floats).set(v.subarray(r * vWidth, (r + 1) * vWidth), slot * vWidth);
  }

  // Without values of their own, the first vDim of each key are the values.
  const values = cache.v ?? cache.k;
  const valueStride = cache.v ? vDim : kDim;
  const value = new Float64Array(vDim);
  const sum = new Float64Array(vDim);
  for (let r = 0; r < shape.rows; r++) {
    for (let head = 0; head < nHeads; head++) {
      const probs = softmaxRow(q, cache.k, cacheDType, rows, shape, r, head);
      const cacheHead = Math.floor((head * nCacheHeads) / nHeads);
      sum.fill(0);
      for (let t = 0; t < probs.length; t++) {
        readRow(value, values, cacheDType, (slotOf(rows, shape, r, t) * nCacheHeads + cacheHead) * valueStride);
        for (let i = 0; i < vDim; i++) sum[i] += probs[t] * value[i];
      }
      out.set(sum, (r * nHeads + head) * vDim);
    }
  }
}

/** The softmax by itself: → out [rows, nHeads, maxPages · pageSize], zero after each row's own position */
export function attentionProbs(
  out: Floats,
  q: Floats,
  cachedKeys: Stored,
  cacheDType: DType,
  rows: RowBuffers<Int32Array>,
  shape: AttentionShape,
): void {
  const columns = shape.maxPages * pageSize;
  out.fill(0, 0, shape.rows * shape.nHeads * columns);
  for (let r = 0; r < shape.rows; r++)
    for (let head = 0; head < shape.nHeads; head++)
      out.set(softmaxRow(q, cachedKeys, cacheDType, rows, shape, r, head), (r * shape.nHeads + head) * columns);
}

/** softmax over t = 0 … position of scale · q·k_t, for one row and head → [position + 1] */
function softmaxRow(
  q: Floats,
  cachedKeys: Stored,
  cacheDType: DType,
  rows: RowBuffers<Int32Array>,
  shape: AttentionShape,
  r: number,
  head: number,
): Float64Array {
  const { nHeads, nCacheHeads, kDim, scale } = shape;
  const cacheHead = Math.floor((head * nCacheHeads) / nHeads);
  const qAt = (r * nHeads + head) * kDim;
  const probs = new Float64Array(rows.positions[r] + 1);
  const key = new Float64Array(kDim);
  let max = -Infinity;
  for (let t = 0; t < probs.length; t++) {
    readRow(key, cachedKeys, cacheDType, (slotOf(rows, shape, r, t) * nCacheHeads + cacheHead) * kDim);
    let score = 0;
    for (let i = 0; i < kDim; i++) score += q[qAt + i] * key[i];
    probs[t] = score * scale;
    max = Math.max(max, probs[t]);
  }
  let total = 0;
  for (let t = 0; t < probs.length; t++) {
    probs[t] = Math.exp(probs[t] - max);
    total += probs[t];
  }
  for (let t = 0; t < probs.length; t++) probs[t] /= total;
  return probs;
}

/** Index of a position of row r's sequence among all positions of all pages. */
function slotOf(rows: RowBuffers<Int32Array>, shape: AttentionShape, r: number, position: number): number {
  const page = rows.pageTable[rows.sequences[r] * shape.maxPages + Math.floor(position / pageSize)];
  return page * pageSize + (position % pageSize);
}

/**
 * One row and head at a time: the softmax is computed again, then
 *   s_t = scale · p_t · (d_t − Σ_u p_u · d_u) with d_t = dOut · v_t,   dQ = Σ_t s_t · k_t,   dK_t += s_t · q,   dV_t += p_t · dOut
 * where t was written by a row of this step; other positions came from the cache and get nothing.
 * dOut [rows, nHeads, vDim], q [rows, nHeads, kDim] → dQ as q, dK [rows, nCacheHeads, kDim], dV [rows, nCacheHeads, vDim]
 * or null: then v is the first vDim values of each key, and dK gets its gradient too.
 */
export function attentionBackward(
  dQ: Floats,
  dK: Floats,
  dV: Floats | null,
  dOut: Floats,
  q: Floats,
  cache: CacheBuffers<Stored>,
  cacheDType: DType,
  rows: RowBuffers<Int32Array>,
  shape: AttentionShape,
): void {
  const { nHeads, nCacheHeads, kDim, vDim, scale } = shape;
  const rowOfSlot = new Map<number, number>(); // of this step
  for (let r = 0; r < shape.rows; r++) rowOfSlot.set(slotOf(rows, shape, r, rows.positions[r]), r);

  const values = cache.v ?? cache.k;
  const valueStride = cache.v ? vDim : kDim;
  const key = new Float64Array(kDim);
  const value = new Float64Array(vDim);
  const query = new Float64Array(kDim);
  const keySums = new Float64Array(shape.rows * nCacheHeads * kDim);
  const valueSums = cache.v ? new Float64Array(shape.rows * nCacheHeads * vDim) : keySums;
  for (let r = 0; r < shape.rows; r++) {
    for (let head = 0; head < nHeads; head++) {
      const cacheHead = Math.floor((head * nCacheHeads) / nHeads);
      const at = (slot: number) => slot * nCacheHeads + cacheHead;
      const qAt = (r * nHeads + head) * kDim;
      const outAt = (r * nHeads + head) * vDim;
      const probs = softmaxRow(q, cache.k, cacheDType, rows, shape, r, head);
      const dProbs = new Float64Array(probs.length);
      let mean = 0;
      for (let t = 0; t < probs.length; t++) {
        readRow(value, values, cacheDType, at(slotOf(rows, shape, r, t)) * valueStride);
        for (let i = 0; i < vDim; i++) dProbs[t] += dOut[outAt + i] * value[i];
        mean += probs[t] * dProbs[t];
      }
      query.fill(0);
      for (let t = 0; t < probs.length; t++) {
        const slot = slotOf(rows, shape, r, t);
        const dScore = scale * probs[t] * (dProbs[t] - mean);
        readRow(key, cache.k, cacheDType, at(slot) * kDim);
        for (let i = 0; i < kDim; i++) query[i] += dScore * key[i];
        const writer = rowOfSlot.get(slot);
        if (writer === undefined) continue;
        for (let i = 0; i < kDim; i++) keySums[at(writer) * kDim + i] += dScore * q[qAt + i];
        for (let i = 0; i < vDim; i++) valueSums[at(writer) * valueStride + i] += probs[t] * dOut[outAt + i];
      }
      dQ.set(query, qAt);
    }
  }
  dK.set(keySums);
  if (dV) dV.set(valueSums);
}
