// JSON → schemas: what stands at a place, read as the draft that `$schema` names has it, or as its shape says where none is
// named (tuples in `items`, `exclusiveMinimum: true`, OpenAPI's `nullable`). Every keyword that constrains is read; whatever
// is not a keyword is an annotation, and so is `null` where a keyword's value should be. What stands there and cannot be
// what the keyword means is refused by name. Sources: JSON Schema drafts 4 to 2020-12; OpenAPI 3.0.3, Schema Object.

import { isKnownFormat } from "../formats.ts";
import { keysOf } from "../json-text.ts";
import { maxSchemaDepth } from "../limits.ts";
import type { Bound } from "../number-range.ts";
import { escapePointer, schemaFault, shown } from "./fault.ts";
import {
  allTypes,
  type Choice,
  type Contains,
  type Keywords,
  numberTypes,
  type Place,
  placeOf,
  type Types,
  types,
} from "./keywords.ts";
import { any, all as every, type Formula, has, not } from "./presence.ts";
import { createDocument, type Document, isOld, type Resource } from "./references.ts";

type Json = Readonly<Record<string, unknown>>;
export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isSchema = (value: unknown) => typeof value === "boolean" || isObject(value);
const isStrings = (value: unknown) => Array.isArray(value) && value.every((item) => typeof item === "string");

const typeSets: Readonly<Record<string, Types>> = { ...types, number: numberTypes, any: allTypes };
/** `integer` allows 2.0; `fraction` is ours alone. */
export const typeNames = ["null", "boolean", "integer", "number", "string", "array", "object"] as const;
const isType = (value: unknown) => typeof value === "string" && value !== "fraction" && Object.hasOwn(typeSets, value);

/** What a keyword's value must be. */
type Check = readonly [expected: string, check: (value: unknown) => boolean];

const text: Check = ["a string", (value) => typeof value === "string"];
const count: Check = ["a whole number from 0", (value) => Number.isSafeInteger(value) && (value as number) >= 0];
const bound: Check = ["a number", Number.isFinite];
const schema: Check = ["a schema (an object or a boolean)", isSchema];
const schemas: Check = [
  "a list of schemas, at least one",
  (value) => Array.isArray(value) && value.length > 0 && value.every(isSchema),
];
const schemasByName: Check = [
  "an object of schemas",
  (value) => isObject(value) && Object.values(value).every(isSchema),
];
const namesByName: Check = [
  "an object of lists of names",
  (value) => isObject(value) && Object.values(value).every(isStrings),
];

/** The draft that brought a keyword, for those that have not always been there. */
const since: Readonly<Record<string, number>> = {
  ...{ const: 6, contains: 6, propertyNames: 6, if: 7, dependentRequired: 2019, dependentSchemas: 2019 },
  ...{ minContains: 2019, maxContains: 2019, unevaluatedItems: 2019, unevaluatedProperties: 2019, $recursiveRef: 2019 },
  ...{ prefixItems: 2020, $dynamicRef: 2020 },
};

/** Every keyword that says which values are valid. */
const checks = new Map<string, Check>([
  ["$ref", text],
  ["$dynamicRef", text],
  ["$recursiveRef", text],
  [
    "type",
    [
      `one of ${typeNames.join(", ")}, or a list of them`,
      (value) => isType(value) || (Array.isArray(value) && value.length > 0 && value.every(isType)),
    ],
  ],
  ["enum", ["a list of values, at least one", (value) => Array.isArray(value) && value.length > 0]],
  ["const", ["a value", () => true]],
  ["properties", schemasByName],
  ["patternProperties", schemasByName],
  ["additionalProperties", schema],
  ["unevaluatedProperties", schema],
  ["propertyNames", schema],
  ["required", ["a list of names", (value) => isStrings(value) || typeof value === "boolean"]],
  ["minProperties", count],
  ["maxProperties", count],
  [
    "dependencies",
    [
      "an object of schemas and lists of names",
      (value) =>
        isObject(value) &&
        Object.values(value).every((item) => isSchema(item) || isStrings(item) || typeof item === "string"),
    ],
  ],
  ["dependentRequired", namesByName],
  ["dependentSchemas", schemasByName],
  ["prefixItems", ["a list of schemas", (value) => Array.isArray(value) && value.every(isSchema)]],
  [
    "items",
    [
      "a schema (an object or a boolean), or a list of schemas",
      (value) => isSchema(value) || (Array.isArray(value) && value.every(isSchema)),
    ],
  ],
  ["additionalItems", schema],
  ["unevaluatedItems", schema],
  ["contains", schema],
  ["minContains", count],
  ["maxContains", count],
  ["minItems", count],
  ["maxItems", count],
  ["uniqueItems", ["true or false", (value) => typeof value === "boolean"]],
  ["minLength", count],
  ["maxLength", count],
  ["pattern", text],
  ["format", text],
  ["minimum", bound],
  ["maximum", bound],
  ["exclusiveMinimum", ["a number, or true or false", (value) => Number.isFinite(value) || typeof value === "boolean"]],
  ["exclusiveMaximum", ["a number, or true or false", (value) => Number.isFinite(value) || typeof value === "boolean"]],
  ["multipleOf", ["a number above 0", (value) => Number.isFinite(value) && (value as number) > 0]],
  ["anyOf", schemas],
  ["oneOf", schemas],
  ["allOf", schemas],
  ["not", schema],
  ["if", schema],
  ["then", schema],
  ["else", schema],
]);

/** Throws a FieldError if a value nests more brackets than recursive functions can read. */
function checkDepth(raw: unknown): void {
  /** The depth at which each object was found; what stands in several places is looked at again only where it is deeper. */
  const depths = new Map<object, number>();
  const open: [value: unknown, depth: number][] = [[raw, 1]];
  for (let next = open.pop(); next; next = open.pop()) {
    const [value, depth] = next;
    if (typeof value !== "object" || value === null || depth <= (depths.get(value) ?? 0)) continue;
    if (depth > maxSchemaDepth) throw schemaFault("", `the schema nests more than ${maxSchemaDepth} brackets`);
    depths.set(value, depth);
    for (const part of Object.values(value)) open.push([part, depth + 1]);
  }
}

/**
 * The schema in a JSON value. Places are read, and checked, only as they are looked at: a FieldError that names the keyword
 * comes from their `schema`. `exactly`: keywords of later drafts than the schema's own say nothing, as its draft has it; else
 * they are taken as they are meant. `without`: JSON pointers of keywords and
 * schemas that are passed over; with a ! behind it, a oneOf that is read as anyOf.
 */
export function readSchema(raw: unknown, exactly: boolean, without: ReadonlySet<string> = new Set()): Place {
  checkDepth(raw);
  const document = createDocument(raw);
  const places = new Map<string, Place>();
  const placeAt = (raw: unknown, at: string, around: Resource): Place => {
    const known = places.get(at);
    if (known) return known;
    const place = placeOf(`#${at}`, at, () => {
      if (typeof raw === "boolean") return raw;
      if (without.has(at) && at !== "") return true;
      if (!isObject(raw))
        throw schemaFault(at, `expected a schema (an object or a boolean), got ${shown(raw)}`, "invalid_type");
      return read(raw, at, document.enter(raw, at, around));
    });
    places.set(at, place);
    return place;
  };

  const read = (all: Json, at: string, resource: Resource): Keywords => {
    const { draft } = resource;
    const isLater = (keyword: string) => exactly && draft !== undefined && (since[keyword] ?? 0) > draft;
    const raw = checkKeywords(all, at, (keyword, where) => isLater(keyword) || without.has(where));
    const to = (keyword: string, ...steps: (string | number)[]) =>
      [at, keyword, ...steps].map((step, i) => (i === 0 ? step : escapePointer(step))).join("/");
    const below = (keyword: string) => placeAt(raw[keyword], to(keyword), resource);
    const list = (keyword: string) =>
      (raw[keyword] as unknown[]).map((item, i) => placeAt(item, to(keyword, i), resource));
    const map = (keyword: string) =>
      keysOf(raw[keyword] as Json).map(
        (name) => [name, placeAt((raw[keyword] as Json)[name], to(keyword, name), resource)] as const,
      );
    const references = referencesOf(raw, to, document, resource, placeAt);
    if (isOld(draft) && raw.$ref !== undefined) return { at, allOf: references };

    const allOf = [...references, ...(raw.allOf ? list("allOf") : [])];
    const presence: Formula[] = [];
    const choices: Choice[] = [];
    const wordless = (name: string, make: () => boolean | Keywords) => placeOf(`#${at}!${name}`, at, make);

    // ---- Types and values
    const { type } = raw as { type?: string | string[] };
    let allowed: Types | undefined;
    if (type !== undefined) allowed = [type].flat().reduce((set, name) => set | typeSets[name], 0);
    if (raw.nullable === true && allowed !== undefined) allowed |= types.null;
    const enums = [...(raw.enum ? [raw.enum as unknown[]] : []), ...("const" in raw ? [[raw.const]] : [])];

    // ---- Keys
    if (Array.isArray(raw.required)) presence.push(...(raw.required as string[]).map(has));
    const properties = raw.properties ? new Map(map("properties")) : undefined;
    for (const [name] of properties ?? [])
      if (((raw.properties as Json)[name] as Json | boolean as { required?: unknown }).required === true)
        presence.push(has(name)); // draft 3
    const dependent = (keyword: string) => {
      for (const name of keysOf((raw[keyword] ?? {}) as Json)) {
        const needed = (raw[keyword] as Json)[name];
        if (Array.isArray(needed) || typeof needed === "string") {
          presence.push(any([not(has(name)), every([needed].flat().map(has))]));
          continue;
        }
        const place = placeAt(needed, to(keyword, name), resource);
        const without = wordless(`without ${name}`, () => ({ at, presence: not(has(name)) }));
        const within = wordless(`with ${name}`, () => ({
          ...{ at, types: types.object, presence: has(name), allOf: [place] },
        }));
        choices.push({ at: to(keyword, name), exactly: false, options: [without, within] });
      }
    };
    for (const keyword of ["dependencies", "dependentRequired", "dependentSchemas"]) dependent(keyword);

    // ---- Items: until 2019-09 a list in `items` is what `prefixItems` is now, and `additionalItems` what `items` is
    const tuple = Array.isArray(raw.items);
    const prefix = raw.prefixItems !== undefined ? "prefixItems" : tuple ? "items" : undefined;
    const rest = tuple ? (prefix === "items" ? "additionalItems" : undefined) : "items";
    const contains: Contains[] = [];
    if (raw.contains !== undefined) {
      const [min, max] = [raw.minContains as number | undefined, raw.maxContains as number | undefined];
      contains.push({ place: below("contains"), from: 0, min: min ?? 1, max: max ?? Infinity, at: to("contains") });
    }

    // ---- Combinations
    for (const keyword of ["anyOf", "oneOf"] as const)
      if (raw[keyword]) {
        const exactly = keyword === "oneOf" && !without.has(`${to(keyword)}!`);
        choices.push({ at: to(keyword), exactly, options: list(keyword) });
      }
    if (raw.if !== undefined && (raw.then !== undefined || raw.else !== undefined)) {
      const condition = below("if");
      const also = (keyword: string) => (raw[keyword] === undefined ? [] : [below(keyword)]);
      const holds = wordless("then", () => ({ at, allOf: [condition, ...also("then")] }));
      const fails = wordless("else", () => ({ at, not: [condition], allOf: also("else") }));
      choices.push({ at: to("if"), exactly: false, options: [holds, fails] });
    }

    const limits: Partial<Record<"min" | "max", Bound>> = {
      ...boundOf(raw.minimum, raw.exclusiveMinimum, "min"),
      ...boundOf(raw.maximum, raw.exclusiveMaximum, "max"),
    };
    const given = <Name extends string>(name: Name) =>
      (raw[name] === undefined ? {} : { [name]: raw[name] }) as { readonly [K in Name]?: number };
    return {
      at,
      ...(allowed === undefined ? {} : { types: allowed }),
      ...(enums.length > 0 ? { enums } : {}),
      ...limits,
      ...(raw.multipleOf === undefined ? {} : { multiples: [raw.multipleOf as number] }),
      ...given("minLength"),
      ...given("maxLength"),
      ...(raw.pattern === undefined
        ? {}
        : { patterns: [{ name: raw.pattern as string, not: false, at: to("pattern") }] }),
      ...(raw.format !== undefined && isKnownFormat(raw.format as string)
        ? { formats: [{ name: raw.format as string, not: false, at: to("format") }] }
        : {}),
      ...(prefix ? { prefixItems: list(prefix) } : {}),
      ...(rest !== undefined && raw[rest] !== undefined ? { items: below(rest) } : {}),
      ...given("minItems"),
      ...given("maxItems"),
      ...(contains.length > 0 ? { contains } : {}),
      ...(raw.uniqueItems === true ? { uniqueItems: true } : {}),
      ...(raw.unevaluatedItems === undefined ? {} : { unevaluatedItems: below("unevaluatedItems") }),
      ...(properties ? { properties } : {}),
      ...(raw.patternProperties
        ? { patternProperties: map("patternProperties").map(([pattern, place]) => ({ pattern, place })) }
        : {}),
      ...(raw.additionalProperties === undefined ? {} : { additionalProperties: below("additionalProperties") }),
      ...(raw.unevaluatedProperties === undefined ? {} : { unevaluatedProperties: below("unevaluatedProperties") }),
      ...(raw.propertyNames === undefined ? {} : { propertyNames: below("propertyNames") }),
      ...given("minProperties"),
      ...given("maxProperties"),
      ...(presence.length > 0 ? { presence: every(presence) } : {}),
      ...(allOf.length > 0 ? { allOf } : {}),
      ...(choices.length > 0 ? { choices } : {}),
      ...(raw.not === undefined ? {} : { not: [below("not")] }),
    };
  };
  return placeAt(raw, "", document.root);
}

/** The keywords that are there and mean something; throws a FieldError about the first whose value is not what it must be. */
export function checkKeywords(
  raw: Json,
  at: string,
  isLeftOut: (keyword: string, where: string) => boolean = () => false,
): Json {
  const kept: Record<string, unknown> = {};
  for (const [keyword, content] of Object.entries(raw)) {
    if (content === null && keyword !== "const") continue;
    const where = `${at}/${escapePointer(keyword)}`;
    if (isLeftOut(keyword, where)) continue;
    if (keyword === "nullable") kept[keyword] = content;
    const expectation = checks.get(keyword);
    if (!expectation) continue;
    const [expected, isRight] = expectation;
    if (!isRight(content))
      throw schemaFault(where, `"${keyword}" must be ${expected}, got ${shown(content)}`, "invalid_type");
    kept[keyword] = content;
  }
  return kept;
}

function referencesOf(
  raw: Json,
  to: (keyword: string) => string,
  document: Document,
  resource: Resource,
  placeAt: (raw: unknown, at: string, around: Resource) => Place,
): Place[] {
  const places: Place[] = [];
  for (const keyword of ["$ref", "$dynamicRef", "$recursiveRef"] as const) {
    if (raw[keyword] === undefined) continue;
    const resolve = keyword === "$ref" ? document.resolve : document.resolveDynamic;
    const target = resolve(raw[keyword] as string, resource, to(keyword));
    places.push(placeAt(target.raw, target.at, target.resource));
  }
  return places;
}

/** `exclusiveMinimum` is a bound of its own, or in draft 4 a word about `minimum`. */
function boundOf(inclusive: unknown, exclusive: unknown, name: "min" | "max"): Partial<Record<"min" | "max", Bound>> {
  const value = inclusive as number | undefined;
  if (typeof exclusive !== "number")
    return value === undefined ? {} : { [name]: { value, exclusive: exclusive === true } };
  const isTighter = value === undefined || (name === "min" ? exclusive >= value : exclusive <= value);
  return { [name]: isTighter ? { value: exclusive, exclusive: true } : { value: value as number, exclusive: false } };
}
