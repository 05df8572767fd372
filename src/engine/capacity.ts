// How many requests an engine computes in turns, and how many positions its cache holds for them: chosen when a model is
// opened, from what its keys and values take and what memory there is.

import { FieldError } from "../field-error.ts";
import type { ModelConfig } from "../model/config.ts";
import { bytesPerPosition, type KvDType } from "../model/kv-cache.ts";

/** Positions that a place stands for: few requests are longer, and many share their beginnings. */
const positionsPerPlace = 512;

/** There are at least so many places, however small the cache: short requests share it. */
const leastPlaces = 32;

/** Rows of one step that may be asked what they say (`stepOutputs`): with more texts, some would stand still at each. */
const mostPlaces = 128;

/** What a cache takes at the utmost where nobody said how large it should be. */
const mostCacheBytes = 2 ** 30;

/** The share of memory, after the weights, that a cache for many takes. */
const shareOfMemory = 1 / 4;

export interface CapacityOptions {
  /** Positions of the cache; "many": for as many places as memory allows. */
  cacheTokens?: number | "many";
  kv?: KvDType;
  /** Places. */
  maxRunning?: number;
}

export interface Capacity {
  cacheTokens: number;
  maxRunning: number;
}

/**
 * Cache and places of a model. `memory` is what there is for weights and cache together, `weights` what these take; bytes.
 * @throws FieldError for `cacheTokens`
 */
export function capacityOf(
  config: ModelConfig,
  { cacheTokens, kv = "f32", maxRunning }: CapacityOptions,
  { memory, weights }: { memory: number; weights: number },
): Capacity {
  const fitting = (bytes: number) => Math.floor(bytes / bytesPerPosition(config, kv));
  const forOne = Math.min(config.maxSeqLen, 8192, fitting(mostCacheBytes));
  const spare = Math.min(mostCacheBytes, (memory - weights) * shareOfMemory);
  const forMany = Math.min(mostPlaces * positionsPerPlace, fitting(Math.max(0, spare)));
  const positions = cacheTokens === "many" ? Math.max(forOne, forMany) : (cacheTokens ?? forOne);
  if (!Number.isSafeInteger(positions) || positions < 1)
    throw new FieldError("cacheTokens", `got ${cacheTokens}, expected a whole number ≥ 1`);
  const places = Math.floor(positions / positionsPerPlace);
  return { cacheTokens: positions, maxRunning: maxRunning ?? Math.min(mostPlaces, Math.max(leastPlaces, places)) };
}
