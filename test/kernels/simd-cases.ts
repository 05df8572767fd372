// Cases for fast kernel sets beyond the golden table: sizes that cross every border of tiles, blocks, chunks and pages,
// judged by the reference set on the same numbers.

import { expect, test } from "vitest";
import type { Heads } from "../../kernels/arena.ts";
import type { Kernels } from "../../kernels/kernels.ts";
import { createOps, type Ops } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { blockOf, type DType, encodeF32, type FloatDType, isBlockDType } from "../../weights/dtype.ts";
import { expectNmse } from "../expect-close.ts";
import { guarded } from "./cases.ts";
import { noise } from "./noise.ts";
import { routeRules } from "./route-rules.ts";

/** A kept tensor of any dtype that holds weights: noise, or blocks of all bit patterns with scales near 0.01. */
export function weights(ops: Ops, dtype: FloatDType, shape: number[], seed: number): Promise<Tensor> {
  const length = shape.reduce((a, b) => a * b, 1);
  return ops.load(dtype, shape, async (into) => {
    if (!isBlockDType(dtype)) return into.set(encodeF32(dtype, noise(length, seed)));
    const { bytes } = blockOf(dtype);
    const halves = { q8_0: [0], q4_0: [0], q4_1: [0, 2], q4_K: [0, 2], q6_K: [208] }[dtype];
    into.set(noise(into.length, seed).map((value) => value * 1e6));
    for (let at = 0; at < into.length; at += bytes)
      for (const half of halves) into[at + half + 1] = 0x1f + (into[at + half + 1] & 0x81); // 2^-8 to 2^-6, either sign
  });
}

/** What the quantized products of the SIMD set make of x: 32 values share a scale of (largest magnitude) / 127. */
export function roundedActivations(x: Float32Array): Float32Array {
  const out = new Float32Array(x.length);
  for (let at = 0; at < x.length; at += 32) {
    const block = x.subarray(at, at + 32);
    const most = block.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const inverse = Math.fround(127 / most);
    for (const [i, value] of block.entries()) {
      const scaled = Math.fround(value * inverse);
      const down = Math.floor(scaled);
      const up = scaled - down > 0.5 || (scaled - down === 0.5 && down % 2 !== 0); // ties to even
      out[at + i] = Math.fround(most / 127) * (down + Number(up));
    }
  }
  return out;
}

/** Ids below n, of which 1 comes once and most are 0. */
export function expertIds(length: number, n: number): Int32Array {
  return Int32Array.from({ length }, (_, r) => (r === 1 ? 1 : r % 3 === 0 ? (r * 7) % n : 0)).map((id, r) =>
    id === 1 && r !== 1 ? 0 : id,
  );
}

type Run = (ops: Ops) => Promise<Tensor>;

/** rows, inDim, outDim of products: around steps of 8, rows in fours, tiles of 6 and 8 rows, chunks of 48 outputs, slices of 1024. */
const linears = [
  [1, 1, 1],
  [1, 15, 3],
  [1, 16, 17],
  [2, 31, 5],
  [3, 576, 192],
  [4, 32, 2],
  [5, 17, 33],
  [8, 128, 15],
  [9, 64, 50],
  [24, 1040, 49],
  [31, 2056, 97],
  [33, 100, 47],
  [67, 1000, 31],
  [70, 16, 129],
];

/** The cases, by what they are. `rounds`: the set under test rounds x where it multiplies it with quantized weights, so the reference must see it rounded. */
export function* runs(weightDTypes: readonly FloatDType[], rounds: boolean): Generator<[string, Run]> {
  const roundedFor = (ops: Ops, dtype: FloatDType, x: Float32Array) =>
    rounds && isBlockDType(dtype) && ops.kernels.name === "reference" ? roundedActivations(x) : x;
  for (const dtype of weightDTypes) {
    const unit = blockOf(dtype).elements;
    for (const [rows, size, outDim] of linears) {
      const inDim = Math.ceil(size / unit) * unit;
      for (const bias of [false, true])
        yield [
          `linear ${dtype} ${rows} × ${inDim} → ${outDim}${bias ? " with bias" : ""}`,
          async (ops) =>
            ops.linear(
              ops.upload(roundedFor(ops, dtype, noise(rows * inDim, 1)), [rows, inDim]),
              await weights(ops, dtype, [outDim, inDim], 2),
              bias ? ops.upload(noise(outDim, 3)) : undefined,
            ),
        ];
    }
    // Each expert has none, one, or more rows than go into one product.
    for (const [given, perRow, size, outDim, n] of [
      [1, 6, 64, 50, 8],
      [40, 2, 1040, 33, 5],
      [260, 3, 32, 9, 3],
    ]) {
      const inDim = Math.ceil(size / unit) * unit;
      yield [
        `expertLinear ${dtype} ${given} · ${perRow} × ${inDim} → ${outDim} of ${n}`,
        async (ops) =>
          ops.expertLinear(
            ops.upload(roundedFor(ops, dtype, noise(given * inDim, 1)), [given, inDim]),
            ops.upload(expertIds(given * perRow, n)),
            await weights(ops, dtype, [n, outDim, inDim], 2),
          ),
      ];
    }
    for (const [rows, dim] of [
      [3, unit === 1 ? 5 : unit],
      [70, 3 * unit === 3 ? 576 : 3 * unit],
    ])
      yield [
        `gather ${dtype} ${rows} of ${dim}`,
        async (ops) =>
          ops.gather(
            await weights(ops, dtype, [19, dim], 4),
            ops.upload(Int32Array.from({ length: rows }, (_, r) => (r * 7) % 19)),
          ),
      ];
  }
  for (const [rows, dim] of [
    [1, 1],
    [3, 2051],
    [130, 577],
  ]) {
    const x = (ops: Ops, seed: number) => ops.upload(noise(rows * dim, seed), [rows, dim]);
    const vector = (ops: Ops, seed: number) => ops.upload(noise(dim, seed));
    yield [`multiply ${rows} × ${dim}`, async (ops) => ops.multiply(x(ops, 1), x(ops, 2))];
    yield [`scale ${rows} × ${dim}`, async (ops) => ops.scale(x(ops, 1), -3.7)];
    yield [
      `joinColumns ${rows} × ${dim}`,
      async (ops) => ops.joinColumns([x(ops, 1), ops.columns(x(ops, 2), dim >> 1, 1)]),
    ];
    yield [
      `weightedSum ${rows} · 3 × ${dim}`,
      async (ops) =>
        ops.weightedSum(ops.concat([x(ops, 1), x(ops, 2), x(ops, 3)]), ops.upload(noise(rows * 3, 4), [rows, 3])),
    ];
    for (const rule of routeRules(2 * dim))
      yield [
        `routeWeights ${rows} × ${2 * dim}, ${rule.score}${rule.normalize ? ", normalized" : ""}`,
        async (ops) => {
          const logits = ops.upload(noise(rows * 2 * dim, 6), [rows, 2 * dim]);
          return ops.routeWeights(logits, ops.route(logits, undefined, rule), rule);
        },
      ];
    yield [`add ${rows} × ${dim}`, async (ops) => ops.add(x(ops, 1), x(ops, 2))];
    yield [`swiglu ${rows} × ${dim}`, async (ops) => ops.swiglu(x(ops, 1), x(ops, 2))];
    yield [`gelu ${rows} × ${dim}`, async (ops) => ops.gelu(x(ops, 1))];
    yield [`concat ${rows} × ${dim}`, async (ops) => ops.concat([x(ops, 1), x(ops, 2), x(ops, 3)])];
    yield [`rmsNorm ${rows} × ${dim}`, async (ops) => ops.rmsNorm(x(ops, 1), vector(ops, 2), 1e-5)];
    yield [`layerNorm ${rows} × ${dim}`, async (ops) => ops.layerNorm(x(ops, 1), vector(ops, 2), vector(ops, 3), 1e-5)];
  }
  for (const [rows, heads, headDim, half, offset] of [
    [1, 1, 2, 1, 0],
    [5, 3, 64, 32, 0],
    [150, 9, 70, 13, 41],
  ])
    yield [
      `rope ${rows} rows, ${heads} heads of ${headDim}, ${2 * half} from ${offset}`,
      async (ops) =>
        ops.rope(
          ops.upload(noise(rows * heads * headDim, 1), [rows, heads * headDim]),
          ops.upload(noise(rows * half, 2), [rows, half]),
          ops.upload(noise(rows * half, 3), [rows, half]),
          headDim,
          offset,
        ),
    ];
  for (const parts of [
    [[0, 1]],
    [[0, 70]],
    [
      [575, 1],
      [1500, 1],
      [3, 9],
      [190, 67],
    ],
  ] as const)
    for (const [heads, cacheHeads, kDim, vDim] of [
      [1, 1, 1, 1],
      [9, 3, 64, 64],
      [4, 1, 37, 21],
      [14, 2, 20, 33],
    ])
      for (const cache of ["f32", "f16"] as const)
        for (const probs of [false, true])
          yield [
            `attention${probs ? " probabilities" : ""} of ${parts.join(" and ")}, ${heads} heads of ${kDim} and ${vDim} on ${cacheHeads}, ${cache} cache`,
            (ops) => {
              const shape = { nHeads: heads, nCacheHeads: cacheHeads, kDim, vDim, scale: kDim ** -0.5 };
              return attend(ops, parts, shape, probs, Number.POSITIVE_INFINITY, cache);
            },
          ];
  for (const window of [1, 64, 70, 300])
    for (const cache of ["f32", "f16"] as const)
      for (const probs of [false, true])
        yield [
          `attention${probs ? " probabilities" : ""} within ${window}, ${cache} cache`,
          (ops) => {
            const parts = [[575, 1], [3, 9], [190, 67]] as const; // biome-ignore format: pairs
            const shape = { nHeads: 6, nCacheHeads: 2, kDim: 24, vDim: 16, scale: 0.2, window };
            return attend(ops, parts, shape, probs, Number.POSITIVE_INFINITY, cache);
          },
        ];
}

/**
 * One call of attention, or several of `size` rows one after the other. `parts`: positions before and rows of each sequence;
 * pages are handed out crosswise. The numbers of a sequence do not depend on those beside it.
 */
export async function attend(
  ops: Ops,
  parts: readonly (readonly [number, number])[],
  heads: Pick<Heads, "nHeads" | "nCacheHeads" | "kDim" | "vDim" | "scale" | "window" | "softCap"> & { qSize?: number },
  probs: boolean,
  size = Number.POSITIVE_INFINITY,
  cacheDType: "f32" | "f16" = "f32",
): Promise<Tensor> {
  const { nHeads, nCacheHeads, kDim, vDim } = heads;
  const maxPages = Math.max(...parts.map(([past, rows]) => Math.ceil((past + rows) / 64)));
  const nPages = parts.length * maxPages;
  const table = Int32Array.from({ length: nPages }, (_, i) => (i % maxPages) * parts.length + Math.floor(i / maxPages));
  const pageTable = ops.upload(table, [parts.length, maxPages]);
  const pages = async (dim: number, seed: number) => {
    const values = noise(nPages * 64 * nCacheHeads * dim, seed);
    return ops.load(cacheDType, [nPages, 64, nCacheHeads, dim], async (into) =>
      into.set(encodeF32(cacheDType, values)),
    );
  };
  const cache = { k: await pages(kDim, 5), v: await pages(vDim, 6) };
  const of = parts.flatMap(([past, rows], s) => Array.from({ length: rows }, (_, r) => [s, past + r]));
  const all = (width: number, seed: number) => noise(of.length * width, seed);
  const q = all(nHeads * kDim, 7).map((x) => x * (heads.qSize ?? 1));
  const [k, v] = [all(nCacheHeads * kDim, 8), all(nCacheHeads * vDim, 9)];
  const outs: Tensor[] = [];
  for (let begin = 0; begin < of.length; begin += size) {
    const part = of.slice(begin, begin + size);
    const rows = {
      sequences: ops.upload(Int32Array.from(part, ([s]) => s)),
      positions: ops.upload(Int32Array.from(part, ([, position]) => position)),
      pageTable,
    };
    const input = (values: Float32Array, width: number) =>
      ops.upload(values.slice(begin * width, (begin + part.length) * width), [part.length, width]);
    const qRows = input(q, nHeads * kDim);
    const out = ops.attention(qRows, input(k, nCacheHeads * kDim), input(v, nCacheHeads * vDim), cache, rows, heads);
    outs.push(probs ? ops.attentionProbs(qRows, cache, rows, heads) : out);
  }
  return outs.length === 1 ? outs[0] : ops.concat(outs);
}

/** What the reference set gave for a case: computed once, for both builds. */
const references = new Map<string, { shape: readonly number[]; values: Float32Array }>();

async function ofReference(what: string, run: Run): Promise<{ shape: readonly number[]; values: Float32Array }> {
  const known = references.get(what);
  if (known) return known;
  const ops = createOps(referenceKernels());
  const expected = await run(ops);
  const found = { shape: expected.shape, values: await ops.read(expected) };
  references.set(what, found);
  return found;
}

/**
 * Declares the cases for a set. `limit` is the NMSE that it may have against the reference; `rounds`: quantized weights
 * multiply x rounded to 8 bits, and not x itself.
 */
export function testAgainstReference(
  open: () => Kernels | Promise<Kernels>,
  weightDTypes: readonly DType[],
  limit: number,
  rounds: boolean,
): void {
  test.each([...runs(weightDTypes as FloatDType[], rounds)])("%s", async (what, run) => {
    const { kernels, expectGuards } = guarded(await open());
    const ops = createOps(kernels);
    const [actual, expected] = [await run(ops), await ofReference(what, run)];
    expect(actual.shape).toEqual(expected.shape);
    expectNmse(await ops.read(actual), expected.values, limit, what);
    await expectGuards();
    kernels.close();
  });
}
