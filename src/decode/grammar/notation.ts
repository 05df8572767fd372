// Arguments of a call that are not written as one JSON object: a tag for each (`<parameter=city>Rome</parameter>`), a
// Python call's (`city="Rome", days=3`), Gemma's (`{city:<|"|>Rome<|"|>}`). Which marks stand where is data; which
// arguments may come, and their values, is the schema's form as everywhere (forms.ts, keys.ts). The result is a script.

import { FieldError } from "../../field-error.ts";
import { type ByteMachine, dead, literals, tabulate } from "./byte-machine.ts";
import {
  type ArrayForm,
  type Form,
  type FramePart,
  machineForm,
  type ObjectForm,
  parts,
  type ScalarForm,
  type Script,
  stringForm,
  type Value,
} from "./forms.ts";
import { afterProperty, begun, isWritable, mayClose, nextKeys, type Progress } from "./key-choice.ts";
import { type RawString, rawString } from "./raw-string.ts";
import { formAt } from "./satisfiable.ts";
import { keyOf } from "./schema/presence.ts";

type Parts = readonly FramePart[];

/** How arguments are written: open (keyBegin NAME keyEnd VALUE valueEnd) separator (…) close. Plain data. */
export interface Notation {
  readonly open: Parts;
  readonly close: Parts;
  readonly keyBegin: Parts;
  /** After a name; it may tell whether the value is a string. */
  readonly keyEnd: { readonly string: Parts; readonly other: Parts };
  readonly valueEnd: Parts;
  readonly separator: Parts;
  /**
   * "raw": text up to `valueEnd`; "marked": text between `stringOpen` and `stringClose`; "json": as JSON has them. Where raw
   * strings and other values can stand at one place and `keyEnd` does not tell them apart, a text that is one of the other
   * values is read as that.
   */
  readonly strings: "raw" | "marked" | "json";
  readonly stringOpen: Parts;
  readonly stringClose: Parts;
  /** How true, false and null are spelled. */
  readonly literals: readonly [yes: string, no: string, none: string];
  /** Arrays and objects among the values are JSON, or written with the same marks; the names in them quoted or bare. */
  readonly nested: "json" | "quoted" | "bare";
  /** Arguments come in the order of their names. */
  readonly sorted: boolean;
}

const quote = 0x22;
/** Whether a form's values are strings. No form has strings and other values. */
export const isStringForm = (form: Form): form is ScalarForm =>
  form.kind === "scalar" && form.machine.next(form.machine.start, quote) !== dead;

/**
 * The script of arguments, before `next`. Keys that no property declares come only where none is declared.
 * @throws FieldError if the parameters are no object, or cannot be written in this notation
 */
export function argumentsScript(parameters: Value, notation: Notation, next: Script): Script {
  const made = new Map<ObjectForm | ArrayForm, Script>();
  const end: Script = { kind: "end" };
  const choice = (options: readonly Script[]): Script =>
    options.length === 1 ? options[0] : { kind: "choice", options };
  const scalar = (machine: ByteMachine, next: Script): Script => ({
    kind: "value",
    value: { forms: [machineForm(machine)], height: 0 },
    next,
  });
  const top: Marks = { ...notation, quotes: false };
  const inner: Marks = {
    ...{
      open: [{ text: "{" }],
      close: [{ text: "}" }],
      separator: [{ text: notation.nested === "bare" ? "," : ", " }],
    },
    ...{ keyBegin: [], valueEnd: [], quotes: notation.nested === "quoted" },
    keyEnd: bothEnds([{ text: notation.nested === "bare" ? ":" : ": " }]),
  };

  /** An object from its beginning to its end. */
  const objectScript = (whole: ObjectForm, marks: Marks): Script => {
    const form = writtenForm(whole);
    const states = new Map<string, Script>();
    /** A choice that members lead back to: it is there before its options are. */
    const known = (name: string, fill: (options: Script[]) => void): Script => {
      const found = states.get(name);
      if (found) return found;
      const options: Script[] = [];
      const script: Script = { kind: "choice", options };
      states.set(name, script);
      fill(options);
      return script;
    };
    /** Properties that lead to the same rest are the same script, wherever they come from. */
    const members = new Map<Script, Map<number, Script>>();
    const memberOf = (rest: Script, i: number, make: () => Script): Script => {
      const ofRest = members.get(rest) ?? new Map<number, Script>();
      members.set(rest, ofRest);
      const script = ofRest.get(i) ?? make();
      ofRest.set(i, script);
      return script;
    };
    const closing = parts(marks.close, end);
    /** One argument and what follows it. */
    const member = (key: (next: Script) => Script, value: Value, next: Script): Script =>
      choice(
        valueScripts(value, marks, next).map(({ string, script }) =>
          parts(marks.keyBegin, key(parts(string ? marks.keyEnd.string : marks.keyEnd.other, script))),
        ),
      );
    const after = (progress: Progress): Script => {
      const { count, left, cursor } = progress;
      const counted = form.max === Infinity ? Math.min(count, Math.max(form.min, 1)) : count;
      const here = { ...progress, count: counted };
      return known(`${cursor} ${counted} ${keyOf(left)}`, (options) => {
        if (mayClose(form, here)) options.push(closing);
        const keys = nextKeys(form, here);
        const members: Script[] = [];
        for (const i of keys?.properties ?? []) {
          const { name, value } = form.properties[i];
          const text = marks.quotes ? JSON.stringify(name) : name;
          const rest = after(afterProperty(form, here, i));
          members.push(memberOf(rest, i, () => member((next) => parts([{ text }], next), value, rest)));
        }
        for (const value of keys?.extras?.values ?? []) {
          const machine = marks.quotes ? stringForm.machine : bareName;
          members.push(member((next) => scalar(machine, next), value, after({ ...here, count: counted + 1 })));
        }
        if (members.length > 0) options.push(parts(counted === 0 ? [] : marks.separator, choice(members)));
      });
    };
    return parts(marks.open, after(begun(form)));
  };
  /** What of a form is written: other keys only where none is declared, and where it does not matter which. */
  const writtenForm = (form: ObjectForm): ObjectForm => ({
    ...(notation.sorted ? inOrder(form) : form),
    extras: form.properties.length > 0 || form.extras?.keys ? undefined : form.extras,
  });

  /**
   * Why a form has no text in this notation; undefined if it has one. `around` is how it is written that the form stands in.
   * Values that contain each other are taken for good.
   */
  const fault = (
    form: Form,
    marks: Marks,
    seen: ReadonlySet<Form> = new Set(),
    around: Marks = inner,
  ): string | undefined => {
    if (form.kind === "scalar") {
      const ending =
        notation.strings === "marked" ? notation.stringClose : notation.strings === "raw" ? top.valueEnd : undefined;
      const isPlain = !ending || !isStringForm(form) || (notation.strings === "raw" && around !== top);
      return isPlain || rawScript(form, ending, end)
        ? undefined
        : "every text it takes has this model's own marks in it";
    }
    if (seen.has(form)) return undefined;
    const within = new Set([...seen, form]);
    const faultOf = (value: Value | undefined) =>
      value?.forms
        .map((one) => fault(one, inner, within, form.kind === "object" ? marks : inner))
        .reduce((a, b) => (a === undefined || b === undefined ? undefined : a));
    if (form.kind === "array") {
      if (notation.nested === "json") return undefined;
      if (form.unique || form.contains)
        return "a list in it must have or not have some items, which this model's calls cannot promise";
      if (form.min === 0) return undefined;
      return faultOf(form.prefix[0] ?? form.rest);
    }
    if (notation.nested === "json" && marks === inner) return undefined;
    const written = writtenForm(form);
    const { properties, min } = written;
    if (form.witness || !isWritable(written) || (properties.length === 0 && min > 1))
      return "it needs parameters that it does not name";
    for (const { name, value, required } of properties) {
      if (!isWritten(name, marks))
        return `the name of its parameter ${JSON.stringify(name)} cannot stand in this model's calls`;
      const problem = required ? faultOf(value) : undefined;
      if (problem) return problem;
    }
    return undefined;
  };

  /** The ways to write a value and what ends it, by whether it is a string. */
  const valueScripts = (value: Value, marks: Marks, next: Script): { string: boolean; script: Script }[] => {
    const ended = parts(marks.valueEnd, next);
    return value.forms.flatMap((form) => {
      const string = isStringForm(form);
      if (!string || notation.strings !== "raw" || marks !== top)
        return formScripts(form, ended).map((script) => ({ string, script }));
      const script = rawScript(form, marks.valueEnd, next);
      return script ? [{ string, script }] : [];
    });
  };

  /** One form in the notation of nested values. */
  const formScripts = (form: Form, next: Script): Script[] => {
    if (form.kind === "scalar") {
      if (!isStringForm(form)) return respelled(form, notation.literals).map((machine) => scalar(machine, next));
      if (notation.strings !== "marked") return [{ kind: "value", value: { forms: [form], height: 0 }, next }];
      const script = rawScript(form, notation.stringClose, next);
      return script ? [parts(notation.stringOpen, script)] : [];
    }
    if (notation.nested === "json") return [{ kind: "value", value: { forms: [form], height: form.height }, next }];
    if (fault(form, inner)) return [];
    const nested = (depth: number): Script => {
      const here = formAt(form, depth); // near the limit of brackets, less may come
      if (!here) return { kind: "choice", options: [] };
      const script = made.get(here) ?? (here.kind === "array" ? arrayScript(here) : objectScript(here, inner));
      made.set(here, script);
      return script;
    };
    return [{ kind: "sub", script: nested, opens: 1, next }];
  };

  const arrayScript = (form: ArrayForm): Script => {
    const states = new Map<number, Script>();
    const closing = parts([{ text: "]" }], end);
    const after = (count: number): Script => {
      const bound = Math.max(form.prefix.length, form.min, 1);
      const counted = form.max === Infinity ? Math.min(count, bound) : count;
      const known = states.get(counted);
      if (known) return known;
      const options: Script[] = [];
      const script: Script = { kind: "choice", options };
      states.set(counted, script);
      if (counted >= form.min) options.push(closing);
      const item = counted < form.max ? (form.prefix[counted] ?? form.rest) : undefined;
      if (item) {
        const before: Parts = counted === 0 ? [] : inner.separator;
        for (const one of item.forms)
          options.push(
            ...formScripts(
              one,
              lazily(() => after(counted + 1)),
            ).map((script) => parts(before, script)),
          );
      }
      return script;
    };
    return parts([{ text: "[" }], after(0));
  };

  const objects = parameters.forms.filter((form) => form.kind === "object");
  const written = objects.filter((form) => fault(form, top) === undefined);
  if (written.length === 0)
    throw new FieldError("", (objects[0] && fault(objects[0], top)) ?? "they are no object", "unsupported");
  const whole = choice(written.map((form) => objectScript(form, top)));
  return { kind: "sub", script: () => whole, opens: 1, next };
}

interface Marks extends Pick<Notation, "open" | "close" | "keyBegin" | "keyEnd" | "valueEnd" | "separator"> {
  /** Names are strings of JSON. */
  readonly quotes: boolean;
}

const bothEnds = (both: Parts) => ({ string: both, other: both });

/** A script that is made when it is entered. */
function lazily(make: () => Script): Script {
  let made: Script | undefined;
  return {
    kind: "sub",
    script: () => {
      made ??= make();
      return made;
    },
    opens: 0,
    next: { kind: "end" },
  };
}

function inOrder(form: ObjectForm): ObjectForm {
  return { ...form, properties: [...form.properties].sort((a, b) => (a.name < b.name ? -1 : 1)) };
}

/** Whether a name can stand between its marks. */
function isWritten(name: string, { quotes, keyEnd }: Marks): boolean {
  if (quotes) return true;
  const marks = [keyEnd.string, keyEnd.other].map(([part]) => (part && "text" in part ? part.text[0] : "<"));
  return name !== "" && !/[\s"'<>{}[\](),]/.test(name) && !marks.some((mark) => name.includes(mark));
}

const nameBytes = /[A-Za-z0-9_.-]/;
const bareName: ByteMachine = tabulate<number>({
  start: 0,
  key: (length) => length,
  step: (length, byte) => (length < 64 && nameBytes.test(String.fromCharCode(byte)) ? length + 1 : undefined),
  accepts: (length) => length > 0,
});

/** true, false and null as a notation spells them; numbers are JSON's. */
function respelled(form: ScalarForm, [yes, no, none]: Notation["literals"]): ByteMachine[] {
  const spelled = new Map<boolean | null, string>([
    [true, yes],
    [false, no],
    [null, none],
  ]);
  const found = [...spelled.keys()].filter((word) => acceptsText(form.machine, String(word)));
  if (found.length === 0) return [form.machine];
  const rest = form.count > found.length ? form.without(found) : undefined;
  return [literals(found.map((word) => spelled.get(word) as string)), ...(rest ? [rest] : [])];
}

function acceptsText(machine: ByteMachine, text: string): boolean {
  let state = machine.start;
  for (const byte of new TextEncoder().encode(text)) if (state !== dead) state = machine.next(state, byte);
  return state !== dead && machine.accepts(state);
}

const rawStrings = new WeakMap<ScalarForm, Map<string, RawString | undefined>>();

/** The raw text of a string and its end; undefined if no such text can be written. */
function rawScript(form: ScalarForm, ending: Parts, next: Script): Script | undefined {
  const at = ending.findIndex((part) => "token" in part);
  const text = (list: Parts) => list.map((part) => ("text" in part ? part.text : "")).join("");
  const whole = text(at < 0 ? ending : ending.slice(0, at));
  const [, lead, core, tail] = /^(\s*)(.*?)(\s*)$/s.exec(whole) as unknown as [string, string, string, string];
  const token = at < 0 ? undefined : (ending[at] as Extract<FramePart, { token: number }>);
  const end = token ? { lead, core: core + tail, token: token.spelled ?? "" } : { lead, core };
  const made = rawStrings.get(form) ?? new Map<string, RawString | undefined>();
  rawStrings.set(form, made);
  const name = JSON.stringify(end);
  if (!made.has(name)) {
    const json = machineWithout(form, end.core + (end.token ?? ""));
    made.set(name, json && rawString(json, end));
  }
  const machine = made.get(name);
  if (!machine) return undefined;
  if (token) {
    const after = parts(ending.slice(at + 1), next);
    const { mayLeave } = machine;
    return { kind: "free", machine, mayEnd: false, mayLeave, next: { kind: "token", id: token.token, next: after } };
  }
  const encoded = new TextEncoder().encode(lead + core);
  return {
    kind: "free",
    machine,
    mayEnd: false,
    next: { kind: "text", text: encoded, next: parts([{ text: tail }], next) },
  };
}

/** Words of an enum are looked at one by one if there are at most so many. */
const maxWords = 2_000;

/**
 * The JSON machine of the strings that do not have a mark in them; undefined if there are none. Of a language without end
 * all are left: a raw string stops at the mark.
 */
function machineWithout(form: ScalarForm, mark: string): ByteMachine | undefined {
  if (form.count > maxWords) return form.machine;
  const marked = textsOf(form.machine)
    .map((text) => JSON.parse(text) as string)
    .filter((word) => word.includes(mark));
  if (marked.length === 0) return form.machine;
  return marked.length < form.count ? form.without(marked) : undefined;
}

/** All texts of a machine that has few. */
function textsOf(machine: ByteMachine): string[] {
  const texts: string[] = [];
  const from = (state: number, bytes: readonly number[]): void => {
    if (machine.accepts(state)) texts.push(new TextDecoder().decode(Uint8Array.from(bytes)));
    for (let byte = 0; byte < 256; byte++) {
      const next = machine.next(state, byte);
      if (next !== dead) from(next, [...bytes, byte]);
    }
  };
  from(machine.start, []);
  return texts;
}
