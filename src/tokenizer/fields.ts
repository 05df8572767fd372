// Reading the fields of tokenizer.json: each reader checks one value and returns it typed, or throws a sentence that
// names the field by its path in the file. Not a schema: what a component needs is said where the component is built.

export type Fields = Readonly<Record<string, unknown>>;

/** The error for a field that holds something this tokenizer cannot use; `where` is its path in tokenizer.json. */
export function fieldError(where: string, value: unknown, expected: string): Error {
  const shown = value === undefined ? "missing" : (JSON.stringify(value) ?? String(value));
  return new Error(`tokenizer.json: ${where} is ${shown.slice(0, 80)}, expected ${expected}`);
}

/** `value` as an object; throws if it is none. */
export function fieldsOf(value: unknown, where: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw fieldError(where, value, "an object");
  return value as Fields;
}

/** `value` as an array; throws if it is none. */
export function listOf(value: unknown, where: string): readonly unknown[] {
  if (!Array.isArray(value)) throw fieldError(where, value, "an array");
  return value;
}

/** `value` as a string; throws if it is none. */
export function stringOf(value: unknown, where: string): string {
  if (typeof value !== "string") throw fieldError(where, value, "a string");
  return value;
}

/** `value` as a boolean, `fallback` where it is absent or null; throws if it is anything else. */
export function flagOf(value: unknown, where: string, fallback: boolean): boolean {
  if (value === undefined || value === null) return fallback;
  if (typeof value !== "boolean") throw fieldError(where, value, "true or false");
  return value;
}

/** Whether `value` is a whole number of at least 0 that fits 32 bits, as ids do. */
export function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0x7fffffff;
}

/** `value` as a whole number of at least 0; throws if it is anything else. */
export function countOf(value: unknown, where: string): number {
  if (!isCount(value)) throw fieldError(where, value, "a whole number from 0");
  return value;
}

/** The entry of `known` that `value.type` names; throws, listing the known types, if there is none. */
export function componentOf<T>(known: Readonly<Record<string, T>>, value: Fields, where: string): T {
  const type = value.type;
  if (typeof type !== "string" || !Object.hasOwn(known, type)) {
    throw fieldError(`${where}.type`, type, `one of ${Object.keys(known).join(", ")}`);
  }
  return known[type];
}
