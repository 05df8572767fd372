// Automata over code points: the tree of a pattern → an automaton that may be in many states at once (Thompson 1968) → one
// that is in a single state (the subset construction) → its live part. Automata can be intersected, which is how several
// patterns, a format and a length hold together. No backtracking anywhere: time is linear in the text.

import { anyCodePoint, type CodePoints } from "./code-points.ts";
import { type Language, nowhere } from "./language.ts";
import { maxAutomatonStates, maxSubsetWork } from "./limits.ts";
import type { Regex } from "./regex.ts";

/** A deterministic automaton; from every state an accepting one can be reached. */
export interface Automaton {
  /** Per state: [from, to, target, from, to, target …], sorted, disjoint. */
  readonly edges: readonly (readonly number[])[];
  readonly accepting: readonly boolean[];
}
/** State 0 is where an automaton starts. */
const startState = 0;

// ---- Tree → nondeterministic automaton

/** What a step without a character needs: nothing, or to stand at the start or the end of the text. */
type Condition = "always" | "start" | "end";

interface Draft {
  /** Per state: characters and where they lead. */
  readonly moves: { set: CodePoints; target: number }[][];
  readonly jumps: { condition: Condition; target: number }[][];
}

/**
 * The automaton of all texts in which the tree matches somewhere; undefined if there is none. Throws a RangeError if it has
 * too many states.
 */
export function searchAutomaton(tree: Regex): Automaton | undefined {
  const draft: Draft = { moves: [], jumps: [] };
  const state = () => {
    if (draft.moves.length >= maxAutomatonStates) throw tooLarge();
    draft.jumps.push([]);
    return draft.moves.push([]) - 1;
  };
  const jump = (from: number, target: number, condition: Condition = "always") =>
    draft.jumps[from].push({ condition, target });

  /** Adds a tree that begins in `from`; gives the state it ends in. */
  const add = (tree: Regex, from: number): number => {
    switch (tree.kind) {
      case "set": {
        const to = state();
        draft.moves[from].push({ set: tree.set, target: to });
        return to;
      }
      case "start":
      case "end": {
        const to = state();
        jump(from, to, tree.kind);
        return to;
      }
      case "sequence":
        return tree.parts.reduce((at, part) => add(part, at), from);
      case "choice": {
        const to = state();
        for (const option of tree.options) {
          const begin = state();
          jump(from, begin);
          jump(add(option, begin), to);
        }
        return to;
      }
      case "repeat": {
        let at = from;
        for (let i = 0; i < tree.min; i++) at = add(tree.body, at);
        if (tree.max === Infinity) {
          const loop = state();
          jump(at, loop);
          jump(add(tree.body, loop), loop);
          return loop;
        }
        const to = state();
        jump(at, to);
        for (let i = tree.min; i < tree.max; i++) {
          const begin = state(); // a state of its own: loops inside must not come back to an earlier copy's exit
          jump(at, begin);
          at = add(tree.body, begin);
          jump(at, to);
        }
        return to;
      }
    }
  };

  const start = state();
  // Any text may come before the match: characters lead to a state that tries again, no longer at the start.
  const retry = state();
  const match = state();
  draft.moves[start].push({ set: anyCodePoint, target: retry });
  draft.moves[retry].push({ set: anyCodePoint, target: retry });
  jump(start, match);
  jump(retry, match);
  const found = add(tree, match);
  return live(determinize(draft, start, found));
}

/** An automaton some states of which may lead nowhere. */
interface Raw {
  readonly edges: number[][];
  readonly accepting: boolean[];
}

/** The subset construction. `found` is absorbing: once a match is complete, any text may follow. */
function determinize(draft: Draft, start: number, found: number): Raw {
  /** The states reachable without a character. */
  const closure = (states: readonly number[], atStart: boolean, atEnd: boolean): number[] => {
    const reached = new Set(states);
    for (const state of reached)
      for (const { condition, target } of draft.jumps[state])
        if (condition === "always" || (condition === "start" ? atStart : atEnd)) reached.add(target);
    return [...reached];
  };
  const sets: number[][] = [];
  const known = new Map<string, number>();
  const numberOf = (states: number[]) => {
    const set = states.includes(found) ? [found] : states.sort((a, b) => a - b);
    const key = set.join();
    let number = known.get(key);
    if (number === undefined) {
      if (sets.length >= maxAutomatonStates) throw tooLarge();
      number = sets.push(set) - 1;
      known.set(key, number);
    }
    return number;
  };
  const raw: Raw = { edges: [], accepting: [] };
  numberOf(closure([start], true, false));
  let work = 0;
  for (let i = 0; i < sets.length; i++) {
    const set = sets[i];
    if (set[0] === found) {
      raw.accepting.push(true);
      raw.edges.push([...pairsWith(anyCodePoint, i)]);
      continue;
    }
    raw.accepting.push(closure(set, i === 0, true).includes(found));
    const moves = set.flatMap((state) => draft.moves[state]);
    work += set.length;
    if (work > maxSubsetWork) throw tooLarge();
    raw.edges.push(disjoint(moves, (targets) => numberOf(closure(targets, false, false))));
  }
  return raw;
}

function* pairsWith(set: CodePoints, target: number): Generator<number> {
  for (let i = 0; i < set.length; i += 2) yield* [set[i], set[i + 1], target];
}

/** Overlapping moves → disjoint edges, each to the number of its set of targets. */
function disjoint(
  moves: readonly { set: CodePoints; target: number }[],
  numberOf: (targets: number[]) => number,
): number[] {
  const events: { at: number; target: number; opens: boolean }[] = [];
  for (const { set, target } of moves) {
    for (let i = 0; i < set.length; i += 2) {
      events.push({ at: set[i], target, opens: true }, { at: set[i + 1] + 1, target, opens: false });
    }
  }
  events.sort((a, b) => a.at - b.at);
  const open = new Map<number, number>();
  const edges: number[] = [];
  const named = new Map<string, number>();
  for (let i = 0; i < events.length; ) {
    const { at } = events[i];
    for (; i < events.length && events[i].at === at; i++) {
      const { target, opens } = events[i];
      const count = (open.get(target) ?? 0) + (opens ? 1 : -1);
      if (count === 0) open.delete(target);
      else open.set(target, count);
    }
    if (open.size === 0) continue;
    const targets = [...open.keys()].sort((a, b) => a - b);
    const key = targets.join();
    const number = named.get(key) ?? numberOf(targets);
    named.set(key, number);
    pushEdge(edges, at, events[i].at - 1, number);
  }
  return edges;
}

/** Appends an edge, joined to the last one where it continues it. */
function pushEdge(edges: number[], from: number, to: number, target: number): void {
  const last = edges.length - 3;
  if (last >= 0 && edges[last + 1] === from - 1 && edges[last + 2] === target) edges[last + 1] = to;
  else edges.push(from, to, target);
}

/** Drops the states from which no accepting one can be reached; undefined if the start is among them. */
function live(raw: Raw): Automaton | undefined {
  return liveStates(raw)?.automaton;
}

/** The same, with the former number of each state that is left. */
function liveStates({ edges, accepting }: Raw): { automaton: Automaton; states: number[] } | undefined {
  const sources: number[][] = edges.map(() => []);
  for (const [state, list] of edges.entries()) for (let i = 2; i < list.length; i += 3) sources[list[i]].push(state);
  const alive = new Set<number>();
  for (const [state, accepts] of accepting.entries()) if (accepts) alive.add(state);
  for (const state of alive) for (const source of sources[state]) alive.add(source);
  if (!alive.has(startState)) return undefined;
  const states = [...alive].sort((a, b) => a - b);
  const number = new Map(states.map((state, i) => [state, i]));
  const automaton = {
    accepting: states.map((state) => accepting[state]),
    edges: states.map((state) => {
      const list: number[] = [];
      for (let i = 0; i < edges[state].length; i += 3) {
        const target = number.get(edges[state][i + 2]);
        if (target !== undefined) pushEdge(list, edges[state][i], edges[state][i + 1], target);
      }
      return list;
    }),
  };
  return { automaton, states };
}

const tooLarge = () => new RangeError(`it needs too large an automaton (the limit is ${maxAutomatonStates} states)`);

// ---- Automata together

/** The texts that both accept; undefined if there is none. Throws a RangeError if it has too many states. */
export function intersect(a: Automaton, b: Automaton): Automaton | undefined {
  const raw: Raw = { edges: [], accepting: [] };
  const pairs: [number, number][] = [];
  const known = new Map<number, number>();
  const numberOf = (i: number, j: number) => {
    const key = i * b.edges.length + j;
    let number = known.get(key);
    if (number === undefined) {
      if (pairs.length >= maxAutomatonStates) throw tooLarge();
      number = pairs.push([i, j]) - 1;
      known.set(key, number);
    }
    return number;
  };
  numberOf(startState, startState);
  for (const [i, j] of pairs) {
    raw.accepting.push(a.accepting[i] && b.accepting[j]);
    const list: number[] = [];
    const [left, right] = [a.edges[i], b.edges[j]];
    for (let l = 0, r = 0; l < left.length && r < right.length; ) {
      const from = Math.max(left[l], right[r]);
      const to = Math.min(left[l + 1], right[r + 1]);
      if (from <= to) pushEdge(list, from, to, numberOf(left[l + 2], right[r + 2]));
      if (left[l + 1] < right[r + 1]) l += 3;
      else r += 3;
    }
    raw.edges.push(list);
  }
  return live(raw);
}

/**
 * All texts whose set of matching automata (by index) is acceptable, and that set for each state; undefined if there is
 * none. Throws a RangeError if it has too many states.
 */
export function classify(
  automata: readonly Automaton[],
  isAcceptable: (matching: readonly number[]) => boolean,
): { automaton: Automaton; matching: readonly (readonly number[])[] } | undefined {
  const raw: Raw = { edges: [], accepting: [] };
  const tuples: number[][] = [];
  const known = new Map<string, number>();
  const numberOf = (tuple: number[]) => {
    const key = tuple.join();
    let number = known.get(key);
    if (number === undefined) {
      if (tuples.length >= maxAutomatonStates) throw tooLarge();
      number = tuples.push(tuple) - 1;
      known.set(key, number);
    }
    return number;
  };
  numberOf(automata.map(() => startState));
  const matchingOf = (tuple: readonly number[]) =>
    [...tuple.keys()].filter((i) => tuple[i] !== nowhere && automata[i].accepting[tuple[i]]);
  for (const tuple of tuples) {
    raw.accepting.push(isAcceptable(matchingOf(tuple)));
    // Every code point leads on: an automaton that refuses it is out of the running (`nowhere`), the others go on.
    const moves = tuple.flatMap((state, i) => {
      const list = state === nowhere ? [] : automata[i].edges[state];
      return Array.from({ length: list.length / 3 }, (_, edge) => ({
        set: [list[edge * 3], list[edge * 3 + 1]],
        target: list[edge * 3 + 2] * automata.length + i,
      }));
    });
    moves.push({ set: [...anyCodePoint], target: -1 });
    const edges = disjoint(moves, (targets) => {
      const after = tuple.map(() => nowhere);
      for (const target of targets)
        if (target >= 0) after[target % automata.length] = Math.floor(target / automata.length);
      return numberOf(after);
    });
    raw.edges.push(edges);
  }
  const alive = liveStates(raw);
  return alive && { automaton: alive.automaton, matching: alive.states.map((state) => matchingOf(tuples[state])) };
}

/** All texts of `min` to `max` code points. */
export function lengthAutomaton(min: number, max: number): Automaton {
  const last = max === Infinity ? min : max;
  if (last > maxAutomatonStates) throw tooLarge();
  const edges: number[][] = [];
  for (let count = 0; count <= last; count++) {
    const after = count < last ? count + 1 : max === Infinity ? count : undefined;
    edges.push(after === undefined ? [] : [...pairsWith(anyCodePoint, after)]);
  }
  return { edges, accepting: edges.map((_, count) => count >= min) };
}

/** How many texts an automaton accepts from each state, Infinity where it can go on for ever. */
export function countTexts({ edges, accepting }: Automaton): number[] {
  const counts: (number | undefined)[] = new Array(edges.length).fill(undefined);
  const open = new Set<number>();
  // Iterative depth-first search: a state met again while it is open lies on a cycle.
  const stack: { state: number; edge: number; sum: number }[] = [];
  const visit = (state: number) => {
    open.add(state);
    stack.push({ state, edge: 0, sum: accepting[state] ? 1 : 0 });
  };
  visit(startState);
  while (stack.length > 0) {
    const top = stack[stack.length - 1];
    const list = edges[top.state];
    if (top.edge === list.length) {
      counts[top.state] = top.sum;
      open.delete(top.state);
      stack.pop();
      continue;
    }
    const target = list[top.edge + 2];
    const ways = counts[target] ?? (open.has(target) ? Infinity : undefined);
    if (ways === undefined) visit(target);
    else {
      top.sum += ways * (list[top.edge + 1] - list[top.edge] + 1);
      top.edge += 3;
    }
  }
  return counts.map((count) => count ?? 0);
}

/** An automaton as the language of a string's content. */
export function languageOf({ edges, accepting }: Automaton): Language {
  /** The index in the state's edges of the first one that ends at or after a code point. */
  const find = (list: readonly number[], codePoint: number) => {
    let low = 0;
    let high = list.length / 3;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle * 3 + 1] < codePoint) low = middle + 1;
      else high = middle;
    }
    return low * 3;
  };
  return {
    start: startState,
    next(state, codePoint) {
      const list = edges[state];
      const i = find(list, codePoint);
      return i < list.length && list[i] <= codePoint ? list[i + 2] : nowhere;
    },
    some(state, from, to) {
      const list = edges[state];
      const i = find(list, from);
      return i < list.length && list[i] <= to;
    },
    all(state, from, to) {
      const list = edges[state];
      const i = find(list, from);
      return i < list.length && list[i] <= from && list[i + 1] >= to ? list[i + 2] : nowhere;
    },
    accepts: (state) => accepting[state],
  };
}
