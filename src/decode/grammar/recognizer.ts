// The recognizer: reads text byte by byte and knows at each point what may follow. Strings and numbers need only a state;
// arrays and objects nest, so what is open lies on a stack: a linked list of frames, never changed, so that a mask can try
// a hundred thousand continuations from one point without copying anything. Where a schema leaves open which alternative
// is being read, there are several stacks side by side. This is a pushdown automaton run on all its paths at once.

import { type ByteMachine, dead } from "./byte-machine.ts";
import type { ArrayForm, ObjectForm, ScalarForm, Script, Value } from "./forms.ts";
import { mayEndItems, nextItems } from "./item-choice.ts";
import {
  afterAny,
  afterExtra,
  afterProperty,
  begun,
  everyKey,
  isComplete,
  mayClose,
  nextKeys,
  type Progress,
} from "./key-choice.ts";
import { type KeyMachine, keyMachine } from "./keys.ts";
import { formAt, valuesOf } from "./satisfiable.ts";
import { canonical } from "./schema/keywords.ts";
import type { Escapes } from "./string.ts";

/** What JSON leaves to the writer. */
export interface Style {
  /** How many bytes of white space may stand at each place: a model can otherwise emit nothing else for ever. */
  readonly spaces: {
    /** Before and after the whole text. */
    readonly around: number;
    /** After `{ [ , :` and before `} ]`. */
    readonly inside: number;
    /** Before `,` and `:`. */
    readonly tight: number;
  };
  /** In keys, enums and patterns; free strings may always use all. */
  readonly escapes: Escapes;
  /** Texts are judged, not written: keys come in any order, numbers in any spelling, and what has begun need not have an end. */
  readonly judged: boolean;
}

/** The top of a stack; `parent` is what is read after it. */
export type Frame = ScalarFrame | KeyFrame | ArrayFrame | ObjectFrame | ColonFrame | ScriptFrame | FreeFrame;

interface Logged {
  /** All of the text so far, where it has to be looked at again. */
  readonly log?: Bytes | undefined;
}

interface ScalarFrame extends Logged {
  readonly kind: "scalar";
  readonly machine: ByteMachine;
  readonly state: number;
  readonly parent: Frame;
  /** Its bytes so far, where a later item of its array must differ from it. */
  readonly text?: Bytes;
}

interface KeyFrame extends Logged {
  readonly kind: "key";
  readonly machine: KeyMachine;
  readonly state: number;
  /** The object as it was before this key. */
  readonly parent: ObjectFrame;
  /** The key's bytes so far, where a later key must differ from it. */
  readonly text: Bytes | undefined;
}

/** A text in reverse: its last byte and what came before. */
export interface Bytes {
  readonly byte: number;
  readonly before: Bytes | undefined;
}

/** "first": after the opening bracket. "next": after a comma. "after": after an item. */
type Phase = "first" | "next" | "after";

interface ArrayFrame extends Logged {
  readonly kind: "array";
  readonly form: ArrayForm;
  readonly phase: Phase;
  readonly count: number;
  /** Items so far that `contains` counts. */
  readonly hits: number;
  /** Items so far, where no two may be equal. */
  readonly seen: Seen | undefined;
  /** Where the log stood before the item, where texts are judged and no two items may be equal. */
  readonly itemFrom?: Bytes | undefined;
  readonly spaces: number;
  readonly depth: number;
  readonly parent: Frame;
}

/** Values that must not come again: a list that grows at its head. */
export interface Seen {
  value(): unknown;
  readonly before: Seen | undefined;
}

interface ObjectFrame extends Progress, Logged {
  readonly kind: "object";
  readonly form: ObjectForm;
  readonly phase: Phase;
  readonly spaces: number;
  readonly depth: number;
  readonly parent: Frame;
}

/** Between a key and its value. */
interface ColonFrame extends Logged {
  readonly kind: "colon";
  readonly passed: boolean;
  readonly value: Value;
  readonly spaces: number;
  readonly parent: ObjectFrame;
}

interface ScriptFrame extends Logged, Within {
  readonly kind: "script";
  readonly script: Script;
  /** Bytes of a text, or of white space, so far. */
  readonly at: number;
}

interface FreeFrame extends Logged, Within {
  readonly kind: "free";
  readonly script: Extract<Script, { kind: "free" }>;
  readonly state: number;
}

/** Where a script that was entered from another goes on at its end, and how many brackets are open there. */
interface Within {
  readonly parent: Frame | undefined;
  readonly depth: number;
}

const none: readonly Frame[] = [];
/** A bracket just opened. */
const fresh = { phase: "first", count: 0, spaces: 0 } as const;
const comma = 0x2c;
const colon = 0x3a;
const quote = 0x22;
const openArray = 0x5b;
const closeArray = 0x5d;
const openObject = 0x7b;
const closeObject = 0x7d;
const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

const everyByte = Array.from({ length: 256 }, (_, byte) => byte);

const firsts = new WeakMap<Value, readonly number[]>();

/** The bytes with which a value can begin. */
function firstBytes(value: Value): readonly number[] {
  let bytes = firsts.get(value);
  if (!bytes) {
    const isFirst = (byte: number) =>
      value.forms.some((form) => {
        if (form.kind === "scalar") return form.machine.next(form.machine.start, byte) !== dead;
        return byte === (form.kind === "array" ? openArray : openObject);
      });
    bytes = everyByte.filter(isFirst);
    firsts.set(value, bytes);
  }
  return bytes;
}

export interface Recognizer {
  readonly start: readonly Frame[];
  /** The stacks that one more byte leads to; none: it may not come. */
  step(frame: Frame, byte: number): readonly Frame[];
  /** The bytes that may come, and perhaps some that may not: so that a mask need not try all 256. */
  candidates(frame: Frame): readonly number[];
  /** As `step`, for a control token. */
  stepToken(frame: Frame, id: number): readonly Frame[];
  /** A control token that may come at a frame outside free text. */
  tokenOf(frame: Frame): number | undefined;
  /** What follows a scalar or key whose machine accepts; `text` is read if it has to be known which it was. */
  leave(frame: ScalarFrame | KeyFrame | FreeFrame, state: number, text: () => string): Frame;
}

/** Machines of scalars that must differ from some values. */
const distinct = new WeakMap<Seen, Map<ScalarForm, ByteMachine | undefined>>();

/** The machine of a scalar, without the values that must not come again; undefined: none is left. */
function machineFor(form: ScalarForm, seen: Seen | undefined): ByteMachine | undefined {
  if (!seen) return form.machine;
  const machines = distinct.get(seen) ?? new Map<ScalarForm, ByteMachine | undefined>();
  distinct.set(seen, machines);
  if (!machines.has(form)) {
    const values: unknown[] = [];
    for (let at: Seen | undefined = seen; at; at = at.before) values.push(at.value());
    machines.set(form, form.without(values));
  }
  return machines.get(form);
}

/** The recognizer of a script. */
export function createRecognizer(script: Script, { spaces, escapes, judged }: Style): Recognizer {
  // ---- What may begin here

  const begin = (value: Value, byte: number, parent: Frame, depth: number): readonly Frame[] => {
    const frames: Frame[] = [];
    const differs = parent.kind === "array" && parent.form.unique && !judged;
    const seen = differs ? parent.seen : undefined;
    for (const form of value.forms) {
      if (form.kind === "scalar") {
        const machine = machineFor(form, seen);
        const state = machine ? machine.next(machine.start, byte) : dead;
        if (machine && state !== dead)
          frames.push(
            ...settled({
              ...{ kind: "scalar", machine, state, parent },
              ...(differs ? { text: { byte, before: undefined } } : {}),
            }),
          );
      } else if (form.kind === "array" && byte === openArray) {
        const here = formAt(form, depth);
        if (here)
          frames.push({ ...fresh, kind: "array", form: here, hits: 0, seen: undefined, depth: depth + 1, parent });
      } else if (form.kind === "object" && byte === openObject) {
        const here = formAt(form, depth);
        if (here) frames.push({ ...fresh, kind: "object", form: here, ...begun(here), depth: depth + 1, parent });
      }
    }
    return frames;
  };
  const mayBegin = (value: Value, depth: number, seen?: Seen) =>
    value.forms.some((form) => (form.kind === "scalar" ? machineFor(form, seen) : formAt(form, depth)));

  /** A scalar after a byte: it may go on, and if it is complete, what follows it may come. */
  const settled = (frame: ScalarFrame): readonly Frame[] => {
    const { machine, state } = frame;
    if (!machine.accepts(state)) return [frame];
    const after = afterScalar(frame, () => bytesOf(frame.text));
    return machine.ended(state) ? [after] : [frame, after];
  };
  /** What a scalar leaves open when it ends. */
  const afterScalar = ({ parent, text }: ScalarFrame, all: () => string): Frame =>
    text && parent.kind === "array"
      ? { ...parent, seen: { value: lazy(() => JSON.parse(all())), before: parent.seen } }
      : parent;

  // ---- Arrays

  const itemsOf = ({ form, count, hits, depth, seen }: ArrayFrame) =>
    nextItems(form, count, hits).filter(({ value }) => mayBegin(value, depth, judged ? undefined : seen));

  const stepArray = (frame: ArrayFrame, byte: number): readonly Frame[] => {
    const { form, phase, count, hits, parent, depth } = frame;
    if (phase === "after" && byte !== comma && byte !== closeArray && !isSpace(byte)) return none;
    const closes = phase !== "next" && mayEndItems(form, count, hits);
    const items = itemsOf(frame);
    if (judged && form.unique && phase === "after" && !isSpace(byte)) {
      const item = canonical(JSON.parse(bytesOf(frame.log, frame.itemFrom)));
      for (let at = frame.seen; at; at = at.before) if (at.value() === item) return none;
      frame = { ...frame, seen: { value: () => item, before: frame.seen } };
    }
    if (isSpace(byte)) return spaced(frame, closes || phase !== "after", items.length > 0);
    if (byte === closeArray) return closes && frame.spaces <= spaces.inside ? [parent] : none;
    if (phase === "after")
      return items.length > 0 && frame.spaces <= spaces.tight ? [{ ...frame, phase: "next", spaces: 0 }] : none;
    return items.flatMap(({ value, hits }) =>
      begin(value, byte, { ...frame, phase: "after", count: count + 1, hits, spaces: 0, itemFrom: frame.log }, depth),
    );
  };

  /** White space inside brackets, as long as something may still come after it. */
  const spaced = (frame: ArrayFrame | ObjectFrame, wide: boolean, comma: boolean): readonly Frame[] => {
    const count = frame.spaces + 1;
    return count <= (wide ? spaces.inside : comma ? spaces.tight : 0) ? afterSpace(frame) : none;
  };
  /** Remembered, because vocabularies have thousands of tokens of white space, and a mask meets each byte of them here. */
  const oneMore = new WeakMap<Frame, readonly Frame[]>();
  const afterSpace = (frame: ArrayFrame | ObjectFrame | ColonFrame): readonly Frame[] => {
    let after = oneMore.get(frame);
    if (!after) {
      after = [{ ...frame, spaces: frame.spaces + 1 }];
      oneMore.set(frame, after);
    }
    return after;
  };

  // ---- Objects

  const keysOf = (frame: ObjectFrame) => (judged ? everyKey(frame.form, frame.used) : nextKeys(frame.form, frame));

  const stepObject = (frame: ObjectFrame, byte: number): readonly Frame[] => {
    const { form, phase, used, parent } = frame;
    const space = isSpace(byte);
    if (byte !== (phase === "after" ? comma : quote) && byte !== closeObject && !space) return none;
    const closes = phase !== "next" && (judged ? isComplete(form, frame) : mayClose(form, frame));
    if (byte === closeObject) return closes && frame.spaces <= spaces.inside ? [parent] : none;
    const keys = keysOf(frame);
    if (space) return spaced(frame, closes || (phase !== "after" && keys !== undefined), keys !== undefined);
    if (!keys) return none;
    if (phase === "after") return frame.spaces <= spaces.tight ? [{ ...frame, phase: "next", spaces: 0 }] : none;
    const machine = keyMachine(form, keys, judged ? undefined : used, escapes);
    return [{ kind: "key", machine, state: machine.next(machine.start, quote), parent: frame, text: undefined }];
  };

  /** What follows a key; undefined: it has come before. */
  const afterKey = ({ machine, parent: object }: KeyFrame, state: number, text: () => string): Frame | undefined => {
    const { form } = object;
    const outcome = machine.outcome(state);
    const name = lazy(text);
    const isDeclared = "property" in outcome;
    const value = isDeclared ? form.properties[outcome.property].value : outcome.extra;
    let progress: Progress | undefined;
    if (judged) progress = afterAny(form, object, isDeclared ? outcome : { name });
    else progress = isDeclared ? afterProperty(form, object, outcome.property) : afterExtra(form, object, name);
    if (!progress) return undefined;
    const parent: ObjectFrame = { ...object, ...progress, phase: "after", spaces: 0 };
    return { kind: "colon", passed: false, value, spaces: 0, parent };
  };

  const stepKey = (frame: KeyFrame, byte: number): readonly Frame[] => {
    const { machine } = frame;
    const state = machine.next(frame.state, byte);
    if (state === dead) return none;
    if (machine.accepts(state)) return [afterKey(frame, state, () => contentOf(frame.text)) ?? []].flat();
    const on = (machine.isReleased(state) ? machine.others(state) : undefined) ?? { machine, state };
    return [{ ...frame, machine: on.machine, state: on.state, text: { byte, before: frame.text } }];
  };

  const stepColon = (frame: ColonFrame, byte: number): readonly Frame[] => {
    const { passed, value, parent } = frame;
    if (isSpace(byte)) return frame.spaces < (passed ? spaces.inside : spaces.tight) ? afterSpace(frame) : none;
    if (passed) return begin(value, byte, parent, parent.depth);
    return byte === colon ? [{ ...frame, passed: true, spaces: 0 }] : none;
  };

  // ---- Scripts

  const enter = (script: Script, within: Within): Frame => {
    const { parent, depth } = within;
    if (script.kind === "end" && parent) return parent;
    if (script.kind === "free") return { kind: "free", script, state: script.machine.start, parent, depth };
    if (script.kind !== "sub") return { kind: "script", script, at: 0, parent, depth };
    return enter(script.script(depth), { parent: enter(script.next, within), depth: depth + script.opens });
  };

  const stepScript = (frame: ScriptFrame, byte: number): readonly Frame[] => {
    const { script, at } = frame;
    switch (script.kind) {
      case "text":
        if (script.text[at] !== byte) return none;
        return [at + 1 < script.text.length ? { ...frame, at: at + 1 } : enter(script.next, frame)];
      case "value":
        if (isSpace(byte)) return at < spaces.around ? [{ ...frame, at: at + 1 }] : none;
        return begin(script.value, byte, enter(script.next, frame), frame.depth);
      case "choice":
        return script.options.flatMap((option) => step(enter(option, frame), byte));
      case "end":
        return isSpace(byte) && at < spaces.around ? [{ ...frame, at: at + 1 }] : none;
      default:
        return none;
    }
  };

  const stepFree = (frame: FreeFrame, byte: number): readonly Frame[] => {
    const { machine } = frame.script;
    const state = machine.next(frame.state, byte);
    if (state === dead) return none;
    return [machine.accepts(state) ? leave(frame) : { ...frame, state }];
  };

  const step = (frame: Frame, byte: number): readonly Frame[] => {
    switch (frame.kind) {
      case "scalar": {
        const state = frame.machine.next(frame.state, byte);
        if (state === dead) return none;
        return settled(frame.text ? { ...frame, state, text: { byte, before: frame.text } } : { ...frame, state });
      }
      case "key":
        return stepKey(frame, byte);
      case "array":
        return stepArray(frame, byte);
      case "object":
        return stepObject(frame, byte);
      case "colon":
        return stepColon(frame, byte);
      case "script":
        return stepScript(frame, byte);
      case "free":
        return stepFree(frame, byte);
    }
  };

  const spaceBytes = [0x20, 0x0a, 0x0d, 0x09];
  const candidates = (frame: Frame): readonly number[] => {
    switch (frame.kind) {
      case "object":
        return [quote, comma, closeObject, ...spaceBytes];
      case "array": {
        if (frame.phase === "after") return [comma, closeArray, ...spaceBytes];
        return [...new Set([closeArray, ...spaceBytes, ...itemsOf(frame).flatMap(({ value }) => firstBytes(value))])];
      }
      case "colon":
        return frame.passed ? [...spaceBytes, ...firstBytes(frame.value)] : [colon, ...spaceBytes];
      case "script": {
        const { script, at } = frame;
        if (script.kind === "text") return [script.text[at]];
        if (script.kind === "value") return [...spaceBytes, ...firstBytes(script.value)];
        if (script.kind === "choice")
          return [...new Set(script.options.flatMap((option) => candidates(enter(option, frame))))];
        return script.kind === "end" ? spaceBytes : [];
      }
      default:
        return everyByte;
    }
  };

  const stepToken = (frame: Frame, id: number): readonly Frame[] => {
    if (frame.kind === "free") {
      const { next, mayLeave } = frame.script;
      if (next.kind !== "token" || next.id !== id || mayLeave?.(frame.state) === false) return none;
      return [enter(next.next, frame)];
    }
    if (frame.kind !== "script") return none;
    const { script } = frame;
    if (script.kind === "choice") return script.options.flatMap((option) => stepToken(enter(option, frame), id));
    return script.kind === "token" && script.id === id ? [enter(script.next, frame)] : none;
  };

  const tokenOf = (frame: Frame): number | undefined => {
    if (frame.kind !== "script") return undefined;
    const { script } = frame;
    if (script.kind === "token") return script.id;
    if (script.kind !== "choice") return undefined;
    return script.options.map((option) => tokenOf(enter(option, frame))).find((id) => id !== undefined);
  };

  const leave = (frame: FreeFrame): Frame => enter((frame.script.next as { next: Script }).next, frame);

  /** Steps that keep the text in the frames. */
  const logged = (frame: Frame, byte: number): readonly Frame[] => {
    const log = { byte, before: frame.log };
    return step(frame, byte).map((after) => ({ ...after, log }));
  };

  return {
    start: [enter(script, { parent: undefined, depth: 0 })],
    step: judged && hasUnique(script) ? logged : step,
    candidates,
    stepToken,
    tokenOf,
    leave(frame, state, text) {
      if (frame.kind === "key") return afterKey(frame, state, text) as Frame;
      return frame.kind === "free" ? leave(frame) : afterScalar(frame, text);
    },
  };
}

/** Whether some array of a script's values has items that must all differ. */
function hasUnique(script: Script): boolean {
  if (script.kind === "end") return false;
  if (script.kind === "choice") return script.options.some(hasUnique);
  if (script.kind !== "value") return hasUnique(script.next); // the notations of calls, in sub-scripts, are not judged
  const seen = new Set([script.value]);
  for (const value of seen)
    for (const form of value.forms) {
      if (form.kind === "scalar") continue;
      if (form.kind === "array" && form.unique) return true;
      for (const part of valuesOf(form)) seen.add(part);
    }
  return hasUnique(script.next);
}

/** Whether the text may end with this stack. */
export function mayEnd(frame: Frame): boolean {
  if (frame.kind !== "free" && frame.kind !== "script") return false;
  const { parent } = frame;
  const ends = (script: Script): boolean =>
    script.kind === "end" ? !parent || mayEnd(parent) : script.kind === "choice" && script.options.some(ends);
  const free = (script: Script): boolean =>
    (script.kind === "free" && script.mayEnd) || (script.kind === "choice" && script.options.some(free));
  return ends(frame.script) || free(frame.script);
}

/** The text of a key, its quotes left out. */
export function contentOf(text: Bytes | undefined): string {
  return JSON.parse(`"${bytesOf(text)}"`);
}

/** The text of bytes in reverse, those up to `from` left out. */
export function bytesOf(text: Bytes | undefined, from?: Bytes): string {
  const bytes: number[] = [];
  for (let at = text; at && at !== from; at = at.before) bytes.push(at.byte);
  return new TextDecoder().decode(Uint8Array.from(bytes.reverse()));
}

function lazy<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
