// Numbers of a range against arithmetic: for random bounds, multiples and exceptions, every spelling near them is accepted
// exactly if its value is in the range, what a double makes of it too, and every beginning of an accepted spelling is let
// through. Judged numbers are those of the specification, in every spelling.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ByteMachine, dead } from "../../../src/decode/grammar/byte-machine.ts";
import { judgedNumber, numberMachine } from "../../../src/decode/grammar/number.ts";
import { inRange, type NumberRange } from "../../../src/decode/grammar/number-range.ts";
import { sampled } from "../../long.ts";

function takes(machine: ByteMachine | undefined, text: string): boolean {
  if (!machine) return false;
  let state = machine.start;
  for (const char of text) {
    state = machine.next(state, char.charCodeAt(0));
    if (state === dead) return false;
  }
  return machine.accepts(state);
}
const accepts = (range: NumberRange, text: string) => takes(numberMachine(range), text);

/** Spellings of a state's texts, found by going on from it: every state that is not dead reaches one. */
function completes(range: NumberRange): boolean {
  const machine = numberMachine(range);
  if (!machine) return true;
  const seen = new Set([machine.start]);
  const before = new Map<number, number[]>();
  for (const state of seen) {
    if (seen.size > 400) return true;
    for (const byte of "0123456789-.e+") {
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

const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const boundOf = (value: fc.Arbitrary<number>) => optional(fc.record({ value, exclusive: fc.boolean() }));
const near = ({ min, max }: NumberRange) => [min?.value ?? 0, max?.value ?? 0];

describe("integers", () => {
  const bound = boundOf(fc.oneof(fc.integer({ min: -300, max: 300 }), fc.integer({ min: -99_999, max: 99_999 })));
  test("random bounds, multiples and exceptions", () => {
    fc.assert(
      fc.property(
        fc.record({
          min: bound,
          max: bound,
          multiples: optional(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 2 })),
          notMultiples: optional(fc.array(fc.integer({ min: 2, max: 9 }), { minLength: 1, maxLength: 2 })),
          except: optional(fc.array(fc.integer({ min: -20, max: 20 }), { maxLength: 4 })),
        }),
        (bounds) => {
          const range = { ...bounds, whole: true };
          const machine = numberMachine(range);
          const values = near(range).flatMap((bound) => [-2, -1, 0, 1, 2].map((d) => bound + d));
          for (const value of [...values, 0, 7, -7, 10, 100, -100, 12345678])
            expect(takes(machine, String(value)), `${JSON.stringify(range)} ${value}`).toBe(inRange(value, range));
          expect(completes(range), JSON.stringify(range)).toBe(true);
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });
});

describe("decimals", () => {
  const decimal = fc.integer({ min: -20_000, max: 20_000 }).map((n) => n / 100);
  test("random bounds, as decimals and with exponents", () => {
    fc.assert(
      fc.property(fc.record({ min: boundOf(decimal), max: boundOf(decimal) }), (range) => {
        const machine = numberMachine(range);
        const values = near(range).flatMap((bound) => [-1, -0.01, -0.001, 0, 0.001, 0.01, 1].map((d) => bound + d));
        for (const value of [...values, 0, 0.5, -0.5, 100.25, 1e-7, -3e-300, 1.7e21]) {
          for (const text of [value.toFixed(3), String(value), value.toExponential(), value.toExponential(2)]) {
            if (/^-?0(?:\.0+)?e/.test(text)) continue; // nobody writes zero so
            const what = `${JSON.stringify(range)} ${text}`;
            if (text.length < 20) expect(takes(machine, text), what).toBe(inRange(Number(text), range));
            else expect(takes(machine, text) && !inRange(Number(text), range), what).toBe(false);
          }
        }
      }),
      { numRuns: 150, seed: 2 },
    );
  });

  test("random multiples of decimals", () => {
    const step = fc.constantFrom(0.01, 0.1, 0.25, 0.5, 1.5, 0.003);
    fc.assert(
      fc.property(
        fc.record({
          min: boundOf(decimal),
          max: boundOf(decimal),
          multiples: fc.array(step, { minLength: 1, maxLength: 2 }),
        }),
        fc.array(fc.integer({ min: -3000, max: 3000 }), { minLength: 20 }),
        (range, numbers) => {
          const machine = numberMachine(range);
          for (const text of numbers.map((number) => String(number / 1000)))
            expect(takes(machine, text), `${JSON.stringify(range)} ${text}`).toBe(inRange(Number(text), range));
        },
      ),
      { numRuns: 100, seed: 3 },
    );
  });

  test("what is no integer, and what is no multiple", () => {
    const fractions = { whole: false, min: { value: -3, exclusive: false } };
    for (const [text, valid] of [
      ["1.5", true],
      ["1.0", false],
      ["1", false],
      ["1.000", false],
      ["1.0001", true],
      ["-2.25", true],
      ["-4.5", false],
    ] as const)
      expect(accepts(fractions, text), text).toBe(valid);
    expect(completes(fractions)).toBe(true);
    const odd = { whole: true, notMultiples: [2] };
    expect(["1", "2", "35", "40"].map((text) => accepts(odd, text))).toEqual([true, false, true, false]);
    const except = { min: { value: 0, exclusive: false }, except: [0, 0.5] };
    expect(["0", "0.0", "0.5", "0.50", "0.51", "5"].map((text) => accepts(except, text))).toEqual([
      ...[false, false, false, false, true, true],
    ]);
  });

  test("a wide range takes the decimals of small values", () => {
    const most = 2 ** 53 - 1;
    for (const [min, max] of [
      [-most, most],
      [0, 999_999_999_999_999],
      [0, 1e12],
      [-1e300, 1e300],
    ]) {
      const range = { min: { value: min, exclusive: false }, max: { value: max, exclusive: false } };
      for (const text of ["3.25", "0.1", "0.30000000000000004", "1e-06", "1e-300", "2.5e-7", "123456.789"])
        expect(accepts(range, text), `${min} … ${max}: ${text}`).toBe(true);
    }
  });

  test("between tight bounds there is always a way on", () => {
    for (const [min, max] of sampled(
      [
        [0.1, 0.3],
        [-0.05, 0.05],
        [1, 1],
        [9.99, 10.01],
        [0.125, 0.126],
        [1e-20, 2e-20],
        [-5e-324, 5e-324],
        [1.5e300, 1.6e300],
      ],
      3,
    )) {
      for (const exclusive of [false, true]) {
        const range = { min: { value: min, exclusive }, max: { value: max, exclusive } };
        expect(completes(range), JSON.stringify(range)).toBe(true);
      }
    }
  });

  test("what a reader rounds stays within the bounds", () => {
    const below = { min: { value: 0, exclusive: true }, max: { value: 1, exclusive: true } };
    expect(accepts(below, "0.99999999999999")).toBe(true);
    expect(accepts(below, "0.99999999999999999999")).toBe(false); // a double makes it 1
    expect(accepts(below, "1e-400")).toBe(false); // and this 0
    const max = { value: 1234567.8901234567, exclusive: true };
    expect(accepts({ max }, "1234567.8901234565")).toBe(true);
    expect(accepts({ max }, "1234567.8901234567")).toBe(false);
  });
});

describe("free numbers", () => {
  test.each(["1e-06", "1e-300", "1E+21", "-2.5e-7", "12.5e3", "0.1", "1e307"])("%s", (text) => {
    expect(accepts({}, text)).toBe(true);
  });
  test("none that a double cannot hold", () => {
    expect(accepts({}, "1e400")).toBe(false);
    expect(accepts({}, "1e999")).toBe(false);
  });
});

describe("judged: every spelling of the value", () => {
  const judged = (range: NumberRange, text: string) => takes(judgedNumber(range), text);
  test("an integer may be written with a point or an exponent", () => {
    for (const [text, valid] of [
      ["2.0", true],
      ["2e0", true],
      ["20e-1", true],
      ["1.5e1", true],
      ["1e400", true],
      ["2.5", false],
      ["1e-06", false],
    ] as const)
      expect(judged({ whole: true }, text), text).toBe(valid);
  });
  test("bounds and multiples are exact", () => {
    const range = { min: { value: 0, exclusive: true }, max: { value: 1, exclusive: false }, multiples: [0.1] };
    expect(
      ["0.3", "0.30", "3e-1", "1.0", "10e-1", "0", "0.0", "1.1", "0.35"].map((text) => judged(range, text)),
    ).toEqual([...[true, true, true, true, true, false, false, false, false]]);
    expect(judged({ max: { value: 1, exclusive: true } }, "0.99999999999999999999")).toBe(true);
    expect(judged({ except: [1] }, "1.00")).toBe(false);
  });
  test("a number that is too long to weigh is none", () => {
    expect(judged({ max: { value: 1, exclusive: false } }, "1e-999999999")).toBe(false);
  });
});

describe("empty ranges", () => {
  const at = (value: number, exclusive = false) => ({ value, exclusive });
  test.each<NumberRange>([
    { whole: true, min: at(5), max: at(3) },
    { whole: true, min: at(0.1), max: at(0.9) },
    { whole: true, min: at(8, true), max: at(13), multiples: [7] },
    { min: at(1, true), max: at(1) },
    { whole: false, min: at(1), max: at(1) },
    { whole: true, min: at(1), max: at(3), except: [1, 2, 3] },
    { whole: true, multiples: [4], notMultiples: [2] },
  ])("%j", (range) => {
    expect(numberMachine(range) === undefined).toBe(true);
  });
});
