// Bounded numbers against arithmetic: for random bounds, every spelling near them is accepted exactly if it lies between
// them, and every beginning of an accepted spelling is let through.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dead } from "../../../src/decode/grammar/byte-machine.ts";
import { inRange, type NumberRange, numberMachine } from "../../../src/decode/grammar/number.ts";

function accepts(range: NumberRange, text: string): boolean {
  const machine = numberMachine(range);
  if (!machine) return false;
  let state = machine.start;
  for (const char of text) {
    state = machine.next(state, char.charCodeAt(0));
    if (state === dead) return false;
  }
  return machine.accepts(state);
}

/** Spellings of a state's texts, found by going on from it: every state that is not dead reaches one. */
function completes(range: NumberRange): boolean {
  const machine = numberMachine(range);
  if (!machine) return true;
  const seen = new Set([machine.start]);
  const before = new Map<number, number[]>();
  for (const state of seen) {
    if (seen.size > 5000) return true;
    for (const byte of "0123456789-.") {
      const after = machine.next(state, byte.charCodeAt(0));
      if (after === dead) continue;
      seen.add(after);
      before.set(after, [...(before.get(after) ?? []), state]);
    }
  }
  const alive = new Set([...seen].filter((state) => machine.accepts(state)));
  for (const state of alive) for (const source of before.get(state) ?? []) alive.add(source);
  return alive.size === seen.size;
}

const bound = fc.oneof(fc.integer({ min: -300, max: 300 }), fc.integer({ min: -99_999, max: 99_999 }));

describe("integers", () => {
  test("random bounds and multiples", () => {
    fc.assert(
      fc.property(
        fc.record({
          min: fc.option(bound, { nil: undefined }),
          max: fc.option(bound, { nil: undefined }),
          minExclusive: fc.boolean(),
          maxExclusive: fc.boolean(),
          multipleOf: fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }),
        }),
        (bounds) => {
          const range = { ...bounds, integer: true };
          const near = [bounds.min ?? 0, bounds.max ?? 0].flatMap((b) => [-2, -1, 0, 1, 2].map((d) => b + d));
          for (const value of [...near, 0, 7, -7, 10, 100, -100, 12345678])
            expect(accepts(range, String(value)), `${JSON.stringify(range)} ${value}`).toBe(inRange(value, range));
          expect(completes(range), JSON.stringify(range)).toBe(true);
        },
      ),
      { numRuns: 150, seed: 1 },
    );
  });
});

describe("decimals", () => {
  const decimal = fc.integer({ min: -20_000, max: 20_000 }).map((n) => n / 100);
  test("random bounds", () => {
    fc.assert(
      fc.property(
        fc.record({
          min: fc.option(decimal, { nil: undefined }),
          max: fc.option(decimal, { nil: undefined }),
          minExclusive: fc.boolean(),
          maxExclusive: fc.boolean(),
        }),
        (bounds) => {
          const range = { ...bounds, integer: false };
          const near = [bounds.min ?? 0, bounds.max ?? 0].flatMap((b) =>
            [-1, -0.01, -0.001, 0, 0.001, 0.01, 1].map((d) => b + d),
          );
          for (const value of [...near, 0, 0.5, -0.5, 100.25]) {
            const text = value.toFixed(3);
            expect(accepts(range, text), `${JSON.stringify(range)} ${text}`).toBe(inRange(Number(text), range));
          }
        },
      ),
      { numRuns: 150, seed: 2 },
    );
  });

  test("between tight bounds there is always a way on", () => {
    for (const [min, max] of [
      [0.1, 0.3],
      [-0.05, 0.05],
      [1, 1],
      [9.99, 10.01],
      [0.125, 0.126],
    ]) {
      for (const exclusive of [false, true]) {
        const range = { integer: false, min, max, minExclusive: exclusive, maxExclusive: exclusive };
        expect(completes(range), JSON.stringify(range)).toBe(true);
      }
    }
  });

  test("what a reader rounds stays within the bounds", () => {
    const below = { integer: false, min: 0, max: 1, minExclusive: true, maxExclusive: true };
    expect(accepts(below, "0.99999999999999")).toBe(true);
    expect(accepts(below, "0.99999999999999999999")).toBe(false); // a double makes it 1
    expect(() => numberMachine({ integer: false, max: 1234567.8901234567, maxExclusive: true })).toThrow("15 digits");
  });
});

describe("empty ranges", () => {
  test.each<NumberRange>([
    { integer: true, min: 5, max: 3 },
    { integer: true, min: 0.1, max: 0.9 },
    { integer: true, min: 8, max: 13, multipleOf: 7, minExclusive: true },
    { integer: false, min: 1, max: 1, minExclusive: true },
  ])("%j", (range) => {
    expect(numberMachine(range)).toBeUndefined();
  });
});
