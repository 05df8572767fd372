// Attention over pages. First every row stores its key and value, then a workgroup of 64 threads takes a row and a head, and
// goes through the pages that the row sees, in order:
//
//   s_t = scale · q·k_t          a thread for each of the page's 64 positions
//   m = max s_t, p_t = e^(s_t − m), l = Σ p_t, a = Σ p_t · v_t          a thread for each element of a
//   M' = max(M, m), L' = L · e^(M − M') + l · e^(m − M'), A' likewise          joins the page to those before it
//
// and writes A / L. All of it depends on the row's own position and pages alone.
// Vaswani et al. 2017, arXiv 1706.03762; grouped heads: Ainslie et al. 2023, arXiv 2305.13245; joining pages: Milakov &
// Gimelshein 2018, arXiv 1805.02867; pages: Kwon et al. 2023, "PagedAttention", arXiv 2309.06180

import type { DType } from "../../weights/dtype.ts";
import { type AttentionShape, type CacheBuffers, pageSize, type RowBuffers } from "../kernels.ts";
import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";

/** q [rows, nHeads, kDim], k [rows, nCacheHeads, kDim], v [rows, nCacheHeads, vDim] or null → out [rows, nHeads, vDim] */
export function attention(
  recorder: Recorder,
  out: Place,
  q: Place,
  k: Place,
  v: Place | null,
  cache: CacheBuffers<Place>,
  cacheDType: DType,
  rows: RowBuffers<Place>,
  shape: AttentionShape<Place>,
): void {
  const { nHeads, nCacheHeads, kDim, vDim, maxPages } = shape;
  const kWidth = nCacheHeads * kDim;
  const vWidth = v ? nCacheHeads * vDim : 0;
  // Without values of their own, the first vDim of each key are the values.
  const values = cache.v ?? cache.k;
  recorder.run(
    store(cacheDType),
    { k, v: v ?? k, kPages: cache.k, vPages: values, ...rows },
    { rows: shape.rows, kWidth, vWidth, maxPages },
    Math.ceil((shape.rows * (kWidth + vWidth)) / 64),
  );
  recorder.run(
    attend(cacheDType, kDim, vDim, Boolean(shape.sinks)),
    { out, q, kPages: cache.k, vPages: values, ...rows, ...sinksOf(shape) },
    { ...numbersOf(shape), vStride: cache.v ? vDim : kDim },
    shape.rows * nHeads,
  );
}

/** The probabilities by themselves: → out [rows, nHeads, maxPages · pageSize], zero where a row does not see */
export function attentionProbs(
  { run }: Recorder,
  out: Place,
  q: Place,
  cachedKeys: Place,
  cacheDType: DType,
  rows: RowBuffers<Place>,
  shape: AttentionShape<Place>,
): void {
  run(
    probabilities(cacheDType, shape.kDim, Boolean(shape.sinks)),
    { out, q, kPages: cachedKeys, ...rows, ...sinksOf(shape) },
    { ...numbersOf(shape), vStride: 0 },
    shape.rows * shape.nHeads,
  );
}

export const sinksOf = ({ sinks }: AttentionShape<Place>): Record<string, Place> => (sinks ? { sinks } : {});
export const numbersOf = ({ nHeads, nCacheHeads, maxPages, scale, window, softCap }: AttentionShape<Place>) => ({
  nHeads,
  nCacheHeads,
  maxPages,
  window: window || 0xffff_ffff,
  scale,
  softCap: softCap ?? 0,
});

const programs = new Map<string, Program>();

export function made(name: string, make: () => Omit<Program, "name">): Program {
  const known = programs.get(name) ?? { name, ...make() };
  programs.set(name, known);
  return known;
}

/** WGSL: number of a row's position among all positions of all pages. */
export const slotOf = `
fn slotOf(row: u32, position: u32) -> u32 {
  let page = u32(pageTable(u32(sequences(row)) * p.maxPages + position / ${pageSize}u));
  return page * ${pageSize}u + position % ${pageSize}u;
}`;

export const rowOperands = { sequences: "i32", positions: "i32", pageTable: "i32" } as const;

/** Stores keys and values; as f16 rounded to nearest, ties to even, and what is beyond ±65504, NaN too, as that. */
const store = (dtype: DType) =>
  made(`attention, storing ${dtype}`, () => ({
    operands: {
      k: "f32",
      v: "f32",
      kPages: dtype === "f16" ? "write half" : "write f32",
      vPages: dtype === "f16" ? "write half" : "write f32",
      ...rowOperands,
    },
    numbers: ["rows", "kWidth", "vWidth", "maxPages"],
    threads: 64,
    declarations: `${slotOf}
${
  dtype === "f16"
    ? `
fn halfBits(value: f32) -> u32 {
  let bits = bitcast<u32>(value);
  let sign = (bits >> 16u) & 0x8000u;
  let magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x477fe000u) { return select(sign, 0u, magnitude > 0x7f800000u) | 0x7bffu; } // 65504 and beyond
  if (magnitude < 0x33000000u) { return sign; } // below half of the smallest
  let exponent = magnitude >> 23u;
  let fraction = (magnitude & 0x7fffffu) | 0x800000u;
  // What an f16 keeps of the 24 bits: 11, or fewer where it is subnormal; the rest is rounded away.
  let dropped = select(13u, 126u - exponent, exponent < 113u);
  let kept = fraction >> dropped;
  let rest = fraction & ((1u << dropped) - 1u);
  let half = 1u << (dropped - 1u);
  let up = select(0u, 1u, rest > half || (rest == half && (kept & 1u) == 1u));
  let base = select((exponent - 113u) << 10u, 0u, exponent < 113u); // kept's own leading bit adds one exponent
  return sign | (base + kept + up);
}
fn encoded(value: f32) -> u32 { return halfBits(value); }`
    : "fn encoded(value: f32) -> f32 { return value; }"
}`,
    body: `
  let width = p.kWidth + p.vWidth;
  let i = group * 64u + thread;
  let row = i / width;
  if (row >= p.rows) { return; }
  let j = i % width;
  let slot = slotOf(row, u32(positions(row)));
  if (j < p.kWidth) { setKPages(slot * p.kWidth + j, encoded(k(row * p.kWidth + j))); }
  else { setVPages(slot * p.vWidth + j - p.kWidth, encoded(v(row * p.vWidth + j - p.kWidth))); }`,
  }));

/** WGSL: a row's query in workgroup memory, and a page's scores. `range` holds the first and the last position that the row sees. */
export function scoring(dtype: DType, kDim: number): string {
  const fours = Math.ceil(kDim / 4);
  const element = elementOf("kPages", dtype);
  const four =
    kDim % 4 !== 0
      ? `vec4f(${[0, 1, 2, 3].map((j) => `select(0.0, key(at + min(4u * i + ${j}u, ${kDim - 1}u)), 4u * i + ${j}u < ${kDim}u)`).join(", ")})`
      : dtype === "f16"
        ? "vec4f(unpack2x16float(kPages((at >> 1u) + 2u * i)), unpack2x16float(kPages((at >> 1u) + 2u * i + 1u)))"
        : `vec4f(${[0, 1, 2, 3].map((j) => `key(at + 4u * i + ${j}u)`).join(", ")})`;
  return `${slotOf}
const lowest = -1.0e30;
var<workgroup> query: array<vec4f, ${fours}>;
var<workgroup> range: vec2u;
var<workgroup> scores: array<f32, 64>;
fn key(i: u32) -> f32 { return ${element}; }
fn key4(at: u32, i: u32) -> vec4f { return ${four}; }
fn prepare(row: u32, head: u32, thread: u32) {
  let at = (row * p.nHeads + head) * ${kDim}u;
  for (var i = thread; i < ${fours}u; i += 64u) {
    var four = vec4f();
    for (var j = 0u; j < 4u; j++) { if (4u * i + j < ${kDim}u) { four[j] = q(at + 4u * i + j); } }
    query[i] = four;
  }
  if (thread == 0u) {
    let position = u32(positions(row));
    range = vec2u(select(0u, position + 1u - p.window, position >= p.window), position);
  }
}
fn scoreOf(row: u32, cacheHead: u32, position: u32) -> f32 {
  let at = (slotOf(row, position) * p.nCacheHeads + cacheHead) * ${kDim}u;
  var sums = vec4f();
  for (var i = 0u; i < ${fours}u; i++) { sums = fma(query[i], key4(at, i), sums); }
  let score = ((sums.x + sums.y) + (sums.z + sums.w)) * p.scale;
  if (p.softCap > 0.0) { return p.softCap * tanh(clamp(score / p.softCap, -10.0, 10.0)); }
  return score;
}
fn largest() -> f32 {
  var most = lowest;
  for (var i = 0u; i < 64u; i++) { most = max(most, scores[i]); }
  return most;
}`;
}

/** WGSL: element i of pages that hold a dtype. */
export function elementOf(pages: string, dtype: DType): string {
  return dtype === "f16" ? `unpack2x16float(${pages}(i >> 1u))[i & 1u]` : `bitcast<f32>(${pages}(i))`;
}

const attendNumbers = {
  numbers: ["nHeads", "nCacheHeads", "maxPages", "window", "scale", "softCap", "vStride"],
  floats: ["scale", "softCap"],
  threads: 64,
};

const attend = (dtype: DType, kDim: number, vDim: number, sinks: boolean) =>
  made(`attention, ${dtype} pages, heads of ${kDim} and ${vDim}${sinks ? ", sinks" : ""}`, () => {
    const each = (text: (n: number) => string) =>
      Array.from({ length: Math.ceil(vDim / 64) }, (_, n) => text(n)).join("\n");
    return {
      operands: {
        out: "write f32",
        q: "f32",
        kPages: "u32",
        vPages: "u32",
        ...rowOperands,
        ...(sinks ? { sinks: "f32" } : {}),
      },
      ...attendNumbers,
      declarations: `${scoring(dtype, kDim)}
var<workgroup> probs: array<f32, 64>;
fn value(i: u32) -> f32 { return ${elementOf("vPages", dtype)}; }`,
      body: `
  let row = group / p.nHeads;
  let head = group % p.nHeads;
  let cacheHead = head * p.nCacheHeads / p.nHeads;
  prepare(row, head, thread);
  let seen = workgroupUniformLoad(&range);
  var most = ${sinks ? "sinks(head)" : "lowest"};
  var total = ${sinks ? "1.0" : "0.0"};
${each((n) => `  var sum${n} = 0.0;`)}
  for (var page = seen.x / 64u; page <= seen.y / 64u; page++) {
    let position = page * 64u + thread;
    let sees = position >= seen.x && position <= seen.y;
    var score = lowest;
    if (sees) { score = scoreOf(row, cacheHead, position); }
    scores[thread] = score;
    workgroupBarrier();
    let pageMost = largest();
    probs[thread] = select(0.0, exp(score - pageMost), sees);
    workgroupBarrier();
    let first = max(seen.x, page * 64u);
    let slot = slotOf(row, first);
    var pageTotal = 0.0;
${each((n) => `    var page${n} = 0.0;`)}
    for (var t = first; t <= min(seen.y, page * 64u + 63u); t++) {
      let prob = probs[t & 63u];
      pageTotal += prob;
      let at = ((slot + t - first) * p.nCacheHeads + cacheHead) * p.vStride + thread;
${each((n) => `      if (thread + ${64 * n}u < ${vDim}u) { page${n} = fma(prob, value(at + ${64 * n}u), page${n}); }`)}
    }
    let newMost = max(most, pageMost);
    let before = exp(most - newMost);
    let now = exp(pageMost - newMost);
    total = total * before + pageTotal * now;
${each((n) => `    sum${n} = sum${n} * before + page${n} * now;`)}
    most = newMost;
  }
  let at = (row * p.nHeads + head) * ${vDim}u + thread;
${each((n) => `  if (thread + ${64 * n}u < ${vDim}u) { setOut(at + ${64 * n}u, sum${n} / total); }`)}`,
    };
  });

const probabilities = (dtype: DType, kDim: number, sinks: boolean) =>
  made(`attentionProbs, ${dtype} pages, heads of ${kDim}${sinks ? ", sinks" : ""}`, () => ({
    operands: { out: "write f32", q: "f32", kPages: "u32", ...rowOperands, ...(sinks ? { sinks: "f32" } : {}) },
    ...attendNumbers,
    declarations: scoring(dtype, kDim),
    body: `
  let row = group / p.nHeads;
  let head = group % p.nHeads;
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
  for (var position = thread; position < p.maxPages * 64u; position += 64u) {
    var prob = 0.0;
    if (position >= seen.x && position <= seen.y) { prob = exp(scoreOf(row, cacheHead, position) - most) / total; }
    setOut(group * p.maxPages * 64u + position, prob);
  }`,
  }));
