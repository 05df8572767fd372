// Values of arguments as a notation writes them, read: Python's literals ('x', True, None, (1, 2)), Gemma's strings between
// marks and bare names, JSON among them. One value at a time, whole; where it ends is found while it is still coming.

import { type Json, JsonNumber } from "./json-text.ts";
import type { ArgumentNotation } from "./tool-formats.ts";

const words: Readonly<Record<string, Json>> = {
  ...{ true: true, True: true, false: false, False: false },
  ...{ null: null, None: null },
};

/** The value of a text; undefined if it is none. Names in objects may be bare where the notation has them bare. */
export function readValue(text: string, notation: ArgumentNotation): Json | undefined {
  const marks = typeof notation.strings === "object" ? notation.strings : undefined;
  let at = 0;
  const fail = (): never => {
    throw new SyntaxError(`at ${at}`);
  };
  const space = () => {
    while (/\s/.test(text[at] ?? "")) at++;
  };
  const string = (): string => {
    if (marks && text.startsWith(marks.open, at)) {
      const end = text.indexOf(marks.close, at + marks.open.length);
      if (end < 0) fail();
      const content = text.slice(at + marks.open.length, end);
      at = end + marks.close.length;
      return content;
    }
    const quote = text[at];
    const end = stringEnd(text, at);
    if (end < 0) fail();
    const literal = text.slice(at, end);
    at = end;
    if (quote === '"')
      try {
        return JSON.parse(literal);
      } catch {} // Python's escapes, or a line break as it is
    return unescaped(literal.slice(1, -1));
  };
  const isString = () =>
    text[at] === '"' || text[at] === "'" || (marks !== undefined && text.startsWith(marks.open, at));
  const items = (close: string, read: () => void) => {
    at++;
    for (space(); text[at] !== close; space()) {
      read();
      space();
      if (text[at] === ",") at++;
      else if (text[at] !== close) fail();
    }
    at++;
  };
  const value = (): Json => {
    space();
    if (isString()) return string();
    if (text[at] === "[" || text[at] === "(") {
      const list: Json[] = [];
      items(text[at] === "[" ? "]" : ")", () => list.push(value()));
      return list;
    }
    if (text[at] === "{") {
      const map = new Map<string, Json>();
      items("}", () => {
        const bare = isString() ? undefined : /^[^\s:{}[\],]+/.exec(text.slice(at))?.[0];
        if (bare !== undefined) at += bare.length;
        const key = bare ?? string();
        space();
        if (text[at++] !== ":") fail();
        map.set(key, value());
      });
      return map;
    }
    const word = /^[A-Za-z]+/.exec(text.slice(at))?.[0];
    if (word !== undefined && Object.hasOwn(words, word)) {
      at += word.length;
      return words[word];
    }
    const number = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/.exec(text.slice(at))?.[0];
    if (number === undefined) return fail();
    at += number.length;
    return String(Number(number)) === number ? Number(number) : new JsonNumber(number);
  };
  try {
    const whole = value();
    space();
    return at === text.length ? whole : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined; // no value, or nested too deeply
    throw error;
  }
}

/** Where a string that begins at `from` ends, after its closing quote; -1 if it has not come. */
function stringEnd(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === text[from]) return at + 1;
  }
  return -1;
}

const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", b: "\b", f: "\f", "\n": "" };

function unescaped(text: string): string {
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))/gs, (_, four, two, char: string) =>
    char === undefined ? String.fromCharCode(Number.parseInt(four ?? two, 16)) : (escapes[char] ?? char),
  );
}

/** Finds where a value ends that comes in pieces: at a comma or closing bracket that is not its own. */
export function createValueEnd({ strings }: ArgumentNotation): (text: string) => number {
  const marks = typeof strings === "object" ? strings : undefined;
  let at = 0;
  let depth = 0;
  /** `text` is all of the value so far; -1: it has not ended. */
  return (text) => {
    while (at < text.length) {
      if (marks && text.startsWith(marks.open, at)) {
        const end = text.indexOf(marks.close, at + marks.open.length);
        if (end < 0) return -1;
        at = end + marks.close.length;
        continue;
      }
      const char = text[at];
      if (marks?.open.startsWith(text.slice(at))) return -1; // the beginning of a mark, perhaps
      if (!marks && (char === '"' || char === "'")) {
        const end = stringEnd(text, at);
        if (end < 0) return -1;
        at = end;
        continue;
      }
      if (depth === 0 && /[,)}\]]/.test(char)) return at;
      if (/[([{]/.test(char)) depth++;
      else if (/[)\]}]/.test(char)) depth--;
      at++;
    }
    return -1;
  };
}
