// The automata of a schema's patterns and formats: each made once, its complement too.

import { type Automaton, complementAutomaton, intersect, languageOf, searchAutomaton } from "../automaton.ts";
import { formatAutomaton, longestOf } from "../formats.ts";
import { includes } from "../language.ts";
import { maxMatches } from "../limits.ts";
import { parseRegex } from "../regex.ts";
import type { Texts } from "./evaluate.ts";
import { schemaFault } from "./fault.ts";
import type { Signed } from "./keywords.ts";

export type Kind = "pattern" | "format";

export interface Patterns extends Texts {
  /** undefined: it accepts nothing. Throws a FieldError if it is no pattern, is not supported, or is too large. */
  automaton(kind: Kind, signed: Signed): Automaton | undefined;
  /** Whether no text fits both, where that is quickly told. */
  excludeEachOther(one: readonly [Kind, Signed], other: readonly [Kind, Signed]): boolean;
}

/** States of two automata that are compared only to see whether they exclude each other. */
const statesOfLook = 400;

/** `judged`: texts are held to what a format's standard says, otherwise to what every reader takes. */
export function createPatterns(judged: boolean): Patterns {
  const made = new Map<string, Automaton | undefined>();
  /** What is known to be right, for known values and for what must not be. */
  const widest = (kind: Kind, name: string, at: string) =>
    kind === "format" ? (formatAutomaton(name, "perhaps") ?? anyText) : automaton(kind, { name, not: false, at });
  const automaton = (kind: Kind, { name, not, at }: Signed): Automaton | undefined => {
    const key = `${not} ${kind} ${name}`;
    if (made.has(key)) return made.get(key);
    let result: Automaton | undefined;
    if (not) {
      const base = widest(kind, name, at);
      result = base ? limited(at, kind, () => complementAutomaton(base)) : anyText;
    } else if (kind === "format") result = formatAutomaton(name, judged ? "judged" : "written") ?? anyText;
    else result = limited(at, `"pattern"`, () => searchAutomaton(parseRegex(name)));
    made.set(key, result);
    return result;
  };
  const matching = new Map<string, boolean>();
  const excluding = new Map<string, boolean>();
  return {
    automaton,
    matches(kind, name, at, text) {
      const key = `${kind} ${name}\n${text}`;
      let matches = matching.get(key);
      if (matches === undefined) {
        if (matching.size >= maxMatches)
          throw schemaFault(at, `the schema has more than ${maxMatches} texts to hold against its patterns`);
        const base = widest(kind, name, at);
        const isShort = kind === "pattern" || Array.from(text).length <= longestOf(name);
        matches = base !== undefined && isShort && includes(languageOf(base), text);
        matching.set(key, matches);
      }
      return matches;
    },
    excludeEachOther(one, other) {
      const names = [one, other].map(([kind, { name, not }]) => `${kind} ${name} ${not}`);
      const key = names.sort().join("\n");
      let exclude = excluding.get(key);
      if (exclude === undefined) {
        const [a, b] = [automaton(...one), automaton(...other)];
        exclude = !a || !b;
        if (a && b && a.edges.length + b.edges.length <= statesOfLook) exclude = intersect(a, b) === undefined;
        excluding.set(key, exclude);
      }
      return exclude;
    },
  };
}

/** Makes an automaton; a RangeError of it is about the keyword. */
export function limited<Made>(at: string, what: string, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw schemaFault(at, `${what} is refused: ${error.message}`);
  }
}

/** The texts that all of them accept; undefined if there is none. */
export function together(automata: readonly (Automaton | undefined)[], at: string): Automaton | undefined {
  let result: Automaton | undefined = anyText;
  for (const automaton of automata) {
    if (!automaton || !result) return undefined;
    const before: Automaton = result;
    result =
      before === anyText ? automaton : limited(at, "patterns and formats together", () => intersect(before, automaton));
  }
  return result;
}

const ends = [0, 0xd7ff, 0xe000, 0x10ffff];
/** Every text. */
export const anyText: Automaton = { edges: [[ends[0], ends[1], 0, ends[2], ends[3], 0]], accepting: [true] };
