// The keys of an object as a language: those that may come next (key-choice.ts), but for other keys that have been used. Because
// a language sees code points and not bytes, "\u0061" is the same key as "a". The answer to a finished key is which property
// it is.

import { type Automaton, countTexts, languageOf } from "./automaton.ts";
import type { ByteMachine } from "./byte-machine.ts";
import type { Extras, ObjectForm, Value } from "./forms.ts";
import type { KeyChoice, UsedKeys } from "./key-choice.ts";
import { type Language, lengths, nowhere } from "./language.ts";
import { maxSharedStates } from "./limits.ts";
import { keeper } from "./schema/shared.ts";
import { type Escapes, type StringMachine, stringMachine } from "./string.ts";
import { classRoom } from "./text-classes.ts";

export interface KeyMachine extends ByteMachine {
  /** The property that a finished key is, or the value of a key that none declares. */
  outcome(state: number): { property: number } | { extra: Value };
  /** Any other key, whatever the names: a machine that objects share, and its state beside this one; undefined: none may come. */
  others(state: number): { machine: KeyMachine; state: number } | undefined;
  /** The key can be no declared or used one any more, whatever comes: only `others` matters. */
  isReleased(state: number): boolean;
  /** The state of this machine beside one of `others` in which a released key has ended. */
  closed(other: number): number;
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

const keep = keeper<StringMachine>();
const ofAutomaton = new WeakMap<Automaton, Map<Escapes, StringMachine>>();

/** Keys that an automaton accepts (absent: all), as strings; small ones are shared by schemas. */
function otherKeys(keys: Automaton | undefined, escapes: Escapes): StringMachine {
  if (!keys) return anyKeys[escapes];
  const known = ofAutomaton.get(keys) ?? new Map<Escapes, StringMachine>();
  ofAutomaton.set(keys, known);
  const make = () => stringMachine(languageOf(keys), escapes);
  const isSmall = keys.edges.length <= maxSharedStates;
  const machine = known.get(escapes) ?? (isSmall ? keep(`${escapes} ${JSON.stringify(keys)}`, make) : make());
  known.set(escapes, machine);
  return machine;
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
  /** Whether the names go on with a code point of a range. */
  const goOn = ({ node, used, depth }: KeyState, from: number, to: number) => {
    for (const codePoint of node?.next.keys() ?? []) if (codePoint >= from && codePoint <= to) return true;
    return used.some((name) => name[depth] >= from && name[depth] <= to);
  };
  const beyondNames = new Map<number, number>();
  const beyond = (extra: number): number => {
    const number = beyondNames.get(extra) ?? numberOf({ node: undefined, used: [], depth: 0, extra });
    beyondNames.set(extra, number);
    return number;
  };
  const next = (state: number, codePoint: number): number => {
    if (!goOn(states[state], codePoint, codePoint)) {
      const { extra } = states[state];
      const after = extra === nowhere || !extraLanguage ? extra : extraLanguage.next(extra, codePoint);
      return after === nowhere ? nowhere : beyond(after);
    }
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
      const { extra } = states[state];
      if (extra === nowhere || (from <= 0xdfff && to >= 0xd800) || goOn(states[state], from, to)) return nowhere;
      const target = extraLanguage ? extraLanguage.all(extra, from, to) : extra;
      return target === nowhere ? nowhere : beyond(target);
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
  const strings = otherKeys(extras?.keys, escapes);
  const other: KeyMachine = {
    ...strings,
    outcome: (state) => ({ extra: (extras as Extras).valueOf(strings.content(state)) }),
    others: () => undefined,
    isReleased: () => false,
    closed: (state) => state,
  };
  const isReleased = (state: number) => {
    const { stage, content, certain } = machine.described(state);
    const reached = states[certain === nowhere ? content : certain];
    if (stage === "closed" || reached.extra === nowhere) return false;
    if (stage === "utf8" && certain === nowhere) return !goOn(reached, 0x80, 0x10ffff);
    return !reached.node && reached.used.length === 0;
  };
  const extraOf = (content: number) => (content === nowhere ? nowhere : states[content].extra);
  return {
    ...machine,
    others(state) {
      const { stage, content, left, value, certain } = machine.described(state);
      if (extraOf(content) === nowhere) return undefined;
      // Inside a code point the names may leave it open what the others already know.
      if (stage !== "text" && !isReleased(state)) return undefined;
      const beside = { stage, content: extraOf(content), left, value, certain: extraOf(certain) };
      return { machine: other, state: strings.numberOf(beside) };
    },
    isReleased,
    closed(state) {
      const ended = strings.described(state);
      return machine.numberOf({ ...ended, content: beyond(ended.content) });
    },
    outcome(state) {
      const { node, extra } = states[machine.content(state)];
      if (node?.own !== undefined) return { property: node.own };
      return { extra: (extras as Extras).valueOf(extra) };
    },
  };
}
