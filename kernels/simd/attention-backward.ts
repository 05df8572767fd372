// Derivative of attention: with p_t the softmax of a row and head, d_t = dOut · v_t and D = Σ_t p_t · d_t,
//
//   s_t = scale · p_t · (d_t − D),   dQ = Σ_t s_t · k_t,   dK_t += s_t · q,   dV_t += p_t · dOut
//
// and s_t times 1 − (score_t / c)² under a soft cap c; positions that a window hides have p = s = 0, and a sink makes all p smaller.
//
// The softmax was never stored, so it is computed again, for a block of rows at a time: as many as a store of bounded size
// holds p and s of. Two jobs for each block, so that no two threads add to the same number and every sum has one order
// (FlashAttention-2, Dao 2023, arXiv 2307.08691, splits its backward pass in the same two directions):
//   1. A chunk is a few rows and a cache head with all its query heads: p, s and dQ.
//   2. A chunk is a page that rows of this step have written, and a cache head: to dK and dV of its positions it adds what
//      the block's rows that look at the page give, in their order. Four of them (rows or heads) are added at a time, so that
//      each number of dK is loaded once for four products.
// Keys and values that were in the cache before get no gradient. Tried without gain: computing p and s once more in the
// second job instead of storing them (a fifth slower).

import { f32Code } from "./codes";
import { argumentsAt, chunksOf, ownNumber, parallel } from "./threads";
import { capped, exp, madd, sumLanes } from "./vector";
import { bytesOf, widenRow } from "./widen";

/** The arguments of both jobs (threads.ts). */
@unmanaged
class AttentionBackward {
  dQ: usize;
  dK: usize;
  dV: usize;
  dOut: usize;
  q: usize;
  keys: usize;
  /** The keys again where v is a prefix of k */
  values: usize;
  sequences: usize;
  positions: usize;
  pageTable: usize;
  rows: i32;
  nHeads: i32;
  nCacheHeads: i32;
  kDim: i32;
  vDim: i32;
  /** Elements from one cached value head to the next */
  valueStride: i32;
  maxPages: i32;
  scale: f32;
  /** Positions that a row sees, or 0: all */
  window: i32;
  /** A logit for each head, or 0 */
  sinks: usize;
  /** Or 0 */
  softCap: f32;
  dtype: i32;
  /** s and p of the block's rows and heads */
  store: usize;
  /** The pages that rows of this step have written: `pageWords` each */
  written: usize;
  /** `threadBytes` for each thread */
  threads: usize;
  threadBytes: usize;
  /** Rows of the block */
  blockBegin: i32;
  blockEnd: i32;
}
const job = changetype<AttentionBackward>(argumentsAt);

const pageSize: i32 = 64;
/** Rows of a chunk of the first job. */
const chunkRows: i32 = 8;
/** Rows and heads that the second job adds at a time. */
const batch: i32 = 4;
/** i32 words that describe a written page: its number, then the row that wrote each position, or −1. */
const pageWords: i32 = 1 + pageSize;
/** f32 words that p and s of a block may take: 64 MiB. */
const storeWords: i32 = 1 << 24;

/** f32 words of a thread: keys and values of a page, their gradients, and zeros for a page. */
function threadWords(kDim: i32, vDim: i32): i32 {
  return 2 * pageSize * (kDim + vDim) + pageSize;
}

/** Rows of a block: whole chunks of the first job. */
function blockRowsOf(rows: i32, nHeads: i32, maxPages: i32): i32 {
  const rowWords = 2 * nHeads * maxPages * pageSize;
  return min(chunksOf(rows, chunkRows), max(1, storeWords / rowWords / chunkRows)) * chunkRows;
}

/** Bytes of scratch memory that a call needs. */
export function attentionBackwardScratch(
  rows: i32,
  nHeads: i32,
  kDim: i32,
  vDim: i32,
  maxPages: i32,
  threads: i32,
): usize {
  const store = blockRowsOf(rows, nHeads, maxPages) * 2 * nHeads * maxPages * pageSize;
  return (<usize>(store + rows * pageWords + threads * threadWords(kDim, vDim))) << 2;
}

/** dOut [rows, nHeads, vDim], q [rows, nHeads, kDim] → dQ as q, dK [rows, nCacheHeads, kDim], dV [rows, nCacheHeads, vDim], or 0 where v is a prefix of k */
export function attentionBackward(
  dQ: usize,
  dK: usize,
  dV: usize,
  dOut: usize,
  q: usize,
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
  window: i32,
  sinks: usize,
  softCap: f32,
  dtype: i32,
  scratch: usize,
): void {
  const blockRows = blockRowsOf(rows, nHeads, maxPages);
  const written = scratch + ((<usize>(blockRows * 2 * nHeads * maxPages * pageSize)) << 2);
  job.dQ = dQ;
  job.dK = dK;
  job.dV = dV;
  job.dOut = dOut;
  job.q = q;
  job.keys = keys;
  job.values = values ? values : keys;
  job.sequences = sequences;
  job.positions = positions;
  job.pageTable = pageTable;
  job.rows = rows;
  job.nHeads = nHeads;
  job.nCacheHeads = nCacheHeads;
  job.kDim = kDim;
  job.vDim = vDim;
  job.valueStride = values ? vDim : kDim;
  job.maxPages = maxPages;
  job.scale = scale;
  job.window = window;
  job.sinks = sinks;
  job.softCap = softCap;
  job.dtype = dtype;
  job.store = scratch;
  job.written = written;
  job.threads = written + ((<usize>(rows * pageWords)) << 2);
  job.threadBytes = (<usize>threadWords(kDim, vDim)) << 2;
  const pages = listWritten(written, rows);
  for (let begin = 0; begin < rows; begin += blockRows) {
    const end = min(rows, begin + blockRows);
    job.blockBegin = begin;
    job.blockEnd = end;
    parallel(attentionBackwardRowsChunk, chunksOf(end - begin, chunkRows) * nCacheHeads);
    parallel(attentionBackwardPagesChunk, pages * nCacheHeads);
  }
}

/** Lists the pages that rows of this step have written, with the row of each position; → how many. */
function listWritten(list: usize, rows: i32): i32 {
  let count = 0;
  let entry = list;
  for (let r = 0; r < rows; r++) {
    const page = pageOf(r, positionOf(r) / pageSize);
    // Rows of a sequence mostly follow one another, so the page is mostly the one before.
    if (count === 0 || load<i32>(entry) !== page) {
      entry = list;
      let i = 0;
      while (i < count && load<i32>(entry) !== page) {
        entry += (<usize>pageWords) << 2;
        i++;
      }
      if (i === count) {
        count++;
        memory.fill(entry, 0xff, (<usize>pageWords) << 2);
        store<i32>(entry, page);
      }
    }
    store<i32>(entry + ((<usize>(1 + (positionOf(r) % pageSize))) << 2), r);
  }
  return count;
}

// ---- 1: rows

function attentionBackwardRowsChunk(chunk: i32): void {
  const nCacheHeads = job.nCacheHeads;
  const group = job.nHeads / nCacheHeads;
  const cacheHead = chunk % nCacheHeads;
  const from = job.blockBegin + (chunk / nCacheHeads) * chunkRows;
  const end = min(job.blockEnd, from + chunkRows);
  const kDim = job.kDim;
  const vDim = job.vDim;
  for (let r = from; r < end; r++) {
    const first = r * job.nHeads + cacheHead * group; // rows and heads are counted as one
    const n = positionOf(r) + 1;
    const low = firstSeen(r);
    const begin = low & ~(pageSize - 1);
    const offset = (<usize>begin) << 2;
    for (let t = begin; t < n; t += pageSize) {
      const slot = pageOf(r, t / pageSize) * pageSize;
      const key = keysOf(slot, cacheHead);
      const value = valuesOf(slot, cacheHead);
      const count = min(pageSize, n - t);
      for (let row = first; row < first + group; row++) {
        const at = (<usize>t) << 2;
        dots(slopesOf(row) + at, queryOf(row), key, keyWidth(), kDim, job.scale, count);
        dots(probsOf(row) + at, dOutOf(row), value, valueWidth(), vDim, 1, count);
      }
    }
    for (let row = first; row < first + group; row++) {
      toSlopes(slopesOf(row) + offset, probsOf(row) + offset, n - begin, low - begin, row % job.nHeads);
      memory.fill(job.dQ + ((<usize>(row * kDim)) << 2), 0, (<usize>kDim) << 2);
    }
    for (let t = begin; t < n; t += pageSize) {
      const key = keysOf(pageOf(r, t / pageSize) * pageSize, cacheHead);
      for (let row = first; row < first + group; row++) {
        const dQ = job.dQ + ((<usize>(row * kDim)) << 2);
        addKeys(dQ, slopesOf(row) + ((<usize>t) << 2), key, min(pageSize, n - t));
      }
    }
  }
}

/**
 * Scores and d of n positions, of which the first `hidden` are not seen → s and p, in their places; up to the end of the last
 * page both are zeros. Under a soft cap e^score is computed twice, for its slope needs the score again.
 */
function toSlopes(scores: usize, d: usize, n: i32, hidden: i32, head: i32): void {
  const end = (<usize>n) << 2;
  const whole = (<usize>(n & ~3)) << 2;
  const cap = job.softCap;
  const sink: f32 = job.sinks ? load<f32>(job.sinks + ((<usize>head) << 2)) : -f32.MAX_VALUE;
  if (cap > 0)
    for (let t: usize = 0; t < end; t += 16) v128.store(scores + t, capped(v128.load(scores + t), f32x4.splat(cap)));
  for (let t = 0; t < hidden; t++) store<f32>(scores + ((<usize>t) << 2), -Infinity);
  let largest = sink;
  for (let t: usize = 0; t < end; t += 4) largest = max(largest, load<f32>(scores + t));
  const most = f32x4.splat(largest);
  let sums = f32x4.splat(0);
  let means = sums;
  let t: usize = 0;
  for (; t < whole; t += 16) {
    const weight = exp(f32x4.sub(v128.load(scores + t), most));
    if (cap === 0) v128.store(scores + t, weight);
    sums = f32x4.add(sums, weight);
    means = madd(weight, v128.load(d + t), means);
  }
  let sum = sumLanes(sums);
  let mean = sumLanes(means);
  for (; t < end; t += 4) {
    const weight = f32x4.extract_lane(exp(f32x4.splat(load<f32>(scores + t) - largest)), 0);
    if (cap === 0) store<f32>(scores + t, weight);
    sum += weight;
    mean += weight * load<f32>(d + t);
  }
  if (job.sinks) sum += f32x4.extract_lane(exp(f32x4.splat(sink - largest)), 0);
  const inverse: f32 = 1 / sum;
  const scale = job.scale;
  mean *= inverse;
  for (t = 0; t < whole; t += 16) {
    const score = v128.load(scores + t);
    const weight = cap === 0 ? score : exp(f32x4.sub(score, most));
    const p = f32x4.mul(weight, f32x4.splat(inverse));
    const slope = f32x4.mul(f32x4.mul(p, f32x4.splat(scale)), f32x4.sub(v128.load(d + t), f32x4.splat(mean)));
    v128.store(scores + t, cap === 0 ? slope : f32x4.mul(slope, slopeOfCap(score, cap)));
    v128.store(d + t, p);
  }
  for (; t < end; t += 4) {
    const score = load<f32>(scores + t);
    const weight = cap === 0 ? score : f32x4.extract_lane(exp(f32x4.splat(score - largest)), 0);
    const p = weight * inverse;
    const slope = p * scale * (load<f32>(d + t) - mean);
    const factor: f32 = cap === 0 ? 1 : f32x4.extract_lane(slopeOfCap(f32x4.splat(score), cap), 0);
    store<f32>(scores + t, slope * factor);
    store<f32>(d + t, p);
  }
  const rest = (<usize>(-n & (pageSize - 1))) << 2;
  memory.fill(scores + end, 0, rest);
  memory.fill(d + end, 0, rest);
}

/** 1 − (score / cap)²; 0 for a score of −∞. */
function slopeOfCap(score: v128, cap: f32): v128 {
  const ratio = f32x4.div(f32x4.pmax(score, f32x4.splat(-cap)), f32x4.splat(cap));
  return f32x4.sub(f32x4.splat(1), f32x4.mul(ratio, ratio));
}

/** dQ [kDim] += Σ_t weights_t · k_t over n positions of a page. */
function addKeys(dQ: usize, weights: usize, key: usize, n: i32): void {
  const kDim = job.kDim;
  const width = keyWidth();
  const weightsEnd = weights + ((<usize>n) << 2);
  let i = 0;
  for (; i + 32 <= kDim; i += 32, dQ += 128, key += 128) {
    let a = v128.load(dQ);
    let b = v128.load(dQ, 16);
    let c = v128.load(dQ, 32);
    let d = v128.load(dQ, 48);
    let e = v128.load(dQ, 64);
    let f = v128.load(dQ, 80);
    let g = v128.load(dQ, 96);
    let h = v128.load(dQ, 112);
    for (let w = weights, k = key; w < weightsEnd; w += 4, k += width) {
      const weight = v128.load_splat<f32>(w);
      a = madd(weight, v128.load(k), a);
      b = madd(weight, v128.load(k, 16), b);
      c = madd(weight, v128.load(k, 32), c);
      d = madd(weight, v128.load(k, 48), d);
      e = madd(weight, v128.load(k, 64), e);
      f = madd(weight, v128.load(k, 80), f);
      g = madd(weight, v128.load(k, 96), g);
      h = madd(weight, v128.load(k, 112), h);
    }
    v128.store(dQ, a);
    v128.store(dQ, b, 16);
    v128.store(dQ, c, 32);
    v128.store(dQ, d, 48);
    v128.store(dQ, e, 64);
    v128.store(dQ, f, 80);
    v128.store(dQ, g, 96);
    v128.store(dQ, h, 112);
  }
  for (; i + 4 <= kDim; i += 4, dQ += 16, key += 16) {
    let sum = v128.load(dQ);
    for (let w = weights, k = key; w < weightsEnd; w += 4, k += width)
      sum = madd(v128.load_splat<f32>(w), v128.load(k), sum);
    v128.store(dQ, sum);
  }
  for (; i < kDim; i++, dQ += 4, key += 4) {
    let sum = load<f32>(dQ);
    for (let w = weights, k = key; w < weightsEnd; w += 4, k += width) sum += load<f32>(w) * load<f32>(k);
    store<f32>(dQ, sum);
  }
}

// ---- 2: pages

function attentionBackwardPagesChunk(chunk: i32): void {
  const nCacheHeads = job.nCacheHeads;
  const nHeads = job.nHeads;
  const group = nHeads / nCacheHeads;
  const kDim = job.kDim;
  const vDim = job.vDim;
  const cacheHead = chunk % nCacheHeads;
  const entry = job.written + ((<usize>((chunk / nCacheHeads) * pageWords)) << 2);
  const page = load<i32>(entry);
  const dKeys = ownMemory() + ((<usize>(pageSize * (kDim + vDim))) << 2);
  const dValues = dKeys + ((<usize>(pageSize * kDim)) << 2);
  const zeros = dValues + ((<usize>(pageSize * vDim)) << 2);
  memory.fill(zeros, 0, (<usize>pageSize) << 2);
  memory.fill(dKeys, 0, (<usize>(pageSize * (kDim + vDim))) << 2);
  if (job.blockBegin) exchange(entry, cacheHead, dKeys, dValues, true);

  let filled = 0; // rows and heads of the batch
  let r0 = 0;
  let r1 = 0;
  let r2 = 0;
  let first = -1; // position that the page begins with in the sequence
  let sequence = -1;
  for (let r = job.blockBegin; r < job.blockEnd; r++) {
    const own = load<i32>(job.sequences + ((<usize>r) << 2));
    if (own !== sequence) {
      if (filled > 0) addBatch(dKeys, dValues, zeros, first, filled, r0, r1, r2, r2);
      filled = 0;
      sequence = own;
      first = firstPosition(r, page);
    }
    if (first < 0 || positionOf(r) < first || firstSeen(r) >= first + pageSize) continue;
    const begin = r * nHeads + cacheHead * group;
    for (let row = begin; row < begin + group; row++) {
      if (filled === batch - 1) {
        addBatch(dKeys, dValues, zeros, first, batch, r0, r1, r2, row);
        filled = 0;
        continue;
      }
      if (filled === 0) r0 = row;
      if (filled <= 1) r1 = row;
      r2 = row;
      filled++;
    }
  }
  if (filled > 0) addBatch(dKeys, dValues, zeros, first, filled, r0, r1, r2, r2);
  exchange(entry, cacheHead, dKeys, dValues, false);
}

/** Copies a page's gradients between the thread's memory and the rows that wrote its positions. */
function exchange(entry: usize, cacheHead: i32, dKeys: usize, dValues: usize, inward: bool): void {
  for (let t = 0; t < pageSize; t++) {
    const r = load<i32>(entry + ((<usize>(1 + t)) << 2));
    if (r < 0) continue;
    const at = r * job.nCacheHeads + cacheHead;
    copyRow(job.dK, at, dKeys, t, job.kDim, inward);
    if (job.dV) copyRow(job.dV, at, dValues, t, job.vDim, inward);
  }
}

function copyRow(rows: usize, r: i32, page: usize, t: i32, dim: i32, inward: bool): void {
  const bytes = (<usize>dim) << 2;
  const row = rows + <usize>r * bytes;
  const own = page + <usize>t * bytes;
  if (inward) memory.copy(own, row, bytes);
  else memory.copy(row, own, bytes);
}

/** Adds what the first `filled` of four rows and heads give to a page that begins at position `first`. */
function addBatch(
  dKeys: usize,
  dValues: usize,
  zeros: usize,
  first: i32,
  filled: i32,
  r0: i32,
  r1: i32,
  r2: i32,
  r3: i32,
): void {
  const kDim = job.kDim;
  const vDim = job.vDim;
  const at = (<usize>first) << 2;
  const s1 = filled > 1 ? slopesOf(r1) + at : zeros;
  const s2 = filled > 2 ? slopesOf(r2) + at : zeros;
  const s3 = filled > 3 ? slopesOf(r3) + at : zeros;
  addRows(dKeys, kDim, kDim, slopesOf(r0) + at, s1, s2, s3, queryOf(r0), queryOf(r1), queryOf(r2), queryOf(r3));
  const p1 = filled > 1 ? probsOf(r1) + at : zeros;
  const p2 = filled > 2 ? probsOf(r2) + at : zeros;
  const p3 = filled > 3 ? probsOf(r3) + at : zeros;
  // Where v is a prefix of k, so is its gradient.
  const to = job.dV ? dValues : dKeys;
  const stride = job.dV ? vDim : kDim;
  addRows(to, vDim, stride, probsOf(r0) + at, p1, p2, p3, dOutOf(r0), dOutOf(r1), dOutOf(r2), dOutOf(r3));
}

/** The position at which a page begins in row r's sequence, or −1 where the sequence does not have it. */
function firstPosition(r: i32, page: i32): i32 {
  for (let i = 0; i < job.maxPages; i++) if (pageOf(r, i) === page) return i * pageSize;
  return -1;
}

/** to[t] += w₀[t] · f₀ + w₁[t] · f₁ + w₂[t] · f₂ + w₃[t] · f₃ for each position t of a page, the first `dim` of `stride` values. */
function addRows(
  to: usize,
  dim: i32,
  stride: i32,
  w0: usize,
  w1: usize,
  w2: usize,
  w3: usize,
  f0: usize,
  f1: usize,
  f2: usize,
  f3: usize,
): void {
  const width = (<usize>stride) << 2;
  const end: usize = pageSize << 2;
  let i = 0;
  for (; i + 8 <= dim; i += 8, to += 32, f0 += 32, f1 += 32, f2 += 32, f3 += 32) {
    const a0 = v128.load(f0);
    const b0 = v128.load(f0, 16);
    const a1 = v128.load(f1);
    const b1 = v128.load(f1, 16);
    const a2 = v128.load(f2);
    const b2 = v128.load(f2, 16);
    const a3 = v128.load(f3);
    const b3 = v128.load(f3, 16);
    for (let t: usize = 0, at = to; t < end; t += 4, at += width) {
      const x0 = v128.load_splat<f32>(w0 + t);
      const x1 = v128.load_splat<f32>(w1 + t);
      const x2 = v128.load_splat<f32>(w2 + t);
      const x3 = v128.load_splat<f32>(w3 + t);
      v128.store(at, madd(x3, a3, madd(x2, a2, madd(x1, a1, madd(x0, a0, v128.load(at))))));
      v128.store(at, madd(x3, b3, madd(x2, b2, madd(x1, b1, madd(x0, b0, v128.load(at, 16))))), 16);
    }
  }
  for (; i < dim; i++, to += 4, f0 += 4, f1 += 4, f2 += 4, f3 += 4)
    for (let t: usize = 0, at = to; t < end; t += 4, at += width) {
      let sum = load<f32>(at);
      sum += load<f32>(w0 + t) * load<f32>(f0);
      sum += load<f32>(w1 + t) * load<f32>(f1);
      sum += load<f32>(w2 + t) * load<f32>(f2);
      sum += load<f32>(w3 + t) * load<f32>(f3);
      store<f32>(at, sum);
    }
}

// ---- where things are

function ownMemory(): usize {
  return job.threads + <usize>ownNumber() * job.threadBytes;
}

/** Where s of a row and head of the block is kept: [position] */
function slopesOf(row: i32): usize {
  const ofBlock = row - job.blockBegin * job.nHeads;
  return job.store + ((<usize>(2 * ofBlock * job.maxPages * pageSize)) << 2);
}

/** And p: behind it */
function probsOf(row: i32): usize {
  return slopesOf(row) + ((<usize>(job.maxPages * pageSize)) << 2);
}

function queryOf(row: i32): usize {
  return job.q + ((<usize>(row * job.kDim)) << 2);
}

function dOutOf(row: i32): usize {
  return job.dOut + ((<usize>(row * job.vDim)) << 2);
}

function positionOf(r: i32): i32 {
  return load<i32>(job.positions + ((<usize>r) << 2));
}

/** The first position that row r sees. */
function firstSeen(r: i32): i32 {
  return job.window > 0 ? max(0, positionOf(r) + 1 - job.window) : 0;
}

/** Page i of row r's sequence. */
function pageOf(r: i32, i: i32): i32 {
  const sequence = load<i32>(job.sequences + ((<usize>r) << 2));
  return load<i32>(job.pageTable + ((<usize>(sequence * job.maxPages + i)) << 2));
}

/** Keys of a cache head in the page that begins at `slot`; those of an f16 cache are widened into the thread's memory. */
function keysOf(slot: i32, cacheHead: i32): usize {
  return headOf(job.keys, ownMemory(), slot, cacheHead, job.kDim, job.kDim);
}

function valuesOf(slot: i32, cacheHead: i32): usize {
  const own = ownMemory() + ((<usize>(pageSize * job.kDim)) << 2);
  return headOf(job.values, own, slot, cacheHead, job.valueStride, job.vDim);
}

function headOf(pages: usize, own: usize, slot: i32, cacheHead: i32, stride: i32, dim: i32): usize {
  const dtype = job.dtype;
  const nCacheHeads = job.nCacheHeads;
  if (dtype === f32Code) return pages + ((<usize>((slot * nCacheHeads + cacheHead) * stride)) << 2);
  for (let t = 0; t < pageSize; t++)
    widenRow(
      own + ((<usize>(t * dim)) << 2),
      pages + bytesOf(dtype, ((slot + t) * nCacheHeads + cacheHead) * stride),
      dtype,
      dim,
    );
  return own;
}

/** Bytes from one position's key to the next. */
function keyWidth(): usize {
  return widthOf(job.kDim, job.kDim);
}

function valueWidth(): usize {
  return widthOf(job.valueStride, job.vDim);
}

function widthOf(stride: i32, dim: i32): usize {
  return (<usize>(job.dtype === f32Code ? stride * job.nCacheHeads : dim)) << 2;
}

/** out[t] = factor · x · y_t for n vectors y_t [dim], `width` bytes apart; a page has room for whole fours, and so has out. */
function dots(out: usize, x: usize, y: usize, width: usize, dim: i32, factor: f32, n: i32): void {
  const end8 = (<usize>(dim & ~7)) << 2;
  const end = (<usize>dim) << 2;
  for (let t = 0; t < n; t += 4, y += 4 * width, out += 16) {
    const y1 = y + width;
    const y2 = y1 + width;
    const y3 = y2 + width;
    let a = f32x4.splat(0);
    let b = a;
    let c = a;
    let d = a;
    let a2 = a;
    let b2 = a;
    let c2 = a;
    let d2 = a;
    let i: usize = 0;
    for (; i < end8; i += 32) {
      const u = v128.load(x + i);
      a = madd(v128.load(y + i), u, a);
      b = madd(v128.load(y1 + i), u, b);
      c = madd(v128.load(y2 + i), u, c);
      d = madd(v128.load(y3 + i), u, d);
      const w = v128.load(x + i, 16);
      a2 = madd(v128.load(y + i, 16), w, a2);
      b2 = madd(v128.load(y1 + i, 16), w, b2);
      c2 = madd(v128.load(y2 + i, 16), w, c2);
      d2 = madd(v128.load(y3 + i, 16), w, d2);
    }
    a = f32x4.add(a, a2);
    b = f32x4.add(b, b2);
    c = f32x4.add(c, c2);
    d = f32x4.add(d, d2);
    // Transposed: lane l of the four sums becomes a vector.
    const ab01 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
    const cd01 = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
    const ab23 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
    const cd23 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
    let sum = f32x4.add(v128.shuffle<f32>(ab01, cd01, 0, 1, 4, 5), v128.shuffle<f32>(ab01, cd01, 2, 3, 6, 7));
    sum = f32x4.add(sum, v128.shuffle<f32>(ab23, cd23, 0, 1, 4, 5));
    sum = f32x4.add(sum, v128.shuffle<f32>(ab23, cd23, 2, 3, 6, 7));
    for (; i < end; i += 4) {
      const four = f32x4(load<f32>(y + i), load<f32>(y1 + i), load<f32>(y2 + i), load<f32>(y3 + i));
      sum = f32x4.add(sum, f32x4.mul(four, v128.load_splat<f32>(x + i)));
    }
    v128.store(out, f32x4.mul(sum, f32x4.splat(factor)));
  }
}
