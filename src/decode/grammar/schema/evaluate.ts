// Whether a value is valid: for the values of `enum` and `const`, which are known, while all others are described. What is
// not evaluated here (`unevaluated…` beside other schemas) counts as not valid.

import { inRange } from "../number-range.ts";
import {
  type Contains,
  canonical,
  type Exists,
  type Keywords,
  numberTypes,
  type Place,
  typeOf,
  types,
} from "./keywords.ts";
import { holdsFor } from "./presence.ts";

/** What patterns and formats say of a text. */
export interface Texts {
  matches(kind: "pattern" | "format", name: string, at: string, text: string): boolean;
}

export function allows(place: Place, value: unknown, texts: Texts): boolean {
  return typeof place.schema === "boolean" ? place.schema : satisfies(place.schema, value, texts);
}

export function satisfies(schema: Keywords, value: unknown, texts: Texts): boolean {
  const within = (place: Place, part: unknown = value) => allows(place, part, texts);
  const type = typeOf(value);
  if (schema.types !== undefined && (schema.types & type) === 0) return false;
  if (schema.enums || schema.except) {
    const name = canonical(value);
    if (schema.enums?.some((list) => !list.some((item) => canonical(item) === name))) return false;
    if (schema.except?.some((item) => canonical(item) === name)) return false;
  }
  if (type & numberTypes && !isInBounds(schema, value as number)) return false;
  if (type === types.string && !fitsText(schema, value as string, texts)) return false;
  if (type === types.array && !fitsItems(schema, value as readonly unknown[], texts)) return false;
  if (type === types.object && !fitsMembers(schema, value as Readonly<Record<string, unknown>>, texts)) return false;
  return (
    (schema.allOf ?? []).every((part) => within(part)) &&
    !(schema.not ?? []).some((part) => within(part)) &&
    (schema.choices ?? []).every(({ exactly, options }) => {
      const count = options.filter((option) => within(option)).length;
      return exactly ? count === 1 : count > 0;
    })
  );
}

/** What is excluded has been asked already. */
const isInBounds = ({ min, max, multiples, notMultiples }: Keywords, value: number) =>
  inRange(value, { min, max, multiples, notMultiples });

/** Code points, as JSON Schema counts them. */
const lengthOf = (text: string) => Array.from(text).length;

function fitsText(schema: Keywords, text: string, texts: Texts): boolean {
  const { minLength = 0, maxLength = Infinity, patterns = [], formats = [] } = schema;
  if (minLength > 0 || maxLength < Infinity) {
    const length = lengthOf(text);
    if (length < minLength || length > maxLength) return false;
  }
  return (
    patterns.every(({ name, not, at }) => texts.matches("pattern", name, at, text) !== not) &&
    formats.every(({ name, not, at }) => texts.matches("format", name, at, text) !== not)
  );
}

function fitsItems(schema: Keywords, list: readonly unknown[], texts: Texts): boolean {
  const { minItems = 0, maxItems = Infinity, prefixItems = [], items, contains = [], uniqueItems } = schema;
  if (list.length < minItems || list.length > maxItems || schema.unevaluatedItems) return false;
  if (uniqueItems && new Set(list.map(canonical)).size < list.length) return false;
  const place = (i: number) => prefixItems[i] ?? items;
  if (!list.every((item, i) => !place(i) || allows(place(i) as Place, item, texts))) return false;
  return contains.every(({ place, from, min, max }: Contains) => {
    const count = list.filter((item, i) => i >= from && allows(place, item, texts)).length;
    return count >= min && count <= max;
  });
}

function fitsMembers(schema: Keywords, object: Readonly<Record<string, unknown>>, texts: Texts): boolean {
  const { minProperties = 0, maxProperties = Infinity, presence = true, properties, patternProperties = [] } = schema;
  const names = Object.keys(object);
  if (names.length < minProperties || names.length > maxProperties || schema.unevaluatedProperties) return false;
  if (!holdsFor(presence, (name) => Object.hasOwn(object, name))) return false;
  const meant = (keys: Exists["keys"], name: string) => {
    if ("names" in keys) return allows(keys.names, name, texts);
    if ("pattern" in keys) return texts.matches("pattern", keys.pattern, schema.at, name);
    return !keys.beyond.has(name) && !keys.patterns.some((one) => texts.matches("pattern", one, schema.at, name));
  };
  for (const { keys, place } of schema.exists ?? [])
    if (!names.some((name) => meant(keys, name) && allows(place, object[name], texts))) return false;
  return names.every((name) => {
    if (schema.propertyNames && !allows(schema.propertyNames, name, texts)) return false;
    const own = properties?.get(name);
    const matching = patternProperties.filter(({ pattern, place }) =>
      texts.matches("pattern", pattern, place.at, name),
    );
    const places = [...(own ? [own] : []), ...matching.map(({ place }) => place)];
    if (places.length === 0 && schema.additionalProperties) places.push(schema.additionalProperties);
    return places.every((place) => allows(place, object[name], texts));
  });
}
