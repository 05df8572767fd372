// Cases for derivatives: each op by itself, at sizes that cross the borders of tiles, panels and pages. A case names its
// inputs and computes one output; its loss is Σ c · out with fixed c, and gradients are wanted by all float inputs.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { LossOps, Recording } from "../../src/tune/recording.ts";
import { recording } from "../../src/tune/recording.ts";
import { noise } from "./noise.ts";
import { routeRules } from "./route-rules.ts";

export interface DerivativeCase {
  name: string;
  /** Values of the inputs that gradients are wanted by. */
  inputs: Record<string, { shape: number[]; values: Float32Array }>;
  run(ops: Ops & LossOps, inputs: Record<string, Tensor>): Tensor;
}

const input = (seed: number, ...shape: number[]) => ({
  shape,
  values: noise(
    shape.reduce((a, b) => a * b, 1),
    seed,
  ),
});

/** Uploads in the dtype that gradients are checked in. */
export function uploadAs(
  ops: Ops,
  f64: boolean,
  values: Float32Array | Float64Array,
  shape: readonly number[],
): Tensor {
  return ops.upload(f64 ? Float64Array.from(values) : Float32Array.from(values), shape);
}

export interface Sizes {
  matrices: readonly (readonly [rows: number, inDim: number, outDim: number])[];
  rows: readonly (readonly [rows: number, dim: number])[];
  ropes: readonly (readonly [rows: number, heads: number, headDim: number, half: number, offset: number])[];
  heads: readonly (readonly [nHeads: number, nCacheHeads: number, kDim: number, vDim: number])[];
  /** Positions before and rows of each sequence. */
  parts: readonly (readonly (readonly [past: number, rows: number])[])[];
}

/** Every op at every size. Constants that are no inputs are f64 where `f64`. */
export function* derivativeCases(sizes: Sizes, f64: boolean): Generator<DerivativeCase> {
  for (const [rows, inDim, outDim] of sizes.matrices)
    yield {
      name: `linear ${rows} × ${inDim} → ${outDim}`,
      inputs: { x: input(1, rows, inDim), w: input(2, outDim, inDim), bias: input(3, outDim) },
      run: (ops, { x, w, bias }) => ops.linear(x, w, bias),
    };
  for (const [rows, inDim, outDim] of sizes.matrices) {
    const n = 5;
    const perRow = 3;
    yield {
      name: `expertLinear ${rows} · ${perRow} × ${inDim} → ${outDim}`,
      inputs: { x: input(1, rows, inDim), w: input(2, n, outDim, inDim) },
      run: (ops, { x, w }) =>
        ops.expertLinear(x, ops.upload(Int32Array.from({ length: rows * perRow }, (_, r) => (r * r) % n)), w),
    };
  }
  for (const [rows, dim] of sizes.rows) {
    const third = Math.ceil(dim / 3);
    yield {
      name: `columns ${rows} × ${dim}, joined`,
      inputs: { x: input(1, rows, dim), y: input(2, rows, 2) },
      run: (ops, { x, y }) => ops.joinColumns([ops.columns(x, dim - third, third), y, x]),
    };
    yield {
      name: `multiply and scale ${rows} × ${dim}`,
      inputs: { a: input(1, rows, dim), b: input(2, rows, dim) },
      run: (ops, { a, b }) => ops.multiply(ops.scale(a, 1.75), b),
    };
    yield {
      name: `weightedSum ${rows} · 3 × ${dim}`,
      inputs: { x: input(1, rows * 3, dim), weights: input(2, rows, 3) },
      run: (ops, { x, weights }) => ops.weightedSum(x, weights),
    };
    for (const rule of routeRules(2 * dim))
      yield {
        name: `routeWeights ${rows} × ${2 * dim}, ${rule.score}${rule.normalize ? ", normalized" : ""}`,
        inputs: { logits: input(1, rows, 2 * dim) },
        run: (ops, { logits }) => ops.routeWeights(logits, ops.route(logits, undefined, rule), rule),
      };
    const ids = Int32Array.from({ length: rows + 2 }, (_, r) => (r * 7) % rows);
    yield {
      name: `gather ${rows} × ${dim}, rows twice`,
      inputs: { table: input(1, rows, dim) },
      run: (ops, { table }) => ops.gather(table, ops.upload(ids)),
    };
    yield {
      name: `concat ${rows} × ${dim}, one part twice`,
      inputs: { a: input(1, rows, dim), b: input(2, 2, dim) },
      run: (ops, { a, b }) => ops.concat([a, b, a]),
    };
    yield {
      name: `add ${rows} × ${dim}`,
      inputs: { a: input(1, rows, dim), b: input(2, rows, dim) },
      run: (ops, { a, b }) => ops.add(ops.add(a, b), a),
    };
    yield {
      name: `rmsNorm ${rows} × ${dim}`,
      inputs: { x: input(1, rows, dim), weight: input(2, dim) },
      run: (ops, { x, weight }) => ops.rmsNorm(x, weight, 1e-3),
    };
    yield {
      name: `layerNorm ${rows} × ${dim}`,
      inputs: { x: input(1, rows, dim), weight: input(2, dim), bias: input(3, dim) },
      run: (ops, { x, weight, bias }) => ops.layerNorm(x, weight, bias, 1e-3),
    };
    yield {
      name: `swiglu ${rows} × ${dim}`,
      inputs: { gate: input(1, rows, dim), up: input(2, rows, dim) },
      run: (ops, { gate, up }) => ops.swiglu(gate, up),
    };
    yield {
      name: `gelu ${rows} × ${dim}`,
      inputs: { x: input(1, rows, dim) },
      run: (ops, { x }) => ops.gelu(x),
    };
    yield {
      name: `logProbs ${rows} × ${dim}`,
      inputs: { logits: input(1, rows, dim) },
      run: (ops, { logits }) =>
        ops.logProbs(logits, ops.upload(Int32Array.from({ length: rows }, (_, r) => (r * 5) % dim))),
    };
  }
  for (const [rows, heads, headDim, half, offset] of sizes.ropes)
    yield {
      name: `rope ${rows} rows, ${heads} heads of ${headDim}, ${2 * half} from ${offset}`,
      inputs: { x: input(1, rows, heads * headDim) },
      run: (ops, { x }) =>
        ops.rope(
          x,
          uploadAs(ops, f64, noise(rows * half, 2), [rows, half]),
          uploadAs(ops, f64, noise(rows * half, 3), [rows, half]),
          headDim,
          offset,
        ),
    };
  for (const parts of sizes.parts)
    for (const [nHeads, nCacheHeads, kDim, vDim] of sizes.heads)
      for (const shared of [false, true]) {
        if (shared && vDim > kDim) continue; // v as a prefix of k
        const rows = parts.reduce((sum, [, n]) => sum + n, 0);
        const heads = { nHeads, nCacheHeads, kDim, vDim, scale: kDim ** -0.5 };
        const inputs: DerivativeCase["inputs"] = {
          q: input(1, rows, nHeads * kDim),
          k: input(2, rows, nCacheHeads * kDim),
        };
        if (!shared) inputs.v = input(3, rows, nCacheHeads * vDim);
        yield {
          name: `attention of ${parts.join(" and ")}, ${nHeads} heads of ${kDim} and ${vDim} on ${nCacheHeads}${shared ? ", v in k" : ""}`,
          inputs,
          run: (ops, { q, k, v }) => {
            const maxPages = Math.max(...parts.map(([past, n]) => Math.ceil((past + n) / 64)));
            const table = Int32Array.from(
              { length: parts.length * maxPages },
              (_, i) => (i % maxPages) * parts.length + Math.floor(i / maxPages), // pages are handed out crosswise
            );
            const of = parts.flatMap(([past, n], s) => Array.from({ length: n }, (_, r) => [s, past + r]));
            const step = {
              sequences: ops.upload(Int32Array.from(of, ([s]) => s)),
              positions: ops.upload(Int32Array.from(of, ([, position]) => position)),
              pageTable: ops.upload(table, [parts.length, maxPages]),
            };
            const pages = (dim: number, seed: number) =>
              uploadAs(ops, f64, noise(table.length * 64 * nCacheHeads * dim, seed), [
                table.length,
                64,
                nCacheHeads,
                dim,
              ]);
            return ops.attention(
              q,
              k,
              v ?? null,
              { k: pages(kDim, 4), v: shared ? null : pages(vDim, 5) },
              step,
              heads,
            );
          },
        };
      }
}

/** Output of a case and gradients of Σ c · out by its inputs, whose values may be others than the case's own. */
export function gradientsOf(
  ops: Ops,
  { inputs, run }: DerivativeCase,
  f64: boolean,
): { out: Tensor; c: Float32Array; gradients: Record<string, Tensor>; tape: Recording } {
  const names = Object.keys(inputs);
  const leaves = names.map((name) => uploadAs(ops, f64, inputs[name].values, inputs[name].shape));
  const tape = recording(ops, leaves);
  const out = run(tape.ops, Object.fromEntries(names.map((name, i) => [name, leaves[i]])));
  const c = noise(
    out.shape.reduce((a, b) => a * b, 1),
    99,
  );
  const found = tape.backward([[out, uploadAs(ops, f64, c, out.shape)]]);
  return {
    out,
    c,
    gradients: Object.fromEntries(names.map((name, i) => [name, found.get(leaves[i]) as Tensor])),
    tape,
  };
}
