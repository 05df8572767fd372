// JSON Schema → forms. What applies to one place is a set of schemas that must all hold (a schema, what it refers to, its
// allOf); a set is multiplied out into branches, and each type that a branch allows becomes a form, whose properties and
// items are again sets. Sets are made once and by name, so recursion in the schema becomes a cycle in the forms.
//
//   dialect.ts references.ts      JSON, as its draft has it → keywords.ts
//   branches.ts complement.ts     sets → branches; what a schema does not allow
//   outline.ts evaluate.ts        what contradicts itself; whether a known value is valid
//   presence.ts                   which keys are there, as a formula
//   scalars.ts arrays.ts objects.ts constants.ts    branches → forms

import type { Automaton } from "../automaton.ts";
import { languageOf } from "../automaton.ts";
import type { Form, Value } from "../forms.ts";
import { includes } from "../language.ts";
import { maxDepth, maxForms, maxJudgedBranches, maxLooks, maxValues, maxWrittenBranches } from "../limits.ts";
import { settleHeights } from "../satisfiable.ts";
import { arrayForms } from "./arrays.ts";
import { branchesOf, type Tools } from "./branches.ts";
import type { Compiler, Spelling } from "./compiler.ts";
import { constantsOf, enumeratedForms } from "./constants.ts";
import { readSchema } from "./dialect.ts";
import { fieldOf, schemaFault } from "./fault.ts";
import { allTypes, type Branch, type Exists, type Member, type Place, placeOf, type Types, types } from "./keywords.ts";
import { objectForms } from "./objects.ts";
import { createOutlines } from "./outline.ts";
import { createPatterns } from "./patterns.ts";
import { constantForms, numberForms, stringAutomaton, stringForms } from "./scalars.ts";

export interface Restriction {
  /** Of these types alone. */
  readonly only?: Types | undefined;
  /** JSON pointers of what is passed over, as `readSchema` has them. */
  readonly without?: ReadonlySet<string>;
  /** Hears of places, by their path, where valid texts are left out. */
  readonly narrows?: (path: string) => void;
}

/**
 * The value that a schema describes. Throws a FieldError about the keyword, its field the path inside the schema, if it is
 * not a schema, cannot be honored in full, is too large, or cannot be satisfied.
 */
export function valueOfSchema(
  schema: unknown,
  spelling: Spelling,
  { only, without, narrows }: Restriction = {},
): Value {
  const places = [readSchema(schema, spelling.judged, without)];
  if (only !== undefined) places.push(placeOf("only", "", () => ({ at: "", types: only })));
  const values = new Map<string, Value>();
  const queue: { value: Value; places: readonly Place[] }[] = [];
  const conflicts: string[] = [];
  const conflict = (at: string, what: string): [] => {
    if (conflicts.length < 10) conflicts.push(at === "" ? what : `${what} (at ${at})`);
    return [];
  };
  let looks = 0;
  const patterns = createPatterns(spelling.judged);
  const outlines = createOutlines(patterns, () => {
    if (++looks > maxLooks)
      throw schemaFault("", `its alternatives take more than ${maxLooks} comparisons to tell apart`);
  });

  const valueAt = (places: readonly Place[]): Value => {
    const byName = new Map<string, Place>();
    for (const place of places) if (place.schema !== true) byName.set(place.name, place);
    const name = places.length === 1 && byName.size === 1 ? places[0].name : [...byName.keys()].sort().join("\n");
    let value = values.get(name);
    if (!value) {
      if (values.size >= maxValues) throw schemaFault("", `it has more than ${maxValues} places`);
      value = { forms: [], height: Infinity };
      values.set(name, value);
      queue.push({ value, places: [...byName.values()] });
    }
    return value;
  };

  const names = new Map<string, Automaton | undefined>();
  const namesIn = (place: Place): Automaton | undefined => {
    if (!names.has(place.name)) {
      const branches = branchesOf([place], tools).filter(({ members }) => typesOf(members) & types.string);
      names.set(
        place.name,
        stringAutomaton(
          branches.map(({ members }) => members),
          compiler,
          place.at,
        ),
      );
    }
    return names.get(place.name);
  };
  const isMeant = (keys: Exists["keys"], at: string, key: string): boolean => {
    const matches = (pattern: string) => patterns.matches("pattern", pattern, at, key);
    if ("pattern" in keys) return matches(keys.pattern);
    if ("beyond" in keys) return !keys.beyond.has(key) && !keys.patterns.some(matches);
    const automaton = namesIn(keys.names);
    return automaton !== undefined && includes(languageOf(automaton), key);
  };
  const compiler: Compiler = { ...spelling, patterns, valueAt, conflict, namesIn };
  const maxPlainBranches = spelling.judged ? maxJudgedBranches : maxWrittenBranches;
  const tools: Tools = { outlines, conflict, isMeant, maxPlainBranches, narrows: (at) => narrows?.(fieldOf(at)) };

  const value = valueAt(places);
  const checks: (() => void)[] = [];
  for (const { value, places } of queue) {
    value.forms = branchesOf(places, tools).flatMap((branch) => formsOf(branch, compiler));
    checks.push(() => {
      for (const form of value.forms)
        if (
          form.kind === "array" &&
          form.unique &&
          [...form.prefix, form.rest].some((v) => v?.forms.some((f) => f.kind !== "scalar"))
        )
          throw schemaFault(`${places[0]?.at ?? ""}/uniqueItems`, '"uniqueItems" is supported only for scalars');
    });
    if (value.forms.length > maxForms)
      throw schemaFault(places[0]?.at ?? "", `more than ${maxForms} alternatives stand at one place`);
  }
  settleHeights([...values.values()]);
  if (!spelling.judged) for (const check of checks) check();
  if (value.height === Infinity)
    throw schemaFault(
      "",
      `it cannot be satisfied: ${conflicts[0] ?? "its shortest text nests without end"}`,
      "invalid_value",
    );
  if (value.height > maxDepth) throw schemaFault("", `its shortest text nests more than ${maxDepth} brackets`);
  return value;
}

const typesOf = (members: readonly Member[]) => members.reduce((left, { types = allTypes }) => left & types, allTypes);

function formsOf({ members, witness }: Branch, compiler: Compiler): Form[] {
  const allowed = typesOf(members);
  if (allowed === 0) return compiler.conflict(members[0]?.at ?? "", "no type is left");
  const constants = constantsOf(members, compiler);
  if (constants) return witness ? [] : enumeratedForms(constants, members, compiler);
  return [
    ...constantForms(members, allowed),
    ...numberForms(members, allowed, compiler),
    ...(allowed & types.string ? stringForms(members, compiler) : []),
    ...(allowed & types.array ? arrayForms(members, compiler) : []),
    ...(allowed & types.object ? objectForms(members, witness, compiler) : []),
  ];
}
