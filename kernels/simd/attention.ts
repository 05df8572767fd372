// out = Σ_t softmax_t(scale · q·k_t) · v_t over the positions of a row's own sequence, up to the row's own
//
// The softmax is never stored: positions are taken a page at a time, and what has been summed so far is rescaled whenever a
// page has a larger score than all before it (online softmax: Milakov & Gimelshein 2018, arXiv 1805.02867; as in
// FlashAttention, Dao et al. 2022, arXiv 2205.14135). With m the largest score so far, l = Σ e^(score − m) and
// acc = Σ e^(score − m) · v, the result is acc / l. Memory is one page of scores, however long the sequence; and since the
// pages are those of the row's own sequence in their order, the sum has the same order whatever else the step holds.
//
// A chunk is one head of one row.

import { Job } from "./jobs";
import { arg, floatArg, ownScratch, parallel, setArg, setFloatArg } from "./threads";
import { dot, exp, madd, sumLanes } from "./vector";

const pageSize: i32 = 64;

const outArg: i32 = 0;
const qArg: i32 = 1;
const keysArg: i32 = 2;
const valuesArg: i32 = 3;
const sequencesArg: i32 = 4;
const positionsArg: i32 = 5;
const pageTableArg: i32 = 6;
const nHeadsArg: i32 = 7;
const nCacheHeadsArg: i32 = 8;
const kDimArg: i32 = 9;
const vDimArg: i32 = 10;
const valueStrideArg: i32 = 11;
const maxPagesArg: i32 = 12;
const scaleArg: i32 = 13;

/** q [rows, nHeads, kDim], k [rows, nCacheHeads, kDim], v [rows, nCacheHeads, vDim] or 0 → out [rows, nHeads, vDim] */
export function attention(
  out: usize,
  q: usize,
  k: usize,
  v: usize,
  keys: usize,
  values: usize,
  sequences: usize,
  positions: usize,
  pageTable: usize,
  rows: i32,
  nHeads: i32,
  nCacheHeads: i32,
  kDim: i32,
  vDim: i32,
  maxPages: i32,
  scale: f32,
): void {
  setRows(out, q, keys, sequences, positions, pageTable, nHeads, nCacheHeads, kDim, maxPages, scale);
  // Without values of their own, the first vDim of each key are the values.
  setArg(valuesArg, values ? values : keys);
  setArg(valueStrideArg, values ? vDim : kDim);
  setArg(vDimArg, vDim);
  // All rows are stored before any attends: a row may see earlier rows of its own step.
  for (let r = 0; r < rows; r++) {
    const slot = slotOf(r, load<i32>(positions + ((<usize>r) << 2)));
    storeRow(keys, slot, k, r, nCacheHeads * kDim);
    if (v) storeRow(values, slot, v, r, nCacheHeads * vDim);
  }
  parallel(Job.Attention, rows * nHeads);
}

/** The softmax by itself: → out [rows, nHeads, maxPages · pageSize], zero after each row's own position */
export function attentionProbs(
  out: usize,
  q: usize,
  keys: usize,
  sequences: usize,
  positions: usize,
  pageTable: usize,
  rows: i32,
  nHeads: i32,
  nCacheHeads: i32,
  kDim: i32,
  maxPages: i32,
  scale: f32,
): void {
  setRows(out, q, keys, sequences, positions, pageTable, nHeads, nCacheHeads, kDim, maxPages, scale);
  parallel(Job.AttentionProbs, rows * nHeads);
}

function setRows(
  out: usize,
  q: usize,
  keys: usize,
  sequences: usize,
  positions: usize,
  pageTable: usize,
  nHeads: i32,
  nCacheHeads: i32,
  kDim: i32,
  maxPages: i32,
  scale: f32,
): void {
  setArg(outArg, out);
  setArg(qArg, q);
  setArg(keysArg, keys);
  setArg(sequencesArg, sequences);
  setArg(positionsArg, positions);
  setArg(pageTableArg, pageTable);
  setArg(nHeadsArg, nHeads);
  setArg(nCacheHeadsArg, nCacheHeads);
  setArg(kDimArg, kDim);
  setArg(maxPagesArg, maxPages);
  setFloatArg(scaleArg, scale);
}

function storeRow(pages: usize, slot: i32, from: usize, r: i32, width: i32): void {
  memory.copy(pages + ((<usize>slot * width) << 2), from + ((<usize>r * width) << 2), (<usize>width) << 2);
}

/** Index of a position of row r's sequence among all positions of all pages. */
function slotOf(r: i32, position: i32): i32 {
  const sequence = load<i32>(arg(sequencesArg) + ((<usize>r) << 2));
  const entry = sequence * <i32>arg(maxPagesArg) + position / pageSize;
  return load<i32>(arg(pageTableArg) + ((<usize>entry) << 2)) * pageSize + (position % pageSize);
}

export function attentionChunk(chunk: i32): void {
  const nHeads = <i32>arg(nHeadsArg);
  const r = chunk / nHeads;
  const head = chunk % nHeads;
  const vDim = <i32>arg(vDimArg);
  const cacheHead = (head * <i32>arg(nCacheHeadsArg)) / nHeads;
  const positions = load<i32>(arg(positionsArg) + ((<usize>r) << 2)) + 1;
  const out = arg(outArg) + ((<usize>chunk * vDim) << 2);
  memory.fill(out, 0, (<usize>vDim) << 2);

  const scores = ownScratch();
  let largest: f32 = -Infinity;
  let total: f32 = 0;
  for (let begin = 0; begin < positions; begin += pageSize) {
    const n = min(pageSize, positions - begin);
    const slot = slotOf(r, begin);
    const pageLargest = pageScores(scores, chunk, cacheHead, slot, n);
    if (pageLargest > largest) {
      const shrink = f32x4.extract_lane(exp(f32x4.splat(largest - pageLargest)), 0); // 0 on the first page
      scale(out, shrink, vDim);
      total *= shrink;
      largest = pageLargest;
    }
    total += toWeights(scores, n, largest);
    const stride = arg(valueStrideArg) << 2;
    const width = stride * arg(nCacheHeadsArg);
    const value = arg(valuesArg) + <usize>slot * width + <usize>cacheHead * stride;
    for (let t = 0; t < n; t++) addScaled(out, value + <usize>t * width, load<f32>(scores + ((<usize>t) << 2)), vDim);
  }
  scale(out, 1 / total, vDim);
}

/** scale · q·k of n positions of a page; the largest of them. Fills the rest of the last vector with −∞. */
function pageScores(scores: usize, qRow: i32, cacheHead: i32, slot: i32, n: i32): f32 {
  const kDim = <i32>arg(kDimArg);
  const width = (arg(nCacheHeadsArg) * <usize>kDim) << 2;
  const q = arg(qArg) + ((<usize>qRow * kDim) << 2);
  let key = arg(keysArg) + <usize>slot * width + ((<usize>cacheHead * kDim) << 2);
  let largest: f32 = -Infinity;
  for (let t = 0; t < n; t++, key += width) {
    const score = dot(q, key, kDim) * floatArg(scaleArg);
    store<f32>(scores + ((<usize>t) << 2), score);
    largest = max(largest, score);
  }
  for (let t = n; t & 3; t++) store<f32>(scores + ((<usize>t) << 2), -Infinity);
  return largest;
}

/** score → e^(score − largest) in place; their sum. */
function toWeights(scores: usize, n: i32, largest: f32): f32 {
  const largests = f32x4.splat(largest);
  let sum = f32x4.splat(0);
  for (let t = 0; t < n; t += 4, scores += 16) {
    const weights = exp(f32x4.sub(v128.load(scores), largests));
    v128.store(scores, weights);
    sum = f32x4.add(sum, weights);
  }
  return sumLanes(sum);
}

/** x *= factor */
function scale(x: usize, factor: f32, n: i32): void {
  const end = x + ((<usize>(n & ~3)) << 2);
  const last = x + ((<usize>n) << 2);
  const factors = f32x4.splat(factor);
  for (; x < end; x += 16) v128.store(x, f32x4.mul(v128.load(x), factors));
  for (; x < last; x += 4) store<f32>(x, load<f32>(x) * factor);
}

/** sum += weight · value */
function addScaled(sum: usize, value: usize, weight: f32, n: i32): void {
  const end = sum + ((<usize>(n & ~3)) << 2);
  const last = sum + ((<usize>n) << 2);
  const weights = f32x4.splat(weight);
  for (; sum < end; sum += 16, value += 16) v128.store(sum, madd(v128.load(value), weights, v128.load(sum)));
  for (; sum < last; sum += 4, value += 4) store<f32>(sum, load<f32>(value) * weight + load<f32>(sum));
}

export function attentionProbsChunk(chunk: i32): void {
  const nHeads = <i32>arg(nHeadsArg);
  const r = chunk / nHeads;
  const cacheHead = ((chunk % nHeads) * <i32>arg(nCacheHeadsArg)) / nHeads;
  const positions = load<i32>(arg(positionsArg) + ((<usize>r) << 2)) + 1;
  const columns = <i32>arg(maxPagesArg) * pageSize;
  const out = arg(outArg) + ((<usize>chunk * columns) << 2);
  let largest: f32 = -Infinity;
  for (let begin = 0; begin < positions; begin += pageSize) {
    const n = min(pageSize, positions - begin);
    largest = max(largest, pageScores(out + ((<usize>begin) << 2), chunk, cacheHead, slotOf(r, begin), n));
  }
  const total = toWeights(out, positions, largest);
  scale(out, 1 / total, positions);
  memory.fill(out + ((<usize>positions) << 2), 0, (<usize>(columns - positions)) << 2);
}
