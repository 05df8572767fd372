// The grammar as data: what may stand at a place. A value is a choice of forms; a form is a scalar (a byte machine), an array
// or an object of further values, which may be the value itself again. schema.ts makes such data, recognizer.ts reads text
// by it. A script strings values, fixed texts and control tokens together: the frame of a tool call.

import type { Automaton } from "./automaton.ts";
import { type ByteMachine, literals } from "./byte-machine.ts";
import { lengths } from "./language.ts";
import { anyNumber, type NumberRange } from "./number.ts";
import { stringMachine } from "./string.ts";

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
  readonly content: ScalarContent;
}

/** What a scalar is, for those who compare forms rather than read text. */
export type ScalarContent =
  | { readonly type: "null" | "boolean" }
  | { readonly type: "number"; readonly range: NumberRange }
  | { readonly type: "string"; readonly min: number; readonly max: number; readonly automaton?: Automaton }
  /** The values of an enum. */
  | { readonly type: "words"; readonly words: readonly (string | number | boolean | null)[] };

export interface ArrayForm {
  readonly kind: "array";
  /** The first items, by position. */
  readonly prefix: readonly Value[];
  /** Every further item; undefined: there are none. */
  readonly rest: Value | undefined;
  readonly min: number;
  readonly max: number;
  /** As for a value. */
  height: number;
}

export interface ObjectForm {
  readonly kind: "object";
  /** In the order in which they must come. */
  readonly properties: readonly Property[];
  /** What other keys may come after them; undefined: none. */
  readonly extras: Extras | undefined;
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
    };

/** A fixed part of a script: literal text, or a control token by its id. */
export type FramePart = { readonly text: string } | { readonly token: number };

/** Parts that follow each other, and what comes after them. */
export function parts(list: readonly FramePart[], next: Script): Script {
  return list.reduceRight<Script>((next, part) => {
    if ("token" in part) return { kind: "token", id: part.token, next };
    return part.text === "" ? next : { kind: "text", text: new TextEncoder().encode(part.text), next };
  }, next);
}

const scalar = (machine: ByteMachine, content: ScalarContent): ScalarForm => ({ kind: "scalar", machine, content });

export const nullForm = scalar(literals(["null"]), { type: "null" });
export const booleanForm = scalar(literals(["true", "false"]), { type: "boolean" });
const freeString = stringMachine(lengths(0, Infinity));
/** Any string. */
export const stringForm = scalar(freeString, { type: "string", min: 0, max: Infinity });

/** Any JSON value, exactly as RFC 8259 has it: numbers of any length, keys that come twice. */
export const anyJson: Value = { forms: [], height: 0 };
const anyJsonObject = anyObject(anyJson, true);
anyJson.forms = [
  nullForm,
  booleanForm,
  scalar(anyNumber, { type: "number", range: { integer: false } }),
  stringForm,
  { kind: "array", prefix: [], rest: anyJson, min: 0, max: Infinity, height: 1 },
  anyJsonObject,
];

/** An object of any keys, all of the same value. */
export function anyObject(value: Value, repeats = false): ObjectForm {
  return {
    kind: "object",
    properties: [],
    extras: anyKey(value),
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
    within: (isPossible) => (isPossible(value) ? extras : undefined),
  };
  return extras;
}
