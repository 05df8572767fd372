// What a schema does not allow, as schemas: a value fails a conjunction if it fails one of its parts, so the complement is a
// choice between the complements of the keywords, each again a plain schema ("not at least 3 characters" is "a string of at
// most 2"). Only what has no such form is left out: then the complement is narrower than it could be, never wider.

import { allTypes, canonical, type Keywords, numberTypes, type Place, placeOf, typeOf, types } from "./keywords.ts";
import { all, any, has, not } from "./presence.ts";

const complements = new WeakMap<Place, Place>();

/** The values that a place does not allow, as a place. */
export function complementOf(place: Place): Place {
  let made = complements.get(place);
  if (!made) {
    made = placeOf(`¬${place.name}`, place.at, () =>
      typeof place.schema === "boolean" ? !place.schema : { at: place.at, not: [place] },
    );
    complements.set(place, made);
    complements.set(made, place);
  }
  return made;
}

/** One way to fail a schema, and how much it brings with it: a scalar's own keyword little, another complement much. */
export interface Way {
  readonly place: Place;
  readonly weight: number;
}

const known = new WeakMap<Place, readonly Way[]>();

/** The ways to fail a place; together all of its complement that has a form. */
export function waysToFail(place: Place, depth = 0): readonly Way[] {
  const ways = known.get(place) ?? makeWays(place, depth);
  if (depth === 0) known.set(place, ways);
  return ways;
}

/** How far schemas inside allOf are taken apart; one could be inside itself. */
const deepest = 10;

function makeWays(place: Place, depth: number): Way[] {
  const { schema, at } = place;
  if (typeof schema === "boolean")
    return schema ? [] : [{ place: placeOf(`¬${place.name}`, at, () => true), weight: 0 }];
  const ways: Way[] = [];
  const way = (name: string, keywords: Omit<Keywords, "at">, weight = 0) =>
    ways.push({ place: placeOf(`¬${place.name}#${name}`, at, () => ({ at, ...keywords })), weight });

  // ---- Types and values
  if (schema.types !== undefined && schema.types !== allTypes) way("type", { types: allTypes & ~schema.types });
  for (const [i, list] of (schema.enums ?? []).entries()) {
    const scalars = list.filter((value) => typeof value !== "object" || value === null);
    const others = list.filter((value) => typeof value === "object" && value !== null);
    const except = scalars as (string | number | boolean | null)[];
    way(`enum${i}`, { except, allOf: others.map((value) => complementOf(constantOf(value, at))) }, others.length);
  }
  if (schema.except) way("except", { enums: [schema.except] });

  // ---- Numbers
  const { min, max } = schema;
  if (min) way("min", { types: numberTypes, max: { value: min.value, exclusive: !min.exclusive } });
  if (max) way("max", { types: numberTypes, min: { value: max.value, exclusive: !max.exclusive } });
  for (const step of schema.multiples ?? []) way(`multiple${step}`, { types: numberTypes, notMultiples: [step] });
  for (const step of schema.notMultiples ?? []) way(`notMultiple${step}`, { types: numberTypes, multiples: [step] });

  // ---- Strings
  const { minLength = 0, maxLength = Infinity } = schema;
  if (minLength > 0) way("minLength", { types: types.string, maxLength: minLength - 1 });
  if (maxLength < Infinity) way("maxLength", { types: types.string, minLength: maxLength + 1 });
  for (const keyword of ["patterns", "formats"] as const)
    for (const [i, signed] of (schema[keyword] ?? []).entries())
      way(`${keyword}${i}`, { types: types.string, [keyword]: [{ ...signed, not: !signed.not }] });

  // ---- Arrays
  const { minItems = 0, maxItems = Infinity, prefixItems = [], items } = schema;
  if (minItems > 0) way("minItems", { types: types.array, maxItems: minItems - 1 });
  if (maxItems < Infinity) way("maxItems", { types: types.array, minItems: maxItems + 1 });
  for (const [i, item] of prefixItems.entries()) {
    if (item.schema === true) continue;
    const prefix = [...prefixItems.slice(0, i).map(() => anything), complementOf(item)];
    way(`prefix${i}`, { types: types.array, minItems: i + 1, prefixItems: prefix }, weightOf(item));
  }
  const some = { from: prefixItems.length, min: 1, max: Infinity, at };
  if (items && items.schema !== true)
    way("items", { types: types.array, contains: [{ ...some, place: complementOf(items) }] }, weightOf(items));
  for (const [i, one] of (schema.contains ?? []).entries()) {
    if (one.min > 0) way(`contains${i}<`, { types: types.array, contains: [{ ...one, min: 0, max: one.min - 1 }] });
    if (one.max < Infinity)
      way(`contains${i}>`, { types: types.array, contains: [{ ...one, min: one.max + 1, max: Infinity }] });
  }

  // ---- Objects
  const { minProperties = 0, maxProperties = Infinity, properties, patternProperties = [] } = schema;
  if (minProperties > 0) way("minProperties", { types: types.object, maxProperties: minProperties - 1 });
  if (maxProperties < Infinity) way("maxProperties", { types: types.object, minProperties: maxProperties + 1 });
  if (schema.presence !== undefined) way("presence", { types: types.object, presence: not(schema.presence) });
  const absent: string[] = []; // names that fail by being there
  for (const [name, value] of properties ?? []) {
    if (value.schema === false) absent.push(name);
    else if (value.schema !== true)
      way(
        `property ${name}`,
        { types: types.object, presence: has(name), properties: new Map([[name, complementOf(value)]]) },
        weightOf(value) + 1,
      );
  }
  if (absent.length > 0) way("absent", { types: types.object, presence: any(absent.map(has)) });
  for (const { pattern, place: value } of patternProperties)
    if (value.schema !== true)
      way(
        `pattern ${pattern}`,
        {
          ...{ types: types.object },
          exists: [{ at, name: `~${pattern}`, keys: { pattern }, place: complementOf(value) }],
        },
        weightOf(value) + 1,
      );
  const { additionalProperties, propertyNames } = schema;
  if (additionalProperties && additionalProperties.schema !== true) {
    const keys = { beyond: new Set(properties?.keys()), patterns: patternProperties.map(({ pattern }) => pattern) };
    const exists = { at, name: `+${place.name}`, keys, place: complementOf(additionalProperties) };
    way("additionalProperties", { types: types.object, exists: [exists] }, weightOf(additionalProperties) + 1);
  }
  if (propertyNames && propertyNames.schema !== true) {
    const exists = { at, name: `=${place.name}`, keys: { names: complementOf(propertyNames) }, place: anything };
    way("propertyNames", { types: types.object, exists: [exists] }, 2);
  }

  // ---- Combinations
  for (const [i, part] of (schema.allOf ?? []).entries())
    if (depth < deepest) ways.push(...waysToFail(part, depth + 1));
    else way(`allOf${i}`, { allOf: [complementOf(part)] }, weightOf(part));
  for (const [i, part] of (schema.not ?? []).entries()) way(`not${i}`, { allOf: [part] }, weightOf(part));
  for (const [i, { exactly, options }] of (schema.choices ?? []).entries()) {
    way(`choice${i}`, { allOf: options.map(complementOf) }, 2);
    if (!exactly) continue;
    for (const [b, second] of options.entries())
      for (const [a, first] of options.slice(0, b).entries()) way(`both${i} ${a} ${b}`, { allOf: [first, second] }, 2);
  }
  return ways;
}

/** Whether a schema speaks of a scalar alone, or of more. */
function weightOf({ schema }: Place): number {
  if (typeof schema === "boolean") return 0;
  const { allOf, choices, not, properties, patternProperties, additionalProperties, items, prefixItems } = schema;
  if (not?.every((part) => weightOf(part) === 0) && !allOf && !choices && !properties) return 0;
  return allOf || choices || not || properties || patternProperties || additionalProperties || items || prefixItems
    ? 2
    : 0;
}

export const anything: Place = placeOf("true", "", () => true);

/** The one value, as a schema whose complement has a form. */
function constantOf(value: unknown, at: string): Place {
  const name = `=${at} ${canonical(value)}`;
  return placeOf(name, at, () => {
    if (Array.isArray(value)) {
      const length = value.length;
      const prefixItems = value.map((item) => constantOf(item, at));
      return { at, types: types.array, minItems: length, maxItems: length, prefixItems };
    }
    if (typeof value === "object" && value !== null) {
      const properties = new Map(Object.entries(value).map(([key, item]) => [key, constantOf(item, at)]));
      const presence = all([...properties.keys()].map(has));
      return { at, types: types.object, properties, presence, additionalProperties: nothing };
    }
    return { at, types: typeOf(value), enums: [[value]] };
  });
}

const nothing: Place = placeOf("false", "", () => false);
