// Which keys of an object may come next, by number: a declared property only if those before it may be left out, if what is
// asked of the keys together can still hold, and if the numbers still fit; other keys once no declared one has to come. Which
// texts these keys are is keys.ts.

import { countTexts } from "./automaton.ts";
import type { Extras, ObjectForm } from "./forms.ts";
import { maxKeyStates } from "./limits.ts";
import { assign, type Formula, holdsFor, keyOf, namesIn } from "./schema/presence.ts";

/** Keys used before that no property declares: a list that grows at its head. */
export interface UsedKeys {
  /** Read only when another key begins: a mask tries many keys, and few of them matter. */
  name(): string;
  readonly before: UsedKeys | undefined;
  readonly count: number;
}

/** How far an object has come. */
export interface Progress {
  /** The first declared property that may still come. */
  readonly cursor: number;
  readonly count: number;
  /** What is left of the form's `presence`. */
  readonly left: Formula;
  readonly used: UsedKeys | undefined;
  /** The declared properties that have come, as bits; only where texts are judged. */
  readonly taken: bigint;
}

export const begun = (form: ObjectForm): Progress => ({
  ...{ cursor: 0, count: 0, left: planOf(form).presence, used: undefined, taken: 0n },
});

/** What may come next. */
export interface KeyChoice {
  /** A text that two choices of one form share only if they are the same. */
  readonly name: string;
  /** Declared properties, ascending. */
  readonly properties: readonly number[];
  readonly includes: (index: number) => boolean;
  /** Other keys. */
  readonly extras: Extras | undefined;
}

/** What each form needs, made once. */
interface Plan {
  /** With the names that no property has taken as absent. */
  readonly presence: Formula;
  /** The properties that `presence` speaks of. */
  readonly asked: readonly number[];
  /** Required properties from each index on, and the next of them. */
  readonly requiredFrom: readonly number[];
  readonly nextRequired: readonly number[];
  readonly extraCount: number;
  readonly choices: Map<string, KeyChoice | undefined>;
  readonly totals: Map<string, bigint>;
}

const plans = new WeakMap<ObjectForm, Plan>();

function planOf(form: ObjectForm): Plan {
  const known = plans.get(form);
  if (known) return known;
  const { properties, extras } = form;
  const indexOf = new Map(properties.map(({ name }, index) => [name, index]));
  let { presence } = form;
  for (const name of namesIn(presence)) if (!indexOf.has(name)) presence = assign(presence, name, false);
  const requiredFrom = new Array(properties.length + 1).fill(0);
  const nextRequired = new Array(properties.length + 1).fill(properties.length);
  for (let i = properties.length - 1; i >= 0; i--) {
    requiredFrom[i] = requiredFrom[i + 1] + (properties[i].required ? 1 : 0);
    nextRequired[i] = properties[i].required ? i : nextRequired[i + 1];
  }
  const plan: Plan = {
    presence,
    asked: [...namesIn(presence)].map((name) => indexOf.get(name) as number).sort((a, b) => a - b),
    requiredFrom,
    nextRequired,
    extraCount: extras?.keys ? countTexts(extras.keys)[0] - namesTaken(form) : extras ? Infinity : 0,
    choices: new Map(),
    totals: new Map(),
  };
  plans.set(form, plan);
  return plan;
}

/** Of the declared and forbidden names, those that the other keys would include. */
function namesTaken({ properties, forbidden, extras }: ObjectForm): number {
  const includes = extras?.includes;
  if (!includes) return 0;
  return [...properties.map(({ name }) => name), ...forbidden].filter(includes).length;
}

/** How many more keys that no property declares there may be. */
const extrasLeft = (form: ObjectForm, used: UsedKeys | undefined) => planOf(form).extraCount - (used?.count ?? 0);

/** A key must come that no property declares. */
const isOwed = (form: ObjectForm, used: UsedKeys | undefined) => form.witness !== undefined && used === undefined;

/** What is left of a formula once the properties `from` up to `to` have been left out. */
function leftOut(form: ObjectForm, left: Formula, from: number, to: number): Formula {
  for (const index of planOf(form).asked)
    if (index >= from && index < to) left = assign(left, form.properties[index].name, false);
  return left;
}

/**
 * How many of the properties from `index` on may come so that `left` holds: a bit for each number. Where the form counts
 * nothing, whether any may. Throws a RangeError where there is too much to tell apart.
 */
function totals(form: ObjectForm, index: number, left: Formula): bigint {
  const { asked, requiredFrom, totals: known } = planOf(form);
  if (left === false) return 0n;
  const counts = form.min > 0 || form.max < Infinity;
  const { properties } = form;
  const next = asked.find((at) => at >= index) ?? properties.length;
  const key = `${index} ${keyOf(left)}`;
  const found = known.get(key);
  if (found !== undefined) return found;
  if (known.size > maxKeyStates)
    throw new RangeError(`which keys go together takes more than ${maxKeyStates} states to tell`);
  let total: bigint;
  if (next === properties.length) total = left === true ? 1n : 0n;
  else {
    const { name, required } = properties[next];
    total = totals(form, next + 1, assign(left, name, true)) << (counts ? 1n : 0n);
    if (!required) total |= totals(form, next + 1, assign(left, name, false));
  }
  if (counts && total !== 0n) {
    // The properties before the next one that is asked for: each may come, or must.
    const must = requiredFrom[index] - requiredFrom[next];
    total <<= BigInt(must);
    for (let i = next - index - must; i > 0; i--) total |= total << 1n;
  }
  known.set(key, total);
  return total;
}

/** Whether some way to go on from `index`, after `count` keys, ends with as many keys as there must be. */
function canEnd(form: ObjectForm, index: number, count: number, left: Formula, used: UsedKeys | undefined): boolean {
  const total = totals(form, index, left);
  if (total === 0n) return false;
  const owed = isOwed(form, used) ? 1 : 0;
  const { min, max } = form;
  if (min === 0 && max === Infinity) return true;
  const least = Math.max(0, min - count - Math.max(owed, extrasLeft(form, used)));
  const most = max - count - owed;
  if (most < least) return false;
  const from = total >> BigInt(least);
  return most === Infinity ? from !== 0n : (from & ((1n << BigInt(most - least + 1)) - 1n)) !== 0n;
}

/** Whether an object of the form can be written at all, the properties that `isPossible` refuses left out. */
export function isWritable(form: ObjectForm): boolean {
  const { presence } = planOf(form);
  return canEnd(form, 0, 0, presence, undefined);
}

/** Whether the object may end. */
export function mayClose(form: ObjectForm, { cursor, count, left, used }: Progress): boolean {
  if (count < form.min || isOwed(form, used) || planOf(form).requiredFrom[cursor] > 0) return false;
  return leftOut(form, left, cursor, form.properties.length) === true;
}

/** Which keys may come; undefined: none. */
export function nextKeys(form: ObjectForm, { cursor, count, left, used }: Progress): KeyChoice | undefined {
  const { choices, nextRequired, presence, extraCount } = planOf(form);
  const limited = form.min > 0 || form.max < Infinity;
  const others = extraCount < Infinity ? (used?.count ?? 0) : isOwed(form, used);
  const name = `${cursor} ${limited ? count : ""} ${presence === true ? "" : keyOf(left)} ${others}`;
  if (choices.has(name)) return choices.get(name);
  const { properties } = form;
  const possible: number[] = [];
  const required = nextRequired[cursor];
  let rest = left;
  if (count < form.max)
    for (let index = cursor; index <= Math.min(required, properties.length - 1); index++) {
      const own = properties[index].name;
      if (canEnd(form, index + 1, count + 1, assign(rest, own, true), used)) possible.push(index);
      rest = assign(rest, own, false);
    }
  const more = Math.max(isOwed(form, used) ? 1 : 0, extrasLeft(form, used));
  const extras =
    required === properties.length && rest === true && more > 0 && count < form.max && count + more >= form.min
      ? isOwed(form, used)
        ? form.witness
        : form.extras
      : undefined;
  const choice =
    possible.length > 0 || extras
      ? { name: choiceName(possible, extras, form), properties: possible, includes: member(possible), extras }
      : undefined;
  choices.set(name, choice);
  return choice;
}

function choiceName(list: readonly number[], extras: Extras | undefined, form: ObjectForm): string {
  const isRun = list.length > 0 && list[list.length - 1] - list[0] === list.length - 1;
  return `${isRun ? `${list[0]}-${list[list.length - 1]}` : list.join()} ${extras && (extras === form.witness ? 2 : 1)}`;
}

function member(list: readonly number[]): (index: number) => boolean {
  const set = new Set(list);
  return (index) => set.has(index);
}

/** Progress after a declared property. */
export function afterProperty(form: ObjectForm, progress: Progress, index: number): Progress {
  const { name } = form.properties[index];
  const left = assign(leftOut(form, progress.left, progress.cursor, index), name, true);
  return { ...progress, cursor: index + 1, count: progress.count + 1, left };
}

/** Progress after another key. */
export function afterExtra(form: ObjectForm, progress: Progress, name: () => string): Progress {
  const { cursor, left, used, count } = progress;
  return {
    ...progress,
    cursor: form.properties.length,
    count: count + 1,
    left: leftOut(form, left, cursor, form.properties.length),
    used: form.repeats ? undefined : { name, before: used, count: (used?.count ?? 0) + 1 },
  };
}

// ---- Judged texts: keys in any order; nothing is said of what may still come

/** Every key of the form. */
export function everyKey(form: ObjectForm, used: UsedKeys | undefined): KeyChoice {
  const { choices } = planOf(form);
  const extras = isOwed(form, used) ? form.witness : form.extras;
  const name = `any ${extras && (extras === form.witness ? 2 : 1)}`;
  const known = choices.get(name);
  if (known) return known;
  const properties = [...form.properties.keys()];
  const choice = { name, properties, includes: (index: number) => index < properties.length, extras };
  choices.set(name, choice);
  return choice;
}

/** Progress after a key; undefined: it has come before. */
export function afterAny(
  form: ObjectForm,
  progress: Progress,
  key: { property: number } | { name: () => string },
): Progress | undefined {
  const count = progress.count + 1;
  if ("property" in key) {
    const bit = 1n << BigInt(key.property);
    return progress.taken & bit ? undefined : { ...progress, count, taken: progress.taken | bit };
  }
  if (form.repeats) return { ...progress, count };
  const name = key.name();
  for (let used = progress.used; used; used = used.before) if (used.name() === name) return undefined;
  const { used } = progress;
  return { ...progress, count, used: { name: () => name, before: used, count: (used?.count ?? 0) + 1 } };
}

/** Whether the object may end. */
export function isComplete(form: ObjectForm, { count, used, taken }: Progress): boolean {
  const { properties, min, max } = form;
  if (count < min || count > max || isOwed(form, used)) return false;
  const { presence, requiredFrom } = planOf(form);
  const has = (index: number) => (taken & (1n << BigInt(index))) !== 0n;
  if (requiredFrom[0] > 0 && properties.some(({ required }, index) => required && !has(index))) return false;
  return (
    presence === true ||
    holdsFor(presence, (name) => properties.some((property, index) => property.name === name && has(index)))
  );
}
