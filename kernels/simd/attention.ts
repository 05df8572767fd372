// out = Σ_t softmax_t(scale · q·k_t) · v_t over the positions of a row's own sequence, up to the row's own
//
// The softmax is never stored: positions are taken a page at a time, and what has been summed so far is rescaled whenever a
// page has a larger score than all before it (online softmax: Milakov & Gimelshein 2018, arXiv 1805.02867; as in
// FlashAttention, Dao et al. 2022, arXiv 2205.14135). The partial softmax state is m, the largest score so far, l = Σ e^(score − m)
// and acc = Σ e^(score − m) · v; the result is acc / l.
//
// A chunk of the first job is one segment of four pages and the query heads of one cache head of a few rows, or of a few cache
// heads of one row: so the threads share the work of a single row too (split keys: Dao et al. 2023, "Flash-Decoding"). Its m,
// l and acc go to scratch memory; the second job joins the segments of each row in their order. Where segments begin depends
// on the row's own positions alone, so its sum has the same order whatever else the step holds; and memory grows with the
// number of positions, not with its square.
//
// A window hides positions: pages that it hides wholly are not read, and scores that it hides in the first one are −∞. A soft
// cap changes the scores of a page before they become weights, and a sink counts when the segments are joined.
//
// A cache in f16 halves the bytes to read. Where many heads and rows of a chunk share a page, its keys and values are first
// widened into scratch memory, once for all; few of them widen what they load, as they go.
//
// Within a page, two or three queries share each load of k and v, two or four keys each load of q; a query alone goes by the
// same order. Loops over one step of loads and products: of a longer body the compiler puts all loads first and runs out of
// registers; a short one it repeats by itself.
//
// Tried without gain: 4, 8 or 16 rows to a chunk at 512 positions; constants of eˣ read from memory; in decoding, keys of
// four pages side by side; fetching the next page amid this one's products (as slow as no fetching), every other line, or
// the first lines of each 4 KB (nothing came beside them); each of three cache heads by itself (5 % slower); runs of 16 positions. Three
// by three sums over v instead of two by three (1 % faster, and in f16 registers run out); the mask of f16 from memory.

import { f32Code } from "./codes";
import { argumentsAt, chunksOf, ownNumber, ownScratch, parallel } from "./threads";
import { capped, exp, expNegative, madd, maxLanes, sumLanes, sumsOfLanes } from "./vector";
import { bytesOf, f16Factor, narrowRow, nextCached, nextUnscaled, one, widenRow } from "./widen";

/** The arguments of all three jobs (threads.ts), the probabilities by themselves among them. */
@unmanaged
class Attention {
  out: usize;
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
  /** Maximum number of segments of a row */
  segments: i32;
  /** Partial softmax states: [row][segment][head] */
  parts: usize;
  rowsPerChunk: i32;
  headsPerChunk: i32;
  /** `roomBytes` for each thread */
  room: usize;
  roomBytes: usize;
}
const job = changetype<Attention>(argumentsAt);

const pageSize: i32 = 64;
const segmentSize: i32 = 4 * pageSize;
/** Bytes of the scores of a page. */
const scoresBytes: i32 = 4 * pageSize;
/** Maximum number of cache heads of a chunk of one row. */
const mostHeads: i32 = 4;
/** Fewer, if there are not so many chunks then. */
const leastChunks: i32 = 8;
/** Elements of each position that are fetched at once: of a page they fill the first-level cache. */
const fetchedWidth: i32 = 192;
/** So many query heads of a chunk that share a page of another dtype, and it pays to widen it once for all. */
const leastWidened: i32 = 6;

/** Maximum number of segments of a row of the step. */
function segmentsOf(positions: usize, rows: i32): i32 {
  let last = 0;
  for (let r = 0; r < rows; r++) last = max(last, load<i32>(positions + ((<usize>r) << 2)));
  return last / segmentSize + 1;
}

/** Bytes of a partial softmax state: acc [vDim], m, l. Whole cache lines: no two threads share one. */
function partBytes(vDim: i32): usize {
  return (((<usize>(vDim + 2)) << 2) + 63) & ~63;
}

/** Bytes of a widened page of one cache head, keys and values; none where the cache is f32. */
function widenedBytes(dtype: i32, kDim: i32, vDim: i32): usize {
  return dtype === f32Code ? 0 : (<usize>(pageSize * (kDim + vDim))) << 2;
}

/** Bytes that each thread needs: a widened page, or the scores of a page and the packed query for each head. */
function threadBytes(dtype: i32, nHeads: i32, kDim: i32, vDim: i32): usize {
  return max(widenedBytes(dtype, kDim, vDim), <usize>(nHeads * (scoresBytes + 4 * kDim)));
}

/** Bytes of scratch memory that a call needs: room for each thread, and the partial softmax state of each row, segment and head. */
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
  return 64 + <usize>threads * threadBytes(dtype, nHeads, kDim, vDim) + parts;
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
  window: i32,
  sinks: usize,
  softCap: f32,
  dtype: i32,
  threads: i32,
  scratch: usize,
): void {
  setRows(out, q, keys, sequences, positions, pageTable, nHeads, nCacheHeads, kDim, maxPages, scale);
  setSoftmax(window, sinks, softCap);
  job.dtype = dtype;
  job.room = scratch;
  job.roomBytes = threadBytes(dtype, nHeads, kDim, vDim);
  // Without values of their own, the first vDim of each key are the values.
  job.values = values ? values : keys;
  job.valueStride = values ? vDim : kDim;
  job.vDim = vDim;
  // All rows are stored before any attends: a row may see earlier rows of its own step.
  for (let r = 0; r < rows; r++) {
    const slot = slotOf(r, load<i32>(positions + ((<usize>r) << 2)));
    storeRow(keys, slot, k, r, nCacheHeads * kDim);
    if (v) storeRow(values, slot, v, r, nCacheHeads * vDim);
  }
  const segments = segmentsOf(positions, rows);
  job.segments = segments;
  job.rows = rows;
  job.parts = (scratch + <usize>threads * threadBytes(dtype, nHeads, kDim, vDim) + 63) & ~63;
  const rowsPerChunk = min(16, max(1, rows >> 3));
  job.rowsPerChunk = rowsPerChunk;
  let heads = rowsPerChunk > 1 ? 1 : mostHeads;
  while (heads > 1 && rows * segments * chunksOf(nCacheHeads, heads) < leastChunks) heads >>= 1;
  job.headsPerChunk = heads;
  parallel(attentionChunk, chunksOf(rows, rowsPerChunk) * segments * chunksOf(nCacheHeads, heads));
  parallel(attentionJoinChunk, chunksOf(rows, joinedRows));
}

function storeRow(pages: usize, slot: i32, from: usize, r: i32, width: i32): void {
  const dtype = job.dtype;
  narrowRow(pages + bytesOf(dtype, slot * width), from + ((<usize>r * width) << 2), dtype, width);
}

/** One segment of one row and a few cache heads, or of a few rows and one cache head. */
function attentionChunk(chunk: i32): void {
  const heads = job.headsPerChunk;
  const headChunks = chunksOf(job.nCacheHeads, heads);
  const segments = job.segments;
  const rowsPerChunk = job.rowsPerChunk;
  const begin = (chunk % headChunks) * heads;
  const segment = (chunk / headChunks) % segments;
  const firstRow = (chunk / (headChunks * segments)) * rowsPerChunk;
  const room = job.room + <usize>ownNumber() * job.roomBytes;
  if (rowsPerChunk > 1) attendRows(firstRow, min(job.rows, firstRow + rowsPerChunk), begin, segment, room);
  else if (job.dtype === f32Code) attendHeads<f32>(firstRow, begin, heads, segment, room);
  else attendHeads<i16>(firstRow, begin, heads, segment, room);
}

/**
 * The queries of some cache heads of one row. Keys and values come from memory: those of a page are fetched before they are
 * used, for products alone ask for too few lines at a time. T: f32, or i16 for f16.
 */
function attendHeads<T>(r: i32, begin: i32, mostHeads: i32, segment: i32, scores: usize): void {
  const nCacheHeads = job.nCacheHeads;
  const group = job.nHeads / nCacheHeads;
  const kDim = job.kDim;
  const vDim = job.vDim;
  const stride = job.valueStride;
  const kWidth = <usize>(nCacheHeads * kDim) * sizeof<T>();
  const vWidth = <usize>(nCacheHeads * stride) * sizeof<T>();
  const firstHead = begin * group;
  const lastHead = min(nCacheHeads, begin + mostHeads) * group;
  const low = firstSeen(r);
  const first = max(segment * segmentSize, pageOf(low));
  const end = min((segment + 1) * segmentSize, positionOf(r) + 1);
  const partBetween = partBytes(vDim);
  const packed = scores + <usize>((lastHead - firstHead) * scoresBytes);
  const factor: f32 = isFloat<T>() ? 1 : f16Factor;
  const byThrees =
    group >= 3 && kDim % 4 === 0 && vDim % 4 === 0 && packQueries(packed, r, firstHead, lastHead, group, factor);
  const inThrees = byThrees ? group - (group % 3) : 0; // of the heads of a group
  const heads = lastHead / group - begin;
  const fetched = max(1, fetchedWidth / kDim); // cache heads at once
  for (let page = first; page < end; page += pageSize) {
    const n = min(pageSize, end - page);
    const slot = slotOf(r, page);
    const keys = headAt(job.keys, slot, begin, kDim);
    const values = headAt(job.values, slot, begin, stride);
    for (let head = firstHead; head < lastHead; ) {
      const cacheHead = head / group - begin;
      const key = keys + <usize>(cacheHead * kDim) * sizeof<T>();
      const own = scores + <usize>((head - firstHead) * scoresBytes);
      const inGroup = head % group;
      if (inGroup === 0 && cacheHead % fetched === 0)
        fetch(key, kWidth, <usize>(min(fetched, heads - cacheHead) * kDim) * sizeof<T>());
      if (inGroup < inThrees) {
        thriceDots<T>(own, packed + ((<usize>((head - firstHead) * kDim)) << 2), key, kWidth, kDim, n);
        head += 3;
      } else if (inGroup + 2 <= group) {
        twiceDots<T>(own, own + scoresBytes, queryOf(r, head), queryOf(r, head + 1), key, kWidth, kDim, n);
        head += 2;
      } else {
        pageScores<T>(own, queryOf(r, head), key, kWidth, kDim, n);
        head++;
      }
    }
    for (let head = firstHead; head < lastHead; head++) {
      const own = scores + <usize>((head - firstHead) * scoresBytes);
      const share = head % group < inThrees ? factor : 1;
      toWeights(own, partOf(r, head, segment), n, low - page, vDim, page === first, share);
    }
    for (let head = firstHead; head < lastHead; ) {
      const cacheHead = head / group - begin;
      const value = values + <usize>(cacheHead * stride) * sizeof<T>();
      const own = scores + <usize>((head - firstHead) * scoresBytes);
      const part = partOf(r, head, segment);
      const inGroup = head % group;
      if (inGroup === 0 && cacheHead % fetched === 0)
        fetch(value, vWidth, <usize>(min(fetched, heads - cacheHead) * stride) * sizeof<T>());
      if (inGroup < inThrees) {
        thriceValues<T>(part, partBetween, value, vWidth, own, n, vDim);
        head += 3;
      } else if (inGroup + 2 <= group) {
        twiceValues<T>(part, part + partBetween, value, vWidth, own, own + scoresBytes, n, vDim);
        head += 2;
      } else {
        addValues<T>(part, value, vWidth, own, 0, n, vDim);
        head++;
      }
    }
  }
}

/**
 * Packs the queries of each three neighboring heads of a cache head, times a factor: [element / 4][3][4] where that of the
 * first would lie. kDim is a multiple of 4. Returns whether none has become infinite.
 */
function packQueries(out: usize, r: i32, firstHead: i32, lastHead: i32, group: i32, factor: f32): bool {
  const bytes = (<usize>job.kDim) << 2;
  const factors = f32x4.splat(factor);
  let largest = f32x4.splat(0);
  for (let head = firstHead; head < lastHead; head++) {
    const inGroup = head % group;
    if (inGroup >= group - (group % 3)) continue;
    let to = out + <usize>(head - firstHead - (inGroup % 3)) * bytes + <usize>((inGroup % 3) << 4);
    for (let q = queryOf(r, head), end = q + bytes; q < end; q += 16, to += 48) {
      const four = f32x4.mul(v128.load(q), factors);
      v128.store(to, four);
      largest = f32x4.pmax(largest, f32x4.abs(four));
    }
  }
  return maxLanes(largest) < Infinity;
}

/**
 * Reads something of each line of a page's positions, `bytes` of each: nothing comes of it, but that all the lines are on
 * their way from memory at once. Four runs at a time: they lie in pages of the machine's memory that are looked up side by side.
 */
function fetch(at: usize, width: usize, bytes: usize): void {
  const quarter = width * (pageSize / 4);
  for (const end = at + quarter; at < end; at += width)
    for (let i = at, last = at + bytes; i < last; i += 64) {
      load<i32>(i);
      load<i32>(i + quarter);
      load<i32>(i + 2 * quarter);
      load<i32>(i + 3 * quarter);
    }
}

/** The queries of one cache head of a few rows. A page stays in cache while all of them look at it. */
function attendRows(firstRow: i32, lastRow: i32, cacheHead: i32, segment: i32, widened: usize): void {
  const nCacheHeads = job.nCacheHeads;
  const group = job.nHeads / nCacheHeads;
  const kDim = job.kDim;
  const vDim = job.vDim;
  const stride = job.valueStride;
  const dtype = job.dtype;
  const narrow = dtype !== f32Code;
  const widen = narrow && (lastRow - firstRow) * group >= leastWidened;
  const values = widened + ((<usize>(pageSize * kDim)) << 2);
  let inScratch = -1; // slot of the page that is widened there
  const first = segment * segmentSize;
  const queries = (lastRow - firstRow) * group; // row by row
  for (let begin = first; begin < first + segmentSize; begin += pageSize)
    for (let i = 0; i < queries; i++) {
      const r = firstRow + i / group;
      const n = min(pageSize, positionOf(r) + 1 - begin);
      const low = firstSeen(r);
      if (n <= 0 || begin < pageOf(low)) continue;
      const slot = slotOf(r, begin);
      if (widen && slot !== inScratch) {
        widenHead(widened, job.keys, slot, cacheHead, kDim, kDim);
        widenHead(values, job.values, slot, cacheHead, stride, vDim);
        inScratch = slot;
      }
      const key = widen ? widened : headAt(job.keys, slot, cacheHead, kDim);
      const value = widen ? values : headAt(job.values, slot, cacheHead, stride);
      const kWidth = widen ? (<usize>kDim) << 2 : bytesOf(dtype, kDim * nCacheHeads);
      const vWidth = widen ? (<usize>vDim) << 2 : bytesOf(dtype, stride * nCacheHeads);
      const head = cacheHead * group + (i % group);
      const part = partOf(r, head, segment);
      const q = queryOf(r, head);
      // The next query looks at the page too, most often: then both take it together.
      const r2 = firstRow + (i + 1) / group;
      const head2 = cacheHead * group + ((i + 1) % group);
      const low2 = r2 < lastRow ? firstSeen(r2) : 0;
      const shared = r2 < lastRow && slotOf(r2, begin) === slot && begin >= pageOf(low2);
      const n2 = shared ? min(pageSize, positionOf(r2) + 1 - begin) : 0;
      const part2 = n2 > 0 ? partOf(r2, head2, segment) : 0;
      const q2 = n2 > 0 ? queryOf(r2, head2) : 0;
      if (narrow && !widen)
        addPage<i16>(part, q, n, low, part2, q2, n2, low2, key, kWidth, value, vWidth, kDim, vDim, begin);
      else addPage<f32>(part, q, n, low, part2, q2, n2, low2, key, kWidth, value, vWidth, kDim, vDim, begin);
      if (n2 > 0) i++;
    }
}

/** Where a page that begins at `slot` has the first position of a cache head, each head `stride` values wide. */
function headAt(pages: usize, slot: i32, cacheHead: i32, stride: i32): usize {
  return pages + bytesOf(job.dtype, (slot * job.nCacheHeads + cacheHead) * stride);
}

/** The first `dim` values of a cache head at all positions of a page as f32, one position after the other. */
function widenHead(out: usize, pages: usize, slot: i32, cacheHead: i32, stride: i32, dim: i32): void {
  const dtype = job.dtype;
  const nCacheHeads = job.nCacheHeads;
  for (let t = 0; t < pageSize; t++, out += (<usize>dim) << 2)
    widenRow(out, pages + bytesOf(dtype, ((slot + t) * nCacheHeads + cacheHead) * stride), dtype, dim);
}

/**
 * Adds the first n positions of the page that begins at `begin` to the partial softmax state of a query at `part`: acc
 * [vDim], m, l, but for those before `low`; and the first n2 to that of a second one, unless n2 ≤ 0. T: f32, or i16 for f16.
 */
function addPage<T>(
  part: usize,
  q: usize,
  n: i32,
  low: i32,
  part2: usize,
  q2: usize,
  n2: i32,
  low2: i32,
  key: usize,
  kWidth: usize,
  value: usize,
  vWidth: usize,
  kDim: i32,
  vDim: i32,
  begin: i32,
): void {
  const first = isFirst(begin, low);
  const weights = ownScratch();
  const weights2 = weights + pageSize * 4;
  let t = 0;
  if (n2 <= 0) {
    pageScores<T>(weights, q, key, kWidth, kDim, n);
    toWeights(weights, part, n, low - begin, vDim, first, 1);
  } else {
    twiceDots<T>(weights, weights2, q, q2, key, kWidth, kDim, max(n, n2));
    toWeights(weights, part, n, low - begin, vDim, first, 1);
    toWeights(weights2, part2, n2, low2 - begin, vDim, isFirst(begin, low2), 1);
    t = twiceValues<T>(part, part2, value, vWidth, weights, weights2, min(n, n2) & ~3, vDim);
    addValues<T>(part2, value, vWidth, weights2, t, n2, vDim);
  }
  addValues<T>(part, value, vWidth, weights, t, n, vDim);
}

/** Whether a page is the first of its segment that a row sees whose first position is `low`. */
function isFirst(begin: i32, low: i32): bool {
  return begin % segmentSize === 0 || begin === pageOf(low);
}

/**
 * Scores of n positions of a page, of which the first `hidden` are not seen → e^(score − m) in place, m and l of the query
 * brought up to date, and acc scaled to the new m.
 */
function toWeights(scores: usize, part: usize, n: i32, hidden: i32, vDim: i32, first: bool, factor: f32): void {
  limit(scores, n, hidden);
  const state = part + ((<usize>vDim) << 2); // m, l
  const before: f32 = first ? -Infinity : load<f32>(state);
  const largest = max(before, largestOf(scores, n));
  const total = exponentials(scores, n, largest, factor);
  store<f32>(state, largest);
  if (first) {
    memory.fill(part, 0, (<usize>vDim) << 2);
    store<f32>(state, total, 4);
  } else {
    const shrink = f32x4.extract_lane(exp(f32x4.splat(before - largest)), 0);
    scaleBy(part, shrink, vDim);
    store<f32>(state, load<f32>(state, 4) * shrink + total, 4);
  }
}

/** Rows of a chunk of the second job. */
const joinedRows: i32 = 16;

/** out = Σ e^(m − largest m) · acc / Σ e^(m − largest m) · l over the segments of each row and head. */
function attentionJoinChunk(chunk: i32): void {
  const nHeads = job.nHeads;
  const vDim = job.vDim;
  const rows = job.rows;
  const end = min(rows, (chunk + 1) * joinedRows);
  for (let r = chunk * joinedRows; r < end; r++) {
    const segments = positionOf(r) / segmentSize + 1;
    for (let head = 0; head < nHeads; head++) join(r, head, firstSeen(r) / segmentSize, segments, vDim);
  }
}

function join(r: i32, head: i32, first: i32, segments: i32, vDim: i32): void {
  const dimBytes = (<usize>vDim) << 2;
  const bytes = <usize>job.nHeads * partBytes(vDim); // from one segment to the next
  const parts = partOf(r, head, 0);
  const out = job.out + <usize>(r * job.nHeads + head) * dimBytes;
  let largest = sinkOf(head);
  for (let s = first; s < segments; s++) largest = max(largest, load<f32>(parts + <usize>s * bytes + dimBytes));
  let total = sinkShare(head, largest);
  memory.fill(out, 0, dimBytes);
  for (let s = first; s < segments; s++) {
    const part = parts + <usize>s * bytes;
    const share = f32x4.extract_lane(exp(f32x4.splat(load<f32>(part + dimBytes) - largest)), 0);
    total += share * load<f32>(part + dimBytes, 4);
    addScaled(out, part, share, vDim);
  }
  scaleBy(out, 1 / total, vDim);
}

/** The sink of a head; without one −∞, which adds nothing. */
function sinkOf(head: i32): f32 {
  return job.sinks ? load<f32>(job.sinks + ((<usize>head) << 2)) : -Infinity;
}

/** e^(sink − largest) */
function sinkShare(head: i32, largest: f32): f32 {
  return job.sinks ? f32x4.extract_lane(exp(f32x4.splat(sinkOf(head) - largest)), 0) : 0;
}

// ---- where things are

/** The partial softmax state of a query in a segment; the heads of a segment are adjacent, as one thread writes them. */
function partOf(r: i32, head: i32, segment: i32): usize {
  const index = (r * job.segments + segment) * job.nHeads + head;
  return job.parts + <usize>index * partBytes(job.vDim);
}

function queryOf(r: i32, head: i32): usize {
  return job.q + ((<usize>((r * job.nHeads + head) * job.kDim)) << 2);
}

function positionOf(r: i32): i32 {
  return load<i32>(job.positions + ((<usize>r) << 2));
}

/** The first position that row r sees. */
function firstSeen(r: i32): i32 {
  return job.window > 0 ? max(0, positionOf(r) + 1 - job.window) : 0;
}

/** Where the page of a position begins in its sequence. */
function pageOf(position: i32): i32 {
  return position & ~(pageSize - 1);
}

/** Index of a position of row r's sequence among all positions of all pages. */
function slotOf(r: i32, position: i32): i32 {
  const sequence = load<i32>(job.sequences + ((<usize>r) << 2));
  const entry = sequence * job.maxPages + position / pageSize;
  return load<i32>(job.pageTable + ((<usize>entry) << 2)) * pageSize + (position % pageSize);
}

// ---- one page

/** scale · q·k of n positions, from `key` on with `width` bytes between them; of the last four all: a page has room for whole fours. */
function pageScores<T>(scores: usize, q: usize, key: usize, width: usize, kDim: i32, n: i32): void {
  const end = scores + ((<usize>n) << 2);
  for (; scores < end; scores += 16, key += 4 * width) fourDots<T>(scores, q, key, width, kDim);
}

/** The same for two queries. */
function twiceDots<T>(
  scores: usize,
  scores2: usize,
  q: usize,
  q2: usize,
  key: usize,
  width: usize,
  kDim: i32,
  n: i32,
): void {
  const end = scores + ((<usize>n) << 2);
  for (; scores < end; scores += 16, scores2 += 16, key += 4 * width)
    twiceFourDots<T>(scores, scores2, q, q2, key, width, kDim);
}

/** scale · q·k for four keys: lane l takes i = 4m + l, then ((s₀ + s₁) + s₂) + s₃ over lanes, then the last kDim mod 4. */
function fourDots<T>(out: usize, q: usize, key: usize, width: usize, kDim: i32): void {
  const end = q + ((<usize>(kDim & ~3)) << 2);
  let k0 = key;
  let k1 = k0 + width;
  let k2 = k1 + width;
  let k3 = k2 + width;
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (; q < end; q += 16) {
    const four = v128.load(q);
    a = madd(nextCached<T>(k0), four, a);
    b = madd(nextCached<T>(k1), four, b);
    c = madd(nextCached<T>(k2), four, c);
    d = madd(nextCached<T>(k3), four, d);
    k0 += 4 * sizeof<T>();
    k1 += 4 * sizeof<T>();
    k2 += 4 * sizeof<T>();
    k3 += 4 * sizeof<T>();
  }
  v128.store(out, lastDots<T>(sumsOfLanes(a, b, c, d), q, k0, k1, k2, k3, kDim & 3));
}

/** The same for two queries, by the same order. */
function twiceFourDots<T>(out: usize, out2: usize, q: usize, q2: usize, key: usize, width: usize, kDim: i32): void {
  const end = q + ((<usize>(kDim & ~3)) << 2);
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
  for (; q < end; q += 16, q2 += 16) {
    const four = v128.load(q);
    const four2 = v128.load(q2);
    const key0 = nextCached<T>(k0);
    a = madd(key0, four, a);
    a2 = madd(key0, four2, a2);
    const key1 = nextCached<T>(k1);
    b = madd(key1, four, b);
    b2 = madd(key1, four2, b2);
    const key2 = nextCached<T>(k2);
    c = madd(key2, four, c);
    c2 = madd(key2, four2, c2);
    const key3 = nextCached<T>(k3);
    d = madd(key3, four, d);
    d2 = madd(key3, four2, d2);
    k0 += 4 * sizeof<T>();
    k1 += 4 * sizeof<T>();
    k2 += 4 * sizeof<T>();
    k3 += 4 * sizeof<T>();
  }
  v128.store(out, lastDots<T>(sumsOfLanes(a, b, c, d), q, k0, k1, k2, k3, kDim & 3));
  v128.store(out2, lastDots<T>(sumsOfLanes(a2, b2, c2, d2), q2, k0, k1, k2, k3, kDim & 3));
}

/** scale · q·k for three queries, packed, and n keys, of the last two both, by the order of fourDots. */
function thriceDots<T>(out: usize, q: usize, key: usize, width: usize, kDim: i32, n: i32): void {
  const scale = f32x4.splat(job.scale);
  const last = q + <usize>(12 * kDim);
  for (const end = out + ((<usize>n) << 2); out < end; out += 8, key += 2 * width) {
    let k0 = key;
    let k1 = key + width;
    let a = f32x4.splat(0);
    let b = a;
    let a2 = a;
    let b2 = a;
    let a3 = a;
    let b3 = a;
    for (let at = q; at < last; at += 48) {
      const key0 = nextUnscaled<T>(k0);
      const key1 = nextUnscaled<T>(k1);
      const four = v128.load(at);
      a = madd(key0, four, a);
      b = madd(key1, four, b);
      const four2 = v128.load(at, 16);
      a2 = madd(key0, four2, a2);
      b2 = madd(key1, four2, b2);
      const four3 = v128.load(at, 32);
      a3 = madd(key0, four3, a3);
      b3 = madd(key1, four3, b3);
      k0 += 4 * sizeof<T>();
      k1 += 4 * sizeof<T>();
    }
    const sums = f32x4.mul(sumsOfLanes(a, b, a2, b2), scale);
    v128.store64_lane(out, sums, 0);
    v128.store64_lane(out, sums, 1, scoresBytes);
    v128.store64_lane(out, f32x4.mul(sumsOfLanes(a3, b3, a3, b3), scale), 0, 2 * scoresBytes);
  }
}

/** Adds the products of the last `rest` elements, and scales. */
function lastDots<T>(sums: v128, q: usize, k0: usize, k1: usize, k2: usize, k3: usize, rest: i32): v128 {
  for (let i: usize = 0; i < <usize>rest; i++) {
    const at = i * sizeof<T>();
    const four = f32x4(one<T>(k0 + at), one<T>(k1 + at), one<T>(k2 + at), one<T>(k3 + at));
    sums = f32x4.add(sums, f32x4.mul(four, v128.load_splat<f32>(q + (i << 2))));
  }
  return f32x4.mul(sums, f32x4.splat(job.scale));
}

/** Caps n scores, where there is a cap: c · tanh(score / c); and the first `hidden` become −∞. */
function limit(scores: usize, n: i32, hidden: i32): void {
  const cap = job.softCap;
  if (cap > 0)
    for (let at = scores, end = scores + ((<usize>n) << 2); at < end; at += 16)
      v128.store(at, capped(v128.load(at), f32x4.splat(cap)));
  for (let t = 0; t < hidden; t++) store<f32>(scores + ((<usize>t) << 2), -Infinity);
}

/** The largest of n scores. Fills up to the next sixteen with −∞. */
function largestOf(scores: usize, n: i32): f32 {
  const none = f32x4.splat(-Infinity);
  let last = scores + ((<usize>(n & ~3)) << 2);
  if (n & 3) {
    const beyond = i32x4.le_s(i32x4.splat(n & 3), i32x4(0, 1, 2, 3));
    v128.store(last, v128.bitselect(none, v128.load(last), beyond));
    last += 16;
  }
  for (; (last - scores) & 63; last += 16) v128.store(last, none);
  let largest = none;
  for (; scores < last; scores += 16) largest = f32x4.pmax(largest, v128.load(scores));
  return maxLanes(largest);
}

/** score → factor · e^(score − largest) in place, up to the next sixteen; the sum without the factor. */
function exponentials(scores: usize, n: i32, largest: f32, factor: f32): f32 {
  const largests = f32x4.splat(largest);
  const factors = f32x4.splat(factor);
  let sum = f32x4.splat(0);
  // Sixteen at a time: the compiler makes the constants of eˣ anew in each turn of a loop, which costs as much as eˣ itself.
  for (const end = scores + ((<usize>n) << 2); scores < end; scores += 64) {
    const a = expNegative(f32x4.sub(v128.load(scores), largests));
    const b = expNegative(f32x4.sub(v128.load(scores, 16), largests));
    const c = expNegative(f32x4.sub(v128.load(scores, 32), largests));
    const d = expNegative(f32x4.sub(v128.load(scores, 48), largests));
    v128.store(scores, f32x4.mul(a, factors));
    v128.store(scores, f32x4.mul(b, factors), 16);
    v128.store(scores, f32x4.mul(c, factors), 32);
    v128.store(scores, f32x4.mul(d, factors), 48);
    sum = f32x4.add(f32x4.add(f32x4.add(f32x4.add(sum, a), b), c), d);
  }
  return sumLanes(sum);
}

/** acc += Σ weight_t · v_t over positions t to n, in their order: four at a time, for each load and store of a sum. */
function addValues<T>(acc: usize, value: usize, width: usize, weights: usize, t: i32, n: i32, vDim: i32): void {
  for (; t + 4 <= n; t += 4) fourValues<T>(acc, value + <usize>t * width, width, weights + ((<usize>t) << 2), vDim);
  for (; t < n; t++) oneValue<T>(acc, value + <usize>t * width, load<f32>(weights + ((<usize>t) << 2)), vDim);
}

/** The same for two queries, over positions 0 to n. */
function twiceValues<T>(
  acc: usize,
  acc2: usize,
  value: usize,
  width: usize,
  weights: usize,
  weights2: usize,
  n: i32,
  vDim: i32,
): i32 {
  let t = 0;
  for (; t + 4 <= n; t += 4) {
    const at = (<usize>t) << 2;
    twiceFourValues<T>(acc, acc2, value + <usize>t * width, width, weights + at, weights2 + at, vDim);
  }
  addValues<T>(acc, value, width, weights, t, n, vDim);
  addValues<T>(acc2, value, width, weights2, t, n, vDim);
  return n;
}

function fourValues<T>(acc: usize, value: usize, width: usize, weights: usize, vDim: i32): void {
  const end = acc + ((<usize>(vDim & ~3)) << 2);
  const a = v128.load_splat<f32>(weights);
  const b = v128.load_splat<f32>(weights, 4);
  const c = v128.load_splat<f32>(weights, 8);
  const d = v128.load_splat<f32>(weights, 12);
  let v0 = value;
  let v1 = v0 + width;
  let v2 = v1 + width;
  let v3 = v2 + width;
  for (; acc < end; acc += 16) {
    const sum = madd(nextCached<T>(v1), b, madd(nextCached<T>(v0), a, v128.load(acc)));
    v128.store(acc, madd(nextCached<T>(v3), d, madd(nextCached<T>(v2), c, sum)));
    v0 += 4 * sizeof<T>();
    v1 += 4 * sizeof<T>();
    v2 += 4 * sizeof<T>();
    v3 += 4 * sizeof<T>();
  }
  lastValues<T>(acc, v0, width, weights, vDim & 3);
}

/** The same for two queries. */
function twiceFourValues<T>(
  acc: usize,
  acc2: usize,
  value: usize,
  width: usize,
  weights: usize,
  weights2: usize,
  vDim: i32,
): void {
  const end = acc + ((<usize>(vDim & ~3)) << 2);
  const a = v128.load_splat<f32>(weights);
  const b = v128.load_splat<f32>(weights, 4);
  const c = v128.load_splat<f32>(weights, 8);
  const d = v128.load_splat<f32>(weights, 12);
  const a2 = v128.load_splat<f32>(weights2);
  const b2 = v128.load_splat<f32>(weights2, 4);
  const c2 = v128.load_splat<f32>(weights2, 8);
  const d2 = v128.load_splat<f32>(weights2, 12);
  let v0 = value;
  let v1 = v0 + width;
  let v2 = v1 + width;
  let v3 = v2 + width;
  for (; acc < end; acc += 16, acc2 += 16) {
    const value0 = nextCached<T>(v0);
    const value1 = nextCached<T>(v1);
    const value2 = nextCached<T>(v2);
    const value3 = nextCached<T>(v3);
    v128.store(acc, madd(value3, d, madd(value2, c, madd(value1, b, madd(value0, a, v128.load(acc))))));
    v128.store(acc2, madd(value3, d2, madd(value2, c2, madd(value1, b2, madd(value0, a2, v128.load(acc2))))));
    v0 += 4 * sizeof<T>();
    v1 += 4 * sizeof<T>();
    v2 += 4 * sizeof<T>();
    v3 += 4 * sizeof<T>();
  }
  lastValues<T>(acc, v0, width, weights, vDim & 3);
  lastValues<T>(acc2, v0, width, weights2, vDim & 3);
}

/** acc += Σ weight_t · v_t of three neighboring queries over n positions, in their order; vDim is a multiple of 4. */
function thriceValues<T>(
  acc: usize,
  between: usize,
  value: usize,
  width: usize,
  weights: usize,
  n: i32,
  vDim: i32,
): void {
  const end = weights + ((<usize>n) << 2);
  let acc2 = acc + between;
  let acc3 = acc2 + between;
  for (; vDim >= 8; vDim -= 8) {
    let a = v128.load(acc);
    let b = v128.load(acc, 16);
    let a2 = v128.load(acc2);
    let b2 = v128.load(acc2, 16);
    let a3 = v128.load(acc3);
    let b3 = v128.load(acc3, 16);
    for (let w = weights, v = value; w < end; w += 4, v += width) {
      const v0 = nextUnscaled<T>(v);
      const v1 = nextUnscaled<T>(v + 4 * sizeof<T>());
      const weight = v128.load_splat<f32>(w);
      a = madd(v0, weight, a);
      b = madd(v1, weight, b);
      const weight2 = v128.load_splat<f32>(w, scoresBytes);
      a2 = madd(v0, weight2, a2);
      b2 = madd(v1, weight2, b2);
      const weight3 = v128.load_splat<f32>(w, 2 * scoresBytes);
      a3 = madd(v0, weight3, a3);
      b3 = madd(v1, weight3, b3);
    }
    v128.store(acc, a);
    v128.store(acc, b, 16);
    v128.store(acc2, a2);
    v128.store(acc2, b2, 16);
    v128.store(acc3, a3);
    v128.store(acc3, b3, 16);
    acc += 32;
    acc2 += 32;
    acc3 += 32;
    value += 8 * sizeof<T>();
  }
  for (; vDim > 0; vDim -= 4) {
    let a = v128.load(acc);
    let a2 = v128.load(acc2);
    let a3 = v128.load(acc3);
    for (let w = weights, v = value; w < end; w += 4, v += width) {
      const v0 = nextUnscaled<T>(v);
      const weight = v128.load_splat<f32>(w);
      a = madd(v0, weight, a);
      const weight2 = v128.load_splat<f32>(w, scoresBytes);
      a2 = madd(v0, weight2, a2);
      const weight3 = v128.load_splat<f32>(w, 2 * scoresBytes);
      a3 = madd(v0, weight3, a3);
    }
    v128.store(acc, a);
    v128.store(acc2, a2);
    v128.store(acc3, a3);
    acc += 16;
    acc2 += 16;
    acc3 += 16;
    value += 4 * sizeof<T>();
  }
}

/** Four positions, `rest` elements. */
function lastValues<T>(acc: usize, value: usize, width: usize, weights: usize, rest: i32): void {
  for (let i: usize = 0; i < <usize>rest; i++) {
    let sum = load<f32>(acc + (i << 2));
    for (let t: usize = 0; t < 4; t++)
      sum += one<T>(value + t * width + i * sizeof<T>()) * load<f32>(weights + (t << 2));
    store<f32>(acc + (i << 2), sum);
  }
}

function oneValue<T>(acc: usize, value: usize, weight: f32, vDim: i32): void {
  const end = acc + ((<usize>(vDim & ~3)) << 2);
  const last = acc + ((<usize>vDim) << 2);
  for (; acc < end; acc += 16, value += 4 * sizeof<T>())
    v128.store(acc, madd(nextCached<T>(value), f32x4.splat(weight), v128.load(acc)));
  for (; acc < last; acc += 4, value += sizeof<T>()) store<f32>(acc, load<f32>(acc) + one<T>(value) * weight);
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
  window: i32,
  sinks: usize,
  softCap: f32,
  dtype: i32,
  scratch: usize,
): void {
  setRows(out, q, keys, sequences, positions, pageTable, nHeads, nCacheHeads, kDim, maxPages, scale);
  setSoftmax(window, sinks, softCap);
  job.dtype = dtype;
  job.room = scratch;
  job.roomBytes = threadBytes(dtype, nHeads, kDim, 0);
  parallel(attentionProbsChunk, rows * nHeads);
}

function attentionProbsChunk(chunk: i32): void {
  const nHeads = job.nHeads;
  const r = chunk / nHeads;
  const cacheHead = ((chunk % nHeads) * job.nCacheHeads) / nHeads;
  const positions = positionOf(r) + 1;
  const columns = job.maxPages * pageSize;
  const out = job.out + ((<usize>chunk * columns) << 2);
  const kDim = job.kDim;
  const narrow = job.dtype !== f32Code;
  const widened = job.room + <usize>ownNumber() * job.roomBytes;
  const width = (<usize>(narrow ? kDim : kDim * job.nCacheHeads)) << 2;
  const low = firstSeen(r);
  const first = pageOf(low);
  const seen = out + ((<usize>first) << 2);
  let largest = sinkOf(chunk % nHeads);
  for (let begin = first; begin < positions; begin += pageSize) {
    const n = min(pageSize, positions - begin);
    const slot = slotOf(r, begin);
    if (narrow) widenHead(widened, job.keys, slot, cacheHead, kDim, kDim);
    const key = narrow ? widened : headAt(job.keys, slot, cacheHead, kDim);
    const scores = out + ((<usize>begin) << 2);
    pageScores<f32>(scores, queryOf(r, chunk % nHeads), key, width, kDim, n);
    limit(scores, n, low - begin);
    largest = max(largest, largestOf(scores, n));
  }
  const total = exponentials(seen, positions - first, largest, 1) + sinkShare(chunk % nHeads, largest);
  scaleBy(seen, 1 / total, positions - first);
  memory.fill(out, 0, (<usize>first) << 2);
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
  job.out = out;
  job.q = q;
  job.keys = keys;
  job.sequences = sequences;
  job.positions = positions;
  job.pageTable = pageTable;
  job.nHeads = nHeads;
  job.nCacheHeads = nCacheHeads;
  job.kDim = kDim;
  job.maxPages = maxPages;
  job.scale = scale;
}

function setSoftmax(window: i32, sinks: usize, softCap: f32): void {
  job.window = window;
  job.sinks = sinks;
  job.softCap = softCap;
}
