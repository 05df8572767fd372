// Settings → distribution, against transformers' logits processors; and the choice from it.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { decodingOf } from "../../src/decode/parameters.ts";
import { randomSource } from "../../src/decode/random.ts";
import { choose, distribution, largest, penalize } from "../../src/decode/sampler.ts";
import { expectClose, tolerance } from "../expect-close.ts";

const golden: {
  promptIds: number[];
  generatedIds: number[];
  logits: Record<string, number[]>;
  cases: { logits: string; settings: object; probs: number[] }[];
} = JSON.parse(readFileSync(new URL("../golden/sampler.json", import.meta.url), "utf8"));

const counts = new Map<number, number>();
for (const id of golden.generatedIds) counts.set(id, (counts.get(id) ?? 0) + 1);
const history = { seen: new Set([...golden.promptIds, ...golden.generatedIds]), generated: counts };

describe.each(Object.keys(golden.logits))("logits %s", (name) => {
  test.each(golden.cases.filter((c) => c.logits === name).map((c) => [JSON.stringify(c.settings), c] as const))(
    "%s",
    (_, { settings, probs }) => {
      const logits = Float32Array.from(golden.logits[name]);
      const decoding = decodingOf(settings, logits.length, 100);
      penalize(logits, decoding, history);
      const result = distribution(logits, decoding);
      const dense = new Float64Array(logits.length);
      for (const [i, id] of result.ids.entries()) dense[id] = result.probs[i];
      expectClose(dense, probs, tolerance.probability, "probabilities");
    },
  );
});

test("temperature 0 takes the largest logit, the first of equal ones", () => {
  const decoding = decodingOf({ temperature: 0 }, 4, 100);
  expect(distribution(Float32Array.of(1, 3, 3, 2), decoding)).toEqual({ ids: [1], probs: [1] });
});

test("largest = the beginning of a full sort", () => {
  const random = randomSource(3);
  for (let n = 1; n <= 200; n++) {
    const logits = Float32Array.from({ length: n }, () => Math.floor(random() * 20)); // many equal ones
    const sorted = [...logits.keys()].sort((a, b) => logits[b] - logits[a] || a - b);
    for (const k of [1, 2, 7, n]) expect(largest(logits, k)).toEqual(sorted.slice(0, k));
  }
});

test("choices follow the distribution", () => {
  const random = randomSource(1);
  const tally = [0, 0, 0];
  for (let i = 0; i < 20_000; i++) tally[choose({ ids: [0, 1, 2], probs: [0.5, 0.3, 0.2] }, random())]++;
  // Five standard deviations of a binomial count.
  for (const [i, p] of [0.5, 0.3, 0.2].entries())
    expect(Math.abs(tally[i] - 20_000 * p)).toBeLessThan(5 * Math.sqrt(20_000 * p * (1 - p)));
});

test("the random source is pcg32: the numbers that its author's program prints for seed 42, stream 54", () => {
  const random = randomSource(42);
  const words = Array.from({ length: 6 }, () => random() * 2 ** 32);
  expect(words).toEqual([0xa15c02b7, 0x7b47f409, 0xba1d3330, 0x83d2f293, 0xbfa4784b, 0xcbed606e]);
});
