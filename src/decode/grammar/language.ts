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
  /** How many contents go on from here, one that ends here included; Infinity where they can go on for ever, or are many. */
  texts(state: number): number;
  /** How many code points are certain to be fine from here, whichever they are; undefined where that is not known. */
  room?(state: number): number | undefined;
  /** How many code points of a class of text (text-classes.ts) are certain to be fine from here, whichever they are. */
  classRoom?(state: number, textClass: number): number;
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
    texts: (count) => (count < max ? Infinity : 1),
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
    texts: (state) => textsBelow(nodes, state),
  };
}

function textsBelow(nodes: readonly WordNode[], state: number): number {
  let count = nodes[state].word ? 1 : 0;
  for (const after of nodes[state].next.values()) count += textsBelow(nodes, after);
  return count;
}

/** The contents of a language but for some. Their states are made as they are met. */
export function without(language: Language, contents: readonly string[]): Language {
  const left = [...new Set(contents)].filter((content) => includes(language, content));
  if (left.length === 0) return language;
  const trie = words(left);
  const pairs: { readonly base: number; readonly word: number }[] = [];
  const known = new Map<string, number>();
  const numberOf = (base: number, word: number): number => {
    if (base === nowhere || language.texts(base) <= (word === nowhere ? 0 : trie.texts(word))) return nowhere;
    const name = `${base} ${word}`;
    const number = known.get(name) ?? pairs.push({ base, word }) - 1;
    known.set(name, number);
    return number;
  };
  const inWords = (word: number, codePoint: number) => (word === nowhere ? nowhere : trie.next(word, codePoint));
  const next = (state: number, codePoint: number) => {
    const { base, word } = pairs[state];
    return numberOf(language.next(base, codePoint), inWords(word, codePoint));
  };
  return {
    start: numberOf(language.start, trie.start),
    next,
    some(state, from, to) {
      const { base, word } = pairs[state];
      if (!language.some(base, from, to)) return false;
      if (word === nowhere || !trie.some(word, from, to)) return true;
      for (let codePoint = from; codePoint <= to; codePoint++) if (next(state, codePoint) !== nowhere) return true;
      return false;
    },
    all(state, from, to) {
      const { base, word } = pairs[state];
      if (word !== nowhere && trie.some(word, from, to)) return nowhere;
      const after = language.all(base, from, to);
      return after === nowhere ? nowhere : numberOf(after, nowhere);
    },
    accepts(state) {
      const { base, word } = pairs[state];
      return language.accepts(base) && (word === nowhere || !trie.accepts(word));
    },
    texts(state) {
      const { base, word } = pairs[state];
      return language.texts(base) - (word === nowhere ? 0 : trie.texts(word));
    },
    room(state) {
      const { base, word } = pairs[state];
      const room = language.room?.(base);
      // A text that goes on as one that is left out does may not end with it, and so not with the last that there is room for.
      return room === undefined || word === nowhere ? room : room - 1;
    },
    classRoom(state, textClass) {
      const { base, word } = pairs[state];
      return word === nowhere ? (language.classRoom?.(base, textClass) ?? 0) : 0;
    },
    likeness(state, horizon) {
      const { base, word } = pairs[state];
      return word === nowhere ? `w ${language.likeness?.(base, horizon) ?? base}` : `${base} ${word}`;
    },
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
