// A pattern and a length together. The characters so far are counted beside the automaton instead of being multiplied into
// it: 2,000 lengths of an automaton of 500 states are 2,500 numbers, not a million states. What has to be known is how long
// the rest of a text can be from each state.

import type { Automaton } from "./automaton.ts";
import { languageOf } from "./automaton.ts";
import { type Language, nowhere } from "./language.ts";
import { maxCountWork } from "./limits.ts";

/**
 * The texts of an automaton that have `min` to `max` code points; undefined if there is none. Throws a RangeError if their
 * lengths take too much work to tell.
 */
export function counted(automaton: Automaton, min: number, max: number): Language | undefined {
  const base = languageOf(automaton);
  const { edges } = automaton;
  const lengths = lengthsOf(automaton, min, max);
  // The count stops where it no longer matters.
  const cap = max === Infinity ? min : max;
  const numberOf = (state: number, count: number) => {
    const [least, most] = [Math.max(0, min - count), max === Infinity ? Infinity : max - count];
    const length = lengths.from(state, least);
    return length < Infinity && length <= most ? state * (cap + 1) + Math.min(count, cap) : nowhere;
  };
  const read = (state: number): [number, number] => [Math.floor(state / (cap + 1)), state % (cap + 1)];
  const isFull = (count: number) => max !== Infinity && count >= max;
  const start = numberOf(base.start, 0);
  if (start === nowhere) return undefined;
  return {
    start,
    next(state, codePoint) {
      const [at, count] = read(state);
      const after = isFull(count) ? nowhere : base.next(at, codePoint);
      return after === nowhere ? nowhere : numberOf(after, count + 1);
    },
    some(state, from, to) {
      const [at, count] = read(state);
      if (isFull(count)) return false;
      const list = edges[at];
      for (let i = 0; i < list.length && list[i] <= to; i += 3)
        if (list[i + 1] >= from && numberOf(list[i + 2], count + 1) !== nowhere) return true;
      return false;
    },
    all(state, from, to) {
      const [at, count] = read(state);
      const after = isFull(count) ? nowhere : base.all(at, from, to);
      return after === nowhere ? nowhere : numberOf(after, count + 1);
    },
    accepts(state) {
      const [at, count] = read(state);
      return count >= min && base.accepts(at);
    },
    texts(state) {
      const [at, count] = read(state);
      return lengths.texts(at, Math.max(0, min - count), max - count);
    },
    classRoom(state, textClass) {
      const [at, count] = read(state);
      // Beyond the lengths that differ, all lengths are alike: then only the longest matters.
      if (!lengths.areAlike) return 0;
      return Math.min(base.classRoom?.(at, textClass) ?? 0, max - count - lengths.settled);
    },
    likeness(state, horizon) {
      const [at, count] = read(state);
      const far = horizon + lengths.settled + 1;
      return `${at} ${Math.min(Math.max(0, min - count), far)} ${Math.min(max - count, far)}`;
    },
  };
}

/** More texts than this are as good as any number. */
const manyTexts = 1e6;

/** How long the texts are that go on from each state of an automaton. */
function lengthsOf({ edges, accepting }: Automaton, min: number, max: number) {
  const size = edges.length;
  const edgeCount = edges.reduce((sum, list) => sum + list.length / 3, 0);
  /** By length: whether some text of it goes on from a state. Once two lengths are the same, so are all after them. */
  const layers = [Uint8Array.from(accepting, Number)];
  const furthest = max === Infinity ? min + size : max;
  let settled = Infinity;
  for (let length = 1; length <= furthest && settled === Infinity; length++) {
    if (length * edgeCount > maxCountWork)
      throw new RangeError(`pattern and length together take more than ${maxCountWork} steps`);
    const before = layers[length - 1];
    const layer = new Uint8Array(size);
    for (let state = 0; state < size; state++) {
      const list = edges[state];
      for (let i = 2; i < list.length && layer[state] === 0; i += 3) layer[state] = before[list[i]];
    }
    if (layer.every((any, state) => any === before[state])) settled = length - 1;
    else layers.push(layer);
  }
  const last = layers.length - 1;
  /** By length: how many texts of it go on from a state. */
  const counts = [Float64Array.from(accepting, Number)];
  const countsOf = (length: number) => {
    for (let made = counts.length; made <= length; made++) {
      const layer = new Float64Array(size);
      for (let state = 0; state < size; state++) {
        const list = edges[state];
        for (let i = 0; i < list.length; i += 3)
          layer[state] += counts[made - 1][list[i + 2]] * (list[i + 1] - list[i] + 1);
      }
      counts.push(layer);
    }
    return counts[length];
  };
  return {
    /** From this length on, all lengths are alike. */
    settled,
    /** Whether texts of every length from `settled` on go on from every state. */
    areAlike: settled < Infinity && layers[last].every(Boolean),
    /** The least length from `least` on of a text that goes on from a state; Infinity: there is none. */
    from(state: number, least: number): number {
      for (let length = least; length <= last; length++) if (layers[length][state]) return length;
      return settled < Infinity && layers[last][state] ? Math.max(least, last) : Infinity;
    },
    /** How many texts of `least` to `most` code points go on from a state; Infinity for many. */
    texts(state: number, least: number, most: number): number {
      let sum = 0;
      for (let length = least; length <= most && length <= least + size && sum <= manyTexts; length++)
        sum += countsOf(length)[state];
      return sum <= manyTexts ? sum : Infinity;
    },
  };
}
