// Strings, numbers, null, true and false of a branch → forms.

import {
  type Automaton,
  complementAutomaton,
  languageOf,
  lengthAutomaton,
  unite,
  wordAutomaton,
} from "../automaton.ts";
import { counted } from "../counted.ts";
import { longestOf } from "../formats.ts";
import {
  booleanForm,
  type Form,
  freeNumberForm,
  integerForm,
  literalForm,
  nullForm,
  numberForm,
  stringForm,
  textForm,
} from "../forms.ts";
import { includes, type Language, lengths, without } from "../language.ts";
import type { Bound, NumberRange } from "../number-range.ts";
import type { Compiler } from "./compiler.ts";
import { constantsOf } from "./constants.ts";
import { type Keywords, numberTypes, type Signed, type Types, types } from "./keywords.ts";
import { anyText, limited, together } from "./patterns.ts";
import { sharedForm } from "./shared.ts";

type Branch = readonly Keywords[];

/** What is not excluded, of values of one type. */
function excluded<Type>(branch: Branch, isOfType: (value: unknown) => value is Type): Type[] {
  return branch.flatMap(({ except = [] }) => (except as unknown[]).filter(isOfType));
}
const isText = (value: unknown) => typeof value === "string";
const isNumber = (value: unknown) => typeof value === "number";

export function constantForms(branch: Branch, allowed: Types): Form[] {
  const left = (values: readonly (boolean | null)[]) =>
    values.filter((value) => !branch.some(({ except }) => except?.includes(value)));
  const forms: Form[] = [];
  if (allowed & types.null && left([null]).length > 0) forms.push(nullForm);
  const booleans = allowed & types.boolean ? left([true, false]) : [];
  if (booleans.length === 2) forms.push(booleanForm);
  else if (booleans.length === 1) forms.push(literalForm(booleans));
  return forms;
}

// ---- Numbers

/** The numbers of a branch of which `allowed` says whether they are integers. */
export function rangeOf(branch: Branch, allowed: Types): NumberRange {
  let min: Bound | undefined;
  let max: Bound | undefined;
  for (const { min: lower, max: upper } of branch) {
    if (lower && (!min || lower.value > min.value || (lower.value === min.value && lower.exclusive))) min = lower;
    if (upper && (!max || upper.value < max.value || (upper.value === max.value && upper.exclusive))) max = upper;
  }
  const list = (numbers: readonly number[]) => (numbers.length > 0 ? [...new Set(numbers)] : undefined);
  const multiples = list(branch.flatMap(({ multiples = [] }) => multiples));
  const kind = allowed & numberTypes;
  const isWhole = kind === types.integer || (kind === numberTypes && multiples?.some(Number.isInteger));
  return {
    whole: isWhole ? true : kind === types.fraction ? false : undefined,
    min,
    max,
    multiples,
    notMultiples: list(branch.flatMap(({ notMultiples = [] }) => notMultiples)),
    except: list(excluded(branch, isNumber)),
  };
}

export function numberForms(branch: Branch, allowed: Types, compiler: Compiler): Form[] {
  if ((allowed & numberTypes) === 0) return [];
  const range = rangeOf(branch, allowed);
  const where = branch.find(({ multiples }) => multiples) ?? branch.find(({ min, max }) => min || max) ?? branch[0];
  const at = where?.multiples ? `${where.at}/multipleOf` : (where?.at ?? "");
  const isFree = !range.min && !range.max && !range.multiples && !range.notMultiples && !range.except;
  if (isFree && range.whole !== false && !compiler.judged) return [range.whole ? integerForm : freeNumberForm];
  const make = () => limited(at, '"multipleOf"', () => numberForm(range, compiler.judged));
  const form = range.except || compiler.judged ? make() : sharedForm(`n ${JSON.stringify(range)}`, make);
  return form ? [form] : compiler.conflict(where?.at ?? "", "no number lies between the bounds");
}

// ---- Strings

interface Strings {
  readonly min: number;
  readonly max: number;
  /** Undefined: no pattern and no format. */
  readonly automaton: Automaton | undefined;
  readonly except: readonly string[];
  readonly at: string;
}

/** What a branch says of its strings; undefined: there are none. */
function stringsOf(branch: Branch, { patterns }: Compiler): Strings | undefined {
  const min = Math.max(0, ...branch.map(({ minLength = 0 }) => minLength));
  const limits = branch.flatMap(({ formats = [] }) =>
    formats.map(({ name, not }) => (not ? Infinity : longestOf(name))),
  );
  const max = Math.min(...limits, ...branch.map(({ maxLength = Infinity }) => maxLength));
  if (min > max) return undefined;
  const signed = branch.flatMap(({ patterns: list = [], formats = [] }) => [
    ...list.map((one) => ["pattern", one] as const),
    ...formats.map((one) => ["format", one] as const),
  ]);
  const at = signed[0]?.[1].at ?? branch[0]?.at ?? "";
  const automata = new Set(signed.map(([kind, one]) => patterns.automaton(kind, one)));
  const automaton = together([...automata], at);
  if (!automaton) return undefined;
  return { min, max, automaton: automaton === anyText ? undefined : automaton, except: excluded(branch, isText), at };
}

/** The strings of a branch as a language; undefined: there are none. */
function languageFor({ min, max, automaton, except, at }: Strings): Language | undefined {
  let language: Language | undefined;
  if (!automaton) language = lengths(min, max);
  else if (min === 0 && max === Infinity) language = languageOf(automaton);
  else language = limited(at, "pattern, format and length together", () => counted(automaton, min, max));
  if (!language || except.length === 0) return language;
  if (language.texts(language.start) <= new Set(except.filter((text) => includes(language, text))).size)
    return undefined;
  return without(language, except);
}

export function stringForms(branch: Branch, compiler: Compiler): Form[] {
  const make = () => {
    const strings = stringsOf(branch, compiler);
    const language = strings && languageFor(strings);
    if (!strings || !language) return undefined;
    const { min, max, automaton, except } = strings;
    if (!automaton && min === 0 && max === Infinity && except.length === 0) return stringForm;
    return textForm(language, automaton || except.length > 0 ? compiler.escapes : "all");
  };
  const hasExceptions = excluded(branch, isText).length > 0;
  const form = hasExceptions ? make() : sharedForm(nameOf(branch, compiler), make);
  return form
    ? [form]
    : compiler.conflict(branch[0]?.at ?? "", "minLength, maxLength, pattern and format leave no string");
}

/** All that the strings of a branch depend on, but for those that are excluded. */
function nameOf(branch: Branch, { escapes, judged }: Compiler): string {
  const signs = (list: readonly Signed[] = []) => list.map(({ name, not }) => [name, not]);
  const parts = branch.map(({ minLength, maxLength, patterns, formats }) => [
    ...[minLength, maxLength, signs(patterns), signs(formats)],
  ]);
  return `s ${escapes} ${judged} ${JSON.stringify(parts)}`;
}

/** The strings of several branches as one automaton, for the names of keys; undefined: there are none. */
export function stringAutomaton(branches: readonly Branch[], compiler: Compiler, at: string): Automaton | undefined {
  return limited(at, "the names of keys", () => {
    const automata = branches.flatMap((branch) => {
      const constants = constantsOf(branch, compiler)?.filter(isText);
      if (constants) return constants.length > 0 ? [wordAutomaton(constants)] : [];
      const strings = stringsOf(branch, compiler);
      if (!strings) return [];
      const { min, max, automaton = anyText, except } = strings;
      const parts = [automaton];
      if (min > 0 || max < Infinity) parts.push(lengthAutomaton(min, max));
      const excluded = except.length > 0 ? complementAutomaton(wordAutomaton(except)) : anyText;
      const whole = together([...parts, excluded], at);
      return whole ? [whole] : [];
    });
    return unite(automata);
  });
}
