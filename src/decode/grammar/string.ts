// JSON strings as bytes: quotes, UTF-8 and escapes around a language of code points. `"A"`, `"\u0041"` and, across four
// tokens, a byte of an emoji each: the language sees code points, complete, whichever way they were spelled. Refused:
// control characters, overlong or surrogate UTF-8, lone surrogates in escapes. Sources: RFC 8259 section 7, RFC 3629.

import { type ByteMachine, tabulate } from "./byte-machine.ts";
import { type Language, nowhere } from "./language.ts";

/** Where in the spelling of a code point we are. */
type Stage =
  | "open" // before the opening quote
  | "text" // between code points
  | "utf8" // `left` continuation bytes to come
  | "escape" // after a backslash
  | "hex" // after \u, `left` digits to come
  | "low\\" // after the \uD83D of a pair, its other half to come: a backslash,
  | "lowu" // u,
  | "low" // and `left` digits
  | "closed";

export interface Spelling {
  readonly stage: Stage;
  /** State of the language at the last complete code point. */
  readonly content: number;
  readonly left: number;
  /** The bits of the code point read so far. */
  readonly value: number;
  /** The content's state after this code point if it is already certain: then `value` no longer matters. */
  readonly certain: number;
}

const shortEscapes: Readonly<Record<string, number>> = {
  '"': 0x22,
  "\\": 0x5c,
  "/": 0x2f,
  b: 0x08,
  f: 0x0c,
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
};
const quote = 0x22;
const backslash = 0x5c;
const highest = 0x10ffff;
/** The least code point that needs 1, 2 or 3 continuation bytes. */
const leastOf = [0, 0x80, 0x800, 0x10000];

const digitOf = (byte: number) => {
  const digit = Number.parseInt(String.fromCharCode(byte), 16);
  return Number.isNaN(digit) ? -1 : digit;
};

/**
 * Which escapes may be written: all of them, or only those of characters that cannot stand for themselves. The latter is for
 * text with one right content (keys, enums, patterns): it leaves a single spelling, and so a forced one.
 */
export type Escapes = "all" | "needed";

export interface StringMachine extends ByteMachine {
  /** The language's state at the last complete code point. */
  content(state: number): number;
  described(state: number): Spelling;
  numberOf(spelling: Spelling): number;
}

/** A JSON string whose content is in `language`. */
export function stringMachine(language: Language, escapes: Escapes = "all"): StringMachine {
  const isNeeded = (codePoint: number) => codePoint < 0x20 || codePoint === quote || codePoint === backslash;
  const mayEscape = (content: number) =>
    escapes === "all"
      ? language.some(content, 0, highest)
      : language.some(content, 0, 0x1f) ||
        language.some(content, quote, quote) ||
        language.some(content, backslash, backslash);
  const text = (content: number): Spelling => ({ stage: "text", content, left: 0, value: 0, certain: nowhere });
  const complete = (content: number, codePoint: number): Spelling | undefined => {
    const after = language.next(content, codePoint);
    return after === nowhere ? undefined : text(after);
  };
  /** A spelling whose code point is now one of from…to: dead if none fits, its value forgotten if all are alike. */
  const narrowed = (spelling: Spelling, from: number, to: number, exact = true): Spelling | undefined => {
    if (spelling.certain !== nowhere) return spelling;
    if (from > to || !language.some(spelling.content, from, to)) return undefined;
    const certain = exact ? language.all(spelling.content, from, to) : nowhere;
    return certain === nowhere ? spelling : { ...spelling, value: 0, certain };
  };

  /** UTF-8: `least` is the least code point that is not overlong. */
  const utf8 = (spelling: Spelling, least: number): Spelling | undefined => {
    const { left, value } = spelling;
    const from = value * 64 ** left;
    const to = (value + 1) * 64 ** left - 1;
    return narrowed(spelling, Math.max(from, least), Math.min(to, highest), from >= least && to <= highest);
  };
  const lead = (content: number, byte: number, left: number) =>
    utf8({ stage: "utf8", content, left, value: byte & (0x3f >> left), certain: nowhere }, leastOf[left]);
  /** The code points that \uXXXX can still become: those of the first plane, and through high surrogates all others. */
  const escaped = (spelling: Spelling): Spelling | undefined => {
    const { content, left, value } = spelling;
    const from = value * 16 ** left;
    const to = (value + 1) * 16 ** left - 1;
    if (escapes === "needed") return narrowed(spelling, from, Math.min(to, 0x1f), false);
    const [high, highEnd] = [Math.max(from, 0xd800), Math.min(to, 0xdbff)];
    const base = 0x10000 - 0xd800 * 1024;
    if (high <= highEnd && language.some(content, base + high * 1024, base + highEnd * 1024 + 1023)) return spelling;
    return narrowed(spelling, from, to);
  };
  /** A pair: `value` is ten bits of the high half, then the digits of the low half as they come. */
  const paired = (spelling: Spelling): Spelling | undefined => {
    const { left, value, content } = spelling;
    const high = Math.floor(value / 16 ** (4 - left));
    const digits = value % 16 ** (4 - left);
    const from = Math.max(digits * 16 ** left, 0xdc00);
    const to = Math.min((digits + 1) * 16 ** left - 1, 0xdfff);
    if (from > to) return undefined;
    if (spelling.certain !== nowhere) return spelling;
    const base = 0x10000 + high * 1024 - 0xdc00;
    if (!language.some(content, base + from, base + to)) return undefined;
    const certain = language.all(content, base + from, base + to);
    return certain === nowhere ? spelling : { ...spelling, value: digits, certain };
  };

  const step = (spelling: Spelling, byte: number): Spelling | undefined => {
    const { stage, content, left, value, certain } = spelling;
    const char = String.fromCharCode(byte);
    switch (stage) {
      case "open":
        return byte === quote ? text(content) : undefined;
      case "text":
        if (byte === quote) return language.accepts(content) ? { ...spelling, stage: "closed" } : undefined;
        if (byte === backslash) return mayEscape(content) ? { ...spelling, stage: "escape" } : undefined;
        if (byte < 0x20) return undefined;
        if (byte < 0x80) return complete(content, byte);
        if (byte < 0xc2 || byte > 0xf4) return undefined;
        return lead(content, byte, byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3);
      case "utf8": {
        if (byte < 0x80 || byte > 0xbf) return undefined;
        if (left === 1) return certain === nowhere ? complete(content, value * 64 + (byte & 0x3f)) : text(certain);
        if (certain !== nowhere) return { ...spelling, left: left - 1 };
        return utf8({ ...spelling, left: left - 1, value: value * 64 + (byte & 0x3f) }, leastOf[left]);
      }
      case "escape":
        if (char === "u") return escaped({ ...spelling, stage: "hex", left: 4 });
        if (!Object.hasOwn(shortEscapes, char) || (escapes === "needed" && !isNeeded(shortEscapes[char])))
          return undefined;
        return complete(content, shortEscapes[char]);
      case "hex": {
        const digit = digitOf(byte);
        if (digit < 0) return undefined;
        if (certain !== nowhere) return left === 1 ? text(certain) : { ...spelling, left: left - 1 };
        const longer = { ...spelling, left: left - 1, value: value * 16 + digit };
        if (left > 1 || !escaped(longer)) return escaped(longer);
        if (longer.value < 0xd800 || longer.value > 0xdfff) return complete(content, longer.value);
        const pair: Spelling = { ...longer, stage: "low\\", left: 4, value: longer.value - 0xd800 };
        return longer.value < 0xdc00 ? paired(pair) : undefined;
      }
      case "low\\":
        return byte === backslash ? { ...spelling, stage: "lowu" } : undefined;
      case "lowu":
        return char === "u" ? { ...spelling, stage: "low" } : undefined;
      case "low": {
        const digit = digitOf(byte);
        if (digit < 0) return undefined;
        const longer = { ...spelling, left: left - 1, value: value * 16 + digit };
        if (left > 1) return paired(longer);
        const low = longer.value % 0x10000;
        if (low < 0xdc00 || low > 0xdfff) return undefined;
        if (certain !== nowhere) return text(certain);
        return complete(content, 0x10000 + Math.floor(longer.value / 0x10000) * 1024 + low - 0xdc00);
      }
      case "closed":
        return undefined;
    }
  };

  const machine = tabulate<Spelling>({
    start: { stage: "open", content: language.start, left: 0, value: 0, certain: nowhere },
    key: ({ stage, content, left, value, certain }) => `${stage} ${content} ${left} ${value} ${certain}`,
    step,
    accepts: ({ stage }) => stage === "closed",
  });
  return {
    ...machine,
    content: (state) => machine.described(state).content,
    plainRoom(state) {
      const { stage, content } = machine.described(state);
      return stage === "text" ? language.room?.(content) : undefined;
    },
    classRoom(state, textClass) {
      const { stage, content } = machine.described(state);
      return stage === "text" ? (language.classRoom?.(content, textClass) ?? 0) : 0;
    },
    likeness(state, horizon) {
      const { stage, content, left, value, certain } = machine.described(state);
      if (!language.likeness) return String(state);
      const after = certain === nowhere ? "" : language.likeness(certain, horizon);
      return `${stage} ${language.likeness(content, horizon)} ${left} ${value} ${after}`;
    },
  };
}
