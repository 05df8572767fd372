// The keys of an object: which may come next, as a language. Declared names come in their order; optional ones may be left
// out, required ones may not; other keys come after them, none twice. Because a language sees code points and not bytes,
// "\u0061" is the same key as "a". The answer to a finished key is which property it is.

import { countTexts, languageOf } from "./automaton.ts";
import type { ByteMachine } from "./byte-machine.ts";
import type { Extras, ObjectForm, Value } from "./forms.ts";
import { type Language, lengths, nowhere } from "./language.ts";
import { type Escapes, stringMachine } from "./string.ts";

/** Keys used before that no property declares: a list that grows at its head. */
export interface UsedKeys {
  /** Read only when another key begins: a mask tries many keys, and few of them matter. */
  name(): string;
  readonly before: UsedKeys | undefined;
  readonly count: number;
}

/** What may come next: properties `from` to `to`, and other keys. */
export interface KeyChoice {
  readonly from: number;
  readonly to: number;
  readonly extras: boolean;
}

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
  /** Required properties from each index on. */
  readonly requiredFrom: readonly number[];
  readonly nextRequired: readonly number[];
  readonly extraLanguage: Language | undefined;
  /** Other keys there are, from each state of their automaton. */
  readonly extraCounts: readonly number[] | undefined;
  /** For each name (declared, then forbidden): whether the extras' automaton would take it. */
  readonly isExtra: readonly boolean[];
  readonly machines: Map<string, KeyMachine>;
}

const tables = new WeakMap<ObjectForm, KeyTable>();

function tableOf(form: ObjectForm): KeyTable {
  const known = tables.get(form);
  if (known) return known;
  const { properties, extras } = form;
  const names = [...properties.map(({ name }) => name), ...form.forbidden];
  const node = (): NameNode => ({ next: new Map(), below: [], own: undefined });
  const root = node();
  for (const [index, name] of names.entries()) {
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
  const requiredFrom = new Array(properties.length + 1).fill(0);
  const nextRequired = new Array(properties.length + 1).fill(properties.length);
  for (let i = properties.length - 1; i >= 0; i--) {
    requiredFrom[i] = requiredFrom[i + 1] + (properties[i].required ? 1 : 0);
    nextRequired[i] = properties[i].required ? i : nextRequired[i + 1];
  }
  const extraLanguage = extras?.keys && languageOf(extras.keys);
  const accepts = (name: string) => {
    let state = 0;
    for (const char of name)
      if (state !== nowhere) state = (extraLanguage as Language).next(state, char.codePointAt(0) as number);
    return state !== nowhere && (extraLanguage as Language).accepts(state);
  };
  const table: KeyTable = {
    root,
    requiredFrom,
    nextRequired,
    extraLanguage,
    extraCounts: extras?.keys && countTexts(extras.keys),
    isExtra: extraLanguage ? names.map(accepts) : [],
    machines: new Map(),
  };
  tables.set(form, table);
  return table;
}

/** How many more keys that no property declares there may be. */
function extrasLeft(form: ObjectForm, used: UsedKeys | undefined): number {
  if (!form.extras) return 0;
  const { extraCounts, isExtra } = tableOf(form);
  if (!extraCounts) return Infinity;
  return extraCounts[0] - isExtra.filter(Boolean).length - (used?.count ?? 0);
}

/** Whether the object may end: no required property is left, and there are enough. */
export function mayClose(form: ObjectForm, cursor: number, count: number): boolean {
  return count >= form.min && tableOf(form).requiredFrom[cursor] === 0;
}

/** Which keys may come when the properties from `cursor` on are left and `count` have come; undefined: none. */
export function nextKeys(
  form: ObjectForm,
  cursor: number,
  count: number,
  used: UsedKeys | undefined,
): KeyChoice | undefined {
  const { requiredFrom, nextRequired } = tableOf(form);
  const last = form.properties.length - 1;
  const required = nextRequired[cursor];
  const left = extrasLeft(form, used);
  // A property may be left out only if those after it still make up the minimum …
  const to = Math.min(required, last, last + left + count + 1 - form.min);
  // … and an optional one may come only if the required ones still fit under the maximum.
  const from = count + 1 + requiredFrom[cursor] <= form.max || required > last ? cursor : required;
  const extras = required > last && left > 0 && count < form.max && count + left >= form.min;
  const declared = from <= to && count < form.max;
  if (!declared && !extras) return undefined;
  return declared ? { from, to, extras } : { from: 0, to: -1, extras };
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
  const differs = choice.extras && used !== undefined && !form.repeats;
  let machines = differs ? afterUsed.get(used) : table.machines;
  if (!machines) {
    machines = new Map();
    afterUsed.set(used as UsedKeys, machines);
  }
  const name = `${choice.from} ${choice.to} ${choice.extras} ${escapes}`;
  let machine = machines.get(name);
  if (!machine) {
    machine = makeKeyMachine(form, table, choice, differs ? namesOf(used) : [], escapes);
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
  table: KeyTable,
  choice: KeyChoice,
  usedNames: readonly string[],
  escapes: Escapes,
): KeyMachine {
  const { extraLanguage, extraCounts, isExtra, root } = table;
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

  const inChoice = (index: number) => index >= choice.from && index <= choice.to;
  const isAlive = ({ node, used, extra }: KeyState): boolean => {
    if (node?.below.some(inChoice)) return true;
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
  const start = numberOf({ node: root, used, depth: 0, extra: choice.extras ? 0 : nowhere });

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
      if (node?.own !== undefined) return inChoice(node.own);
      if (extra === nowhere || used.some((name) => name.length === depth)) return false;
      return !extraLanguage || extraLanguage.accepts(extra);
    },
    room: (state) => (states[state].extra !== nowhere && !extraLanguage ? Infinity : undefined),
  };
  const machine = stringMachine(language, escapes);
  return {
    ...machine,
    released(state) {
      if (machine.plainRoom?.(state) === undefined) return undefined;
      const { node, used, extra } = states[machine.content(state)];
      return node || used.length > 0 ? undefined : otherKey((form.extras as Extras).valueOf(extra), escapes);
    },
    outcome(state) {
      const { node, extra } = states[machine.content(state)];
      if (node?.own !== undefined) return { property: node.own };
      return { extra: (form.extras as Extras).valueOf(extra) };
    },
  };
}
