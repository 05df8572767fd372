// How many places and positions an engine gets: arithmetic, and what a model says of it.

import { expect, test } from "vitest";
import { capacityOf } from "../../src/engine/capacity.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { bytesPerPosition } from "../../src/model/kv-cache.ts";

const GiB = 2 ** 30;
const small = { nLayers: 6, nKvHeads: 2, headDim: 64, maxSeqLen: 8192 } as ModelConfig; // 6 KiB a position
const large = { nLayers: 32, nKvHeads: 32, headDim: 128, maxSeqLen: 4096 } as ModelConfig; // 1 MiB a position

test.each<
  [string, ModelConfig, Parameters<typeof capacityOf>[1], number, number, { cacheTokens: number; maxRunning: number }]
>([
  ["a library's model: one context", small, {}, 16, 0.01, { cacheTokens: 8192, maxRunning: 32 }],
  [
    "a server's: as many as one step can ask",
    small,
    { cacheTokens: "many" },
    16,
    0.01,
    { cacheTokens: 65536, maxRunning: 128 },
  ],
  [
    "a quarter of what the weights leave",
    small,
    { cacheTokens: "many" },
    1,
    0.4,
    { cacheTokens: 26214, maxRunning: 51 },
  ],
  [
    "never less than without being asked",
    small,
    { cacheTokens: "many" },
    0.1,
    0.05,
    { cacheTokens: 8192, maxRunning: 32 },
  ],
  ["at most 1 GiB", large, { cacheTokens: "many" }, 64, 13, { cacheTokens: 1024, maxRunning: 32 }],
  ["in f16 twice as many", large, { cacheTokens: "many", kv: "f16" }, 64, 13, { cacheTokens: 2048, maxRunning: 32 }],
  [
    "what is asked for",
    small,
    { cacheTokens: 100_000, maxRunning: 7 },
    16,
    0.01,
    { cacheTokens: 100_000, maxRunning: 7 },
  ],
  [
    "places of a cache that is asked for",
    small,
    { cacheTokens: 30_000 },
    16,
    0.01,
    { cacheTokens: 30_000, maxRunning: 58 },
  ],
])("%s", (_, config, options, memory, weights, expected) => {
  expect(capacityOf(config, options, { memory: memory * GiB, weights: weights * GiB })).toEqual(expected);
});

test("the cache takes no more than its share", () => {
  for (let memory = 0.5; memory < 16; memory *= 1.3) {
    const { cacheTokens } = capacityOf(small, { cacheTokens: "many" }, { memory: memory * GiB, weights: 0.2 * GiB });
    if (cacheTokens > 8192)
      expect(cacheTokens * bytesPerPosition(small, "f32")).toBeLessThanOrEqual(((memory - 0.2) * GiB) / 4);
  }
});

test("what is no number of positions is refused", () => {
  for (const cacheTokens of [0, 1.5, -1, "more"])
    expect(() => capacityOf(small, { cacheTokens } as { cacheTokens: number }, { memory: GiB, weights: 0 })).toThrow(
      `cacheTokens: got ${cacheTokens}, expected a whole number ≥ 1`,
    );
});
