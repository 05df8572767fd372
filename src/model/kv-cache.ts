// The pool of cache pages: 64 positions of keys and values each, for every layer. A sequence holds a list of page numbers,
// the same in all layers; which page a position is in is the page table's business, so sequences of any length share one
// pool without copying (Kwon et al. 2023, "PagedAttention", arXiv 2309.06180).

import { pageSize } from "../../kernels/kernels.ts";
import type { CachePages, Ops } from "../../kernels/ops.ts";
import type { ModelConfig } from "./config.ts";

export interface KvCache {
  readonly layers: readonly CachePages[]; // per layer: k and v [nPages, pageSize, nKvHeads, headDim]
  readonly nPages: number;
  /** Pages that nobody has taken. */
  readonly free: number[];
}

/** A pool for `positions` positions in all, rounded up to whole pages. Bytes: 2 · nLayers · positions · nKvHeads · headDim · 4. */
export function createKvCache(ops: Ops, config: ModelConfig, positions: number): KvCache {
  const nPages = pagesFor(positions);
  const shape = [nPages, pageSize, config.nKvHeads, config.headDim];
  const layers = Array.from({ length: config.nLayers }, () => ({
    k: ops.keep("f32", shape),
    v: ops.keep("f32", shape),
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
