// Kinds of plain text that patterns often let through whole: any line, ASCII, what can be seen of it, words, small letters. Where
// a pattern is certain to take whatever comes of one kind, a mask need not look at the tokens of that kind one by one.

import { type CodePoints, codePoints, common, complement, lineEnds } from "./code-points.ts";

/** No quote, backslash or control character: what stands for itself in a JSON string. */
export const plainText = complement(codePoints([0, 0x1f, 0x22, 0x22, 0x5c, 0x5c]));

/** From the widest to the narrowest, each within the one before. */
export const textClasses: readonly CodePoints[] = [
  common(plainText, complement(lineEnds)),
  common(plainText, codePoints([0x20, 0x7e])),
  common(plainText, codePoints([0x21, 0x7e])),
  codePoints([0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a]),
  codePoints([0x30, 0x39, 0x61, 0x7a]),
  codePoints([0x61, 0x7a]),
];

/** Tokens of a class that have more code points than this are looked at one by one. */
export const shortText = 16;

/** What is read of an automaton (automaton.ts): per state, [from, to, target, …]. */
interface Edges {
  readonly edges: readonly (readonly number[])[];
}

const known = new WeakMap<Edges, Map<number, Float64Array>>();

/**
 * For each state of an automaton, how many code points of a class are certain to lead on, whichever they are, through states
 * from which infinitely many texts go on if `counts` is given.
 */
export function classRoom(automaton: Edges, textClass: number, counts?: readonly number[]): Float64Array {
  const ofAutomaton = known.get(automaton) ?? new Map<number, Float64Array>();
  known.set(automaton, ofAutomaton);
  const key = counts ? textClass : textClass + textClasses.length;
  const room = ofAutomaton.get(key) ?? computed(automaton, textClasses[textClass], counts);
  ofAutomaton.set(key, room);
  return room;
}

function computed({ edges }: Edges, set: CodePoints, counts: readonly number[] | undefined): Float64Array {
  const room = new Float64Array(edges.length).fill(Infinity);
  const sources: number[][] = edges.map(() => []);
  const open: number[] = [];
  const isSafe = (state: number) => !counts || counts[state] === Infinity;
  for (const [state, list] of edges.entries()) {
    const targets = targetsOf(list, set);
    if (targets && [state, ...targets].every(isSafe)) for (const target of targets) sources[target].push(state);
    else {
      room[state] = 0;
      open.push(state);
    }
  }
  // Whoever leads to a state that may be left goes on for one code point more.
  for (const state of open)
    for (const source of sources[state]) {
      if (room[source] < Infinity) continue;
      room[source] = room[state] + 1;
      open.push(source);
    }
  return room;
}

/** Where the code points of a set lead; undefined if one of them leads nowhere. */
function targetsOf(list: readonly number[], set: CodePoints): Set<number> | undefined {
  const targets = new Set<number>();
  let i = 0;
  for (let range = 0; range < set.length; range += 2) {
    let from = set[range];
    while (from <= set[range + 1]) {
      while (i < list.length && list[i + 1] < from) i += 3;
      if (i >= list.length || list[i] > from) return undefined;
      targets.add(list[i + 2]);
      from = list[i + 1] + 1;
    }
  }
  return targets;
}
