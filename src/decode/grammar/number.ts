// JSON numbers as bytes: free ones, and those of a range. A number of a range is read digit by digit; the digits so far stand
// for a block of numbers (all those that begin with them), and the block's relation to the bounds is all that matters:
// outside, it is refused; inside, the digits themselves are forgotten. Beside that, 1.5e-7 is read as scientific notation has
// it (scientific.ts). Arithmetic is exact, in integers scaled by a power of ten. Source of the grammar: RFC 8259 section 6.

import { type ByteMachine, either, type MachineDescription, tabulate } from "./byte-machine.ts";
import { ceiling, decimalOf, floorDivide, greatestCommonDivisor, leastCommonMultiple, nextAbove } from "./decimal.ts";
import { maxDigits, maxTries } from "./limits.ts";
import { type Bound, type NumberRange, spellsInRange } from "./number-range.ts";
import { scientific } from "./scientific.ts";

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
export const anyNumber = tabulate(free({ integer: Infinity, fraction: Infinity, exponent: Infinity }));

/** Numbers that a double holds: with an exponent of two digits they stay below 10^308. */
const doubles = made(either(free({ integer: maxDigits, fraction: maxDigits, exponent: 2 }), scientific()));
const integers = made(
  either(free({ integer: maxDigits, fraction: 0, exponent: 0 }), scientific(undefined, undefined, true)),
);

type State = { part: Part; digits: number };

function free(limits: FreeLimits): MachineDescription<State> {
  const limitOf: Partial<Record<Part, number>> = limits;
  const digitsIn = (part: "integer" | "fraction" | "exponent", digits: number): State | undefined => {
    if (digits > limits[part]) return undefined;
    return { part, digits: limits[part] === Infinity ? 1 : digits };
  };
  return {
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
  };
}

function made<State>(description: MachineDescription<State>): ByteMachine;
function made<State>(description: MachineDescription<State> | undefined): ByteMachine | undefined;
function made<State>(description: MachineDescription<State> | undefined): ByteMachine | undefined {
  return description && tabulate(description);
}

// ---- Numbers of a range, written as people and programs write them

/** Digits that tell all doubles apart; with fewer, no two numbers are the same double. */
const digitsOfDouble = 17;
const certainDigits = 15;
/** Decimals of a number that is not written with an exponent: JavaScript and Python begin to at 10^-7 and 10^-5. */
const plainDecimals = 24;

/** A number so far: its digits as one integer, and how many of them stand behind the point (-1: no point yet). */
interface Prefix {
  readonly part: "start" | "minus" | "digits";
  readonly negative: boolean;
  readonly digits: bigint;
  readonly behind: number;
  /** Digits from the first that is not 0. */
  readonly significant: number;
}

/**
 * The machine of a range; undefined if no number that can be written is in it.
 */
export function numberMachine(range: NumberRange): ByteMachine | undefined {
  const { whole, min, max, multiples = [], notMultiples = [], except = [] } = range;
  const filtered = multiples.length + notMultiples.length + except.length > 0 || whole === false;
  if (!min && !max && !filtered) return whole ? integers : doubles;
  const [from, to] = [inclusive(min, 1, whole === true), inclusive(max, -1, whole === true)];
  if (from !== undefined && to !== undefined && from > to) return undefined;
  const exponents = filtered ? undefined : scientific(from, to, whole);
  return made(either(plainNumbers(range), exponents));
}

/** A bound as the last value that is allowed: beside an excluded double, the next one, so that no reader rounds back to it. */
function inclusive(bound: Bound | undefined, side: 1 | -1, whole: boolean): number | undefined {
  if (!bound?.exclusive) return bound?.value;
  const { value } = bound;
  if (whole && Number.isSafeInteger(value)) return value + side;
  return side * nextAbove(side * value);
}

/** Numbers without an exponent; undefined if there are none. */
function plainNumbers(range: NumberRange): MachineDescription<Prefix> | undefined {
  const { whole, min, max, multiples = [], notMultiples = [], except = [] } = range;
  const steps = [...multiples, ...notMultiples].map(decimalOf);
  const fine = steps.reduce((most, { decimals }) => Math.max(most, decimals), 0);
  const scale = whole ? 0 : multiples.length > 0 ? fine : Math.max(plainDecimals, fine);
  const unit = 10n ** BigInt(scale);
  /** Everything below is counted in units of the last decimal; steps are, in this finer one, whole. */
  const finer = 10n ** BigInt(Math.max(0, fine - scale));
  const inFiner = ({ digits, decimals }: { digits: bigint; decimals: number }) =>
    digits * 10n ** BigInt(Math.max(scale, fine) - decimals);
  const step = steps
    .slice(0, multiples.length)
    .reduce((common, step) => leastCommonMultiple(common, inFiner(step)), finer);
  /** A number's remainder by this tells whether it is a multiple of what it must, and must not, be one of. */
  const modulus = steps
    .slice(multiples.length)
    .reduce((common, step) => leastCommonMultiple(common, inFiner(step)), step);
  const isStepped = steps.length > 0;
  const stride = step / finer;
  const filtered = isStepped || except.length > 0 || whole === false;
  /** How many digits are certain to be told apart by who reads them. */
  const precision = multiples.length > 0 || whole ? Infinity : filtered ? certainDigits : digitsOfDouble;

  const longest = Math.max(maxDigits, ...[min, max].map((bound) => (bound ? wholeDigits(bound.value) : 0)));
  // Beyond it a double no longer knows its remainder.
  const mostWhole = isStepped ? 2n ** 53n - 1n : 10n ** BigInt(longest) - 1n;
  const most = multiples.length > 0 && scale > 0 ? 10n ** 15n : mostWhole * unit + (isStepped ? 0n : unit - 1n);
  const [from, to] = [inclusive(min, 1, whole === true), inclusive(max, -1, whole === true)];
  let low = from === undefined ? -most : ceiling(decimalOf(from), scale);
  let high = to === undefined ? most : -ceiling(decimalOf(-to), scale);
  if (isStepped && low < -most) low = -most;
  if (isStepped && high > most) high = most;

  const excluded = new Set(except.map((value) => ceiling(decimalOf(value), scale)));
  const list = [...excluded];
  const isAccepted = (value: bigint) => {
    if (value < low || value > high || excluded.has(value)) return false;
    if (whole === false && value % unit === 0n) return false;
    if (!isStepped) return true;
    return (
      (value * finer) % step === 0n &&
      steps.slice(multiples.length).every((not) => (value * finer) % inFiner(not) !== 0n)
    );
  };
  /** Some accepted number lies in from…to, written to a resolution. */
  const meets = (from: bigint, to: bigint, resolution: bigint) => {
    const by = resolution > stride ? leastCommonMultiple(resolution, stride) : stride;
    const first = from > low ? from : low;
    const last = to < high ? to : high;
    let value = -floorDivide(-first, by) * by;
    if (!filtered) return value <= last;
    // Whatever is left out comes again after a while, but for single values.
    const period = modulus / greatestCommonDivisor(modulus, by * finer);
    const tries = excluded.size + 2 + Math.min(Number(period), maxTries);
    for (let i = 0; i < tries && value <= last; i++, value += by) if (isAccepted(value)) return true;
    return false;
  };
  const powers = Array.from({ length: scale + 1 }, (_, i) => 10n ** BigInt(i));
  const resolutionOf = (behind: number, significant: number) => {
    const left = scale - Math.max(0, behind);
    return powers[left - Math.min(left, Math.max(0, precision - significant))];
  };
  /** The numbers whose magnitude is from…to, on the side of the sign. */
  const block = (negative: boolean, from: bigint, to: bigint): [bigint, bigint] =>
    negative ? [-to, -from] : [from, to];

  /** What sets a prefix apart from others; undefined if no number of the range begins with it. */
  const blockName = ({ negative, digits, behind, significant }: Prefix): string | undefined => {
    const furthest = low < 0n && -low > high ? -low : high;
    let name = "";
    let partly = false;
    let isPossible = false;
    // With n more digits before the point: a block for each n. Behind the point, or after a leading zero, n is 0.
    let size = behind < 0 ? unit : powers[scale - behind];
    let more = 0;
    do {
      const [from, to] = block(negative, digits * size, (digits + 1n) * size - 1n);
      if (meets(from, to, resolutionOf(behind, significant + more))) {
        isPossible = true;
        if (from >= low && to <= high && !list.some((value) => value >= from && value <= to)) name += "+";
        else partly = true;
      } else name += "-";
      size *= 10n;
      more++;
    } while (behind < 0 && digits > 0n && digits * size <= furthest);
    if (!isPossible) return undefined;
    return partly || digits === 0n ? `=${digits}` : name;
  };
  const nameOf = (prefix: Prefix): string => {
    if (prefix.part !== "digits") return prefix.part;
    const { negative, digits, behind, significant } = prefix;
    const kept = precision === Infinity ? "" : significant;
    const fraction = whole === false && behind >= 0 && digits % powers[behind] !== 0n;
    return `${negative} ${behind} ${kept} ${isStepped ? digits % modulus : ""} ${fraction} ${blockName(prefix)}`;
  };
  const digit = (prefix: Prefix, value: number): Prefix | undefined => {
    const { part, digits, behind, significant } = prefix;
    if (part === "digits" && behind < 0 && digits === 0n) return undefined; // no leading zeros
    if (behind === scale || (behind >= 0 && significant >= precision)) return undefined;
    return {
      ...prefix,
      part: "digits",
      digits: digits * 10n + BigInt(value),
      behind: behind < 0 ? behind : behind + 1,
      significant: significant > 0 || value > 0 ? significant + 1 : 0,
    };
  };
  const stepped = (prefix: Prefix, byte: number): Prefix | undefined => {
    if (isDigit(byte)) return digit(prefix, byte - zero);
    if (byte === minus && prefix.part === "start") return { ...prefix, part: "minus", negative: true };
    if (byte !== point || prefix.part !== "digits" || prefix.behind >= 0 || scale === 0) return undefined;
    return prefix.significant < precision ? { ...prefix, behind: 0 } : undefined;
  };
  if (!meets(low, high, resolutionOf(0, 0))) return undefined;
  return {
    start: { part: "start", negative: false, digits: 0n, behind: -1, significant: 0 },
    key: nameOf,
    step(prefix, byte) {
      const after = stepped(prefix, byte);
      if (!after) return undefined;
      if (after.part === "minus") return meets(-most, 0n, resolutionOf(0, 0)) ? after : undefined;
      return blockName(after) === undefined ? undefined : after;
    },
    accepts({ part, negative, digits, behind }) {
      if (part !== "digits" || behind === 0) return false;
      const value = digits * (behind < 0 ? unit : powers[scale - behind]);
      return isAccepted(negative ? -value : value);
    },
  };
}

const wholeDigits = (value: number) => String(decimalOf(value).digits).length;

// ---- Numbers that are judged

/** How many numbers at once may be in the middle of being read. */
const remembered = 1 << 16;

/**
 * As `numberMachine`, for texts that are judged: every spelling of every number of the range, however long. It knows the
 * whole text of a number, so nothing can be tabulated, and it does not say whether a beginning can still become valid.
 */
export function judgedNumber(range: NumberRange): ByteMachine {
  const texts: { text: string; state: number }[] = [{ text: "", state: anyNumber.start }];
  let last = 0;
  const accepts = (state: number) => {
    const { text, state: spelling } = texts[state];
    return anyNumber.accepts(spelling) && spellsInRange(text, range);
  };
  return {
    start: 0,
    table: anyNumber.table,
    next(state, byte) {
      const { text, state: spelling } = texts[state];
      const after = anyNumber.next(spelling, byte);
      if (after < 0) return after;
      last = last === remembered ? 1 : last + 1;
      texts[last] = { text: text + String.fromCharCode(byte), state: after };
      return last;
    },
    accepts,
    ended: () => false,
  };
}
