// out[r, o] = Σ_i x[r, i] · w[o, i] + bias[o]
//
// A workgroup of 64 threads makes four outputs: 16 threads each take every 16th chunk of a weight row, four sums in each
// chunk's vectors, and their 16 sums are added up in order. Several rows are the same program with more accumulators: a
// weight is read once for all of them, and each row's sum is made of the same numbers in the same order as if it were alone.
// Up to three matrices of one dtype that multiply the same x are one dispatch.

import type { DType } from "../../weights/dtype.ts";
import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";
import { chunkFunctions, chunkOf, rowsAreWhole } from "./weights.ts";

/** Rows that are multiplied together. */
export const rowBlock = 4;

/** One matrix, or a piece of one, and where its outputs go. */
export interface Product {
  readonly w: Place;
  readonly bias: Place | null;
  readonly out: Place;
  readonly outDim: number;
}

/** In place of a bias. */
const none = 0xffff_ffff;

/** x [rows, inDim], each w [outDim, inDim] in `dtype` → each out [rows, outDim]; rows of outputs are `stride` apart where given. */
export function linear(
  { run }: Recorder,
  x: Place,
  products: readonly Product[],
  dtype: DType,
  rows: number,
  inDim: number,
  { block = rowBlock, stride }: { block?: number; stride?: number } = {},
): void {
  const whole = rowsAreWhole(dtype, inDim);
  const wide = whole && inDim % 4 === 0 && (stride ?? 0) % 4 === 0 && products.every(({ outDim }) => outDim % 4 === 0);
  const biased = products.some(({ bias }) => bias);
  const together = rows === 1 ? 1 : block;
  const [w, bias] = [products[0].w.slab, products.find(({ bias }) => bias)?.bias?.slab ?? null];
  const of = (i: number, value: (product: Product) => number) => (products[i] ? value(products[i]) : 0);
  const tiles = products.reduce((sum, { outDim }) => sum + Math.ceil(outDim / 4), 0);
  const blocks = Math.ceil(rows / together);
  run(
    program(dtype, together, whole, wide, biased),
    { x, out: { slab: null, at: 0 }, w: { slab: w, at: 0 }, s: { slab: w, at: 0 }, bias: { slab: bias, at: 0 } },
    {
      rows,
      inDim,
      blocks,
      stride: stride ?? 0,
      w0: of(0, ({ w }) => w.at),
      w1: of(1, ({ w }) => w.at),
      w2: of(2, ({ w }) => w.at),
      bias0: of(0, ({ bias }) => bias?.at ?? none),
      bias1: of(1, ({ bias }) => bias?.at ?? none),
      bias2: of(2, ({ bias }) => bias?.at ?? none),
      out0: of(0, ({ out }) => out.at),
      out1: of(1, ({ out }) => out.at),
      out2: of(2, ({ out }) => out.at),
      outDim0: of(0, ({ outDim }) => outDim),
      outDim1: of(1, ({ outDim }) => outDim),
      outDim2: of(2, ({ outDim }) => outDim),
    },
    tiles * blocks,
  );
}

/** Whether products can be one dispatch: they are few, and what they read is in the same buffers. */
export function fitTogether(products: readonly Product[]): boolean {
  const slabs = new Set(products.map(({ w }) => w.slab));
  const biasSlabs = new Set(products.flatMap(({ bias }) => (bias ? [bias.slab] : [])));
  return products.length <= 3 && slabs.size === 1 && biasSlabs.size <= 1;
}

const programs = new Map<string, Program>();

function program(dtype: DType, rows: number, whole: boolean, wide: boolean, biased: boolean): Program {
  const name = `linear ${dtype}, ${rows} rows${whole ? "" : ", odd rows"}${wide ? ", wide" : ""}${biased ? ", bias" : ""}`;
  const known = programs.get(name);
  if (known) return known;
  const { elements, first, load, values } = chunkOf(dtype, whole);
  const each = (text: (r: number) => string) => Array.from({ length: rows }, (_, r) => text(r)).join("\n");
  // x(i) is a number, or where it is wide four of them; beyond the end of a row, any: w is zero there.
  const x1 = (j: number) => (whole ? `x(row + k + ${j}u)` : `x(row + min(k + ${j}u, p.inDim - 1u))`);
  const x4 = `fn x4(row: u32, k: u32) -> vec4f { return ${wide ? "x((row + k) >> 2u)" : `vec4f(${[0, 1, 2, 3].map(x1).join(", ")})`}; }`;
  const made: Program = {
    name,
    operands: {
      x: wide ? "vec4f" : "f32",
      out: wide ? "write vec4f" : "write f32",
      w: "vec4u",
      s: "u32",
      ...(biased ? { bias: "f32" } : {}),
    },
    numbers: ["rows", "inDim", "blocks", "stride", "w0", "w1", "w2", "bias0", "bias1", "bias2", "out0", "out1", "out2", "outDim0", "outDim1", "outDim2"], // biome-ignore format: one line
    threads: 64,
    wide,
    declarations: `
var<workgroup> sums: array<f32, ${64 * rows}>;
${chunkFunctions(dtype, whole)}
${x4}
fn sumOf(output: u32, r: u32) -> f32 {
  var sum = 0.0;
  for (var lane = 0u; lane < 16u; lane++) { sum += sums[(16u * output + lane) * ${rows}u + r]; }
  return sum;
}`,
    body: `
  let row0 = ${rows}u * (group % p.blocks);
  var tile = group / p.blocks;
  var at = p.w0; var outAt = p.out0; var biasAt = p.bias0; var outDim = p.outDim0;
  if (tile >= (outDim + 3u) / 4u) {
    tile -= (outDim + 3u) / 4u;
    at = p.w1; outAt = p.out1; biasAt = p.bias1; outDim = p.outDim1;
    if (tile >= (outDim + 3u) / 4u) {
      tile -= (outDim + 3u) / 4u;
      at = p.w2; outAt = p.out2; biasAt = p.bias2; outDim = p.outDim2;
    }
  }
  let row = min(4u * tile + (thread >> 4u), outDim - 1u); // of the matrix
  let perRow = (p.inDim + ${elements - 1}u) / ${elements}u;
  let chunks = outDim * perRow;
${each((r) => `  let row${r}x = min(row0 + ${r}u, p.rows - 1u) * p.inDim; var acc${r} = vec4f();`)}
  for (var c = thread & 15u; c < perRow; c += 16u) {
    let chunk = row * perRow + c;
    let k = ${first};
    ${load}
${values
  .map(([offset, value], j) => {
    const products = each((r) => `    acc${r} = fma(w${j}, x4(row${r}x, k + ${offset}u), acc${r});`);
    return `    let w${j} = ${value};\n${products}`;
  })
  .join("\n")}
  }
${each((r) => `  sums[thread * ${rows}u + ${r}u] = (acc${r}.x + acc${r}.y) + (acc${r}.z + acc${r}.w);`)}
  workgroupBarrier();
  let stride = select(p.stride, outDim, p.stride == 0u);
${
  wide
    ? `
  if (thread < ${rows}u && row0 + thread < p.rows) {
    var sum = vec4f(sumOf(0u, thread), sumOf(1u, thread), sumOf(2u, thread), sumOf(3u, thread));
${biased ? `    let b = biasAt + 4u * tile;\n    if (biasAt != ${none}u) { sum += vec4f(bias(b), bias(b + 1u), bias(b + 2u), bias(b + 3u)); }` : ""}
    setOut((outAt + (row0 + thread) * stride + 4u * tile) >> 2u, sum);
  }`
    : `
  let o = 4u * tile + (thread & 3u);
  let r = thread >> 2u;
  if (r < ${rows}u && row0 + r < p.rows && o < outDim) {
    var sum = sumOf(thread & 3u, r);
${biased ? `    if (biasAt != ${none}u) { sum += bias(biasAt + o); }` : ""}
    setOut(outAt + (row0 + r) * stride + o, sum);
  }`
}`,
  };
  programs.set(name, made);
  return made;
}
