// out = Σ_t softmax_t(scale · q·k_t) · v_t over the positions of a row's own sequence, up to the row's own
//
// The softmax is never stored: positions are taken a page at a time, and what has been summed so far is rescaled whenever a
// page has a larger score than all before it (online softmax: Milakov & Gimelshein 2018, arXiv 1805.02867; as in
// FlashAttention, Dao et al. 2022, arXiv 2205.14135). With m the largest score so far, l = Σ e^(score − m) and
// acc = Σ e^(score − m) · v, the result is acc / l.
//
// A chunk of the first job is a few rows, one cache head with all its query heads, and one segment of four pages: so the threads share the work of a single row too (split keys:
// Dao et al. 2023, "Flash-Decoding"). Its m, l and acc go to scratch memory; the second job joins the segments of each row
// in their order. Where segments begin depends on the row's own positions alone, so its sum has the same order whatever
// else the step holds; and memory grows with the number of positions, not with its square.
//
// A cache in f16 halves the bytes to read. Of each page that a chunk looks at, its cache head's keys and values are first
// widened into scratch memory, once for all the heads and rows of the chunk; from there on it is as with f32.
//
// Within a page, four keys at a time share each load of q, and 32 sums over v stay in registers while the page passes.
// Tried without gain: 4, 8 or 16 rows to a chunk at 512 positions; constants of eˣ read from memory.

import { f32Code } from "./codes";
import { chunksOf, Job } from "./jobs";
import { arg, floatArg, ownNumber, ownScratch, parallel, setArg, setFloatArg } from "./threads";
import { exp, madd, maxLanes, sumLanes, sumsOfLanes } from "./vector";
import { bytesOf, narrowRow, widenRow } from "./widen";

const pageSize: i32 = 64;
const segmentSize: i32 = 4 * pageSize;

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
const segmentsArg: i32 = 14;
const partsArg: i32 = 15;
const rowsArg: i32 = 16;
const rowsPerChunkArg: i32 = 17;
const dtypeArg: i32 = 18;
const widenedArg: i32 = 19;

/** Most segments of a row of the step. */
function segmentsOf(positions: usize, rows: i32): i32 {
  let last = 0;
  for (let r = 0; r < rows; r++) last = max(last, load<i32>(positions + ((<usize>r) << 2)));
  return last / segmentSize + 1;
}

/** Bytes of what is known of one head and segment: acc [vDim], m, l. */
function partBytes(vDim: i32): usize {
  return (<usize>(vDim + 2)) << 2;
}

/** Bytes of a widened page of one cache head, keys and values; none where the cache is f32. */
function widenedBytes(dtype: i32, kDim: i32, vDim: i32): usize {
  return dtype === f32Code ? 0 : (<usize>(pageSize * (kDim + vDim))) << 2;
}

/** Bytes of scratch memory that a call needs: what is known of each head and segment, and a widened page for each thread. */
export function attentionScratch(
  dtype: i32,
  positions: usize,
  rows: i32,
  nHeads: i32,
  kDim: i32,
  vDim: i32,
  threads: i32,
): usize {
  const parts = <usize>rows * nHeads * segmentsOf(positions, rows) * partBytes(vDim);
  return <usize>threads * widenedBytes(dtype, kDim, vDim) + parts;
}

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
  dtype: i32,
  threads: i32,
  scratch: usize,
): void {
  setRows(out, q, keys, sequences, positions, pageTable, nHeads, nCacheHeads, kDim, maxPages, scale);
  setArg(dtypeArg, dtype);
  setArg(widenedArg, scratch);
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
  const segments = segmentsOf(positions, rows);
  setArg(segmentsArg, segments);
  setArg(rowsArg, rows);
  setArg(partsArg, scratch + <usize>threads * widenedBytes(dtype, kDim, vDim));
  const rowsPerChunk = min(16, max(1, rows >> 3));
  setArg(rowsPerChunkArg, rowsPerChunk);
  parallel(Job.Attention, chunksOf(rows, rowsPerChunk) * segments * nCacheHeads);
  parallel(Job.AttentionJoin, chunksOf(rows, joinedRows));
}

function storeRow(pages: usize, slot: i32, from: usize, r: i32, width: i32): void {
  const dtype = <i32>arg(dtypeArg);
  narrowRow(pages + bytesOf(dtype, slot * width), from + ((<usize>r * width) << 2), dtype, width);
}

/** One segment of the heads of one cache head of a few rows. A page stays in the processor's cache while all of them look at it. */
export function attentionChunk(chunk: i32): void {
  const nCacheHeads = <i32>arg(nCacheHeadsArg);
  const segments = <i32>arg(segmentsArg);
  const rowsPerChunk = <i32>arg(rowsPerChunkArg);
  const cacheHead = chunk % nCacheHeads;
  const segment = (chunk / nCacheHeads) % segments;
  const firstRow = (chunk / (nCacheHeads * segments)) * rowsPerChunk;
  const lastRow = min(<i32>arg(rowsArg), firstRow + rowsPerChunk);
  const group = <i32>arg(nHeadsArg) / nCacheHeads;
  const kDim = <i32>arg(kDimArg);
  const vDim = <i32>arg(vDimArg);
  const stride = <i32>arg(valueStrideArg);
  const narrow = <i32>arg(dtypeArg) !== f32Code;
  const widened = arg(widenedArg) + <usize>ownNumber() * widenedBytes(<i32>arg(dtypeArg), kDim, vDim);
  const values = widened + ((<usize>(pageSize * kDim)) << 2);
  let inScratch = -1; // slot of the page that is widened there
  const first = segment * segmentSize;
  for (let begin = first; begin < first + segmentSize; begin += pageSize)
    for (let r = firstRow; r < lastRow; r++) {
      const n = min(pageSize, positionOf(r) + 1 - begin);
      if (n <= 0) continue;
      const slot = slotOf(r, begin);
      if (narrow && slot !== inScratch) {
        widenHead(widened, arg(keysArg), slot, cacheHead, kDim, kDim);
        widenHead(values, arg(valuesArg), slot, cacheHead, stride, vDim);
        inScratch = slot;
      }
      const key = narrow ? widened : headAt(arg(keysArg), slot, cacheHead, kDim);
      const value = narrow ? values : headAt(arg(valuesArg), slot, cacheHead, stride);
      const kWidth = (<usize>(narrow ? kDim : kDim * nCacheHeads)) << 2;
      const vWidth = (<usize>(narrow ? vDim : stride * nCacheHeads)) << 2;
      for (let head = cacheHead * group; head < (cacheHead + 1) * group; head++)
        addPage(partOf(r, head, segment), r, head, n, key, kWidth, value, vWidth, vDim, begin === first);
    }
}

/** Where an f32 page that begins at `slot` has the first position of a cache head, each head `stride` values wide. */
function headAt(pages: usize, slot: i32, cacheHead: i32, stride: i32): usize {
  return pages + ((<usize>((slot * <i32>arg(nCacheHeadsArg) + cacheHead) * stride)) << 2);
}

/** The first `dim` values of a cache head at all positions of a page as f32, one position after the other. */
function widenHead(out: usize, pages: usize, slot: i32, cacheHead: i32, stride: i32, dim: i32): void {
  const dtype = <i32>arg(dtypeArg);
  const nCacheHeads = <i32>arg(nCacheHeadsArg);
  for (let t = 0; t < pageSize; t++, out += (<usize>dim) << 2)
    widenRow(out, pages + bytesOf(dtype, ((slot + t) * nCacheHeads + cacheHead) * stride), dtype, dim);
}

/** Adds n positions of a page to what is known of a head: acc [vDim], m, l at `part`. */
function addPage(
  part: usize,
  r: i32,
  head: i32,
  n: i32,
  key: usize,
  kWidth: usize,
  value: usize,
  vWidth: usize,
  vDim: i32,
  first: bool,
): void {
  const scores = ownScratch();
  const known = part + ((<usize>vDim) << 2);
  const before: f32 = first ? -Infinity : load<f32>(known);
  const largest = max(before, pageScores(scores, r * <i32>arg(nHeadsArg) + head, key, kWidth, n));
  const shrink: f32 = first ? 0 : f32x4.extract_lane(exp(f32x4.splat(before - largest)), 0);
  const total = toWeights(scores, n, largest);
  store<f32>(known, largest);
  store<f32>(known, first ? total : load<f32>(known, 4) * shrink + total, 4);
  addValues(part, shrink, first, value, vWidth, scores, n, vDim);
}

/** Rows of a chunk of the second job. */
const joinedRows: i32 = 16;

/** out = Σ e^(m − largest m) · acc / Σ e^(m − largest m) · l over the segments of each row and head. */
export function attentionJoinChunk(chunk: i32): void {
  const nHeads = <i32>arg(nHeadsArg);
  const vDim = <i32>arg(vDimArg);
  const rows = <i32>arg(rowsArg);
  const end = min(rows, (chunk + 1) * joinedRows);
  for (let r = chunk * joinedRows; r < end; r++) {
    const segments = positionOf(r) / segmentSize + 1;
    for (let head = 0; head < nHeads; head++) join(r, head, segments, vDim);
  }
}

function join(r: i32, head: i32, segments: i32, vDim: i32): void {
  const dimBytes = (<usize>vDim) << 2;
  const bytes = partBytes(vDim);
  const parts = partOf(r, head, 0);
  const out = arg(outArg) + <usize>(r * <i32>arg(nHeadsArg) + head) * dimBytes;
  let largest: f32 = -Infinity;
  for (let s = 0; s < segments; s++) largest = max(largest, load<f32>(parts + <usize>s * bytes + dimBytes));
  let total: f32 = 0;
  memory.fill(out, 0, dimBytes);
  for (let s = 0; s < segments; s++) {
    const part = parts + <usize>s * bytes;
    const share = f32x4.extract_lane(exp(f32x4.splat(load<f32>(part + dimBytes) - largest)), 0);
    total += share * load<f32>(part + dimBytes, 4);
    addScaled(out, part, share, vDim);
  }
  scaleBy(out, 1 / total, vDim);
}

// ---- where things are

function partOf(r: i32, head: i32, segment: i32): usize {
  const index = (r * <i32>arg(nHeadsArg) + head) * <i32>arg(segmentsArg) + segment;
  return arg(partsArg) + <usize>index * partBytes(<i32>arg(vDimArg));
}

function positionOf(r: i32): i32 {
  return load<i32>(arg(positionsArg) + ((<usize>r) << 2));
}

/** Index of a position of row r's sequence among all positions of all pages. */
function slotOf(r: i32, position: i32): i32 {
  const sequence = load<i32>(arg(sequencesArg) + ((<usize>r) << 2));
  const entry = sequence * <i32>arg(maxPagesArg) + position / pageSize;
  return load<i32>(arg(pageTableArg) + ((<usize>entry) << 2)) * pageSize + (position % pageSize);
}

// ---- one page

/** scale · q·k of n positions, from `key` on with `width` bytes between them; → the largest. Fills the last four up with −∞. */
function pageScores(scores: usize, qRow: i32, key: usize, width: usize, n: i32): f32 {
  const kDim = <i32>arg(kDimArg);
  const q = arg(qArg) + ((<usize>qRow * kDim) << 2);
  const scale = f32x4.splat(floatArg(scaleArg));
  let largest = f32x4.splat(-Infinity);
  for (let t = 0; t < n; t += 4, key += 4 * width) {
    // A page has room for whole fours: keys after the n-th are read, and overruled.
    let four = f32x4.mul(fourDots(q, key, width, kDim), scale);
    if (t + 4 > n) four = v128.bitselect(four, f32x4.splat(-Infinity), i32x4.lt_s(lanes(t), i32x4.splat(n)));
    v128.store(scores + ((<usize>t) << 2), four);
    largest = f32x4.pmax(largest, four);
  }
  return maxLanes(largest);
}

function lanes(t: i32): v128 {
  return i32x4.add(i32x4.splat(t), i32x4(0, 1, 2, 3));
}

/**
 * q · k for four keys. Each product has two accumulators (one would wait for itself): lane l of the first takes i = 8m + l,
 * of the second i = 8m + 4 + l; then their sum, then ((s₀ + s₁) + s₂) + s₃ over lanes, then the last kDim mod 4.
 */
function fourDots(q: usize, key: usize, width: usize, kDim: i32): v128 {
  const end8 = q + ((<usize>(kDim & ~7)) << 2);
  const last = q + ((<usize>kDim) << 2);
  let k0 = key;
  let k1 = k0 + width;
  let k2 = k1 + width;
  let k3 = k2 + width;
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  let a2 = a;
  let b2 = a;
  let c2 = a;
  let d2 = a;
  for (; q < end8; q += 32, k0 += 32, k1 += 32, k2 += 32, k3 += 32) {
    const q1 = v128.load(q);
    a = madd(v128.load(k0), q1, a);
    b = madd(v128.load(k1), q1, b);
    c = madd(v128.load(k2), q1, c);
    d = madd(v128.load(k3), q1, d);
    const q2 = v128.load(q, 16);
    a2 = madd(v128.load(k0, 16), q2, a2);
    b2 = madd(v128.load(k1, 16), q2, b2);
    c2 = madd(v128.load(k2, 16), q2, c2);
    d2 = madd(v128.load(k3, 16), q2, d2);
  }
  if (kDim & 4) {
    const q1 = v128.load(q);
    a = madd(v128.load(k0), q1, a);
    b = madd(v128.load(k1), q1, b);
    c = madd(v128.load(k2), q1, c);
    d = madd(v128.load(k3), q1, d);
    q += 16;
    k0 += 16;
    k1 += 16;
    k2 += 16;
    k3 += 16;
  }
  a = f32x4.add(a, a2);
  b = f32x4.add(b, b2);
  c = f32x4.add(c, c2);
  d = f32x4.add(d, d2);
  let sum = sumsOfLanes(a, b, c, d);
  for (; q < last; q += 4, k0 += 4, k1 += 4, k2 += 4, k3 += 4) {
    const four = f32x4(load<f32>(k0), load<f32>(k1), load<f32>(k2), load<f32>(k3));
    sum = f32x4.add(sum, f32x4.mul(four, v128.load_splat<f32>(q)));
  }
  return sum;
}

/** score → e^(score − largest) in place, the last four filled up with zeros; their sum. */
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

/** acc = acc · shrink + Σ_t weight_t · v_t, t = 0, 1, …; where `first`, acc was nothing before. */
function addValues(
  acc: usize,
  shrink: f32,
  first: bool,
  value: usize,
  width: usize,
  weights: usize,
  n: i32,
  vDim: i32,
): void {
  if (first) memory.fill(acc, 0, (<usize>vDim) << 2);
  else scaleBy(acc, shrink, vDim);
  const end32 = acc + ((<usize>(vDim & ~31)) << 2);
  const end4 = acc + ((<usize>(vDim & ~3)) << 2);
  const end = acc + ((<usize>vDim) << 2);
  const weightsEnd = weights + ((<usize>n) << 2);
  for (; acc < end32; acc += 128, value += 128) {
    let a = v128.load(acc);
    let b = v128.load(acc, 16);
    let c = v128.load(acc, 32);
    let d = v128.load(acc, 48);
    let e = v128.load(acc, 64);
    let f = v128.load(acc, 80);
    let g = v128.load(acc, 96);
    let h = v128.load(acc, 112);
    let v = value;
    for (let w = weights; w < weightsEnd; w += 4, v += width) {
      const weight = v128.load_splat<f32>(w);
      a = madd(v128.load(v), weight, a);
      b = madd(v128.load(v, 16), weight, b);
      c = madd(v128.load(v, 32), weight, c);
      d = madd(v128.load(v, 48), weight, d);
      e = madd(v128.load(v, 64), weight, e);
      f = madd(v128.load(v, 80), weight, f);
      g = madd(v128.load(v, 96), weight, g);
      h = madd(v128.load(v, 112), weight, h);
    }
    v128.store(acc, a);
    v128.store(acc, b, 16);
    v128.store(acc, c, 32);
    v128.store(acc, d, 48);
    v128.store(acc, e, 64);
    v128.store(acc, f, 80);
    v128.store(acc, g, 96);
    v128.store(acc, h, 112);
  }
  for (; acc < end4; acc += 16, value += 16) {
    let a = v128.load(acc);
    let v = value;
    for (let w = weights; w < weightsEnd; w += 4, v += width) a = madd(v128.load(v), v128.load_splat<f32>(w), a);
    v128.store(acc, a);
  }
  for (; acc < end; acc += 4, value += 4) {
    let a = load<f32>(acc);
    let v = value;
    for (let w = weights; w < weightsEnd; w += 4, v += width) a += load<f32>(v) * load<f32>(w);
    store<f32>(acc, a);
  }
}

/** sum += share · x */
function addScaled(sum: usize, x: usize, share: f32, n: i32): void {
  const end = sum + ((<usize>(n & ~3)) << 2);
  const last = sum + ((<usize>n) << 2);
  const shares = f32x4.splat(share);
  for (; sum < end; sum += 16, x += 16) v128.store(sum, madd(v128.load(x), shares, v128.load(sum)));
  for (; sum < last; sum += 4, x += 4) store<f32>(sum, load<f32>(x) * share + load<f32>(sum));
}

/** x *= factor */
function scaleBy(x: usize, factor: f32, n: i32): void {
  const end = x + ((<usize>(n & ~3)) << 2);
  const last = x + ((<usize>n) << 2);
  const factors = f32x4.splat(factor);
  for (; x < end; x += 16) v128.store(x, f32x4.mul(v128.load(x), factors));
  for (; x < last; x += 4) store<f32>(x, load<f32>(x) * factor);
}

// ---- the softmax by itself

/** → out [rows, nHeads, maxPages · pageSize], zero after each row's own position. A chunk is one head of one row. */
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
  dtype: i32,
  scratch: usize,
): void {
  setRows(out, q, keys, sequences, positions, pageTable, nHeads, nCacheHeads, kDim, maxPages, scale);
  setArg(dtypeArg, dtype);
  setArg(widenedArg, scratch);
  parallel(Job.AttentionProbs, rows * nHeads);
}

export function attentionProbsChunk(chunk: i32): void {
  const nHeads = <i32>arg(nHeadsArg);
  const r = chunk / nHeads;
  const cacheHead = ((chunk % nHeads) * <i32>arg(nCacheHeadsArg)) / nHeads;
  const positions = positionOf(r) + 1;
  const columns = <i32>arg(maxPagesArg) * pageSize;
  const out = arg(outArg) + ((<usize>chunk * columns) << 2);
  const kDim = <i32>arg(kDimArg);
  const narrow = <i32>arg(dtypeArg) !== f32Code;
  const widened = arg(widenedArg) + <usize>ownNumber() * widenedBytes(<i32>arg(dtypeArg), kDim, 0);
  const width = (<usize>(narrow ? kDim : kDim * <i32>arg(nCacheHeadsArg))) << 2;
  let largest: f32 = -Infinity;
  for (let begin = 0; begin < positions; begin += pageSize) {
    const n = min(pageSize, positions - begin);
    const slot = slotOf(r, begin);
    if (narrow) widenHead(widened, arg(keysArg), slot, cacheHead, kDim, kDim);
    const key = narrow ? widened : headAt(arg(keysArg), slot, cacheHead, kDim);
    largest = max(largest, pageScores(out + ((<usize>begin) << 2), chunk, key, width, n));
  }
  const total = toWeights(out, positions, largest);
  scaleBy(out, 1 / total, positions);
  memory.fill(out + ((<usize>positions) << 2), 0, (<usize>(columns - positions)) << 2);
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
