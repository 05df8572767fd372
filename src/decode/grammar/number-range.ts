// Which numbers: between bounds, multiples, all but some. What a keyword says about a value, exactly; how such numbers are
// written is number.ts.

import { ceiling, compare, type Decimal, decimalOf, floorDivide, isMultiple, isWhole } from "./decimal.ts";

/** A number that is itself allowed or not. */
export interface Bound {
  readonly value: number;
  readonly exclusive: boolean;
}

export interface NumberRange {
  /** true: integers alone; false: no integers. */
  readonly whole?: boolean;
  readonly min?: Bound;
  readonly max?: Bound;
  readonly multiples?: readonly number[];
  readonly notMultiples?: readonly number[];
  readonly except?: readonly number[];
}

/** Whether a range holds a number. */
export function inRange(value: number, range: NumberRange): boolean {
  return Number.isFinite(value) && isInRange(decimalOf(value), range);
}

/** Whether a range holds a number as JSON spells it; its value is exact, whatever a double would make of it. */
export function spellsInRange(text: string, range: NumberRange): boolean {
  const exponent = /[eE](.*)/.exec(text)?.[1];
  // Beyond these, arithmetic would cost more than such a number is worth.
  return Math.abs(Number(exponent ?? 0)) <= 5000 && isInRange(decimalOf(text), range);
}

function isInRange(
  value: Decimal,
  { whole, min, max, multiples = [], notMultiples = [], except = [] }: NumberRange,
): boolean {
  if (whole !== undefined && isWhole(value) !== whole) return false;
  if (min && compare(value, decimalOf(min.value)) < (min.exclusive ? 1 : 0)) return false;
  if (max && compare(value, decimalOf(max.value)) > (max.exclusive ? -1 : 0)) return false;
  return (
    multiples.every((step) => isMultiple(value, decimalOf(step))) &&
    !notMultiples.some((step) => isMultiple(value, decimalOf(step))) &&
    !except.some((other) => compare(value, decimalOf(other)) === 0)
  );
}

/** How many numbers a range holds; Infinity where it is not certain to be few. */
export function countNumbers({ whole, min, max, multiples = [], notMultiples, except = [] }: NumberRange): number {
  if (!min || !max) return Infinity;
  const step = whole && multiples.length === 0 ? 1 : multiples.length === 1 ? multiples[0] : undefined;
  if (step === undefined || notMultiples) return min.value === max.value ? 1 : Infinity;
  const scale = decimalOf(step).decimals;
  const by = decimalOf(step).digits;
  let first = -floorDivide(-ceiling(decimalOf(min.value), scale), by);
  let last = floorDivide(-ceiling(decimalOf(-max.value), scale), by);
  if (min.exclusive && compare({ digits: first * by, decimals: scale }, decimalOf(min.value)) === 0) first++;
  if (max.exclusive && compare({ digits: last * by, decimals: scale }, decimalOf(max.value)) === 0) last--;
  return Math.max(0, Number(last - first + 1n) - except.length);
}
