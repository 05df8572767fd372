// Regular expressions, read: the text of a `pattern` → a tree. ECMA-262 syntax with the flag u, as JSON Schema asks; what a
// finite automaton cannot do (look-around, back-references) is refused by name. The tree's automaton is in automaton.ts.

import {
  anyCodePoint,
  type CodePoints,
  codePoints,
  complement,
  digits,
  lineEnds,
  spaces,
  withProperty,
  wordCharacters,
} from "./code-points.ts";
import { maxNesting, maxPatternLength } from "./limits.ts";

export type Regex =
  | { readonly kind: "set"; readonly set: CodePoints }
  | { readonly kind: "sequence"; readonly parts: readonly Regex[] }
  | { readonly kind: "choice"; readonly options: readonly Regex[] }
  | { readonly kind: "repeat"; readonly body: Regex; readonly min: number; readonly max: number }
  /** ^ and $: only at the very start, only at the very end. */
  | { readonly kind: "start" }
  | { readonly kind: "end" };

const controlEscapes: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d };
const classEscapes: Readonly<Record<string, CodePoints>> = {
  d: digits,
  D: complement(digits),
  w: wordCharacters,
  W: complement(wordCharacters),
  s: spaces,
  S: complement(spaces),
};

/** The tree of a pattern; throws a RangeError that names what is wrong or not supported. */
export function parseRegex(source: string): Regex {
  const chars = Array.from(source);
  let at = 0;
  const refuse = (what: string): never => {
    const shown = source.length > 60 ? `${source.slice(0, 60)}…` : source;
    throw new RangeError(`the pattern ${JSON.stringify(shown)} ${what} (at character ${at})`);
  };
  if (chars.length > maxPatternLength) refuse(`is longer than ${maxPatternLength} characters`);
  const take = (text: string) => {
    const found = chars.slice(at, at + text.length).join("") === text;
    if (found) at += text.length;
    return found;
  };

  const choice = (depth: number): Regex => {
    if (depth > maxNesting) refuse(`nests more than ${maxNesting} groups`);
    const options = [sequence(depth)];
    while (take("|")) options.push(sequence(depth));
    return options.length === 1 ? options[0] : { kind: "choice", options };
  };

  const sequence = (depth: number): Regex => {
    const parts: Regex[] = [];
    while (at < chars.length && chars[at] !== "|" && chars[at] !== ")") parts.push(repeated(depth));
    return parts.length === 1 ? parts[0] : { kind: "sequence", parts };
  };

  const repeated = (depth: number): Regex => {
    const isAnchor = chars[at] === "^" || chars[at] === "$";
    const body = atom(depth);
    const range = quantifier();
    if (!range) return body;
    if (isAnchor) refuse("repeats an anchor");
    take("?"); // lazy or greedy: the same texts match
    if (quantifier()) refuse("has a quantifier on a quantifier");
    return { kind: "repeat", body, min: range[0], max: range[1] };
  };

  const quantifier = (): [number, number] | undefined => {
    if (take("*")) return [0, Infinity];
    if (take("+")) return [1, Infinity];
    if (take("?")) return [0, 1];
    if (chars[at] !== "{") return undefined;
    const counts = /^\{(\d+)(?:(,)(\d*))?\}/.exec(chars.slice(at, at + 40).join("")) ?? refuse("has a lone {");
    at += counts[0].length;
    const min = Number(counts[1]);
    const max = counts[2] === undefined ? min : counts[3] === "" ? Infinity : Number(counts[3]);
    if (max < min) refuse("has a repetition whose end is below its beginning");
    return [min, max];
  };

  const atom = (depth: number): Regex => {
    const char = chars[at];
    if (take("^")) return { kind: "start" };
    if (take("$")) return { kind: "end" };
    if (take(".")) return { kind: "set", set: complement(lineEnds) };
    if (take("[")) return { kind: "set", set: characterClass() };
    if (take("(")) return group(depth);
    if (take("\\")) return { kind: "set", set: escapeSequence(false) };
    if ("*+?{}]".includes(char)) refuse(`has a lone ${char}`);
    at++;
    return one(char);
  };
  const one = (char: string): Regex => ({ kind: "set", set: single(char.codePointAt(0) as number) });
  const single = (codePoint: number) => codePoints([codePoint, codePoint]);

  const group = (depth: number): Regex => {
    if (take("?")) {
      if (chars[at] === "=" || chars[at] === "!") refuse("uses look-ahead, which is not supported");
      if (chars[at] === "<" && (chars[at + 1] === "=" || chars[at + 1] === "!"))
        refuse("uses look-behind, which is not supported");
      if (take("<")) {
        while (at < chars.length && chars[at] !== ">") at++;
        take(">");
      } else if (!take(":")) refuse("uses a group that is not supported");
    }
    const body = choice(depth + 1);
    if (!take(")")) refuse("has an unclosed (");
    return body;
  };

  const escapeSequence = (inClass: boolean): CodePoints => {
    if (at >= chars.length) refuse("ends with a backslash");
    const char = chars[at++];
    if (Object.hasOwn(classEscapes, char)) return classEscapes[char];
    if (Object.hasOwn(controlEscapes, char)) return single(controlEscapes[char]);
    const rest = chars.slice(at, at + 40).join("");
    const hex = { x: /^([0-9a-fA-F]{2})/, u: /^([0-9a-fA-F]{4})|^\{([0-9a-fA-F]{1,6})\}/, c: /^([A-Za-z])/ }[char];
    if (hex) {
      const found = hex.exec(rest) ?? refuse(`has a malformed \\${char}`);
      at += found[0].length;
      if (char === "c") return single(found[1].charCodeAt(0) % 32);
      const value = Number.parseInt(found[1] ?? found[2], 16);
      const low =
        value >= 0xd800 && value <= 0xdbff && /^\\u([dD][c-fC-F][0-9a-fA-F]{2})/.exec(rest.slice(found[0].length));
      if (low) at += low[0].length;
      if (value > 0x10ffff) refuse("has an escape beyond the last code point");
      return single(low ? 0x10000 + (value - 0xd800) * 1024 + Number.parseInt(low[1], 16) - 0xdc00 : value);
    }
    if (char === "p" || char === "P") {
      const name = /^\{([\w=]+)\}/.exec(rest)?.[1];
      const set = (name && withProperty(name)) || refuse(`asks for an unknown Unicode property`);
      at += (name as string).length + 2;
      return char === "p" ? set : complement(set);
    }
    if (char === "b" && inClass) return single(0x08);
    if (char === "b" || char === "B") refuse("uses word boundaries, which are not supported");
    if (char === "0" && !/^\d/.test(rest)) return single(0);
    if (/\d|k/.test(char)) refuse("uses back-references, which are not supported");
    if (/[A-Za-z]/.test(char)) refuse(`has an unknown escape \\${char}`);
    return single(char.codePointAt(0) as number);
  };

  const characterClass = (): CodePoints => {
    const negated = take("^");
    const ranges: number[] = [];
    const member = (): CodePoints => {
      if (at >= chars.length) refuse("has an unclosed [");
      return take("\\") ? escapeSequence(true) : single(chars[at++].codePointAt(0) as number);
    };
    const codePointOf = (set: CodePoints) =>
      set.length === 2 && set[0] === set[1]
        ? set[0]
        : refuse("has a range that does not run from one character to another");
    while (!take("]")) {
      const first = member();
      if (chars[at] !== "-" || chars[at + 1] === "]") {
        ranges.push(...first);
        continue;
      }
      at++;
      const [from, to] = [codePointOf(first), codePointOf(member())];
      if (from > to) refuse("has a range out of order");
      ranges.push(from, to);
    }
    return negated ? complement(codePoints(ranges)) : codePoints(ranges);
  };

  const tree = choice(0);
  if (at < chars.length) refuse("has an unmatched )");
  return tree;
}

/** Matches anywhere: what JSON Schema's `pattern` means without anchors. */
export const anything: Regex = { kind: "repeat", body: { kind: "set", set: anyCodePoint }, min: 0, max: Infinity };
