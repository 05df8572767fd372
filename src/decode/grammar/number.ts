// JSON numbers as bytes: free ones, and those between bounds. A bounded number is read digit by digit; the digits so far
// stand for a block of numbers (all those that begin with them), and the block's relation to the bounds is all that
// matters: outside, it is refused; inside, the digits themselves are forgotten. Arithmetic is exact, in integers scaled
// by a power of ten. Source of the grammar: RFC 8259 section 6.

import { type ByteMachine, tabulate } from "./byte-machine.ts";
import { maxDigits } from "./limits.ts";

/** What a number may be; bounds are inclusive unless said otherwise. */
export interface NumberRange {
  readonly integer: boolean;
  readonly min?: number;
  readonly max?: number;
  readonly minExclusive?: boolean;
  readonly maxExclusive?: boolean;
  /** Integers only. */
  readonly multipleOf?: number;
}

const zero = 0x30;
const minus = 0x2d;
const point = 0x2e;
const isDigit = (byte: number) => byte >= zero && byte <= 0x39;
const isSign = (byte: number) => byte === minus || byte === 0x2b;
const isE = (byte: number) => (byte | 0x20) === 0x65;

type Part = "start" | "minus" | "zero" | "integer" | "point" | "fraction" | "e" | "sign" | "exponent";

/** How long the parts of a free number may be, in digits; 0: the part is not there. */
interface FreeLimits {
  readonly integer: number;
  readonly fraction: number;
  readonly exponent: number;
}

/** Every number of RFC 8259. */
export const anyNumber = free({ integer: Infinity, fraction: Infinity, exponent: Infinity });

/** Numbers that a double holds: with an exponent of two digits they stay below 10^308. */
const doubles = free({ integer: maxDigits, fraction: maxDigits, exponent: 2 });
const integers = free({ integer: maxDigits, fraction: 0, exponent: 0 });

function free(limits: FreeLimits): ByteMachine {
  const limitOf: Partial<Record<Part, number>> = limits;
  type State = { part: Part; digits: number };
  const digitsIn = (part: "integer" | "fraction" | "exponent", digits: number): State | undefined => {
    if (digits > limits[part]) return undefined;
    return { part, digits: limits[part] === Infinity ? 1 : digits };
  };
  return tabulate<State>({
    start: { part: "start", digits: 0 },
    key: ({ part, digits }) => `${part} ${digits}`,
    step({ part, digits }, byte) {
      switch (part) {
        case "start":
          if (byte === minus) return { part: "minus", digits: 0 };
          if (byte === zero) return { part: "zero", digits: 0 };
          return isDigit(byte) ? digitsIn("integer", 1) : undefined;
        case "minus":
          if (byte === zero) return { part: "zero", digits: 0 };
          return isDigit(byte) ? digitsIn("integer", 1) : undefined;
        case "point":
          return isDigit(byte) ? digitsIn("fraction", 1) : undefined;
        case "e":
          return isDigit(byte) ? digitsIn("exponent", 1) : isSign(byte) ? { part: "sign", digits: 0 } : undefined;
        case "sign":
          return isDigit(byte) ? digitsIn("exponent", 1) : undefined;
        default:
          if (isDigit(byte)) return part === "zero" ? undefined : digitsIn(part, digits + 1);
          if (byte === point && part !== "fraction" && part !== "exponent" && limits.fraction > 0)
            return { part: "point", digits: 0 };
          return isE(byte) && part !== "exponent" && limits.exponent > 0 ? { part: "e", digits: 0 } : undefined;
      }
    },
    accepts: ({ part }) => part === "zero" || limitOf[part] !== undefined,
  });
}

/** A bounded number so far: its digits as one integer, and how many of them stand behind the point (-1: no point yet). */
interface Prefix {
  readonly part: "start" | "minus" | "digits";
  readonly negative: boolean;
  readonly digits: bigint;
  readonly behind: number;
}

/**
 * The machine of a range; undefined if no number is in it. Throws a RangeError where doubles are too coarse to keep to the
 * range: whoever reads the JSON will round.
 */
export function numberMachine(range: NumberRange): ByteMachine | undefined {
  const { integer, min, max, multipleOf } = range;
  if (min === undefined && max === undefined && multipleOf === undefined) return integer ? integers : doubles;
  const scale = integer ? 0 : decimalsOf(range);
  const unit = 10n ** BigInt(scale);
  // Both ends inclusive, counted in units of the last decimal.
  const most = multipleOf ? BigInt(Number.MAX_SAFE_INTEGER) : 10n ** BigInt(longest(range)) * unit - 1n;
  let low = min === undefined ? -most : ceiling(min, scale, range.minExclusive ?? false);
  let high = max === undefined ? most : -ceiling(-max, scale, range.maxExclusive ?? false);
  if (multipleOf && low < -most) low = -most; // beyond it a double no longer knows its remainder
  if (multipleOf && high > most) high = most;
  const step = BigInt(multipleOf ?? 1);

  /** Some number of the range lies in from…to. */
  const meets = (from: bigint, to: bigint) => {
    const first = from > low ? from : low;
    const last = to < high ? to : high;
    return first <= last && floorDivide(last, step) * step >= first;
  };
  /** The numbers whose magnitude is from…to, on the side of the sign. */
  const block = (negative: boolean, from: bigint, to: bigint): [bigint, bigint] =>
    negative ? [-to, -from] : [from, to];

  /** What sets a prefix apart from others; undefined if no number of the range begins with it. */
  const nameOf = ({ negative, digits, behind }: Prefix): string | undefined => {
    const furthest = low < 0n && -low > high ? -low : high;
    let name = `${negative} ${behind} ${multipleOf ? digits % step : ""}`;
    let whole = false;
    let possible = false;
    // With n more digits before the point: a block for each n. Behind the point, or after a leading zero, n is 0.
    let size = behind < 0 ? unit : 10n ** BigInt(scale - behind);
    do {
      const [from, to] = block(negative, digits * size, (digits + 1n) * size - 1n);
      if (meets(from, to)) {
        possible = true;
        if (from >= low && to <= high) name += "+";
        else whole = true;
      } else name += "-";
      size *= 10n;
    } while (behind < 0 && digits > 0n && digits * size <= furthest);
    if (!possible) return undefined;
    return whole || digits === 0n ? `${negative} ${behind} =${digits}` : name;
  };
  const digit = (prefix: Prefix, value: number): Prefix | undefined => {
    const { part, digits, behind } = prefix;
    if (part === "digits" && behind < 0 && digits === 0n) return undefined; // no leading zeros
    if (behind === scale) return undefined;
    return {
      ...prefix,
      part: "digits",
      digits: digits * 10n + BigInt(value),
      behind: behind < 0 ? behind : behind + 1,
    };
  };
  const next = (prefix: Prefix, byte: number): Prefix | undefined => {
    if (isDigit(byte)) return digit(prefix, byte - zero);
    if (byte === minus && prefix.part === "start") return { ...prefix, part: "minus", negative: true };
    if (byte === point && prefix.part === "digits" && prefix.behind < 0 && scale > 0) return { ...prefix, behind: 0 };
    return undefined;
  };
  if (!meets(low, high)) return undefined;
  return tabulate<Prefix>({
    start: { part: "start", negative: false, digits: 0n, behind: -1 },
    key: (prefix) => (prefix.part === "digits" ? (nameOf(prefix) as string) : prefix.part),
    step(prefix, byte) {
      const after = next(prefix, byte);
      if (!after) return undefined;
      if (after.part === "minus") return meets(-most, 0n) ? after : undefined;
      return nameOf(after) === undefined ? undefined : after;
    },
    accepts({ part, negative, digits, behind }) {
      if (part !== "digits" || behind === 0) return false;
      const value = digits * (behind < 0 ? unit : 10n ** BigInt(scale - behind));
      const [from, to] = block(negative, value, value);
      return meets(from, to);
    },
  });
}

/** Whether a range holds a number; for the values of an enum. */
export function inRange(
  value: number,
  { integer, min, max, minExclusive, maxExclusive, multipleOf }: NumberRange,
): boolean {
  if (integer && !Number.isInteger(value)) return false;
  if (min !== undefined && (minExclusive ? value <= min : value < min)) return false;
  if (max !== undefined && (maxExclusive ? value >= max : value > max)) return false;
  return multipleOf === undefined || value % multipleOf === 0;
}

/** How many decimals a bounded number may have: those of its bounds, and more up to the 15 digits that a double keeps. */
function decimalsOf({ min, max, minExclusive, maxExclusive }: NumberRange): number {
  let needed = 0;
  let kept = 15;
  for (const [bound, exclusive] of [
    [min, minExclusive],
    [max, maxExclusive],
  ] as const) {
    if (bound === undefined) continue;
    const { digits, decimals } = decimal(bound);
    const whole = Math.max(0, String(digits).replace("-", "").length - decimals);
    needed = Math.max(needed, decimals);
    if (bound !== 0) kept = Math.min(kept, Math.max(0, 15 - whole));
    if (exclusive && whole + decimals > 15)
      throw new RangeError(`the exclusive bound ${bound} has more than the 15 digits that a double keeps apart`);
  }
  return Math.max(needed, kept);
}

/** Digits before the point, where only one bound is given. */
function longest({ min = 0, max = 0 }: NumberRange): number {
  return Math.max(maxDigits, ...[min, max].map((bound) => String(decimal(bound).digits).length));
}

/** value = digits · 10^-decimals, exactly as JavaScript writes it. */
function decimal(value: number): { digits: bigint; decimals: number } {
  const [mantissa, exponent = "0"] = String(value).split("e");
  const [whole, fraction = ""] = mantissa.split(".");
  const decimals = fraction.length - Number(exponent);
  const digits = BigInt(whole + fraction);
  return decimals >= 0 ? { digits, decimals } : { digits: digits * 10n ** BigInt(-decimals), decimals: 0 };
}

/** The least integer ≥ value · 10^scale, or > where the bound itself is excluded. */
function ceiling(value: number, scale: number, exclusive: boolean): bigint {
  const { digits, decimals } = decimal(value);
  const divisor = 10n ** BigInt(Math.max(0, decimals - scale));
  const scaled = digits * 10n ** BigInt(Math.max(0, scale - decimals));
  const floor = floorDivide(scaled, divisor);
  return floor * divisor === scaled && !exclusive ? floor : floor + 1n;
}

function floorDivide(a: bigint, b: bigint): bigint {
  return a / b - (a % b !== 0n && a < 0n ? 1n : 0n);
}
