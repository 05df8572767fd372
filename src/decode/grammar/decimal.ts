// Exact decimal arithmetic on numbers as JSON writes them: integers and a power of ten. Doubles would round.

/** digits · 10^-decimals. */
export interface Decimal {
  readonly digits: bigint;
  readonly decimals: number;
}

/** A double as JavaScript writes it (its shortest decimal), or a number as JSON spells it. */
export function decimalOf(value: number | string): Decimal {
  const [mantissa, exponent = "0"] = String(value).toLowerCase().split("e");
  const [whole, fraction = ""] = mantissa.split(".");
  const decimals = fraction.length - Number(exponent);
  const digits = BigInt(whole + fraction);
  return decimals >= 0 ? { digits, decimals } : { digits: digits * 10n ** BigInt(-decimals), decimals: 0 };
}

/** Where a number lies beside another: negative, 0, positive. */
export function compare(a: Decimal, b: Decimal): number {
  const [left, right] = [scaled(a, b.decimals), scaled(b, a.decimals)];
  return left < right ? -1 : left > right ? 1 : 0;
}

export function isMultiple(value: Decimal, step: Decimal): boolean {
  return scaled(value, step.decimals) % scaled(step, value.decimals) === 0n;
}

export function isWhole({ digits, decimals }: Decimal): boolean {
  return digits % 10n ** BigInt(decimals) === 0n;
}

const scaled = ({ digits }: Decimal, decimals: number) => digits * 10n ** BigInt(decimals);

/** The least integer ≥ value · 10^scale. */
export function ceiling({ digits, decimals }: Decimal, scale: number): bigint {
  const divisor = 10n ** BigInt(Math.max(0, decimals - scale));
  return -floorDivide(-digits * 10n ** BigInt(Math.max(0, scale - decimals)), divisor);
}

export function floorDivide(a: bigint, b: bigint): bigint {
  return a / b - (a % b !== 0n && a < 0n ? 1n : 0n);
}

export function leastCommonMultiple(a: bigint, b: bigint): bigint {
  return (a / greatestCommonDivisor(a, b)) * b;
}

export function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b];
  while (y > 0n) [x, y] = [y, x % y];
  return x;
}

const bits = new DataView(new ArrayBuffer(8));

/** The least double above a value. */
export function nextAbove(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  bits.setFloat64(0, value);
  bits.setBigInt64(0, bits.getBigInt64(0) + (value > 0 ? 1n : -1n));
  return bits.getFloat64(0);
}
