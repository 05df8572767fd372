// Reading config.json: each field by its Hugging Face name, checked, with one sentence that names what is wrong.

import type { Json } from "../../../weights/folder.ts";
import { FieldError } from "../../field-error.ts";

/** The fields of one JSON object; `where` is what errors call it. */
export interface Fields {
  readonly where: string;
  /** A whole number ≥ 1. */
  count(name: string, fallback?: number): number;
  /** A finite number > 0. */
  positive(name: string, fallback?: number): number;
  flag(name: string, fallback: boolean): boolean;
  text(name: string, fallback: string): string;
  /** A nested object, or undefined where it is absent or null. */
  object(name: string): Fields | undefined;
  has(name: string): boolean;
  /** What is there, unchecked. */
  value(name: string): unknown;
}

/** @throws each reader, if the field is missing and has no fallback, or is not what it should be. */
export function fieldsOf(json: Json, where: string): Fields {
  const has = (name: string) => json[name] !== undefined && json[name] !== null;
  function read<T>(name: string, fallback: T | undefined, expected: string, ok: (value: unknown) => boolean): T {
    if (!has(name)) {
      if (fallback === undefined) throw new Error(`${where}: ${name} is missing, expected ${expected}`);
      return fallback;
    }
    if (!ok(json[name])) throw new Error(`${where}: ${name} is ${JSON.stringify(json[name])}, expected ${expected}`);
    return json[name] as T;
  }
  return {
    where,
    has,
    value: (name) => json[name],
    count: (name, fallback) =>
      read(name, fallback, "a whole number ≥ 1", (v) => Number.isSafeInteger(v) && Number(v) >= 1),
    positive: (name, fallback) => read(name, fallback, "a number > 0", (v) => Number.isFinite(v) && Number(v) > 0),
    flag: (name, fallback) => read(name, fallback, "true or false", (v) => typeof v === "boolean"),
    text: (name, fallback) => read(name, fallback, "a string", (v) => typeof v === "string"),
    object(name) {
      if (!has(name)) return undefined;
      const value = read<Json>(name, undefined, "an object", (v) => typeof v === "object" && !Array.isArray(v));
      return fieldsOf(value, `${where}: ${name}`);
    },
  };
}

/** Complains unless a text field, where present, has one of the values that we compute. */
export function expectText(fields: Fields, name: string, known: readonly string[]): void {
  const value = fields.text(name, known[0]);
  if (!known.includes(value)) throw new Error(`${fields.where}: ${name} is "${value}", expected ${known.join(" or ")}`);
}

/** Complains unless a field, where present, has one of the values that are computed here. */
export function expectValue(fields: Fields, name: string, known: readonly unknown[]): void {
  if (!fields.has(name) || known.includes(fields.value(name))) return;
  const expected = known.map((value) => JSON.stringify(value)).join(" or ");
  throw new FieldError(
    name,
    `${JSON.stringify(fields.value(name))} in ${fields.where}, expected ${expected}`,
    "unsupported",
  );
}
