// Whether a set of schemas plainly contradicts itself: other types, other constants under the same required key, bounds out of
// order, patterns that exclude each other. It never says so of a set that has a value, and does not find every one that has
// none: it keeps choices from being multiplied out where all but a few of their combinations are impossible.

import { itemPlaces } from "./arrays.ts";
import { satisfies } from "./evaluate.ts";
import { allTypes, type Choice, type Keywords, type Member, numberTypes, type Place, types } from "./keywords.ts";
import { memberPlaces } from "./objects.ts";
import type { Patterns } from "./patterns.ts";
import { units } from "./presence.ts";

/** How far below a place is looked: a required key, and one inside it. */
const depthOfLook = 3;
/** How many schemas of one place are looked at. */
const widthOfLook = 100;
/** Items of an array that are looked at. */
const itemsOfLook = 4;

export interface Outlines {
  /** Whether no value is in all of the schemas and the place. */
  isEmpty(members: readonly Member[], place?: Place): boolean;
}

/** All schemas that hold together with a place, and the choices among them; undefined where one of them is false. */
type Flat = { readonly list: readonly Member[]; readonly choices: readonly Choice[] } | undefined;

/** Keys that must be there, and keys that must not. */
type Keys = ReturnType<typeof units>;

/** `spend` is called for each look. */
export function createOutlines(patterns: Patterns, spend: () => void): Outlines {
  const known = new Map<string, boolean>();
  const numbers = new Map<string, number>();
  const flats = new Map<string, Flat>();
  const keys = new Map<string, Keys>();

  const numberOf = (name: string) => {
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return number;
  };
  const flatOf = (place: Place): Flat => {
    if (!flats.has(place.name)) flats.set(place.name, flattened(place));
    return flats.get(place.name);
  };
  const keysOf = ({ name, presence = true }: Member): Keys => {
    const found = keys.get(name) ?? units(presence);
    keys.set(name, found);
    return found;
  };

  const isEmpty = (members: readonly Member[], places: readonly Place[], depth: number): boolean => {
    const list = new Set([...members, ...places].map(({ name }) => numberOf(name)));
    const key = `${depth} ${[...list].sort((a, b) => a - b).join()}`;
    let empty = known.get(key);
    if (empty === undefined) {
      spend();
      known.set(key, false); // while it is open
      empty = look(members, places, depth);
      known.set(key, empty);
    }
    return empty;
  };

  const look = (members: readonly Member[], places: readonly Place[], depth: number): boolean => {
    const byName = new Map(members.map((member) => [member.name, member]));
    const added: Member[] = [];
    const choices: Choice[] = [];
    for (const place of places) {
      const flat = flatOf(place);
      if (!flat) return true;
      for (const member of flat.list) {
        if (byName.has(member.name)) continue;
        byName.set(member.name, member);
        added.push(member);
      }
      choices.push(...flat.choices);
    }
    const list = [...byName.values()];
    const enums = list.find(({ enums }) => enums)?.enums?.[0];
    if (enums) return !enums.some((value) => list.every((schema) => satisfies(schema, value, patterns)));
    if (typesLeft(list, places.length > 0 ? added : list, depth) === 0) return true;
    if (depth === 0) return false;
    return choices.some(({ options }) => options.every((option) => isEmpty(list, [option], depth - 1)));
  };

  /** The types of which there may be a value; only what `added` brings with it is looked at in depth. */
  const typesLeft = (list: readonly Member[], added: readonly Member[], depth: number): number => {
    let left = list.reduce((left, { types = allTypes }) => left & types, allTypes);
    const most = (keyword: Limit) => list.reduce((most, schema) => Math.max(most, schema[keyword] ?? 0), 0);
    const least = (keyword: Limit) =>
      list.reduce((least, schema) => Math.min(least, schema[keyword] ?? Infinity), Infinity);
    if (left & types.string && (most("minLength") > least("maxLength") || excludeEachOther(list)))
      left &= ~types.string;
    if (left & numberTypes && boundsCross(list)) left &= ~numberTypes;
    if (left & types.array) {
      const minItems = most("minItems");
      if (minItems > least("maxItems")) left &= ~types.array;
      else if (depth > 0)
        for (let i = 0; i < Math.min(minItems, itemsOfLook); i++)
          if (isEmpty([], itemPlaces(list, i), depth - 1)) left &= ~types.array;
    }
    if (left & types.object) {
      const max = least("maxProperties");
      if (most("minProperties") > max || !objectPossible(list, added, max, depth)) left &= ~types.object;
    }
    return left;
  };

  const objectPossible = (list: readonly Member[], added: readonly Member[], max: number, depth: number): boolean => {
    const required = new Set<string>();
    for (const member of list) {
      const keys = keysOf(member);
      if (keys.rest === false) return false;
      for (const name of keys.required) required.add(name);
    }
    if (required.size > max) return false;
    if (list.some((member) => [...keysOf(member).forbidden].some((name) => required.has(name)))) return false;
    if (depth === 0) return true;
    for (const name of required) {
      const touches = (member: Member) =>
        member.properties?.has(name) ||
        keysOf(member).required.has(name) ||
        member.additionalProperties ||
        member.patternProperties;
      if (!added.some(touches)) continue;
      const places = memberPlaces(list, name, { patterns });
      if (places.some(({ schema }) => schema === false) || isEmpty([], places, depth - 1)) return false;
    }
    return true;
  };

  const excludeEachOther = (list: readonly Member[]): boolean => {
    const signed = list.flatMap(({ patterns: own = [], formats = [] }) => [
      ...own.map((one) => ["pattern", one] as const),
      ...formats.map((one) => ["format", one] as const),
    ]);
    return signed.some((one, i) => signed.slice(0, i).some((other) => patterns.excludeEachOther(one, other)));
  };

  return { isEmpty: (members, place) => isEmpty(members, place ? [place] : [], depthOfLook) };
}

type Limit = "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties";

function boundsCross(list: readonly Keywords[]): boolean {
  const lows = list.flatMap(({ min }) => min ?? []);
  const highs = list.flatMap(({ max }) => max ?? []);
  return lows.some((low) =>
    highs.some((high) => low.value > high.value || (low.value === high.value && (low.exclusive || high.exclusive))),
  );
}

function flattened(place: Place): Flat {
  const list = new Map<string, Member>();
  const choices: Choice[] = [];
  const open = [place];
  for (let next = open.pop(); next; next = open.pop()) {
    const { name, schema } = next;
    if (schema === false) return undefined;
    if (schema === true || list.has(name) || list.size > widthOfLook) continue;
    list.set(name, { ...schema, name, above: [name] });
    open.push(...(schema.allOf ?? []));
    choices.push(...(schema.choices ?? []));
  }
  return { list: [...list.values()], choices };
}
