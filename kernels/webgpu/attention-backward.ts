// The derivative of attention. With d_t = dOut · v_t and the p_t of the forward pass, computed again,
//
//   dS_t = p_t · (d_t − Σ_u p_u · d_u), under a soft cap c times 1 − (s_t / c)², the derivative of c · tanh
//   dQ = Σ_t scale · dS_t · k_t,   dK_t += scale · dS_t · q,   dV_t += p_t · dOut
//
// Three programs, none of which adds to what another thread adds to: where each row of the step sees each other row's slot;
// p, dS and dQ of each row and head; and of each row's key and value, the sum over all rows and heads that see it, in order.

import type { DType } from "../../weights/dtype.ts";
import { type AttentionShape, type CacheBuffers, pageSize, type RowBuffers } from "../kernels.ts";
import { elementOf, made, numbersOf, rowOperands, scoring, sinksOf, slotOf } from "./attention.ts";
import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";

/** Most words of p, and of dS, that are held at a time. */
const mostProbs = 1 << 23;

/** Query heads of one call that are done together. */
function headsTogether({ rows, nHeads, maxPages }: AttentionShape<Place>): number {
  return Math.max(1, Math.min(nHeads, Math.floor(mostProbs / (rows * maxPages * pageSize))));
}

/** Words that `attentionBackward` needs for itself. */
export function scratchWords(shape: AttentionShape<Place>): number {
  const { rows, maxPages } = shape;
  return rows * rows + 2 * headsTogether(shape) * rows * maxPages * pageSize;
}

/**
 * dOut [rows, nHeads, vDim], q [rows, nHeads, kDim] → dQ as q, dK [rows, nCacheHeads, kDim], dV [rows, nCacheHeads, vDim] or
 * null: then v is the first vDim values of each key, and dK gets its gradient too.
 */
export function attentionBackward(
  { run }: Recorder,
  dQ: Place,
  dK: Place,
  dV: Place | null,
  dOut: Place,
  q: Place,
  cache: CacheBuffers<Place>,
  cacheDType: DType,
  rows: RowBuffers<Place>,
  shape: AttentionShape<Place>,
  scratch: Place,
): void {
  const { rows: n, nHeads, nCacheHeads, kDim, vDim, maxPages, scale, window } = shape;
  const columns = maxPages * pageSize;
  const together = headsTogether(shape);
  const seenAt = scratch;
  const probs = { slab: scratch.slab, at: scratch.at + n * n };
  const dScores = { slab: scratch.slab, at: probs.at + together * n * columns };
  run(sight, { out: seenAt, ...rows }, { rows: n, maxPages, window: window || 0xffff_ffff }, Math.ceil((n * n) / 64));
  for (let first = 0; first < nHeads; first += together) {
    const heads = Math.min(together, nHeads - first);
    run(
      byQuery(cacheDType, kDim, vDim, Boolean(shape.sinks)),
      { dQ, probs, dScores, dOut, q, kPages: cache.k, vPages: cache.v ?? cache.k, ...rows, ...sinksOf(shape) },
      { ...numbersOf(shape), vStride: cache.v ? vDim : kDim, rows: n, first, heads },
      n * heads,
    );
    run(
      byKey(dV !== null),
      { dK, ...(dV ? { dV } : {}), seenAt, probs, dScores, dOut, q },
      { rows: n, nHeads, nCacheHeads, kDim, vDim, columns, first, heads, scale },
      n * nCacheHeads,
    );
  }
}

/** out[r', r]: the position at which row r sees the slot that row r' writes, or −1 */
const sight: Program = {
  name: "attentionBackward, sight",
  operands: { out: "write f32", ...rowOperands },
  numbers: ["rows", "maxPages", "window"],
  threads: 64,
  declarations: slotOf,
  body: `
  let i = group * 64u + thread;
  if (i >= p.rows * p.rows) { return; }
  let owner = i / p.rows;
  let row = i % p.rows;
  let slot = slotOf(owner, u32(positions(owner)));
  let position = u32(positions(row));
  let first = select(0u, position + 1u - p.window, position >= p.window);
  var seen = -1.0;
  for (var page = first / ${pageSize}u; page <= position / ${pageSize}u; page++) {
    let at = page * ${pageSize}u + slot % ${pageSize}u;
    if (at >= first && at <= position && slotOf(row, at) == slot) { seen = f32(at); }
  }
  setOut(i, seen);`,
};

const byQuery = (dtype: DType, kDim: number, vDim: number, sinks: boolean) =>
  made(`attentionBackward, ${dtype} pages, heads of ${kDim} and ${vDim}${sinks ? ", sinks" : ""}`, () => {
    const each = (text: (n: number) => string) =>
      Array.from({ length: Math.ceil(kDim / 64) }, (_, n) => text(n)).join("\n");
    return {
      operands: {
        dQ: "write f32",
        probs: "write f32",
        dScores: "write f32",
        dOut: "f32",
        q: "f32",
        kPages: "u32",
        vPages: "u32",
        ...rowOperands,
        ...(sinks ? { sinks: "f32" } : {}),
      },
      numbers: ["nHeads", "nCacheHeads", "maxPages", "window", "scale", "softCap", "vStride", "rows", "first", "heads"],
      floats: ["scale", "softCap"],
      threads: 64,
      declarations: `${scoring(dtype, kDim)}
fn value(i: u32) -> f32 { return ${elementOf("vPages", dtype)}; }
fn gradientBy(row: u32, head: u32, cacheHead: u32, position: u32) -> f32 {
  let at = (slotOf(row, position) * p.nCacheHeads + cacheHead) * p.vStride;
  var sum = 0.0;
  for (var i = 0u; i < ${vDim}u; i++) { sum = fma(dOut((row * p.nHeads + head) * ${vDim}u + i), value(at + i), sum); }
  return sum;
}`,
      body: `
  let row = group / p.heads;
  let head = p.first + group % p.heads;
  let cacheHead = head * p.nCacheHeads / p.nHeads;
  prepare(row, head, thread);
  let seen = workgroupUniformLoad(&range);
  var most = ${sinks ? "sinks(head)" : "lowest"};
  var total = ${sinks ? "1.0" : "0.0"};
  for (var page = seen.x / 64u; page <= seen.y / 64u; page++) {
    let position = page * 64u + thread;
    var score = lowest;
    if (position >= seen.x && position <= seen.y) { score = scoreOf(row, cacheHead, position); }
    scores[thread] = score;
    workgroupBarrier();
    let newMost = max(most, largest());
    total *= exp(most - newMost);
    for (var t = max(seen.x, page * 64u); t <= min(seen.y, page * 64u + 63u); t++) { total += exp(scores[t & 63u] - newMost); }
    most = newMost;
    workgroupBarrier();
  }
  var part = 0.0;
  for (var position = seen.x + thread; position <= seen.y; position += 64u) {
    part += exp(scoreOf(row, cacheHead, position) - most) / total * gradientBy(row, head, cacheHead, position);
  }
  scores[thread] = part;
  workgroupBarrier();
  var mean = 0.0;
  for (var i = 0u; i < 64u; i++) { mean += scores[i]; }
  workgroupBarrier();
  let at = ((head - p.first) * p.rows + row) * p.maxPages * 64u;
${each((n) => `  var sum${n} = 0.0;`)}
  for (var page = seen.x / 64u; page <= seen.y / 64u; page++) {
    let position = page * 64u + thread;
    var dScore = 0.0;
    if (position >= seen.x && position <= seen.y) {
      let score = scoreOf(row, cacheHead, position);
      let prob = exp(score - most) / total;
      dScore = prob * (gradientBy(row, head, cacheHead, position) - mean);
      if (p.softCap > 0.0) { dScore *= 1.0 - (score / p.softCap) * (score / p.softCap); }
      setProbs(at + position, prob);
      setDScores(at + position, dScore);
    }
    scores[thread] = dScore;
    workgroupBarrier();
    let first = max(seen.x, page * 64u);
    let slot = slotOf(row, first);
    for (var t = first; t <= min(seen.y, page * 64u + 63u); t++) {
      let keyAt = ((slot + t - first) * p.nCacheHeads + cacheHead) * ${kDim}u + thread;
${each((n) => `      if (thread + ${64 * n}u < ${kDim}u) { sum${n} = fma(scores[t & 63u], key(keyAt + ${64 * n}u), sum${n}); }`)}
    }
    workgroupBarrier();
  }
  let out = (row * p.nHeads + head) * ${kDim}u + thread;
${each((n) => `  if (thread + ${64 * n}u < ${kDim}u) { setDQ(out + ${64 * n}u, p.scale * sum${n}); }`)}`,
    };
  });

const byKey = (values: boolean) =>
  made(`attentionBackward, keys${values ? " and values" : ""}`, () => {
    const sumOver = (part: string) => `
    for (var row = 0u; row < p.rows; row++) {
      let t = seenAt(owner * p.rows + row);
      if (t < 0.0) { continue; }
      for (var head = max(p.first, cacheHead * perHead); head < min(p.first + p.heads, (cacheHead + 1u) * perHead); head++) {
        let at = ((head - p.first) * p.rows + row) * p.columns + u32(t);
        ${part}
      }
    }`;
    const byValue = "sum = fma(probs(at), dOut((row * p.nHeads + head) * p.vDim + i), sum);";
    const byKeyPart = "sum = fma(p.scale * dScores(at), q((row * p.nHeads + head) * p.kDim + i), sum);";
    return {
      operands: {
        dK: "write f32",
        ...(values ? { dV: "write f32" as const } : {}),
        seenAt: "f32",
        probs: "f32",
        dScores: "f32",
        dOut: "f32",
        q: "f32",
      },
      numbers: ["rows", "nHeads", "nCacheHeads", "kDim", "vDim", "columns", "first", "heads", "scale"],
      floats: ["scale"],
      threads: 64,
      // Heads that are done in several calls add up: a key's heads may lie on both sides of a border.
      body: `
  let owner = group / p.nCacheHeads;
  let cacheHead = group % p.nCacheHeads;
  let perHead = p.nHeads / p.nCacheHeads;
  for (var i = thread; i < p.kDim; i += 64u) {
    let to = group * p.kDim + i;
    var sum = 0.0;
    if (p.first > 0u) { sum = dK(to); }
    ${sumOver(values ? byKeyPart : `${byKeyPart} if (i < p.vDim) { ${byValue} }`)}
    setDK(to, sum);
  }
  ${
    values
      ? `for (var i = thread; i < p.vDim; i += 64u) {
    let to = group * p.vDim + i;
    var sum = 0.0;
    if (p.first > 0u) { sum = dV(to); }
    ${sumOver(byValue)}
    setDV(to, sum);
  }`
      : ""
  }`,
    };
  });
