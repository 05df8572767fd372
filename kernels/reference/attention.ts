// Attention over pages: first every row of the step stores its key and value, then every row attends to its own sequence
// up to and including its own position. That second "up to" is the causal mask: later rows are in the cache already, and
// are not looked at. A sliding window is the other end of the same loop.
// Vaswani et al. 2017, arXiv 1706.03762; grouped heads: Ainslie et al. 2023, arXiv 2305.13245;
// pages: Kwon et al. 2023, "PagedAttention", arXiv 2309.06180

import type { DType } from "../../weights/dtype.ts";
import { type AttentionShape, type CacheBuffers, pageSize, type RowBuffers } from "../kernels.ts";
import { type Floats, readRow, type Stored, writeRow } from "./values.ts";

/** q [rows, nHeads, kDim], k [rows, nCacheHeads, kDim], v [rows, nCacheHeads, vDim] or null → out [rows, nHeads, vDim] */
export function attention(
  out: Floats,
  q: Floats,
  k: Floats,
  v: Floats | null,
  cache: CacheBuffers<Stored>,
  cacheDType: DType,
  rows: RowBuffers<Int32Array>,
  shape: AttentionShape<Stored>,
): void {
  const { nHeads, nCacheHeads, kDim, vDim } = shape;
  const kWidth = nCacheHeads * kDim;
  const vWidth = nCacheHeads * vDim;
  for (let r = 0; r < shape.rows; r++) {
    const slot = slotOf(rows, shape, r, rows.positions[r]);
    writeRow(cache.k, cacheDType, slot * kWidth, k.subarray(r * kWidth, (r + 1) * kWidth));
    if (v && cache.v) writeRow(cache.v, cacheDType, slot * vWidth, v.subarray(r * vWidth, (r + 1) * vWidth));
  }

  // Without values of their own, the first vDim of each key are the values.
  const values = cache.v ?? cache.k;
  const valueStride = cache.v ? vDim : kDim;
  const value = new Float64Array(vDim);
  const sum = new Float64Array(vDim);
  for (let r = 0; r < shape.rows; r++) {
    for (let head = 0; head < nHeads; head++) {
      const probs = softmax(scoresOf(q, cache.k, cacheDType, rows, shape, r, head), sinkOf(shape, head));
      const cacheHead = Math.floor((head * nCacheHeads) / nHeads);
      sum.fill(0);
      for (let t = firstSeen(shape, rows.positions[r]); t < probs.length; t++) {
        readRow(value, values, cacheDType, (slotOf(rows, shape, r, t) * nCacheHeads + cacheHead) * valueStride);
        for (let i = 0; i < vDim; i++) sum[i] += probs[t] * value[i];
      }
      out.set(sum, (r * nHeads + head) * vDim);
    }
  }
}

/** The probabilities by themselves: → out [rows, nHeads, maxPages · pageSize], zero where a row does not see */
export function attentionProbs(
  out: Floats,
  q: Floats,
  cachedKeys: Stored,
  cacheDType: DType,
  rows: RowBuffers<Int32Array>,
  shape: AttentionShape<Stored>,
): void {
  const columns = shape.maxPages * pageSize;
  out.fill(0, 0, shape.rows * shape.nHeads * columns);
  for (let r = 0; r < shape.rows; r++)
    for (let head = 0; head < shape.nHeads; head++) {
      const scores = scoresOf(q, cachedKeys, cacheDType, rows, shape, r, head);
      out.set(softmax(scores, sinkOf(shape, head)), (r * shape.nHeads + head) * columns);
    }
}

/** scale · q·k_t of one row and head, under the soft cap; −∞ before the window → [position + 1] */
function scoresOf(
  q: Floats,
  cachedKeys: Stored,
  cacheDType: DType,
  rows: RowBuffers<Int32Array>,
  shape: AttentionShape<Stored>,
  r: number,
  head: number,
): Float64Array {
  const { nHeads, nCacheHeads, kDim, scale, softCap } = shape;
  const cacheHead = Math.floor((head * nCacheHeads) / nHeads);
  const qAt = (r * nHeads + head) * kDim;
  const scores = new Float64Array(rows.positions[r] + 1).fill(-Infinity);
  const key = new Float64Array(kDim);
  for (let t = firstSeen(shape, rows.positions[r]); t < scores.length; t++) {
    readRow(key, cachedKeys, cacheDType, (slotOf(rows, shape, r, t) * nCacheHeads + cacheHead) * kDim);
    let score = 0;
    for (let i = 0; i < kDim; i++) score += q[qAt + i] * key[i];
    score *= scale;
    scores[t] = softCap ? softCap * Math.tanh(score / softCap) : score;
  }
  return scores;
}

/** e^s_t / (Σ_u e^s_u + e^sink) of scores s [n] → [n] */
function softmax(scores: Float64Array, sink: number): Float64Array {
  const max = scores.reduce((a, b) => Math.max(a, b), sink);
  const probs = scores.map((score) => Math.exp(score - max));
  const total = probs.reduce((a, b) => a + b, Math.exp(sink - max));
  return probs.map((p) => p / total);
}

/** The first position that a row at `position` sees. */
function firstSeen({ window }: AttentionShape<Stored>, position: number): number {
  return window ? Math.max(0, position + 1 - window) : 0;
}

/** A head's sink; e^−∞ adds nothing. */
function sinkOf({ sinks }: AttentionShape<Stored>, head: number): number {
  return sinks ? sinks[head] : -Infinity;
}

/** Index of a position of row r's sequence among all positions of all pages. */
function slotOf(rows: RowBuffers<Int32Array>, shape: AttentionShape<Stored>, r: number, position: number): number {
  const page = rows.pageTable[rows.sequences[r] * shape.maxPages + Math.floor(position / pageSize)];
  return page * pageSize + (position % pageSize);
}

/**
 * One row and head at a time: scores s_t and softmax p_t are computed again, then with d_t = dOut · v_t
 *   dS_t = p_t · (d_t − Σ_u p_u · d_u), under a soft cap c times 1 − (s_t / c)², the derivative of c · tanh
 *   dQ = Σ_t scale · dS_t · k_t,   dK_t += scale · dS_t · q,   dV_t += p_t · dOut
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
  shape: AttentionShape<Stored>,
): void {
  const { nHeads, nCacheHeads, kDim, vDim, scale, softCap } = shape;
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
      const first = firstSeen(shape, rows.positions[r]);
      const scores = scoresOf(q, cache.k, cacheDType, rows, shape, r, head);
      const probs = softmax(scores, sinkOf(shape, head));
      const dProbs = new Float64Array(probs.length);
      let mean = 0;
      for (let t = first; t < probs.length; t++) {
        readRow(value, values, cacheDType, at(slotOf(rows, shape, r, t)) * valueStride);
        for (let i = 0; i < vDim; i++) dProbs[t] += dOut[outAt + i] * value[i];
        mean += probs[t] * dProbs[t];
      }
      query.fill(0);
      for (let t = first; t < probs.length; t++) {
        const slot = slotOf(rows, shape, r, t);
        const capSlope = softCap ? 1 - (scores[t] / softCap) ** 2 : 1;
        const slope = scale * probs[t] * (dProbs[t] - mean) * capSlope; // ∂L/∂(q·k_t)
        readRow(key, cache.k, cacheDType, at(slot) * kDim);
        for (let i = 0; i < kDim; i++) query[i] += slope * key[i];
        const writer = rowOfSlot.get(slot);
        if (writer === undefined) continue;
        for (let i = 0; i < kDim; i++) keySums[at(writer) * kDim + i] += slope * q[qAt + i];
        for (let i = 0; i < vDim; i++) valueSums[at(writer) * valueStride + i] += probs[t] * dOut[outAt + i];
      }
      dQ.set(query, qAt);
    }
  }
  dK.set(keySums);
  if (dV) dV.set(valueSums);
}
