// Numbers with an exponent, as programs write those that are very large or small: one digit that is not 0, decimals, and the
// exponent (1.5e-7, 1e+21, 2E5). How the decimals so far compare with those of the bounds is all that is remembered, and
// tells which exponents may follow.

import type { MachineDescription } from "./byte-machine.ts";
import { decimalOf } from "./decimal.ts";

/** Digits behind which a double no longer changes. */
const maxMantissa = 17;
/** Within these exponents every double is exact to its last digit. */
const maxExponent = 307;

/** A bound of the magnitude: d.ddd · 10^exponent. */
interface Limit {
  readonly digits: string;
  readonly exponent: number;
}

/** Before, at or behind a limit's decimals, as far as they have come. */
type Order = -1 | 0 | 1;

interface Beginning {
  readonly part: "start" | "minus";
  readonly negative: boolean;
}

interface Mantissa {
  readonly part: "mantissa";
  readonly negative: boolean;
  readonly length: number;
  readonly point: boolean;
  readonly low: Order;
  readonly high: Order;
}

interface Exponent {
  readonly part: "exponent";
  /** Which exponents are left: from…to, of which `text` has come. */
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

export type Scientific = Beginning | Mantissa | Exponent;

/**
 * Numbers from `min` to `max`, both included; undefined if none can be written like this. `whole`: such as are certain to be
 * integers, however many decimals come before the exponent.
 */
export function scientific(min?: number, max?: number, whole = false): MachineDescription<Scientific> | undefined {
  const leastExponent = whole ? maxMantissa : -maxExponent;
  /** The magnitudes on one side of zero; undefined: there are none. */
  const sides = [
    max !== undefined && max <= 0
      ? undefined
      : { low: limitOf(min), high: max === undefined ? undefined : limitOf(max) },
    min !== undefined && min >= 0
      ? undefined
      : { low: limitOf(max === undefined ? undefined : -max), high: min === undefined ? undefined : limitOf(-min) },
  ];
  const sideOf = (negative: boolean) => sides[negative ? 1 : 0];

  /** The exponents that may follow decimals; `isDone`: no more decimals come. */
  const exponents = (state: Mantissa, isDone: boolean): [number, number] => {
    const { low, high } = sideOf(state.negative) as NonNullable<ReturnType<typeof sideOf>>;
    const order = (limit: Limit, order: Order): Order =>
      isDone && order === 0 && limit.digits.length > state.length ? -1 : order;
    // Decimals that agree with a bound so far can still come out on the side that is wanted.
    const from = low ? low.exponent + (order(low, state.low) < 0 ? 1 : 0) : -maxExponent;
    const to = high ? high.exponent - (order(high, state.high) > 0 ? 1 : 0) : maxExponent;
    return [Math.max(from, leastExponent), Math.min(to, maxExponent)];
  };
  const isPossible = (state: Mantissa) => {
    const [from, to] = exponents(state, false);
    return from <= to;
  };
  const after = (limit: Limit | undefined, order: Order, at: number, digit: number): Order => {
    if (!limit || order !== 0) return order;
    const own = Number(limit.digits[at] ?? 0);
    return digit < own ? -1 : digit > own ? 1 : 0;
  };

  const begun = (negative: boolean, digit: number): Mantissa | undefined => {
    const side = sideOf(negative);
    if (!side) return undefined;
    const first: Mantissa = {
      ...{ part: "mantissa", negative, length: 1, point: false },
      low: after(side.low, 0, 0, digit),
      high: after(side.high, 0, 0, digit),
    };
    return isPossible(first) ? first : undefined;
  };
  const mayBegin = (negative: boolean) => [1, 2, 3, 4, 5, 6, 7, 8, 9].some((digit) => begun(negative, digit));

  const next = (state: Scientific, byte: number): Scientific | undefined => {
    const char = String.fromCharCode(byte);
    const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : undefined;
    if (state.part === "start" && char === "-") return mayBegin(true) ? { part: "minus", negative: true } : undefined;
    if (state.part !== "exponent" && state.part !== "mantissa") {
      return digit ? begun(state.negative, digit) : undefined;
    }
    if (state.part === "exponent") {
      const { from, to } = state;
      const text = state.text + char;
      if (!/^[+-]?\d{0,3}$/.test(text)) return undefined;
      return someExponent(text, from, to) ? { ...state, text } : undefined;
    }
    if (digit !== undefined) {
      const { negative, length, point } = state;
      const side = sideOf(negative);
      if (!point || length >= maxMantissa || !side) return undefined;
      const longer = {
        ...state,
        length: length + 1,
        low: after(side.low, state.low, length, digit),
        high: after(side.high, state.high, length, digit),
      };
      return isPossible(longer) ? longer : undefined;
    }
    if (char === "." && !state.point) return { ...state, point: true };
    if ((char !== "e" && char !== "E") || (state.point && state.length === 1)) return undefined;
    const [from, to] = exponents(state, true);
    return from <= to ? { part: "exponent", from, to, text: "" } : undefined;
  };

  if (!mayBegin(false) && !mayBegin(true)) return undefined;
  return {
    start: { part: "start", negative: false },
    step: next,
    accepts: (state) =>
      state.part === "exponent" && /\d$/.test(state.text) && within(Number(state.text), state.from, state.to),
    key(state) {
      if (state.part === "mantissa")
        return `m ${state.negative} ${state.length} ${state.point} ${state.low} ${state.high}`;
      return state.part === "exponent" ? `e ${state.from} ${state.to} ${state.text}` : state.part;
    },
  };
}

/** The magnitude of a bound; undefined where it bounds nothing. */
function limitOf(value: number | undefined): Limit | undefined {
  if (value === undefined || value <= 0) return undefined;
  const { digits, decimals } = decimalOf(value);
  const text = String(digits);
  return { digits: text.replace(/0+$/, ""), exponent: text.length - 1 - decimals };
}

const within = (value: number, from: number, to: number) => value >= from && value <= to;

/** Whether some exponent of from…to begins with a text of a sign and up to three digits. */
function someExponent(text: string, from: number, to: number): boolean {
  const digits = text.replace(/^[+-]/, "");
  const negative = text.startsWith("-");
  for (let more = 0; digits.length + more <= 3; more++) {
    if (digits.length + more === 0) continue;
    const least = Number(digits || "0") * 10 ** more;
    const most = least + 10 ** more - 1;
    if (negative ? -least >= from && -most <= to : most >= from && least <= to) return true;
  }
  return false;
}
