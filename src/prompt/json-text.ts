// JSON that keeps what JSON.parse loses: the order of all keys ("1" after "b"), integers of any length, 1.0 beside 1. The
// arguments of calls go through it on their way from a client's text into a chat template. Grammar: RFC 8259.

import { keysOf } from "../decode/grammar/json-text.ts";

/** A number as it was written. */
export class JsonNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** A value of JSON: objects are Maps, numbers that JavaScript would change are JsonNumbers. */
export type Json = null | boolean | string | number | JsonNumber | readonly Json[] | ReadonlyMap<string, Json>;

const maxNesting = 500;

/** The value of a text. @throws a SyntaxError that tells where it is no JSON. */
export function readJson(text: string): Json {
  let at = 0;
  const fail = (): never => {
    throw new SyntaxError(
      at < text.length ? `${JSON.stringify(text[at])} at ${at} is not JSON` : "the text is cut short",
    );
  };
  const space = () => {
    while (at < text.length && " \t\n\r".includes(text[at])) at++;
  };
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const found = pattern.exec(text)?.[0];
    at += found?.length ?? 0;
    return found;
  };
  const string = (): string => {
    const found = take(/"(?:[^"\\]|\\.)*"/y);
    return found === undefined ? fail() : JSON.parse(found);
  };
  /** What stands between brackets, commas between. */
  const members = (close: string, read: () => void) => {
    at++;
    space();
    if (text[at] === close) {
      at++;
      return;
    }
    for (;;) {
      read();
      space();
      const char = text[at];
      if (char !== "," && char !== close) fail();
      at++;
      if (char === close) return;
      space();
    }
  };
  const value = (depth: number): Json => {
    space();
    if (depth > maxNesting) throw new SyntaxError(`it nests more than ${maxNesting} brackets`);
    if (text[at] === '"') return string();
    if (text[at] === "[") {
      const items: Json[] = [];
      members("]", () => items.push(value(depth + 1)));
      return items;
    }
    if (text[at] === "{") {
      const map = new Map<string, Json>();
      members("}", () => {
        const key = string();
        space();
        if (text[at] !== ":") fail();
        at++;
        map.set(key, value(depth + 1));
      });
      return map;
    }
    const word = take(/true|false|null/y);
    if (word !== undefined) return word === "null" ? null : word === "true";
    const number = take(/-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y);
    if (number === undefined) return fail();
    return String(Number(number)) === number ? Number(number) : new JsonNumber(number);
  };
  const whole = value(0);
  space();
  return at < text.length ? fail() : whole;
}

/** The text of a value, a space after each comma and colon, as Python's json.dumps writes it; undefined members left out. */
export function spacedJson(value: unknown): string {
  if (value instanceof JsonNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map(spacedJson).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const own = () => keysOf(value).map((key) => [key, (value as Record<string, unknown>)[key]] as const);
  const entries = [...(value instanceof Map ? value : own())].filter(([, item]) => item !== undefined);
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}: ${spacedJson(item)}`).join(", ")}}`;
}
