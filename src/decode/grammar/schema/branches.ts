// A set of schemas that must all hold → branches: every way to choose among their anyOf, oneOf, if and not, each a plain
// conjunction of keywords. Choices multiply; so an option that contradicts what holds already is dropped at once, a choice
// with one option left is none, and the smallest choice is taken first (unit propagation, Davis, Logemann and Loveland 1962).
// Choices that only ask which keys are there become a formula (presence.ts) and are not multiplied at all.

import { maxExclusive, maxForms, maxOneOfFormulas } from "../limits.ts";
import { type Way, waysToFail } from "./complement.ts";
import { schemaFault } from "./fault.ts";
import {
  allTypes,
  type Branch,
  type Choice,
  type Exists,
  type Member,
  type Place,
  placeOf,
  types,
} from "./keywords.ts";
import { declaredNames } from "./objects.ts";
import type { Outlines } from "./outline.ts";
import { all, any, exactlyOne, type Formula, has, not } from "./presence.ts";

/** A schema to be added. */
interface Pending {
  readonly place: Place;
  /** The schemas that led to it: none may come twice. */
  readonly lineage: readonly string[];
  /** As in a member. */
  readonly above: readonly string[];
}

/** One of several schemas is to be added. */
interface Open {
  readonly at: string;
  readonly options: () => readonly Way[];
  /** It holds already if this is impossible. */
  readonly unless: Place | undefined;
  readonly lineage: readonly string[];
  readonly above: readonly string[];
}

interface State {
  readonly members: readonly Member[];
  readonly open: readonly Open[];
  readonly exists: readonly Exists[];
  readonly known: ReadonlySet<string>;
  readonly witness: Exists | undefined;
}

/** What branches are made with. */
export interface Tools {
  readonly outlines: Outlines;
  /** Branches above which only the plainest ways to fail a schema are taken. */
  readonly maxPlainBranches: number;
  /** Hears where valid values are left out. */
  narrows(at: string): void;
  /** Hears why there are none. */
  conflict(at: string, what: string): void;
  /** Whether a key is one of `keys`. */
  isMeant(keys: Exists["keys"], at: string, key: string): boolean;
}

/** The branches of a set of places. Throws a FieldError where there are too many, or a schema refers to itself without end. */
export function branchesOf(places: readonly Place[], tools: Tools): Branch[] {
  const all = expanded(places, tools, false);
  if (!all) tools.narrows(places[0]?.at ?? "");
  return all ?? (expanded(places, tools, true) as Branch[]);
}

/**
 * The branches; undefined if they are many. `narrow`: of the ways to fail a schema (to be none of the other members of a
 * oneOf, say) only the plainest are taken, so that fewer texts are allowed than are valid.
 */
function expanded(
  places: readonly Place[],
  { outlines, conflict, narrows, isMeant, maxPlainBranches }: Tools,
  narrow: boolean,
): Branch[] | undefined {
  const branches: Branch[] = [];
  let steps = 0;
  let fails = false; // whether there is a choice of ways to fail
  let tooMany = false;

  /** `isPossible`: the schemas so far have been looked at together. */
  const expand = (state: State | undefined, isPossible: boolean): void => {
    if (tooMany || !state) return;
    const settled = settle(state, isPossible);
    if (!settled) return;
    if (++steps > maxPlainBranches && fails && !narrow) tooMany = true;
    const { members, open, exists, witness } = settled;
    if (open.length > 0) {
      const choice = open.reduce((least, one) => (one.options().length < least.options().length ? one : least));
      const rest = { ...settled, open: open.filter((other) => other !== choice) };
      const isLookedAt = !isOnly(choice, open);
      for (const { place } of choice.options()) expand(absorb(rest, [{ ...choice, place }]), isLookedAt);
      return;
    }
    if (exists.length > 0) {
      for (const option of waysToExist(settled, exists[0])) expand(option, false);
      return;
    }
    if (branches.length >= maxForms)
      throw schemaFault(places[0]?.at ?? "", `anyOf, oneOf, not and if multiply to more than ${maxForms} alternatives`);
    branches.push({ members, witness });
  };
  /** An anyOf or oneOf by itself multiplies nothing: its options need not be looked at beforehand. */
  const isOnly = (choice: Open, open: readonly Open[]) => open.length === 1 && choice.unless === undefined;

  /** Adds schemas and all that they bring with them; undefined if one of them allows nothing. */
  const absorb = (state: State, added: readonly Pending[]): State | undefined => {
    const pending = [...added];
    const members = [...state.members];
    const open = [...state.open];
    const exists = [...state.exists];
    const known = new Set(state.known);
    for (const { place, lineage, above } of pending) {
      const { name, at } = place;
      if (lineage.includes(name)) throw schemaFault(at, "the schema refers to itself without end", "invalid_value");
      if (known.has(name)) continue;
      known.add(name);
      const { schema } = place;
      if (schema === true) continue;
      if (schema === false) {
        conflict(at, "nothing is allowed here");
        return undefined;
      }
      const below = { lineage: [...lineage, name], above: [...above, name] };
      const { allOf, choices, not: nots, exists: keys, ...own } = schema;
      members.push({ ...own, name, above: below.above });
      for (const part of allOf ?? []) pending.push({ ...below, place: part });
      for (const [i, choice] of (choices ?? []).entries()) {
        const formula = formulaOfChoice(choice, 0);
        if (formula) {
          members.push(memberOf(`${name}?${i}`, choice.at, formula));
          continue;
        }
        if (!choice.exactly && choice.options.some(({ schema }) => schema === true)) continue;
        const list = choice.exactly ? exclusive(choice, name, i) : choice.options;
        const options = list.map((place) => ({ place, weight: 0 }));
        open.push({ ...below, at: choice.at, options: () => options, unless: undefined });
      }
      for (const [i, part] of (nots ?? []).entries()) {
        const formula = formulaOf(part, 0);
        if (formula) {
          members.push(memberOf(`${name}!${i}`, part.at, { objects: not(formula.objects), others: !formula.others }));
          continue;
        }
        fails = true;
        open.push({ lineage: below.lineage, above: [], at: part.at, options: () => waysToFail(part), unless: part });
      }
      exists.push(...(keys ?? []));
    }
    return { members, open, exists, known, witness: state.witness };
  };

  /** Drops options that are impossible and choices that are none; undefined if nothing is left. */
  const settle = (state: State, isPossible: boolean): State | undefined => {
    if (state.open.length === 0 && (state.members.length < 2 || isPossible)) return state;
    if (!isPossible && state.members.length > 1 && outlines.isEmpty(state.members)) {
      const left = state.members.reduce((left, { types = allTypes }) => left & types, allTypes);
      conflict(state.members[0]?.at ?? "", left === 0 ? "no type is left" : "its parts contradict each other");
      return undefined;
    }
    let now = state;
    for (let changed = true; changed; ) {
      changed = false;
      const open: Open[] = [];
      for (const choice of now.open) {
        if (choice.unless && outlines.isEmpty(now.members, choice.unless)) continue;
        if (isOnly(choice, now.open)) {
          open.push(choice);
          continue;
        }
        const all = choice.options();
        let options: readonly Way[] = all.filter(({ place }) => !outlines.isEmpty(now.members, place));
        if (narrow && choice.unless) options = plainest(options);
        if (options.length === 0) {
          conflict(choice.at, "no alternative is left");
          return undefined;
        }
        open.push(options.length === all.length ? choice : { ...choice, options: () => options });
      }
      const forced = open.find((choice) => choice.options().length === 1);
      now = { ...now, open };
      if (!forced) break;
      const [{ place }] = forced.options();
      const after = absorb({ ...now, open: open.filter((choice) => choice !== forced) }, [{ ...forced, place }]);
      if (!after) return undefined;
      now = after;
      changed = true;
    }
    return now;
  };

  /** The states in which a key is there as `exists` asks: one of the declared names, or another one. */
  function waysToExist(state: State, one: Exists): (State | undefined)[] {
    const rest: State = { ...state, exists: state.exists.slice(1) };
    const { keys, at, place, name } = one;
    const names = [...declaredNames(state.members)].filter((name) => isMeant(keys, at, name));
    const ways: (State | undefined)[] = [];
    const withKey = (made: Place) => ways.push(absorb(rest, [{ place: made, lineage: [], above: [] }]));
    if (place.schema === true && names.length > 0)
      withKey(placeOf(`${name} some`, at, () => ({ at, types: types.object, presence: any(names.map(has)) })));
    else
      for (const key of names)
        withKey(
          placeOf(`${name} ${key}`, at, () => ({
            ...{ at, types: types.object, presence: has(key), properties: new Map([[key, place]]) },
          })),
        );
    narrows(at);
    if (!state.witness)
      ways.push(absorb({ ...rest, witness: one }, [{ place: beyondOf(one), lineage: [], above: [] }]));
    return ways;
  }

  const start: State = { members: [], open: [], exists: [], known: new Set(), witness: undefined };
  const first = absorb(
    start,
    places.map((place) => ({ place, lineage: [], above: [] })),
  );
  expand(first, false);
  return tooMany ? undefined : different(branches);
}

/** Branches of the same schemas are one. */
function different(branches: readonly Branch[]): Branch[] {
  if (branches.length < 2) return [...branches];
  const nameOf = ({ members, witness }: Branch) =>
    `${members
      .map(({ name }) => name)
      .sort()
      .join("\n")} ${witness?.name}`;
  return [...new Map(branches.map((branch) => [nameOf(branch), branch])).values()];
}

function plainest(ways: readonly Way[]): readonly Way[] {
  const least = Math.min(...ways.map(({ weight }) => weight));
  return ways.filter(({ weight }) => weight === least).slice(0, mostPlainWays);
}

/** Declares the names that a witness must not have. */
function beyondOf({ name, at, keys }: Exists): Place {
  return placeOf(`${name} other`, at, () => ({
    ...{ at, types: types.object },
    ...("beyond" in keys ? { properties: new Map([...keys.beyond].map((key) => [key, anyValue])) } : {}),
  }));
}
const anyValue: Place = placeOf("true", "", () => true);

/** The options of a oneOf: each without all others. Throws a FieldError where they are too many: there are as many pairs. */
function exclusive({ at, options }: Choice, name: string, i: number): Place[] {
  if (options.length > maxExclusive)
    throw schemaFault(at, `"oneOf" has more than ${maxExclusive} members, each of which must exclude the others`);
  return options.map((option, own) =>
    placeOf(`${name}|${i}.${own}`, at, () => ({
      ...{ at, allOf: [option] },
      not: options.filter((_, other) => other !== own),
    })),
  );
}

// ---- Schemas that only ask which keys are there

/** Of objects, which keys they have; whether values of other types are allowed. */
interface Keyed {
  readonly objects: Formula;
  readonly others: boolean;
}

const deepestFormula = 12;
/** How many of the plainest ways to fail a schema are taken. */
const mostPlainWays = 2;

function memberOf(name: string, at: string, { objects, others }: Keyed): Member {
  return { name, at, above: [], presence: objects, ...(others ? {} : { types: types.object }) };
}

/** What a schema says about keys; undefined if it says anything else. */
function formulaOf({ schema }: Place, depth: number): Keyed | undefined {
  if (typeof schema === "boolean") return { objects: schema, others: schema };
  if (depth > deepestFormula) return undefined;
  const {
    at: _,
    types: allowed,
    presence = true,
    properties,
    allOf = [],
    choices = [],
    not: nots = [],
    ...rest
  } = schema;
  if (Object.keys(rest).length > 0 || (allowed !== undefined && allowed !== types.object)) return undefined;
  const parts: Keyed[] = [{ objects: presence, others: allowed === undefined }];
  for (const [name, { schema }] of properties ?? []) {
    if (typeof schema !== "boolean") return undefined;
    if (!schema) parts.push({ objects: not(has(name)), others: true });
  }
  for (const place of allOf) {
    const part = formulaOf(place, depth + 1);
    if (!part) return undefined;
    parts.push(part);
  }
  for (const choice of choices) {
    const part = formulaOfChoice(choice, depth + 1);
    if (!part) return undefined;
    parts.push(part);
  }
  for (const place of nots) {
    const part = formulaOf(place, depth + 1);
    if (!part) return undefined;
    parts.push({ objects: not(part.objects), others: !part.others });
  }
  return { objects: all(parts.map(({ objects }) => objects)), others: parts.every(({ others }) => others) };
}

function formulaOfChoice({ exactly, options }: Choice, depth: number): Keyed | undefined {
  const parts: Keyed[] = [];
  for (const option of options) {
    const part = formulaOf(option, depth);
    if (!part) return undefined;
    parts.push(part);
  }
  const objects = parts.map(({ objects }) => objects);
  // "Exactly one" takes a clause for each pair.
  if (exactly && parts.length > maxOneOfFormulas) return undefined;
  const count = parts.filter(({ others }) => others).length;
  return { objects: exactly ? exactlyOne(objects) : any(objects), others: exactly ? count === 1 : count > 0 };
}
