// The grammar as data: what may stand at a place. A value is a choice of forms; a form is a scalar (a byte machine), an array
// or an object of further values, which may be the value itself again. schema.ts makes such data, recognizer.ts reads text
// by it. A script strings values, fixed texts and control tokens together: the frame of a tool call.

import type { Automaton } from "./automaton.ts";
import { type ByteMachine, literals, tabulate } from "./byte-machine.ts";
import { includes, type Language, lengths, without, words } from "./language.ts";
import { anyNumber, judgedNumber, numberMachine } from "./number.ts";
import { countNumbers, type NumberRange } from "./number-range.ts";
import type { Formula } from "./schema/presence.ts";
import { type Escapes, stringMachine } from "./string.ts";

export interface Value {
  /** Filled after it is made, because values contain each other. Empty: nothing may stand here. */
  forms: Form[];
  /** How many brackets the shortest text nests; Infinity: there is no such text. Set by satisfiable.ts. */
  height: number;
}

export type Form = ScalarForm | ArrayForm | ObjectForm;

export interface ScalarForm {
  readonly kind: "scalar";
  readonly machine: ByteMachine;
  /** How many values there are. */
  readonly count: number;
  /** The machine of all its values but these; undefined if none is left. For items that must differ. */
  without(values: readonly unknown[]): ByteMachine | undefined;
}

export interface ArrayForm {
  readonly kind: "array";
  /** The first items, by position. */
  readonly prefix: readonly Value[];
  /** Every further item; undefined: there are none. */
  readonly rest: Value | undefined;
  readonly min: number;
  readonly max: number;
  /** Some items, counted. */
  readonly contains: ContainsForm | undefined;
  /** No two items are equal. */
  readonly unique: boolean;
  /** As for a value. */
  height: number;
}

/** Of the items, `min` to `max` are hits. Each item is read as a hit, a miss, or, where it may be either, as both. */
export interface ContainsForm {
  readonly min: number;
  readonly max: number;
  /** By position, the last for all beyond; undefined: none there can be one. */
  readonly hits: readonly (Value | undefined)[];
  readonly misses: readonly (Value | undefined)[];
}

export interface ObjectForm {
  readonly kind: "object";
  /** In the order in which they must come. */
  readonly properties: readonly Property[];
  /** What other keys may come after them; undefined: none. */
  readonly extras: Extras | undefined;
  /** One other key that must come, before all other ones. */
  readonly witness: Extras | undefined;
  /** What is to hold of which properties are there, beside `required`. */
  readonly presence: Formula;
  /** Names that may not come at all. */
  readonly forbidden: readonly string[];
  readonly min: number;
  readonly max: number;
  /** Whether a key may come again: RFC 8259 lets it, no schema does. */
  readonly repeats: boolean;
  /** As for a value. */
  height: number;
}

export interface Property {
  readonly name: string;
  readonly value: Value;
  readonly required: boolean;
}

/** Keys that are not declared, and their values. */
export interface Extras {
  /** The value of a key whose automaton is in `state`. */
  valueOf(state: number): Value;
  /** All values there are. */
  readonly values: readonly Value[];
  /** Which keys; absent: any. */
  readonly keys?: Automaton;
  /** Whether a key is one of them. */
  includes(key: string): boolean;
  /** The same without the keys whose value is not possible. */
  within(isPossible: (value: Value) => boolean): Extras | undefined;
}

/** A whole text: fixed parts, values, choices. Every part leads on to the next; `end` is where a text may end. */
export type Script =
  | { readonly kind: "end" }
  | { readonly kind: "text"; readonly text: Uint8Array; next: Script }
  | { readonly kind: "token"; readonly id: number; next: Script }
  | { readonly kind: "value"; readonly value: Value; next: Script }
  | { readonly kind: "choice"; readonly options: readonly Script[] }
  /** Free text as the machine has it, which goes on after `next`, a text or a token, once that appears. */
  | {
      readonly kind: "free";
      /** Accepts once the text of `next` has appeared; dead where a text has that may not. */
      readonly machine: ByteMachine;
      readonly next: Script;
      /** Whether the whole text may end in it. */
      readonly mayEnd: boolean;
      /** Whether the token of `next` may come in a state; absent: in all. */
      mayLeave?(state: number): boolean;
    }
  /** Another script, which comes back to `next` where it ends; made when it is entered, inside `depth` brackets. */
  | { readonly kind: "sub"; script(depth: number): Script; readonly opens: 0 | 1; readonly next: Script };

/**
 * A fixed part of a script: literal text, a control token by its id (and its text), or a number or an id of a call, which
 * mean nothing.
 */
export type FramePart =
  | { readonly text: string }
  | { readonly token: number; readonly spelled?: string }
  | { readonly hole: "index" | "id" };

/** Parts that follow each other, and what comes after them. */
export function parts(list: readonly FramePart[], next: Script): Script {
  return list.reduceRight<Script>((next, part) => {
    if ("token" in part) return { kind: "token", id: part.token, next };
    if ("hole" in part) return { kind: "value", value: holes[part.hole], next };
    return part.text === "" ? next : { kind: "text", text: new TextEncoder().encode(part.text), next };
  }, next);
}

/** A scalar; its machine is made when it is first read. */
function scalar(
  make: () => ByteMachine,
  count: () => number,
  without: (values: readonly unknown[]) => ByteMachine | undefined,
): ScalarForm {
  let machine: ByteMachine | undefined;
  return {
    kind: "scalar",
    get machine() {
      machine ??= make();
      return machine;
    },
    get count() {
      return count();
    },
    without,
  };
}

/** Some of a few values: null, true, false, the members of an enum. */
export function literalForm(values: readonly Literal[], escapes: Escapes = "needed"): ScalarForm {
  const texts = values.filter((value) => typeof value === "string");
  const others = values.filter((value) => typeof value !== "string").map((value) => JSON.stringify(value));
  return scalar(
    () => (others.length === 0 ? stringMachine(words(texts), escapes) : literals(others)),
    () => values.length,
    (excluded) => {
      const left = values.filter((value) => !excluded.includes(value));
      return left.length > 0 ? literalForm(left, escapes).machine : undefined;
    },
  );
}

type Literal = string | number | boolean | null;

/** The numbers of a range; undefined if there are none. Throws as `numberMachine`. */
export function numberForm(range: NumberRange, judged: boolean): ScalarForm | undefined {
  const written = numberMachine(range);
  if (!written) return undefined;
  return scalar(
    () => (judged ? judgedNumber(range) : written),
    () => countNumbers(range),
    (excluded) => {
      const except = [...(range.except ?? []), ...excluded.filter((value) => typeof value === "number")];
      return numberMachine({ ...range, except });
    },
  );
}

/** The strings of a language. */
export function textForm(language: Language, escapes: Escapes): ScalarForm {
  const count = () => language.texts(language.start);
  return scalar(
    () => stringMachine(language, escapes),
    count,
    (excluded) => {
      const texts = excluded.filter((value) => typeof value === "string" && includes(language, value)) as string[];
      return count() > new Set(texts).size ? stringMachine(without(language, texts), escapes) : undefined;
    },
  );
}

/** Any text of `min` to `max` such characters of ASCII. */
const characters = (pattern: RegExp, min: number, max: number): Value => {
  const machine = tabulate<number>({
    start: 0,
    key: (length) => length,
    step: (length, byte) => (length < max && pattern.test(String.fromCharCode(byte)) ? length + 1 : undefined),
    accepts: (length) => length >= min,
  });
  return { forms: [machineForm(machine)], height: 0 };
};
const holes = { index: characters(/[0-9]/, 1, 4), id: characters(/[A-Za-z0-9]/, 9, 9) };

/** A form of which nothing but its texts is known. */
export function machineForm(machine: ByteMachine): ScalarForm {
  return { kind: "scalar", machine, count: Infinity, without: () => machine };
}

export const nullForm = literalForm([null]);
export const booleanForm = literalForm([true, false]);
export const freeNumberForm = numberForm({}, false) as ScalarForm;
export const integerForm = numberForm({ whole: true }, false) as ScalarForm;
/** Any string. */
export const stringForm = textForm(lengths(0, Infinity), "all");

/** Any JSON value, exactly as RFC 8259 has it: numbers of any length, keys that come twice. */
export const anyJson: Value = { forms: [], height: 0 };
const anyJsonObject = anyObject(anyJson, true);
anyJson.forms = [
  nullForm,
  booleanForm,
  scalar(
    () => anyNumber,
    () => Infinity,
    () => anyNumber,
  ),
  stringForm,
  anyArray(anyJson),
  anyJsonObject,
];

/** An array of any length, its items all of the same value. */
export function anyArray(value: Value): ArrayForm {
  return {
    ...{ kind: "array", prefix: [], rest: value, min: 0, max: Infinity, contains: undefined, unique: false, height: 1 },
  };
}

/** An object of any keys, all of the same value. */
export function anyObject(value: Value, repeats = false): ObjectForm {
  return {
    kind: "object",
    properties: [],
    extras: anyKey(value),
    witness: undefined,
    presence: true,
    forbidden: [],
    min: 0,
    max: Infinity,
    repeats,
    height: 1,
  };
}

/** Any key, its value always the same. */
export function anyKey(value: Value): Extras {
  const extras: Extras = {
    valueOf: () => value,
    values: [value],
    includes: () => true,
    within: (isPossible) => (isPossible(value) ? extras : undefined),
  };
  return extras;
}
