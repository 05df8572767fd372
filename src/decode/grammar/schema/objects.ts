// Objects of a branch → forms: the schemas that hold for each declared name, for other names by the patterns that they match,
// and which names there may and must be.

import { type Automaton, classify, languageOf } from "../automaton.ts";
import { anyKey, type Extras, type Form, type ObjectForm, type Property, type Value } from "../forms.ts";
import { includes } from "../language.ts";
import { maxNamesTogether } from "../limits.ts";
import type { Compiler } from "./compiler.ts";
import { escapePointer, schemaFault } from "./fault.ts";
import type { Exists, Member, Place } from "./keywords.ts";
import { limited } from "./patterns.ts";
import { all, namesIn, units } from "./presence.ts";

/** Names by an automaton, or a list of what a pattern says. */
interface Named {
  readonly automaton: Automaton;
  readonly accepts: (name: string) => boolean;
}

export function objectForms(branch: readonly Member[], witness: Exists | undefined, compiler: Compiler): Form[] {
  const { conflict, valueAt } = compiler;
  const at = branch[0]?.at ?? "";
  const min = Math.max(0, ...branch.map(({ minProperties = 0 }) => minProperties));
  const max = Math.min(Infinity, ...branch.map(({ maxProperties = Infinity }) => maxProperties));
  if (min > max) return conflict(at, `minProperties ${min} is above maxProperties ${max}`);
  const { required, forbidden, rest } = units(all(branch.map(({ presence = true }) => presence)));
  if (rest === false) return conflict(at, "some property would have to be there and not be there");
  const together = namesIn(rest);
  if (together.size > maxNamesTogether)
    throw schemaFault(at, `more than ${maxNamesTogether} names of keys depend on each other`);
  const allowed = namesAllowed(branch, compiler);
  if (allowed === undefined) {
    if (min > 0 || required.size > 0 || witness) return conflict(at, "propertyNames allows no name");
  }
  const names = declaredNames(branch, [...required, ...together]);
  const properties: Property[] = [];
  for (const name of names) {
    if (forbidden.has(name)) continue;
    const isNamed = allowed?.every(({ accepts }) => accepts(name)) === true;
    const places = isNamed ? memberPlaces(branch, name, compiler) : [never];
    properties.push({ name, value: valueAt(places), required: required.has(name) });
  }
  const form: ObjectForm = {
    ...{ kind: "object", properties, min, max, repeats: false, height: Infinity },
    forbidden: [...forbidden],
    presence: rest,
    extras: allowed && extrasOf(branch, allowed, undefined, compiler),
    witness: allowed && witness && extrasOf(branch, allowed, witness, compiler),
  };
  if (witness && !form.witness) return conflict(at, "no key is left for what some key must have");
  return [form];
}

const never: Place = { name: "false", at: "", schema: false };

/** The names that a branch speaks of, in the order of its text. */
export function declaredNames(branch: readonly Member[], others: Iterable<string> = []): Set<string> {
  const names = new Set<string>();
  for (const { properties } of branch) for (const name of properties?.keys() ?? []) names.add(name);
  for (const name of others) names.add(name);
  return names;
}

/** What `propertyNames` allows: names that are in all of the list; undefined: none. */
function namesAllowed(branch: readonly Member[], compiler: Compiler): Named[] | undefined {
  const list: Named[] = [];
  for (const { propertyNames } of branch) {
    if (!propertyNames || propertyNames.schema === true) continue;
    const automaton = compiler.namesIn(propertyNames);
    if (!automaton) return undefined;
    const language = languageOf(automaton);
    list.push({ automaton, accepts: (name) => includes(language, name) });
  }
  return list;
}

/** The schemas for a key of one member: that of its own name, those of the patterns it matches, else the rest's. */
function placesFor(member: Member, branch: readonly Member[], name: string | undefined, matches: Matches): Place[] {
  const own = (other: Member) => (name === undefined ? undefined : other.properties?.get(name));
  const places = [...matches(member)];
  const declared = own(member);
  if (declared) places.push(declared);
  if (places.length === 0 && member.additionalProperties) places.push(member.additionalProperties);
  if (!member.unevaluatedProperties || places.length > 0) return places;
  const evaluates = (other: Member) =>
    own(other) || matches(other).length > 0 || other.additionalProperties || other.unevaluatedProperties;
  const isEvaluated = branch.some((other) => other !== member && other.above.includes(member.name) && evaluates(other));
  return isEvaluated ? [] : [member.unevaluatedProperties];
}

/** The schemas of the patterns of a member that a key matches. */
type Matches = (member: Member) => readonly Place[];

/** The schemas for the value of a declared name. */
export function memberPlaces(
  branch: readonly Member[],
  name: string,
  { patterns }: Pick<Compiler, "patterns">,
): Place[] {
  const matches: Matches = ({ patternProperties = [], at }) =>
    patternProperties
      .filter(({ pattern }) => patterns.matches("pattern", pattern, patternAt(at, pattern), name))
      .map(({ place }) => place);
  return branch.flatMap((member) => placesFor(member, branch, name, matches));
}

const patternAt = (at: string, pattern: string) => `${at}/patternProperties/${escapePointer(pattern)}`;

/** Keys that no property declares; with `witness`, those of them that are one. */
function extrasOf(
  branch: readonly Member[],
  allowed: readonly Named[],
  witness: Exists | undefined,
  compiler: Compiler,
): Extras | undefined {
  const { patterns, valueAt } = compiler;
  /** Of each automaton, what it says of the keys that it accepts. */
  const automata: Automaton[] = [];
  const indexOf = new Map<Automaton, number>();
  const add = (automaton: Automaton | undefined) => {
    if (!automaton) return -1; // accepts nothing
    const index = indexOf.get(automaton) ?? automata.push(automaton) - 1;
    indexOf.set(automaton, index);
    return index;
  };
  const byPattern = (pattern: string, at: string) =>
    add(patterns.automaton("pattern", { name: pattern, not: false, at: patternAt(at, pattern) }));
  const own = new Map(
    branch.map((member) => [
      member,
      (member.patternProperties ?? []).map(({ pattern, place }) => ({ place, index: byPattern(pattern, member.at) })),
    ]),
  );
  const named = allowed.map(({ automaton }) => add(automaton));
  const witnessed = witnessTest(witness, add, byPattern, compiler);

  const placesOf = (matching: readonly number[]): Place[] => {
    const matches: Matches = (member) =>
      (own.get(member) ?? []).filter(({ index }) => matching.includes(index)).map(({ place }) => place);
    const places = branch.flatMap((member) => placesFor(member, branch, undefined, matches));
    return witness ? [...places, witness.place] : places;
  };
  const isAllowed = (matching: readonly number[]) =>
    named.every((index) => matching.includes(index)) &&
    witnessed(matching) &&
    placesOf(matching).every(({ schema }) => schema !== false);
  if (automata.length === 0) return isAllowed([]) ? anyKey(valueAt(placesOf([]))) : undefined;

  /** The keys whose set of matching automata is acceptable. */
  const make = (isAcceptable: (matching: readonly number[]) => boolean): Extras | undefined => {
    const classes = limited(branch[0].at, "patternProperties and propertyNames together", () =>
      classify(automata, isAcceptable),
    );
    if (!classes) return undefined;
    const { automaton, matching } = classes;
    const language = languageOf(automaton);
    const byState = matching.map((list, state) => (automaton.accepting[state] ? valueAt(placesOf(list)) : undefined));
    const values = [...new Set(byState)].filter((value) => value !== undefined);
    const extras: Extras = {
      valueOf: (state) => byState[state] as Value,
      values,
      keys: automaton,
      includes: (key) => includes(language, key),
      within(isPossible) {
        if (values.every(isPossible)) return extras;
        return make((matching) => isAcceptable(matching) && isPossible(valueAt(placesOf(matching))));
      },
    };
    return extras;
  };
  return make(isAllowed);
}

/** Whether a key, by the automata that it matches, is one that `witness` asks for. */
function witnessTest(
  witness: Exists | undefined,
  add: (automaton: Automaton | undefined) => number,
  byPattern: (pattern: string, at: string) => number,
  { namesIn }: Compiler,
): (matching: readonly number[]) => boolean {
  if (!witness) return () => true;
  const { keys, at } = witness;
  if ("pattern" in keys) {
    const index = byPattern(keys.pattern, at);
    return (matching) => matching.includes(index);
  }
  if ("names" in keys) {
    const index = add(namesIn(keys.names));
    return (matching) => matching.includes(index);
  }
  const beyond = keys.patterns.map((pattern) => byPattern(pattern, at));
  return (matching) => !beyond.some((index) => matching.includes(index));
}
