// The keys of an object as a language: those that may come next (key-choice.ts), but for other keys that have been used. Because
// a language sees code points and not bytes, "\u0061" is the same key as "a". The answer to a finished key is which property
// it is.

import { countTexts, languageOf } from "./automaton.ts";
import type { ByteMachine } from "./byte-machine.ts";
import type { Extras, ObjectForm, Value } from "./forms.ts";
import type { KeyChoice, UsedKeys } from "./key-choice.ts";
import { type Language, lengths, nowhere } from "./language.ts";
import { type Escapes, stringMachine } from "./string.ts";
import { classRoom } from "./text-classes.ts";

export interface KeyMachine extends ByteMachine {
  /** The property that a finished key is, or the value of a key that none declares. */
  outcome(state: number): { property: number } | { extra: Value };
  /** Once a key can be no declared or used one any more: the machine of any other key, and its state. */
  released(state: number): { machine: KeyMachine; state: number } | undefined;
}

interface NameNode {
  readonly next: Map<number, NameNode>;
  /** The names that begin like this, by index, ascending. */
  readonly below: number[];
  own: number | undefined;
}

/** What each form needs for its keys, made once. */
interface KeyTable {
  readonly root: NameNode;
  /** For each kind of other keys: what is asked of them. */
  readonly others: Map<Extras, Others>;
  readonly machines: Map<string, KeyMachine>;
}

interface Others {
  readonly language: Language | undefined;
  /** How many there are from each state of the language. */
  readonly counts: readonly number[] | undefined;
  /** For each name (declared, then forbidden): whether the language has it. */
  readonly includes: readonly boolean[];
}

const tables = new WeakMap<ObjectForm, KeyTable>();

function tableOf(form: ObjectForm): KeyTable {
  const known = tables.get(form);
  if (known) return known;
  const node = (): NameNode => ({ next: new Map(), below: [], own: undefined });
  const root = node();
  for (const [index, name] of namesOfForm(form).entries()) {
    let at = root;
    at.below.push(index);
    for (const char of name) {
      const codePoint = char.codePointAt(0) as number;
      const after = at.next.get(codePoint) ?? node();
      at.next.set(codePoint, after);
      at = after;
      at.below.push(index);
    }
    at.own = index;
  }
  const table: KeyTable = { root, others: new Map(), machines: new Map() };
  tables.set(form, table);
  return table;
}

const namesOfForm = ({ properties, forbidden }: ObjectForm) => [...properties.map(({ name }) => name), ...forbidden];

function othersOf(form: ObjectForm, extras: Extras): Others {
  const { others } = tableOf(form);
  let known = others.get(extras);
  if (!known) {
    const { keys } = extras;
    known = {
      language: keys && languageOf(keys),
      counts: keys && countTexts(keys),
      includes: keys ? namesOfForm(form).map((name) => extras.includes(name)) : [],
    };
    others.set(extras, known);
  }
  return known;
}

/** Key machines after keys that no property declares; a list of them belongs to one object. */
const afterUsed = new WeakMap<UsedKeys, Map<string, KeyMachine>>();

/** The machine of the next key, quotes included; shared by all places of the form with the same choice. */
export function keyMachine(
  form: ObjectForm,
  choice: KeyChoice,
  used: UsedKeys | undefined,
  escapes: Escapes,
): KeyMachine {
  const table = tableOf(form);
  const differs = choice.extras !== undefined && used !== undefined && !form.repeats;
  let machines = differs ? afterUsed.get(used) : table.machines;
  if (!machines) {
    machines = new Map();
    afterUsed.set(used as UsedKeys, machines);
  }
  const name = `${choice.name} ${escapes}`;
  let machine = machines.get(name);
  if (!machine) {
    machine = makeKeyMachine(form, table.root, choice, differs ? namesOf(used) : [], escapes);
    machines.set(name, machine);
  }
  return machine;
}

function namesOf(used: UsedKeys | undefined): string[] {
  const names: string[] = [];
  for (let key = used; key; key = key.before) names.push(key.name());
  return names;
}

const anyKeys = {
  all: stringMachine(lengths(0, Infinity), "all"),
  needed: stringMachine(lengths(0, Infinity), "needed"),
};
const quote = 0x22;

/** Inside a key that no longer matters: one machine for all of them, so that its masks are shared. */
function otherKey(value: Value, escapes: Escapes): { machine: KeyMachine; state: number } {
  const strings = anyKeys[escapes];
  const machine = { ...strings, outcome: () => ({ extra: value }), released: () => undefined };
  return { machine, state: strings.next(strings.start, quote) };
}

/** Where a key is: among the declared names, among those used, in the automaton of the others (`nowhere`: in none). */
interface KeyState {
  readonly node: NameNode | undefined;
  readonly used: readonly (readonly number[])[];
  readonly depth: number;
  readonly extra: number;
}

function makeKeyMachine(
  form: ObjectForm,
  root: NameNode,
  choice: KeyChoice,
  usedNames: readonly string[],
  escapes: Escapes,
): KeyMachine {
  const { extras } = choice;
  const {
    language: extraLanguage,
    counts: extraCounts,
    includes: isExtra = [],
  }: Partial<Others> = extras ? othersOf(form, extras) : {};
  const used = usedNames.map((name) => Array.from(name, (char) => char.codePointAt(0) as number));
  const states: KeyState[] = [];
  const known = new Map<NameNode | undefined, Map<string, number>>();
  const numberOf = (state: KeyState): number => {
    const key =
      state.node || state.used.length > 0
        ? `${state.depth} ${state.used.length} ${used.indexOf(state.used[0] as number[])} ${state.extra}`
        : `${state.extra}`;
    const ofNode = known.get(state.node) ?? new Map<string, number>();
    known.set(state.node, ofNode);
    let number = ofNode.get(key);
    if (number === undefined) {
      number = states.push(state) - 1;
      ofNode.set(key, number);
    }
    return number;
  };

  const isAlive = ({ node, used, extra }: KeyState): boolean => {
    if (node?.below.some(choice.includes)) return true;
    if (extra === nowhere) return false;
    if (!extraCounts) return true;
    // Keys that begin like this, less those that are taken.
    const taken = (node ? node.below.filter((index) => isExtra[index]).length : 0) + used.length;
    return extraCounts[extra] > taken;
  };
  const after = ({ node, used, depth, extra }: KeyState, codePoint: number): KeyState => ({
    node: node?.next.get(codePoint),
    used: used.filter((name) => name[depth] === codePoint),
    depth: depth + 1,
    extra: extra === nowhere || !extraLanguage ? extra : extraLanguage.next(extra, codePoint),
  });
  const next = (state: number, codePoint: number): number => {
    const reached = after(states[state], codePoint);
    return isAlive(reached) ? numberOf(reached) : nowhere;
  };
  const start = numberOf({ node: root, used, depth: 0, extra: extras ? 0 : nowhere });

  const language: Language = {
    start,
    next,
    some(state, from, to) {
      const { node, used, depth, extra } = states[state];
      const named = [...(node?.next.keys() ?? []), ...used.map((name) => name[depth])];
      const inRange = named.filter((codePoint) => codePoint >= from && codePoint <= to);
      if (inRange.some((codePoint) => next(state, codePoint) !== nowhere)) return true;
      if (extra === nowhere) return false;
      if (!extraLanguage) return from <= to && (from < 0xd800 || to > 0xdfff);
      // Of the other keys, one that leaves all names behind is enough.
      const others = new Set(inRange);
      for (let codePoint = from; codePoint <= to; codePoint++) {
        if (others.has(codePoint)) continue;
        if (extraLanguage.next(extra, codePoint) !== nowhere) return true;
        if (!extraLanguage.some(extra, codePoint, to)) return false;
      }
      return false;
    },
    all(state, from, to) {
      const { node, used, depth, extra } = states[state];
      if (extra === nowhere || (from <= 0xdfff && to >= 0xd800)) return nowhere;
      for (const codePoint of node?.next.keys() ?? []) if (codePoint >= from && codePoint <= to) return nowhere;
      if (used.some((name) => name[depth] >= from && name[depth] <= to)) return nowhere;
      const target = extraLanguage ? extraLanguage.all(extra, from, to) : extra;
      return target === nowhere ? nowhere : numberOf({ node: undefined, used: [], depth: depth + 1, extra: target });
    },
    accepts(state) {
      const { node, used, depth, extra } = states[state];
      if (node?.own !== undefined) return choice.includes(node.own);
      if (extra === nowhere || used.some((name) => name.length === depth)) return false;
      return !extraLanguage || extraLanguage.accepts(extra);
    },
    texts: () => Infinity,
    classRoom(state, textClass) {
      const { extra } = states[state];
      return extra === nowhere || !extras?.keys ? 0 : classRoom(extras.keys, textClass, extraCounts)[extra];
    },
    room: (state) => (states[state].extra !== nowhere && !extraLanguage ? Infinity : undefined),
  };
  const machine = stringMachine(language, escapes);
  return {
    ...machine,
    released(state) {
      if (machine.plainRoom?.(state) === undefined) return undefined;
      const { node, used, extra } = states[machine.content(state)];
      return node || used.length > 0 ? undefined : otherKey((extras as Extras).valueOf(extra), escapes);
    },
    outcome(state) {
      const { node, extra } = states[machine.content(state)];
      if (node?.own !== undefined) return { property: node.own };
      return { extra: (extras as Extras).valueOf(extra) };
    },
  };
}
