// JSON Schema → forms. What applies to one place is a set of schemas that must all hold: a schema, what it refers to, the
// members of its allOf. anyOf and oneOf multiply such sets out into branches. A branch is a plain conjunction of keywords,
// and each type that it allows becomes a form; its properties and items are again sets of schemas. Sets are made once and
// by name, so recursion in the schema becomes a cycle in the forms.

import { type Automaton, classify, intersect, languageOf, lengthAutomaton, searchAutomaton } from "./automaton.ts";
import { literals } from "./byte-machine.ts";
import { areExclusive } from "./exclusive.ts";
import { formatAutomaton } from "./formats.ts";
import {
  anyKey,
  booleanForm,
  type Extras,
  type Form,
  nullForm,
  type ObjectForm,
  type Property,
  type ScalarForm,
  stringForm,
  type Value,
} from "./forms.ts";
import { includes, type Language, lengths, words } from "./language.ts";
import { maxDepth, maxForms, maxMultiple, maxValues } from "./limits.ts";
import { inRange, type NumberRange, numberMachine } from "./number.ts";
import { parseRegex } from "./regex.ts";
import { settleHeights } from "./satisfiable.ts";
import {
  checkKeywords,
  escapePointer,
  type Keywords,
  type Schema,
  schemaError,
  type TypeName,
  typeNames,
} from "./schema-keywords.ts";
import { type Escapes, stringMachine } from "./string.ts";

/** A schema and where it stands, a JSON pointer. */
interface Place {
  readonly schema: Schema;
  readonly at: string;
}

/** A place that is not a boolean. */
interface Plain extends Place {
  readonly schema: Keywords;
}

/** One way to choose among all anyOf and oneOf of a set: the schemas that then hold together. */
interface Branch {
  readonly plain: readonly Plain[];
  /** Which member was chosen of each oneOf, by its pointer. */
  readonly picks: ReadonlyMap<string, number>;
}

type Rule = (branch: readonly Plain[]) => Form[];

/**
 * The value that a schema describes. Throws a RangeError that names the keyword and where it stands if it is not a schema,
 * cannot be honored in full, is too large, or cannot be satisfied. `escapes` says how its keys, enums and patterns are spelled.
 */
export function valueOfSchema(root: unknown, escapes: Escapes): Value {
  const values = new Map<string, Value>();
  const queue: { value: Value; places: readonly Place[] }[] = [];
  /** Why places turned out empty, for the case that the root is one of them. */
  const conflicts: string[] = [];
  const conflict = (where: string, what: string): [] => {
    conflicts.push(`${what} (at #${where})`);
    return [];
  };
  const checks: (() => void)[] = [];

  /** The value of a set of schemas. It is filled later: values contain each other. */
  const valueAt = (places: readonly Place[]): Value => {
    const byName = new Map(places.map((place) => [place.at, place]));
    const name = [...byName.keys()]
      .sort()
      .map((at) => `#${at}`)
      .join("\n");
    let value = values.get(name);
    if (!value) {
      if (values.size >= maxValues) throw new RangeError(`JSON Schema: it has more than ${maxValues} places`);
      value = { forms: [], height: Infinity };
      values.set(name, value);
      queue.push({ value, places: [...byName.values()] });
    }
    return value;
  };

  // ---- References

  const placeAt = (reference: string, from: string): Place => {
    const { $id } = root as { $id?: unknown };
    const local = typeof $id === "string" && reference.startsWith(`${$id}#`) ? reference.slice($id.length) : reference;
    if (local !== "#" && !local.startsWith("#/"))
      throw schemaError(from, `"$ref" ${JSON.stringify(reference)} is not supported: only #/… within the same schema`);
    let schema: unknown = root;
    const steps = decodePointer(local.slice(1), from);
    for (const step of steps) {
      if (typeof schema !== "object" || schema === null || !Object.hasOwn(schema, step))
        throw schemaError(from, `"$ref" ${JSON.stringify(reference)} leads nowhere`);
      schema = (schema as Record<string, unknown>)[step];
    }
    return { schema: schema as Schema, at: steps.map((step) => `/${escapePointer(step)}`).join("") };
  };

  // ---- Sets → branches

  const branchesOf = (places: readonly Place[]): Branch[] => {
    const branches: Branch[] = [];
    interface Open {
      readonly at: string;
      readonly options: readonly Schema[];
      readonly lineage: readonly string[];
    }
    /** A schema to be added, and the schemas at this place that led to it. */
    type Pending = Place & { readonly lineage: readonly string[] };
    const expand = (
      pending: Pending[],
      plain: Plain[],
      seen: ReadonlySet<string>,
      open: readonly Open[],
      picks: ReadonlyMap<string, number>,
    ): void => {
      const known = new Set(seen);
      const choices = [...open];
      for (const { schema, at, lineage } of pending) {
        if (lineage.includes(at)) throw schemaError(at, "the schema refers to itself without end");
        if (known.has(at)) continue;
        known.add(at);
        checkKeywords(schema, at);
        if (schema === true) continue;
        if (schema === false) {
          conflict(at, "nothing is allowed here");
          return;
        }
        plain.push({ schema, at });
        const below = [...lineage, at];
        if (schema.$ref !== undefined) pending.push({ ...placeAt(schema.$ref, `${at}/$ref`), lineage: below });
        for (const [i, member] of (schema.allOf ?? []).entries())
          pending.push({ schema: member, at: `${at}/allOf/${i}`, lineage: below });
        for (const keyword of ["anyOf", "oneOf"] as const)
          if (schema[keyword]) choices.push({ at: `${at}/${keyword}`, options: schema[keyword], lineage: below });
      }
      const [choice, ...others] = choices;
      if (!choice) {
        if (branches.length >= maxForms)
          throw schemaError(places[0]?.at ?? "", `anyOf and oneOf multiply to more than ${maxForms} alternatives`);
        branches.push({ plain, picks });
        return;
      }
      for (const [i, schema] of choice.options.entries()) {
        const picked = choice.at.endsWith("/oneOf") ? new Map([...picks, [choice.at, i]]) : picks;
        const option = { schema, at: `${choice.at}/${i}`, lineage: choice.lineage };
        expand([option], [...plain], known, others, picked);
      }
    };
    const pending = places.map((place) => ({ ...place, lineage: [] }));
    expand(pending, [], new Set(), [], new Map());
    return branches;
  };

  const fill = (value: Value, places: readonly Place[]): void => {
    const made = branchesOf(places).map((branch) => ({ picks: branch.picks, forms: formsOf(branch.plain) }));
    value.forms = [...new Set(made.flatMap(({ forms }) => forms))];
    if (value.forms.length > maxForms)
      throw schemaError(places[0]?.at ?? "", `more than ${maxForms} alternatives stand at one place`);
    // Two members of a oneOf must not both hold. Whether they can is known once all forms are filled.
    for (const [i, a] of made.entries()) {
      for (const b of made.slice(i + 1)) {
        const at = [...a.picks].find(([at, pick]) => b.picks.has(at) && b.picks.get(at) !== pick)?.[0];
        if (at === undefined) continue;
        checks.push(() => {
          for (const left of a.forms)
            for (const right of b.forms)
              if (!areExclusive(left, right))
                throw schemaError(
                  at,
                  `"oneOf" is supported only where its members exclude each other, which ${a.picks.get(at)} and ${b.picks.get(at)} do not provably`,
                );
        });
      }
    }
  };

  // ---- Branches → forms

  const formsOf = (branch: readonly Plain[]): Form[] => {
    const types = typesOf(branch);
    const where = branch[0]?.at ?? "";
    if (types.size === 0) return conflict(where, "no type is left");
    const enumerated = valuesOf(branch);
    if (enumerated) return enumeratedForms(branch, types, enumerated);
    const forms: Form[] = [];
    if (types.has("null")) forms.push(nullForm);
    if (types.has("boolean")) forms.push(booleanForm);
    for (const type of ["number", "integer", "string", "array", "object"] as const)
      if (types.has(type)) forms.push(...rules[type](branch));
    return forms;
  };

  const numbers =
    (integer: boolean) =>
    (branch: readonly Plain[]): Form[] => {
      const range = rangeOf(branch, integer);
      const where = branch.find(
        ({ schema }) => "minimum" in schema || "exclusiveMinimum" in schema || "multipleOf" in schema,
      );
      try {
        const machine = numberMachine(range);
        if (machine) return [{ kind: "scalar", machine, content: { type: "number", range } }];
      } catch (error) {
        throw schemaError(where?.at ?? "", (error as Error).message);
      }
      return conflict(where?.at ?? "", "no number lies between the bounds");
    };

  const strings: Rule = (branch) => {
    const limits = stringLimits(branch);
    if (!limits) return conflict(branch[0].at, "minLength, maxLength, pattern and format leave no string");
    const { min, max, automaton } = limits;
    if (!automaton && min === 0 && max === Infinity) return [stringForm];
    const machine = automaton ? stringMachine(languageOf(automaton), escapes) : stringMachine(lengths(min, max));
    return [{ kind: "scalar", machine, content: { type: "string", min, max, automaton } }];
  };

  const automata = new Map<string, Automaton | undefined>();
  const automatonOf = (pattern: string, at: string): Automaton | undefined => {
    if (!automata.has(pattern)) {
      try {
        automata.set(pattern, searchAutomaton(parseRegex(pattern)));
      } catch (error) {
        throw schemaError(at, `"pattern" is refused: ${(error as Error).message}`);
      }
    }
    return automata.get(pattern);
  };

  /** The lengths and the automaton of a branch's strings; undefined if there are none. */
  const stringLimits = (branch: readonly Plain[]) => {
    const min = most(branch, "minLength", 0);
    const max = least(branch, "maxLength", Infinity);
    if (min > max) return undefined;
    let automaton: Automaton | undefined;
    for (const { schema, at } of branch) {
      const parts: (Automaton | undefined)[] = [];
      if (schema.pattern !== undefined) parts.push(automatonOf(schema.pattern, `${at}/pattern`));
      if (schema.format !== undefined) parts.push(formatAutomaton(schema.format));
      for (const part of parts) {
        automaton = part && (automaton ? together(automaton, part, at) : part);
        if (!automaton) return undefined;
      }
    }
    if (automaton && (min > 0 || max < Infinity)) {
      automaton = together(automaton, lengthAutomaton(min, max), branch[0].at);
      if (!automaton) return undefined;
    }
    return { min, max, automaton };
  };
  const together = (a: Automaton, b: Automaton, at: string) => {
    try {
      return intersect(a, b);
    } catch (error) {
      throw schemaError(at, `pattern, format and length together: ${(error as Error).message}`);
    }
  };

  const arrays: Rule = (branch) => {
    const min = most(branch, "minItems", 0);
    const max = least(branch, "maxItems", Infinity);
    if (min > max) return conflict(branch[0].at, `minItems ${min} is above maxItems ${max}`);
    const length = Math.max(0, ...branch.map(({ schema }) => schema.prefixItems?.length ?? 0));
    const prefix = Array.from({ length }, (_, i) => valueAt(itemPlaces(branch, i)));
    return [{ kind: "array", prefix, rest: valueAt(itemPlaces(branch, length)), min, max, height: Infinity }];
  };

  const itemPlaces = (branch: readonly Plain[], index: number): Place[] =>
    branch.flatMap(({ schema, at }) => {
      const first = schema.prefixItems?.[index];
      if (first !== undefined) return [{ schema: first, at: `${at}/prefixItems/${index}` }];
      return schema.items === undefined ? [] : [{ schema: schema.items, at: `${at}/items` }];
    });

  const objects: Rule = (branch) => {
    const min = most(branch, "minProperties", 0);
    const max = least(branch, "maxProperties", Infinity);
    if (min > max) return conflict(branch[0].at, `minProperties ${min} is above maxProperties ${max}`);
    const required = new Set(branch.flatMap(({ schema }) => schema.required ?? []));
    const declared = new Set(branch.flatMap(({ schema }) => Object.keys(schema.properties ?? {})));
    const properties: Property[] = [...new Set([...declared, ...required])].map((name) => ({
      name,
      value: valueAt(propertyPlaces(branch, name)),
      required: required.has(name),
    }));
    const repeats = false;
    return [
      { kind: "object", properties, extras: extrasOf(branch), forbidden: [], min, max, repeats, height: Infinity },
    ];
  };

  const patternsOf = ({ schema, at }: Plain) =>
    Object.entries(schema.patternProperties ?? {}).map(([pattern, value]) => {
      const where = `${at}/patternProperties/${escapePointer(pattern)}`;
      return { place: { schema: value, at: where }, automaton: automatonOf(pattern, where) };
    });

  /** The schemas for a key of a schema: that of its own name, those of the patterns it matches, else additionalProperties. */
  const placesFor = (plain: Plain, name: string | undefined, matching: readonly Place[]): Place[] => {
    const { schema, at } = plain;
    const own = name !== undefined && schema.properties && Object.hasOwn(schema.properties, name);
    const places = [...matching];
    if (own)
      places.push({
        schema: (schema.properties as Record<string, Schema>)[name],
        at: `${at}/properties/${escapePointer(name)}`,
      });
    if (places.length === 0 && schema.additionalProperties !== undefined)
      places.push({ schema: schema.additionalProperties, at: `${at}/additionalProperties` });
    return places;
  };

  const propertyPlaces = (branch: readonly Plain[], name: string): Place[] =>
    branch.flatMap((plain) => {
      const matching = patternsOf(plain).filter(({ automaton }) => automaton && includes(languageOf(automaton), name));
      return placesFor(
        plain,
        name,
        matching.map(({ place }) => place),
      );
    });

  /** Keys that no property declares. */
  const extrasOf = (branch: readonly Plain[]): Extras | undefined => {
    const patterns = branch.map((plain) => patternsOf(plain).filter(({ automaton }) => automaton !== undefined));
    const all = patterns.flat();
    const placesOf = (matching: readonly number[]) =>
      branch.flatMap((plain, i) => {
        const own = patterns[i].filter((pattern) => matching.includes(all.indexOf(pattern)));
        return placesFor(
          plain,
          undefined,
          own.map(({ place }) => place),
        );
      });
    const isAllowed = (matching: readonly number[]) => placesOf(matching).every(({ schema }) => schema !== false);
    if (all.length === 0) return isAllowed([]) ? anyKey(valueAt(placesOf([]))) : undefined;
    /** The keys whose set of matching patterns is acceptable. */
    const make = (isAcceptable: (matching: readonly number[]) => boolean): Extras | undefined => {
      const classes = classify(
        all.map(({ automaton }) => automaton as Automaton),
        isAcceptable,
      );
      if (!classes) return undefined;
      const { automaton, matching } = classes;
      const byState = matching.map((list, state) => (automaton.accepting[state] ? valueAt(placesOf(list)) : undefined));
      const values = [...new Set(byState)].filter((value) => value !== undefined);
      const extras: Extras = {
        valueOf: (state) => byState[state] as Value,
        values,
        keys: automaton,
        within(isPossible) {
          if (values.every(isPossible)) return extras;
          return make((matching) => isAcceptable(matching) && isPossible(valueAt(placesOf(matching))));
        },
      };
      return extras;
    };
    return make(isAllowed);
  };

  // ---- enum and const

  /** The values that every enum and const of a branch has; undefined if there is neither. */
  const valuesOf = (branch: readonly Plain[]): Map<string, Place> | undefined => {
    let common: Map<string, Place> | undefined;
    for (const { schema, at } of branch) {
      const lists: Map<string, Place>[] = [];
      if (schema.enum)
        lists.push(
          new Map(
            schema.enum.map((value, i) => [canonical(value), { schema: { const: value }, at: `${at}/enum/${i}` }]),
          ),
        );
      if ("const" in schema)
        lists.push(new Map([[canonical(schema.const), { schema: { const: schema.const }, at: `${at}/const` }]]));
      for (const list of lists) common = common ? new Map([...common].filter(([name]) => list.has(name))) : list;
    }
    return common;
  };

  const enumeratedForms = (
    branch: readonly Plain[],
    types: ReadonlySet<TypeName>,
    enumerated: ReadonlyMap<string, Place>,
  ): Form[] => {
    const forms: Form[] = [];
    const scalars: (number | boolean | null)[] = [];
    const texts: string[] = [];
    let content: Language | undefined;
    for (const { schema, at } of enumerated.values()) {
      const value = (schema as Keywords).const;
      if (typeof value === "string") {
        if (!types.has("string") || /\p{Surrogate}/u.test(value)) continue;
        const limits = stringLimits(branch);
        if (!limits) continue;
        content ??= limits.automaton ? languageOf(limits.automaton) : lengths(limits.min, limits.max);
        if (includes(content, value)) texts.push(value);
      } else if (typeof value === "number") {
        const integer = !types.has("number");
        if ((types.has("integer") || types.has("number")) && inRange(value, rangeOf(branch, integer)))
          scalars.push(value);
      } else if (value === null || typeof value === "boolean") {
        if (types.has(value === null ? "null" : "boolean")) scalars.push(value);
      } else if (Array.isArray(value)) {
        if (types.has("array")) forms.push(...constArray(branch, value, at));
      } else if (types.has("object")) {
        forms.push(...constObject(branch, value as Record<string, unknown>, at));
      }
    }
    if (scalars.length > 0) {
      const machine = literals(scalars.map((value) => JSON.stringify(value)));
      forms.push({ kind: "scalar", machine, content: { type: "words", words: scalars } });
    }
    if (texts.length > 0) {
      const form: ScalarForm = {
        kind: "scalar",
        machine: stringMachine(words(texts), escapes),
        content: { type: "words", words: texts },
      };
      forms.push(form);
    }
    return forms.length > 0 ? forms : conflict(branch[0].at, "no value of the enum satisfies the other keywords");
  };

  /** Arrays and objects of an enum, member by member: so the other keywords of the branch hold for them too. */
  const constArray = (branch: readonly Plain[], list: readonly unknown[], at: string): Form[] => {
    if (list.length < most(branch, "minItems", 0) || list.length > least(branch, "maxItems", Infinity)) return [];
    const prefix = list.map((value, i) =>
      valueAt([...itemPlaces(branch, i), { schema: { const: value }, at: `${at}/${i}` }]),
    );
    return [{ kind: "array", prefix, rest: undefined, min: list.length, max: list.length, height: Infinity }];
  };

  const constObject = (branch: readonly Plain[], object: Readonly<Record<string, unknown>>, at: string): Form[] => {
    const names = Object.keys(object);
    const count = names.length;
    if (count < most(branch, "minProperties", 0) || count > least(branch, "maxProperties", Infinity)) return [];
    if (branch.some(({ schema }) => schema.required?.some((name) => !Object.hasOwn(object, name)))) return [];
    const properties = names.map((name) => {
      const member: Place = { schema: { const: object[name] }, at: `${at}/${escapePointer(name)}` };
      return { name, value: valueAt([...propertyPlaces(branch, name), member]), required: true };
    });
    const form: ObjectForm = {
      ...{ kind: "object", properties, extras: undefined, forbidden: [], min: 0, max: Infinity, repeats: false },
      height: Infinity,
    };
    return [form];
  };

  const rules: Readonly<Record<"number" | "integer" | "string" | "array" | "object", Rule>> = {
    number: numbers(false),
    integer: numbers(true),
    string: strings,
    array: arrays,
    object: objects,
  };

  const value = valueAt([{ schema: root as Schema, at: "" }]);
  for (const { value, places } of queue) fill(value, places);
  settleHeights([...values.values()]);
  if (value.height === Infinity) {
    const why = conflicts.length > 0 ? conflicts[0] : "its shortest text nests without end";
    throw new RangeError(`JSON Schema: it cannot be satisfied: ${why}`);
  }
  if (value.height > maxDepth)
    throw new RangeError(`JSON Schema: its shortest text nests more than ${maxDepth} brackets`);
  for (const check of checks) check();
  return value;
}

/** The types that all schemas of a branch allow; "integer" only where "number" is not among them. */
function typesOf(branch: readonly Plain[]): Set<TypeName> {
  let types = new Set<TypeName>(typeNames);
  for (const { schema } of branch) {
    if (schema.type === undefined) continue;
    const allowed = new Set(([] as string[]).concat(schema.type));
    const both = (type: TypeName) => allowed.has(type) || (type === "integer" && allowed.has("number"));
    types = new Set([...types].filter(both));
  }
  // `number` includes the integers; a whole `multipleOf` leaves nothing else.
  const whole = branch.some(({ schema }) => schema.multipleOf !== undefined);
  if (types.has("number")) types.delete(whole ? "number" : "integer");
  return types;
}

/** The numbers of a branch. Throws where multipleOf cannot be honored. */
function rangeOf(branch: readonly Plain[], integer: boolean): NumberRange {
  let range: { -readonly [K in keyof NumberRange]: NumberRange[K] } = { integer };
  for (const { schema, at } of branch) {
    const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
    if (minimum !== undefined && !(minimum <= (range.min ?? -Infinity)))
      range = { ...range, min: minimum, minExclusive: false };
    if (maximum !== undefined && !(maximum >= (range.max ?? Infinity)))
      range = { ...range, max: maximum, maxExclusive: false };
    if (exclusiveMinimum !== undefined && !(exclusiveMinimum < (range.min ?? -Infinity)))
      range = { ...range, min: exclusiveMinimum, minExclusive: true };
    if (exclusiveMaximum !== undefined && !(exclusiveMaximum > (range.max ?? Infinity)))
      range = { ...range, max: exclusiveMaximum, maxExclusive: true };
    if (multipleOf === undefined) continue;
    const common = Number.isInteger(multipleOf) ? leastCommonMultiple(range.multipleOf ?? 1, multipleOf) : Infinity;
    if (common > maxMultiple)
      throw schemaError(
        `${at}/multipleOf`,
        `"multipleOf" ${multipleOf} is not supported: only whole numbers up to ${maxMultiple}`,
      );
    range.multipleOf = common;
  }
  if (range.multipleOf !== undefined) range.integer = true;
  return range;
}

function leastCommonMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return (a / x) * b;
}

type Limit = "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties";
const most = (branch: readonly Plain[], keyword: Limit, otherwise: number) =>
  Math.max(otherwise, ...branch.map(({ schema }) => schema[keyword] ?? otherwise));
const least = (branch: readonly Plain[], keyword: Limit, otherwise: number) =>
  Math.min(otherwise, ...branch.map(({ schema }) => schema[keyword] ?? otherwise));

/** A text that two values share if they are equal: keys sorted, so that their order does not count. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

function decodePointer(pointer: string, from: string): string[] {
  if (pointer === "") return [];
  try {
    const steps = decodeURIComponent(pointer).slice(1).split("/");
    return steps.map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
  } catch {
    throw schemaError(from, `"$ref" is not a valid reference`);
  }
}
