// The pool of cache pages: 64 positions of keys and values each, for every layer. A sequence holds a list of page numbers,
// the same in all layers; which page a position is in is the page table's business, so sequences of any length share one
// pool without copying (Kwon et al. 2023, "PagedAttention", arXiv 2309.06180).

import type { CachePages } from "../../kernels/attention-operands.ts";
import { pageSize } from "../../kernels/kernels.ts";
import type { Ops } from "../../kernels/ops.ts";
import { bytesPerElement } from "../../weights/dtype.ts";
import type { ModelConfig } from "./config.ts";

export interface KvCache {
  readonly layers: readonly CachePages[]; // per layer: k and v [nPages, pageSize, nKvHeads, headDim]
  readonly nPages: number;
  /** Pages that nobody has taken. */
  readonly free: number[];
}

/** Dtypes that keys and values can be kept in: f16 halves memory and traffic, and rounds each number to 11 bits. */
export const kvDTypes = ["f32", "f16"] as const;
export type KvDType = (typeof kvDTypes)[number];

/** Bytes of keys and values of one position in all layers: 2 · nLayers · nKvHeads · headDim numbers. */
export function bytesPerPosition(config: ModelConfig, dtype: KvDType): number {
  return 2 * config.nLayers * config.nKvHeads * config.headDim * bytesPerElement[dtype];
}

/** A pool for `positions` positions in all, rounded up to whole pages. */
export function createKvCache(ops: Ops, config: ModelConfig, positions: number, dtype: KvDType = "f32"): KvCache {
  const nPages = pagesFor(positions);
  const shape = [nPages, pageSize, config.nKvHeads, config.headDim];
  const layers = Array.from({ length: config.nLayers }, () => ({
    k: ops.keep(dtype, shape),
    v: ops.keep(dtype, shape),
  }));
  return { layers, nPages, free: Array.from({ length: nPages }, (_, i) => nPages - 1 - i) };
}

/** Pages that hold a number of positions. */
export function pagesFor(positions: number): number {
  return Math.ceil(positions / pageSize);
}

/** Takes n pages out of the pool, or null (and takes none) when there are not enough. */
export function takePages(cache: KvCache, n: number): number[] | null {
  return n <= cache.free.length ? cache.free.splice(cache.free.length - n, n) : null;
}

/** Gives a sequence's pages back to the pool. */
export function releasePages(cache: KvCache, pages: readonly number[]): void {
  cache.free.push(...pages);
}
