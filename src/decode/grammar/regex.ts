// Regular expressions, read: the text of a `pattern` → a tree. ECMA-262's syntax, as JSON Schema asks, with and without the
// flag u (a lone brace, `[\w-.]`), and what Python's adds to it where people use it: (?i), (?P<name>…), \A and \Z. What a
// finite automaton cannot do (back-references, look-behind) is refused by name. The tree's automaton is in automaton.ts.

import {
  anyCodePoint,
  type CodePoints,
  codePoints,
  complement,
  digits,
  foldCase,
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
  | { readonly kind: Condition }
  /** Look-ahead: what follows here begins with `body`, or does not. */
  | { readonly kind: "ahead"; readonly body: Regex; readonly not: boolean };

/** ^ and $: only at the very start, only at the very end; \b and \B: between a word and what is none, and not there. */
export type Condition = "start" | "end" | "boundary" | "inside";

const controlEscapes: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d };
const classEscapes: Readonly<Record<string, CodePoints>> = {
  d: digits,
  D: complement(digits),
  w: wordCharacters,
  W: complement(wordCharacters),
  s: spaces,
  S: complement(spaces),
};

const conditionEscapes: Readonly<Record<string, Condition>> = {
  b: "boundary",
  B: "inside",
  A: "start",
  Z: "end",
  z: "end",
};

/** The tree of a pattern; throws a RangeError that names what is wrong or not supported. */
export function parseRegex(source: string): Regex {
  const chars = Array.from(source);
  let at = 0;
  let flags = { i: false, s: false };
  const cased = (set: CodePoints) => (flags.i ? foldCase(set) : set);
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
    const isWithoutLength = /^(?:[$^]|\\[bBAZz]|\(\?<?[=!])/.test(chars.slice(at, at + 4).join(""));
    const body = atom(depth);
    const range = quantifier();
    if (!range) return body;
    if (isWithoutLength) refuse("repeats what has no length");
    take("?"); // lazy or greedy: the same texts match
    if ("*+?".includes(chars[at] ?? " ") || quantifier()) refuse("has a quantifier on a quantifier");
    return { kind: "repeat", body, min: range[0], max: range[1] };
  };

  const quantifier = (): [number, number] | undefined => {
    if (take("*")) return [0, Infinity];
    if (take("+")) return [1, Infinity];
    if (take("?")) return [0, 1];
    if (chars[at] !== "{") return undefined;
    const counts = /^\{(?=,?\d)(\d*)(?:(,)(\d*))?\}/.exec(chars.slice(at, at + 40).join(""));
    if (!counts) return undefined; // a brace and nothing more
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
    if (take(".")) return { kind: "set", set: flags.s ? anyCodePoint : complement(lineEnds) };
    if (take("[")) return { kind: "set", set: characterClass() };
    if (take("(")) return group(depth);
    if (char === "\\" && Object.hasOwn(conditionEscapes, chars[at + 1] ?? "")) {
      at += 2;
      return { kind: conditionEscapes[chars[at - 1]] };
    }
    if (take("\\")) return { kind: "set", set: cased(escapeSequence(false)) };
    if ("*+?".includes(char)) refuse(`has a lone ${char}`);
    at++;
    return { kind: "set", set: cased(single(char.codePointAt(0) as number)) };
  };
  const single = (codePoint: number) => codePoints([codePoint, codePoint]);

  const group = (depth: number): Regex => {
    const outside = flags;
    let ahead: "=" | "!" | undefined;
    if (take("?")) {
      const rest = chars.slice(at, at + 60).join("");
      const opening =
        /^(?<ahead>[=!])|^:|^P?<[\p{ID_Start}$_][\p{ID_Continue}$]*>|^(?<on>[a-z]*)(?:-(?<off>[a-z]+))?(?<end>[:)])|^#[^)]*(?<comment>\))/u.exec(
          rest,
        );
      if (/^P?<?[=!]/.test(rest) && !opening)
        refuse(
          rest.startsWith("P")
            ? "uses back-references, which are not supported"
            : "uses look-behind, which is not supported",
        );
      if (!opening) refuse("uses a group that is not supported");
      const { ahead: kind, on = "", off = "", end, comment } = opening?.groups ?? {};
      at += opening?.[0].length ?? 0;
      if (comment) return { kind: "sequence", parts: [] };
      ahead = kind as typeof ahead;
      if (/[^aisu]/.test(on + off)) refuse(`uses the flags ${on}${off}, of which only i and s are supported`);
      flags = {
        i: (flags.i || on.includes("i")) && !off.includes("i"),
        s: (flags.s || on.includes("s")) && !off.includes("s"),
      };
      if (end === ")") return { kind: "sequence", parts: [] }; // the flags hold from here on
    }
    const body = choice(depth + 1);
    flags = outside;
    if (!take(")")) refuse("has an unclosed (");
    return ahead ? { kind: "ahead", body, not: ahead === "!" } : body;
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
    const only = (set: CodePoints) => (set.length === 2 && set[0] === set[1] ? set[0] : undefined);
    while (!take("]")) {
      const first = member();
      if (chars[at] !== "-" || chars[at + 1] === "]") {
        ranges.push(...first);
        continue;
      }
      at++;
      const last = member();
      const [from, to] = [only(first), only(last)];
      if (from === undefined || to === undefined) ranges.push(...first, 0x2d, 0x2d, ...last);
      else if (from > to) refuse("has a range out of order");
      else ranges.push(from, to);
    }
    const set = cased(codePoints(ranges));
    return negated ? complement(set) : set;
  };

  const tree = choice(0);
  if (at < chars.length) refuse("has an unmatched )");
  return tree;
}
