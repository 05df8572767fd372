// The pool of cache pages: 64 positions of keys and values each, for every layer. A sequence holds a list of page numbers,
// the same in all layers; which page a position is in is the page table's business, so sequences of any length share one
// pool without copying (Kwon et al. 2023, "PagedAttention", arXiv 2309.06180). What a position takes is `cacheLayout`.

import type { CachePages } from "../../kernels/arena.ts";
import { pageSize } from "../../kernels/kernels.ts";
import type { Ops } from "../../kernels/ops.ts";
import { sizeOf, type Tensor } from "../../kernels/tensor.ts";
import { bytesPerElement } from "../../weights/dtype.ts";
import type { ModelConfig } from "./config.ts";

/** What a layer keeps of one position. */
export interface LayerLayout {
  /** Heads of keys and values that are stored. */
  readonly nCacheHeads: number;
  /** Width of a key head. */
  readonly kDim: number;
  /** Width of a value head, or values are the first ones of each key head and are not stored twice. */
  readonly vDim: number | "prefix of k";
  /** Sliding window: how many of the last positions are looked at; 0 or none: all. */
  readonly window?: number;
}

/** What the cache of a model holds, layer by layer: whoever needs its shape or its size asks here. */
export function cacheLayout({ nLayers, nKvHeads, headDim, windows, latent, rope }: ModelConfig): LayerLayout[] {
  const layer: LayerLayout = latent
    ? { nCacheHeads: 1, kDim: latent.kvRank + (rope?.ropeDim ?? 0), vDim: "prefix of k" }
    : { nCacheHeads: nKvHeads, kDim: headDim, vDim: headDim };
  return Array.from({ length: nLayers }, (_, i) => ({ ...layer, window: windows?.[i] }));
}

export interface KvCache {
  readonly layers: readonly CachePages[]; // per layer: k [nPages, pageSize, nCacheHeads, kDim], v likewise with vDim, or null
  readonly nPages: number;
  /** Pages that nobody has taken. */
  readonly free: number[];
}

/** Dtypes that keys and values can be kept in: f16 halves memory and traffic, and rounds each number to 11 bits. */
export const kvDTypes = ["f32", "f16"] as const;
export type KvDType = (typeof kvDTypes)[number];

/** Bytes of keys and values of one position in all layers: Σ nCacheHeads · (kDim + vDim) numbers. */
export function bytesPerPosition(config: ModelConfig, dtype: KvDType): number {
  const widths = cacheLayout(config).map(
    ({ nCacheHeads, kDim, vDim }) => nCacheHeads * (kDim + (vDim === "prefix of k" ? 0 : vDim)),
  );
  return widths.reduce((sum, width) => sum + width, 0) * bytesPerElement[dtype];
}

/** A pool for `positions` positions in all, rounded up to whole pages. */
export function createKvCache(ops: Ops, config: ModelConfig, positions: number, dtype: KvDType = "f32"): KvCache {
  return cacheOf(config, pagesFor(positions), (shape) => ops.keep(dtype, shape));
}

/**
 * Pages that live as long as the step, in f32. `before` is what their first ones hold, keys and values of each layer in
 * turn; the rest is zeros.
 */
export function createStepCache(
  ops: Ops,
  config: ModelConfig,
  nPages: number,
  before: readonly Float32Array[] = [],
): KvCache {
  let next = 0;
  return cacheOf(config, nPages, (shape) => {
    const values = new Float32Array(sizeOf(shape));
    values.set(before[next++] ?? []);
    return ops.upload(values, shape);
  });
}

/** Tensors of the layout's shapes for so many pages. */
function cacheOf(config: ModelConfig, nPages: number, make: (shape: readonly number[]) => Tensor): KvCache {
  const layers = cacheLayout(config).map(({ nCacheHeads, kDim, vDim }) => ({
    k: make([nPages, pageSize, nCacheHeads, kDim]),
    v: vDim === "prefix of k" ? null : make([nPages, pageSize, nCacheHeads, vDim]),
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
