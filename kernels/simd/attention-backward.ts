// Derivative of attention: with p_t the softmax of a row and head, d_t = dOut · v_t and D = Σ_t p_t · d_t,
//
//   s_t = scale · p_t · (d_t − D),   dQ = Σ_t s_t · k_t,   dK_t += s_t · q,   dV_t += p_t · dOut
//
// The softmax was never stored, so it is computed again. Two jobs, so that no two threads add to the same number and every
// sum has one order (FlashAttention-2, Dao 2023, arXiv 2307.08691, splits its backward pass in the same two directions):
//   1. A chunk is a few rows and a cache head with all its query heads: softmax, D and dQ. Of each row and head, the largest
//      score, 1 / Σ e^(score − largest) and D are kept for the second job.
//   2. A chunk is a page that rows of this step have written, and a cache head: dK and dV of its positions, summed over the
//      rows that look at the page, in their order. Four of them (rows or heads) are added at a time, so that each number of
//      dK is loaded once for four products.
// Keys and values that were in the cache before get no gradient.

import { f32Code } from "./codes";
import { chunksOf, Job } from "./jobs";
import { arg, floatArg, ownNumber, parallel, setArg, setFloatArg } from "./threads";
import { exp, madd, sumLanes } from "./vector";
import { bytesOf, widenRow } from "./widen";

const pageSize: i32 = 64;
/** Rows of a chunk of the first job. */
const chunkRows: i32 = 8;
/** Rows and heads that the second job adds at a time. */
const batch: i32 = 4;
/** i32 words that describe a written page: its number, then the row that wrote each position, or −1. */
const pageWords: i32 = 1 + pageSize;
/** f32 words that are kept of a row and head. */
const statWords: i32 = 3;

const dQArg: i32 = 0;
const dKArg: i32 = 1;
const dVArg: i32 = 2;
const dOutArg: i32 = 3;
const qArg: i32 = 4;
const keysArg: i32 = 5;
const valuesArg: i32 = 6;
const sequencesArg: i32 = 7;
const positionsArg: i32 = 8;
const pageTableArg: i32 = 9;
const rowsArg: i32 = 10;
const nHeadsArg: i32 = 11;
const nCacheHeadsArg: i32 = 12;
const kDimArg: i32 = 13;
const vDimArg: i32 = 14;
const valueStrideArg: i32 = 15;
const maxPagesArg: i32 = 16;
const scaleArg: i32 = 17;
const dtypeArg: i32 = 18;
const statsArg: i32 = 19;
const writtenArg: i32 = 20;
const threadsArg: i32 = 21;
const threadBytesArg: i32 = 22;

/** f32 words of a thread: keys and values of a page, their gradients, weights of a batch, and scores and d of the heads of a row. */
function threadWords(nHeads: i32, nCacheHeads: i32, kDim: i32, vDim: i32, maxPages: i32): i32 {
  const group = nHeads / nCacheHeads;
  return 2 * pageSize * (kDim + vDim) + 2 * pageSize * batch + 2 * group * maxPages * pageSize;
}

/** Bytes of scratch memory that a call needs. */
export function attentionBackwardScratch(
  rows: i32,
  nHeads: i32,
  nCacheHeads: i32,
  kDim: i32,
  vDim: i32,
  maxPages: i32,
  threads: i32,
): usize {
  const stats = rows * nHeads * statWords;
  const written = rows * pageWords;
  return (<usize>(stats + written + threads * threadWords(nHeads, nCacheHeads, kDim, vDim, maxPages))) << 2;
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
  dtype: i32,
  scratch: usize,
): void {
  const stats = scratch;
  const written = stats + ((<usize>(rows * nHeads * statWords)) << 2);
  setArg(dQArg, dQ);
  setArg(dKArg, dK);
  setArg(dVArg, dV);
  setArg(dOutArg, dOut);
  setArg(qArg, q);
  setArg(keysArg, keys);
  setArg(valuesArg, values ? values : keys);
  setArg(sequencesArg, sequences);
  setArg(positionsArg, positions);
  setArg(pageTableArg, pageTable);
  setArg(rowsArg, rows);
  setArg(nHeadsArg, nHeads);
  setArg(nCacheHeadsArg, nCacheHeads);
  setArg(kDimArg, kDim);
  setArg(vDimArg, vDim);
  setArg(valueStrideArg, values ? vDim : kDim);
  setArg(maxPagesArg, maxPages);
  setFloatArg(scaleArg, scale);
  setArg(dtypeArg, dtype);
  setArg(statsArg, stats);
  setArg(writtenArg, written);
  setArg(threadsArg, written + ((<usize>(rows * pageWords)) << 2));
  setArg(threadBytesArg, (<usize>threadWords(nHeads, nCacheHeads, kDim, vDim, maxPages)) << 2);
  const pages = listWritten(written, rows);
  parallel(Job.AttentionBackwardRows, chunksOf(rows, chunkRows) * nCacheHeads);
  parallel(Job.AttentionBackwardPages, pages * nCacheHeads);
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

export function attentionBackwardRowsChunk(chunk: i32): void {
  const nCacheHeads = <i32>arg(nCacheHeadsArg);
  const nHeads = <i32>arg(nHeadsArg);
  const group = nHeads / nCacheHeads;
  const cacheHead = chunk % nCacheHeads;
  const begin = (chunk / nCacheHeads) * chunkRows;
  const end = min(<i32>arg(rowsArg), begin + chunkRows);
  const kDim = <i32>arg(kDimArg);
  const vDim = <i32>arg(vDimArg);
  const span = (<usize>(<i32>arg(maxPagesArg) * pageSize)) << 2;
  const scores = ownMemory() + ((<usize>(2 * pageSize * (kDim + vDim) + 2 * pageSize * batch)) << 2);
  for (let r = begin; r < end; r++) {
    const n = positionOf(r) + 1;
    // Scores and d of all positions: [head of the group][scores or d][position]
    for (let t = 0; t < n; t += pageSize) {
      const slot = pageOf(r, t / pageSize) * pageSize;
      const key = keysOf(slot, cacheHead);
      const value = valuesOf(slot, cacheHead);
      for (let i = 0; i < group; i++) {
        const row = r * nHeads + cacheHead * group + i;
        const to = scores + <usize>(2 * i) * span + ((<usize>t) << 2);
        dots(
          to,
          arg(qArg) + ((<usize>(row * kDim)) << 2),
          key,
          keyWidth(),
          kDim,
          floatArg(scaleArg),
          min(pageSize, n - t),
        );
        dots(
          to + span,
          arg(dOutArg) + ((<usize>(row * vDim)) << 2),
          value,
          valueWidth(),
          vDim,
          1,
          min(pageSize, n - t),
        );
      }
    }
    for (let i = 0; i < group; i++) {
      const row = r * nHeads + cacheHead * group + i;
      const slopes = scores + <usize>(2 * i) * span;
      softmaxSlopes(slopes, slopes + span, n, row);
      memory.fill(arg(dQArg) + ((<usize>(row * kDim)) << 2), 0, (<usize>kDim) << 2);
    }
    for (let t = 0; t < n; t += pageSize) {
      const key = keysOf(pageOf(r, t / pageSize) * pageSize, cacheHead);
      for (let i = 0; i < group; i++) {
        const row = r * nHeads + cacheHead * group + i;
        const weights = scores + <usize>(2 * i) * span + ((<usize>t) << 2);
        addKeys(arg(dQArg) + ((<usize>(row * kDim)) << 2), weights, key, min(pageSize, n - t));
      }
    }
  }
}

/** Turns scores into s in place, and keeps what the second job needs of them. */
function softmaxSlopes(scores: usize, d: usize, n: i32, row: i32): void {
  const end = (<usize>n) << 2;
  const whole = (<usize>(n & ~3)) << 2;
  let largest = -f32.MAX_VALUE;
  for (let t: usize = 0; t < end; t += 4) largest = max(largest, load<f32>(scores + t));
  const most = f32x4.splat(largest);
  let sums = f32x4.splat(0);
  let means = sums;
  let t: usize = 0;
  for (; t < whole; t += 16) {
    const weight = exp(f32x4.sub(v128.load(scores + t), most));
    v128.store(scores + t, weight);
    sums = f32x4.add(sums, weight);
    means = madd(weight, v128.load(d + t), means);
  }
  let sum = sumLanes(sums);
  let mean = sumLanes(means);
  for (; t < end; t += 4) {
    const weight = f32x4.extract_lane(exp(f32x4.splat(load<f32>(scores + t) - largest)), 0);
    store<f32>(scores + t, weight);
    sum += weight;
    mean += weight * load<f32>(d + t);
  }
  const inverse: f32 = 1 / sum;
  mean *= inverse;
  const stat = statOf(row);
  store<f32>(stat, largest);
  store<f32>(stat, inverse, 4);
  store<f32>(stat, mean, 8);
  const share = inverse * floatArg(scaleArg);
  for (t = 0; t < whole; t += 16) {
    const slope = f32x4.sub(v128.load(d + t), f32x4.splat(mean));
    v128.store(scores + t, f32x4.mul(f32x4.mul(v128.load(scores + t), f32x4.splat(share)), slope));
  }
  for (; t < end; t += 4) store<f32>(scores + t, load<f32>(scores + t) * share * (load<f32>(d + t) - mean));
}

/** dQ [kDim] += Σ_t weights_t · k_t over n positions of a page. */
function addKeys(dQ: usize, weights: usize, key: usize, n: i32): void {
  const kDim = <i32>arg(kDimArg);
  const width = keyWidth();
  const weightsEnd = weights + ((<usize>n) << 2);
  let i = 0;
  for (; i + 16 <= kDim; i += 16, dQ += 64, key += 64) {
    let a = v128.load(dQ);
    let b = v128.load(dQ, 16);
    let c = v128.load(dQ, 32);
    let d = v128.load(dQ, 48);
    for (let w = weights, k = key; w < weightsEnd; w += 4, k += width) {
      const weight = v128.load_splat<f32>(w);
      a = madd(weight, v128.load(k), a);
      b = madd(weight, v128.load(k, 16), b);
      c = madd(weight, v128.load(k, 32), c);
      d = madd(weight, v128.load(k, 48), d);
    }
    v128.store(dQ, a);
    v128.store(dQ, b, 16);
    v128.store(dQ, c, 32);
    v128.store(dQ, d, 48);
  }
  for (; i < kDim; i++, dQ += 4, key += 4) {
    let sum = load<f32>(dQ);
    for (let w = weights, k = key; w < weightsEnd; w += 4, k += width) sum += load<f32>(w) * load<f32>(k);
    store<f32>(dQ, sum);
  }
}

// ---- 2: pages

export function attentionBackwardPagesChunk(chunk: i32): void {
  const nCacheHeads = <i32>arg(nCacheHeadsArg);
  const nHeads = <i32>arg(nHeadsArg);
  const group = nHeads / nCacheHeads;
  const kDim = <i32>arg(kDimArg);
  const vDim = <i32>arg(vDimArg);
  const cacheHead = chunk % nCacheHeads;
  const entry = arg(writtenArg) + ((<usize>((chunk / nCacheHeads) * pageWords)) << 2);
  const page = load<i32>(entry);
  const key = keysOf(page * pageSize, cacheHead);
  const value = valuesOf(page * pageSize, cacheHead);
  const dKeys = ownMemory() + ((<usize>(pageSize * (kDim + vDim))) << 2);
  // Where v is a prefix of k, so is its gradient.
  const dValues = arg(dVArg) ? dKeys + ((<usize>(pageSize * kDim)) << 2) : dKeys;
  const dValueDim = arg(dVArg) ? vDim : kDim;
  const slopes = dKeys + ((<usize>(pageSize * (kDim + vDim))) << 2); // [position][row of the batch]
  const probs = slopes + ((<usize>(pageSize * batch)) << 2);
  memory.fill(dKeys, 0, (<usize>(pageSize * (kDim + vDim))) << 2);

  let filled = 0;
  let positions = 0; // that any row of the batch looks at
  let q0: usize = 0;
  let q1: usize = 0;
  let q2: usize = 0;
  let q3: usize = 0;
  let sequence = -1;
  let first = -1; // position that the page begins with in that sequence
  for (let r = 0; r < <i32>arg(rowsArg); r++) {
    const own = load<i32>(arg(sequencesArg) + ((<usize>r) << 2));
    if (own !== sequence) {
      sequence = own;
      first = firstPosition(r, page);
    }
    const n = min(pageSize, positionOf(r) + 1 - first);
    if (first < 0 || n <= 0) continue;
    for (let head = cacheHead * group; head < (cacheHead + 1) * group; head++) {
      const row = r * nHeads + head;
      if (filled === 0) memory.fill(slopes, 0, (<usize>(2 * pageSize * batch)) << 2);
      weigh(slopes + ((<usize>filled) << 2), probs + ((<usize>filled) << 2), row, key, value, n);
      positions = max(positions, n);
      q0 = filled === 0 ? <usize>row : q0;
      q1 = filled <= 1 ? <usize>row : q1;
      q2 = filled <= 2 ? <usize>row : q2;
      q3 = <usize>row;
      if (++filled < batch) continue;
      addRows(dKeys, slopes, arg(qArg), kDim, kDim, positions, q0, q1, q2, q3);
      addRows(dValues, probs, arg(dOutArg), vDim, dValueDim, positions, q0, q1, q2, q3);
      filled = 0;
      positions = 0;
    }
  }
  if (filled > 0) {
    addRows(dKeys, slopes, arg(qArg), kDim, kDim, positions, q0, q1, q2, q3);
    addRows(dValues, probs, arg(dOutArg), vDim, dValueDim, positions, q0, q1, q2, q3);
  }

  for (let t = 0; t < pageSize; t++) {
    const r = load<i32>(entry + ((<usize>(1 + t)) << 2));
    if (r < 0) continue;
    const at = r * nCacheHeads + cacheHead;
    memory.copy(arg(dKArg) + ((<usize>(at * kDim)) << 2), dKeys + ((<usize>(t * kDim)) << 2), (<usize>kDim) << 2);
    if (arg(dVArg))
      memory.copy(arg(dVArg) + ((<usize>(at * vDim)) << 2), dValues + ((<usize>(t * vDim)) << 2), (<usize>vDim) << 2);
  }
}

/** The position at which a page begins in row r's sequence, or −1 where the sequence does not have it. */
function firstPosition(r: i32, page: i32): i32 {
  for (let i = 0; i < <i32>arg(maxPagesArg); i++) if (pageOf(r, i) === page) return i * pageSize;
  return -1;
}

/** s and p of n positions of a page for one row and head, into one column of [position][row of the batch]. */
function weigh(slopes: usize, probs: usize, row: i32, key: usize, value: usize, n: i32): void {
  const kDim = <i32>arg(kDimArg);
  const vDim = <i32>arg(vDimArg);
  const stat = statOf(row);
  const largest = v128.load_splat<f32>(stat);
  const inverse = v128.load_splat<f32>(stat, 4);
  const mean = v128.load_splat<f32>(stat, 8);
  const scale = floatArg(scaleArg);
  // Scores and d first lie in the part of the thread's memory that the first job uses for them.
  const own = ownMemory() + ((<usize>(2 * pageSize * (kDim + vDim) + 2 * pageSize * batch)) << 2);
  const d = own + ((<usize>pageSize) << 2);
  dots(own, arg(qArg) + ((<usize>(row * kDim)) << 2), key, keyWidth(), kDim, scale, n);
  dots(d, arg(dOutArg) + ((<usize>(row * vDim)) << 2), value, valueWidth(), vDim, 1, n);
  for (let t = 0; t < n; t += 4) {
    const p = f32x4.mul(exp(f32x4.sub(v128.load(own + ((<usize>t) << 2)), largest)), inverse);
    const s = f32x4.mul(f32x4.mul(p, f32x4.splat(scale)), f32x4.sub(v128.load(d + ((<usize>t) << 2)), mean));
    const to = (<usize>(t * batch)) << 2;
    const left = n - t;
    v128.store32_lane(probs + to, p, 0);
    v128.store32_lane(slopes + to, s, 0);
    if (left > 1) {
      v128.store32_lane(probs + to, p, 1, 16);
      v128.store32_lane(slopes + to, s, 1, 16);
    }
    if (left > 2) {
      v128.store32_lane(probs + to, p, 2, 32);
      v128.store32_lane(slopes + to, s, 2, 32);
    }
    if (left > 3) {
      v128.store32_lane(probs + to, p, 3, 48);
      v128.store32_lane(slopes + to, s, 3, 48);
    }
  }
}

/** to [position, stride] += Σ over the batch of weights[position][row] · from[row], the first `dim` values; rows are added in their order. */
function addRows(
  to: usize,
  weights: usize,
  from: usize,
  dim: i32,
  stride: i32,
  positions: i32,
  r0: usize,
  r1: usize,
  r2: usize,
  r3: usize,
): void {
  const bytes = (<usize>dim) << 2;
  const width = (<usize>stride) << 2;
  const end = weights + ((<usize>(positions * batch)) << 2);
  let f0 = from + r0 * bytes;
  let f1 = from + r1 * bytes;
  let f2 = from + r2 * bytes;
  let f3 = from + r3 * bytes;
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
    for (let w = weights, at = to; w < end; w += 16, at += width) {
      const w0 = v128.load_splat<f32>(w);
      const w1 = v128.load_splat<f32>(w, 4);
      const w2 = v128.load_splat<f32>(w, 8);
      const w3 = v128.load_splat<f32>(w, 12);
      v128.store(at, madd(w3, a3, madd(w2, a2, madd(w1, a1, madd(w0, a0, v128.load(at))))));
      v128.store(at, madd(w3, b3, madd(w2, b2, madd(w1, b1, madd(w0, b0, v128.load(at, 16))))), 16);
    }
  }
  for (; i < dim; i++, to += 4, f0 += 4, f1 += 4, f2 += 4, f3 += 4)
    for (let w = weights, at = to; w < end; w += 16, at += width) {
      let sum = load<f32>(at);
      sum += load<f32>(w) * load<f32>(f0);
      sum += load<f32>(w, 4) * load<f32>(f1);
      sum += load<f32>(w, 8) * load<f32>(f2);
      sum += load<f32>(w, 12) * load<f32>(f3);
      store<f32>(at, sum);
    }
}

// ---- where things are

function ownMemory(): usize {
  return arg(threadsArg) + <usize>ownNumber() * arg(threadBytesArg);
}

function statOf(row: i32): usize {
  return arg(statsArg) + ((<usize>(row * statWords)) << 2);
}

function positionOf(r: i32): i32 {
  return load<i32>(arg(positionsArg) + ((<usize>r) << 2));
}

/** Page i of row r's sequence. */
function pageOf(r: i32, i: i32): i32 {
  const sequence = load<i32>(arg(sequencesArg) + ((<usize>r) << 2));
  return load<i32>(arg(pageTableArg) + ((<usize>(sequence * <i32>arg(maxPagesArg) + i)) << 2));
}

/** Keys of a cache head in the page that begins at `slot`; those of an f16 cache are widened into the thread's memory. */
function keysOf(slot: i32, cacheHead: i32): usize {
  return headOf(arg(keysArg), ownMemory(), slot, cacheHead, <i32>arg(kDimArg), <i32>arg(kDimArg));
}

function valuesOf(slot: i32, cacheHead: i32): usize {
  const own = ownMemory() + ((<usize>(pageSize * <i32>arg(kDimArg))) << 2);
  return headOf(arg(valuesArg), own, slot, cacheHead, <i32>arg(valueStrideArg), <i32>arg(vDimArg));
}

function headOf(pages: usize, own: usize, slot: i32, cacheHead: i32, stride: i32, dim: i32): usize {
  const dtype = <i32>arg(dtypeArg);
  const nCacheHeads = <i32>arg(nCacheHeadsArg);
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
  return widthOf(<i32>arg(kDimArg), <i32>arg(kDimArg));
}

function valueWidth(): usize {
  return widthOf(<i32>arg(valueStrideArg), <i32>arg(vDimArg));
}

function widthOf(stride: i32, dim: i32): usize {
  return (<usize>(<i32>arg(dtypeArg) === f32Code ? stride * <i32>arg(nCacheHeadsArg) : dim)) << 2;
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
    // Turned about: lane l of the four sums becomes a vector.
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
