// Automata over code points: the tree of a pattern → an automaton that may be in many states at once (Thompson 1968) → one
// that is in a single state (the subset construction) → its live part. Automata can be intersected, which is how several
// patterns, a format and a length hold together. No backtracking anywhere: time is linear in the text. Look-ahead is a
// second automaton that reads the rest of the text beside the first, and must accept too.

import { anyCodePoint, type CodePoints, common, complement, includesCodePoint, wordCharacters } from "./code-points.ts";
import { type Language, nowhere } from "./language.ts";
import { maxAutomatonStates, maxClassifyWork, maxSubsetWork } from "./limits.ts";
import type { Condition, Regex } from "./regex.ts";
import { classRoom } from "./text-classes.ts";

/** A deterministic automaton; from every state an accepting one can be reached. */
export interface Automaton {
  /** Per state: [from, to, target, from, to, target …], sorted, disjoint. */
  readonly edges: readonly (readonly number[])[];
  readonly accepting: readonly boolean[];
}
/** State 0 is where an automaton starts. */
export const startState = 0;

// ---- Tree → nondeterministic automaton

/** A step without a character. */
interface Jump {
  readonly target: number;
  readonly condition?: Condition;
  /** The rest of the text must begin with this, or must not. */
  readonly ahead?: { readonly body: Regex; readonly not: boolean };
}

interface Draft {
  /** Per state: characters and where they lead. */
  readonly moves: { set: CodePoints; target: number }[][];
  readonly jumps: Jump[][];
  /** Whether it matters if the last character was one of a word. */
  asksForWords: boolean;
}

/** What is known of the place where a pattern begins to match. */
interface Place {
  readonly atStart: boolean;
  /** Whether the character before it is one of a word. */
  readonly afterWord: boolean;
}

/**
 * The automaton of all texts in which the tree matches somewhere; undefined if there is none. Throws a RangeError if it has
 * too many states.
 */
export function searchAutomaton(tree: Regex): Automaton | undefined {
  return automatonFrom(tree, { atStart: true, afterWord: false }, true, { work: maxSubsetWork });
}

/** What may still be spent on one pattern and the look-aheads in it. */
interface Budget {
  work: number;
}

function spend(budget: Budget, work: number): void {
  budget.work -= work;
  if (budget.work < 0) throw tooLarge();
}

/** The same for a tree that must match at once, from a place in a text on. */
function automatonFrom(tree: Regex, place: Place, anywhere: boolean, budget: Budget): Automaton | undefined {
  const draft: Draft = { moves: [], jumps: [], asksForWords: false };
  const state = () => {
    if (draft.moves.length >= maxAutomatonStates) throw tooLarge();
    draft.jumps.push([]);
    return draft.moves.push([]) - 1;
  };
  const jump = (from: number, target: number) => draft.jumps[from].push({ target });

  /** Adds a tree that begins in `from`; gives the state it ends in. */
  const add = (tree: Regex, from: number): number => {
    switch (tree.kind) {
      case "set": {
        const to = state();
        draft.moves[from].push({ set: tree.set, target: to });
        return to;
      }
      case "ahead": {
        const to = state();
        draft.jumps[from].push({ target: to, ahead: tree });
        if (asksForWords(tree.body)) draft.asksForWords = true;
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
      default: {
        const to = state();
        draft.jumps[from].push({ target: to, condition: tree.kind });
        if (tree.kind === "boundary" || tree.kind === "inside") draft.asksForWords = true;
        return to;
      }
    }
  };

  const start = state();
  const match = state();
  jump(start, match);
  if (anywhere) {
    // Any text may come before the match: characters lead to a state that tries again, no longer at the start.
    const retry = state();
    draft.moves[start].push({ set: anyCodePoint, target: retry });
    draft.moves[retry].push({ set: anyCodePoint, target: retry });
    jump(retry, match);
  }
  const found = add(tree, match);
  // Once a match is complete, any text may follow.
  const done = state();
  jump(found, done);
  draft.moves[done].push({ set: anyCodePoint, target: done });
  return live(determinize(draft, start, done, place, budget));
}

function asksForWords(tree: Regex): boolean {
  switch (tree.kind) {
    case "boundary":
    case "inside":
      return true;
    case "sequence":
      return tree.parts.some(asksForWords);
    case "choice":
      return tree.options.some(asksForWords);
    case "repeat":
    case "ahead":
      return asksForWords(tree.body);
    default:
      return false;
  }
}

/** An automaton some states of which may lead nowhere. */
interface Raw {
  readonly edges: number[][];
  readonly accepting: boolean[];
}

// ---- Look-ahead

/** What is read beside a pattern: automata over the rest of the text, by the place where each began. */
function createAheads(budget: Budget) {
  const automata: (Automaton | undefined)[] = [];
  const indices = new Map<string, number>();
  const trees = new Map<Regex, number>();
  return {
    automata,
    /** The index of the automaton of a look-ahead. */
    indexOf({ body, not }: NonNullable<Jump["ahead"]>, place: Place): number {
      const tree = trees.get(body) ?? trees.size;
      trees.set(body, tree);
      const name = `${tree} ${not} ${place.atStart} ${place.afterWord}`;
      let index = indices.get(name);
      if (index === undefined) {
        const positive = automatonFrom(body, place, false, budget);
        spend(budget, positive ? positive.edges.length : 0);
        const negative = () => (positive ? complementAutomaton(positive) : anyTextAutomaton);
        index = automata.push(not ? negative() : positive) - 1;
        indices.set(name, index);
      }
      return index;
    },
  };
}

const anyTextAutomaton: Automaton = { edges: [[...pairsWith(anyCodePoint, 0)]], accepting: [true] };

/** Whether everything is accepted from a state on. */
const isUniversal = ({ edges, accepting }: Automaton, state: number) =>
  accepting[state] && edges[state].join() === [...pairsWith(anyCodePoint, state)].join();

/** A state of the pattern, and the look-aheads that are read beside it, each by automaton and state. */
interface Thread {
  readonly state: number;
  readonly beside: readonly (readonly [index: number, state: number])[];
}

/** The subset construction, of sets of threads. */
function determinize(draft: Draft, start: number, done: number, place: Place, budget: Budget): Raw {
  const aheads = createAheads(budget);
  const threads: Thread[] = [];
  const numbers = new Map<string, number>();
  const threadOf = (state: number, beside: Thread["beside"]): number | undefined => {
    const left = beside.filter(([index, at]) => !isUniversal(aheads.automata[index] as Automaton, at));
    const unique = new Map(left.map((one) => [one.join(" "), one]));
    const names = [...unique.keys()].sort();
    const name = `${state} ${names.join(",")}`;
    let number = numbers.get(name);
    if (number === undefined) {
      number = threads.push({ state, beside: names.map((name) => unique.get(name) as [number, number]) }) - 1;
      numbers.set(name, number);
    }
    return number;
  };

  /** What comes next: a character of a word, another one, the end, or whatever, where that does not matter. */
  type Next = "word" | "other" | "end" | "any";
  const holds = (condition: Condition, { atStart, afterWord }: Place, next: Next) => {
    if (condition === "start") return atStart;
    if (condition === "end") return next === "end";
    return (afterWord !== (next === "word")) === (condition === "boundary");
  };
  /** The threads reachable without a character. */
  const closure = (from: readonly number[], place: Place, next: Next): number[] => {
    const reached = new Set(from);
    for (const number of reached) {
      const { state, beside } = threads[number];
      for (const { condition, ahead, target } of draft.jumps[state]) {
        if (condition && !holds(condition, place, next)) continue;
        let all = beside;
        if (ahead) {
          const index = aheads.indexOf(ahead, place);
          if (!aheads.automata[index]) continue;
          all = [...beside, [index, startState]];
        }
        const after = threadOf(target, all);
        if (after !== undefined) reached.add(after);
      }
    }
    return [...reached];
  };
  /** Where characters lead a thread, all that is read beside it included. */
  const movesOf = (number: number): { set: CodePoints; target: number }[] => {
    const { state, beside } = threads[number];
    let moves = draft.moves[state].map(({ set, target }) => ({ set, target, beside: [] as [number, number][] }));
    for (const [index, at] of beside) {
      const list = (aheads.automata[index] as Automaton).edges[at];
      moves = moves.flatMap((move) => {
        const split: typeof moves = [];
        spend(budget, list.length);
        for (let i = 0; i < list.length; i += 3) {
          const set = common(move.set, [list[i], list[i + 1]]);
          if (set.length > 0) split.push({ set, target: move.target, beside: [...move.beside, [index, list[i + 2]]] });
        }
        return split;
      });
    }
    return moves.flatMap(({ set, target, beside }) => {
      const after = threadOf(target, beside);
      return after === undefined ? [] : [{ set, target: after }];
    });
  };

  interface Subset {
    readonly threads: readonly number[];
    readonly place: Place;
  }
  const sets: Subset[] = [];
  const known = new Map<string, number>();
  const finished = threadOf(done, []);
  const numberOf = (list: readonly number[], place: Place) => {
    const whole = draft.asksForWords ? list : closure(list, place, "any");
    const isDone = finished !== undefined && whole.includes(finished);
    const set = isDone ? [finished] : [...whole].sort((a, b) => a - b);
    const key = `${isDone ? "" : `${place.atStart} ${place.afterWord} `}${set.join()}`;
    let number = known.get(key);
    if (number === undefined) {
      if (sets.length >= maxAutomatonStates) throw tooLarge();
      number = sets.push({ threads: set, place }) - 1;
      known.set(key, number);
    }
    return number;
  };
  const raw: Raw = { edges: [], accepting: [] };
  numberOf([threadOf(start, []) as number], place);
  const accepts = (number: number) => {
    const { state, beside } = threads[number];
    return state === done && beside.every(([index, at]) => (aheads.automata[index] as Automaton).accepting[at]);
  };
  const others = complement(wordCharacters);
  const classes: readonly [Next, CodePoints][] = draft.asksForWords
    ? [
        ["word", wordCharacters],
        ["other", others],
      ]
    : [["any", anyCodePoint]];
  for (let i = 0; i < sets.length; i++) {
    const { threads: set, place } = sets[i];
    if (set[0] === finished && set.length === 1) {
      raw.accepting.push(true);
      raw.edges.push([...pairsWith(anyCodePoint, i)]);
      continue;
    }
    raw.accepting.push(closure(set, place, "end").some(accepts));
    const moves: { set: CodePoints; target: number }[] = [];
    for (const [next, among] of classes) {
      const from = closure(set, place, next);
      spend(budget, from.length);
      for (const move of from.flatMap(movesOf))
        moves.push(among === anyCodePoint ? move : { set: common(move.set, among), target: move.target });
    }
    const isWord = (codePoint: number) => draft.asksForWords && includesCodePoint(wordCharacters, codePoint);
    const numberAfter = (targets: number[], codePoint: number) =>
      numberOf(targets, { atStart: false, afterWord: isWord(codePoint) });
    raw.edges.push(disjoint(moves, numberAfter, (codePoint) => (isWord(codePoint) ? "w" : "")));
  }
  return raw;
}

function* pairsWith(set: CodePoints, target: number): Generator<number> {
  for (let i = 0; i < set.length; i += 2) yield* [set[i], set[i + 1], target];
}

/** Overlapping moves → disjoint edges, each to the number of its set of targets. */
function disjoint(
  moves: readonly { set: CodePoints; target: number }[],
  numberOf: (targets: number[], codePoint: number) => number,
  classOf: (codePoint: number) => string = () => "",
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
    const key = `${classOf(at)}${targets.join()}`;
    const number = named.get(key) ?? numberOf(targets, at);
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
  // Where the edges into each state come from, one list after another.
  const ends = new Int32Array(edges.length + 1);
  for (const list of edges) for (let i = 2; i < list.length; i += 3) ends[list[i]]++;
  for (let state = 1; state <= edges.length; state++) ends[state] += ends[state - 1];
  const sources = new Int32Array(ends[edges.length]);
  for (const [state, list] of edges.entries())
    for (let i = 2; i < list.length; i += 3) sources[--ends[list[i]]] = state;
  const isAlive = new Uint8Array(edges.length);
  const open: number[] = [];
  const reach = (state: number) => {
    if (isAlive[state]) return;
    isAlive[state] = 1;
    open.push(state);
  };
  for (const [state, accepts] of accepting.entries()) if (accepts) reach(state);
  for (let state = open.pop(); state !== undefined; state = open.pop())
    for (let i = ends[state]; i < ends[state + 1]; i++) reach(sources[i]);
  if (!isAlive[startState]) return undefined;
  const states: number[] = [];
  const numbers = new Int32Array(edges.length);
  for (let state = 0; state < edges.length; state++) if (isAlive[state]) numbers[state] = states.push(state) - 1;
  if (states.length === edges.length) return { automaton: { edges, accepting }, states };
  const automaton = {
    accepting: states.map((state) => accepting[state]),
    edges: states.map((state) => {
      const list: number[] = [];
      for (let i = 0; i < edges[state].length; i += 3) {
        const target = edges[state][i + 2];
        if (isAlive[target]) pushEdge(list, edges[state][i], edges[state][i + 1], numbers[target]);
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
 * none. Throws a RangeError if it has too many states, or takes too much work.
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
  let work = 0;
  const spend = (count: number) => {
    work += count;
    if (work > maxClassifyWork) throw new RangeError(`they take more than ${maxClassifyWork} steps to tell apart`);
  };
  numberOf(automata.map(() => startState));
  const matchingOf = (tuple: readonly number[]) =>
    [...tuple.keys()].filter((i) => tuple[i] !== nowhere && automata[i].accepting[tuple[i]]);
  for (const tuple of tuples) {
    const matching = matchingOf(tuple);
    spend(automata.length * (1 + matching.length));
    raw.accepting.push(isAcceptable(matching));
    // Every code point leads on: an automaton that refuses it is out of the running (`nowhere`), the others go on.
    const moves = tuple.flatMap((state, i) => {
      const list = state === nowhere ? [] : automata[i].edges[state];
      return Array.from({ length: list.length / 3 }, (_, edge) => ({
        set: [list[edge * 3], list[edge * 3 + 1]],
        target: list[edge * 3 + 2] * automata.length + i,
      }));
    });
    moves.push({ set: [...anyCodePoint], target: -1 });
    const reach = (targets: readonly number[]) => {
      const after = tuple.map(() => nowhere);
      for (const target of targets)
        if (target >= 0) after[target % automata.length] = Math.floor(target / automata.length);
      return numberOf(after);
    };
    const edges = disjoint(moves, reach, () => {
      spend(automata.length);
      return "";
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

/** All texts that it does not accept; undefined if there is none. Throws as `classify`. */
export function complementAutomaton(automaton: Automaton): Automaton | undefined {
  return classify([automaton], (matching) => matching.length === 0)?.automaton;
}

/** The texts that any of them accepts; undefined for none at all. Throws as `classify`. */
export function unite(automata: readonly Automaton[]): Automaton | undefined {
  if (automata.length <= 1) return automata[0];
  return classify(automata, (matching) => matching.length > 0)?.automaton;
}

/** Exactly the given texts, at least one. */
export function wordAutomaton(texts: readonly string[]): Automaton {
  const nodes: { next: Map<number, number>; accepts: boolean }[] = [{ next: new Map(), accepts: false }];
  for (const text of texts) {
    let at = 0;
    for (const char of text) {
      const codePoint = char.codePointAt(0) as number;
      const after = nodes[at].next.get(codePoint) ?? nodes.push({ next: new Map(), accepts: false }) - 1;
      nodes[at].next.set(codePoint, after);
      at = after;
    }
    nodes[at].accepts = true;
  }
  const edgesOf = (next: ReadonlyMap<number, number>) =>
    [...next].sort(([a], [b]) => a - b).flatMap(([codePoint, target]) => [codePoint, codePoint, target]);
  return { edges: nodes.map(({ next }) => edgesOf(next)), accepting: nodes.map(({ accepts }) => accepts) };
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
export function languageOf(automaton: Automaton): Language {
  const { edges, accepting } = automaton;
  let counts: readonly number[] | undefined;
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
    texts(state) {
      counts ??= countTexts(automaton);
      return counts[state];
    },
    classRoom: (state, textClass) => classRoom(automaton, textClass)[state],
  };
}
