// What attention takes beside q, k and v, as tensors: the pages of a layer's cache, where each row is, and the heads. Shared
// by the op (ops.ts) and its derivative (derivative-ops.ts).

import { type Arena, activation } from "./arena.ts";
import { type AttentionShape, type CacheBuffers, pageSize, type RowBuffers } from "./kernels.ts";
import type { Buffer, Tensor } from "./tensor.ts";

/** Keys and values of one layer: k [nPages, pageSize, nCacheHeads, kDim], v likewise with vDim, or null where v is a prefix of k. */
export interface CachePages {
  readonly k: Tensor;
  readonly v: Tensor | null;
}

/** Sequence and position of every row of a step (i32), and the pages of every sequence. */
export interface StepRows {
  readonly sequences: Tensor; // [rows]
  readonly positions: Tensor; // [rows]
  readonly pageTable: Tensor; // [nSequences, maxPages]
}

/** What an attention call's tensors do not show: its dimensions, and what changes its softmax. */
export type Heads = Pick<
  AttentionShape,
  "nHeads" | "nCacheHeads" | "kDim" | "vDim" | "scale" | "window" | "softCap"
> & {
  readonly sinks?: Tensor | null; // [nHeads]
};

/** The shape for the kernel set. @throws one sentence for what does not fit together. */
export function shapeOf(
  { expect }: Arena,
  op: string,
  q: Tensor,
  pages: CachePages,
  rows: StepRows,
  heads: Heads,
): AttentionShape {
  const n = q.shape[0];
  const { nHeads, nCacheHeads, kDim, vDim, scale, window = 0, softCap = 0, sinks } = heads;
  if (nHeads % nCacheHeads !== 0)
    throw new Error(`${op}: ${nHeads} query heads are not a multiple of ${nCacheHeads} cache heads`);
  if (!pages.v && vDim > kDim) throw new Error(`${op}: values of width ${vDim} are no prefix of keys of width ${kDim}`);
  if (!(Number.isInteger(window) && window >= 0))
    throw new Error(`${op}: window is ${window}, expected a whole number ≥ 0`);
  if (!(Number.isFinite(softCap) && softCap >= 0))
    throw new Error(`${op}: softCap is ${softCap}, expected a finite number ≥ 0`);
  if (sinks) expect(op, "sinks", sinks, [nHeads], activation);
  expect(op, "q", q, [n, nHeads * kDim], activation);
  expect(op, "cached keys", pages.k, [-1, pageSize, nCacheHeads, kDim]);
  if (pages.v) expect(op, "cached values", pages.v, [pages.k.shape[0], pageSize, nCacheHeads, vDim], [pages.k.dtype]);
  expect(op, "sequences", rows.sequences, [n], ["i32"]);
  expect(op, "positions", rows.positions, [n], ["i32"]);
  expect(op, "pageTable", rows.pageTable, [-1, -1], ["i32"]);
  const maxPages = rows.pageTable.shape[1];
  return { rows: n, nHeads, nCacheHeads, kDim, vDim, maxPages, scale, window, softCap, sinks: sinks?.buffer };
}

export function cacheBuffers({ k, v }: CachePages): CacheBuffers<Buffer> {
  return { k: k.buffer, v: v?.buffer ?? null };
}

export function rowBuffers({ sequences, positions, pageTable }: StepRows): RowBuffers<Buffer> {
  return { sequences: sequences.buffer, positions: positions.buffer, pageTable: pageTable.buffer };
}
