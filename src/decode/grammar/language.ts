// A language: which sequences of code points are allowed as the content of a string, whatever way JSON spells them. Lengths
// and word lists are languages; patterns and formats are automata (automaton.ts) seen as languages. Spelling is string.ts.

/** The state that no sequence leads to. */
export const nowhere = -1;

export interface Language {
  readonly start: number;
  /** The state after one more code point, or `nowhere`. Every other state can still reach an accepting one. */
  next(state: number, codePoint: number): number;
  /** Whether `next` is somewhere for any code point from `from` to `to`. */
  some(state: number, from: number, to: number): boolean;
  /** The one state that every code point from `from` to `to` leads to; `nowhere` if they differ or one is refused. */
  all(state: number, from: number, to: number): number;
  accepts(state: number): boolean;
  /** How many code points are certain to be fine from here, whichever they are; undefined where that is not known. */
  room?(state: number): number | undefined;
  /** As in ByteMachine: what tells states apart within `horizon` code points. */
  likeness?(state: number, horizon: number): string;
}

/** Surrogates are halves of code points, never code points of a string. */
const isSurrogateFree = (from: number, to: number) => to < 0xd800 || from > 0xdfff;
const isOnlySurrogates = (from: number, to: number) => from >= 0xd800 && to <= 0xdfff;

/** All contents of `min` to `max` code points; the state counts them. */
export function lengths(min: number, max: number): Language {
  const next = (count: number) => {
    if (count >= max) return nowhere;
    return max === Number.POSITIVE_INFINITY ? Math.min(count + 1, min) : count + 1;
  };
  return {
    start: 0,
    next,
    some: (count, from, to) => count < max && from <= to && !isOnlySurrogates(from, to),
    all: (count, from, to) => (isSurrogateFree(from, to) ? next(count) : nowhere),
    accepts: (count) => count >= min,
    room: (count) => max - count,
    likeness: (count, horizon) => `${Math.min(Math.max(0, min - count), horizon)},${Math.min(max - count, horizon)}`,
  };
}

interface WordNode {
  readonly next: Map<number, number>;
  word: boolean;
}

/** Exactly the given contents; a state is a node of their trie. */
export function words(contents: readonly string[]): Language {
  const nodes: WordNode[] = [{ next: new Map(), word: false }];
  for (const content of contents) {
    let node = 0;
    for (const char of content) {
      const codePoint = char.codePointAt(0) as number;
      let after = nodes[node].next.get(codePoint);
      if (after === undefined) {
        after = nodes.push({ next: new Map(), word: false }) - 1;
        nodes[node].next.set(codePoint, after);
      }
      node = after;
    }
    nodes[node].word = true;
  }
  return {
    start: 0,
    next: (state, codePoint) => nodes[state].next.get(codePoint) ?? nowhere,
    some(state, from, to) {
      for (const codePoint of nodes[state].next.keys()) if (codePoint >= from && codePoint <= to) return true;
      return false;
    },
    all: (state, from, to) => (from === to ? (nodes[state].next.get(from) ?? nowhere) : nowhere),
    accepts: (state) => nodes[state].word,
  };
}

/** Whether a language accepts a content. */
export function includes(language: Language, content: string): boolean {
  let state = language.start;
  for (const char of content) {
    state = language.next(state, char.codePointAt(0) as number);
    if (state === nowhere) return false;
  }
  return language.accepts(state);
}
