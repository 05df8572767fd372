// The recognizer: reads text byte by byte and knows at each point what may follow. Strings and numbers need only a state;
// arrays and objects nest, so what is open lies on a stack: a linked list of frames, never changed, so that a mask can try
// a hundred thousand continuations from one point without copying anything. Where a schema leaves open which alternative
// is being read, there are several stacks side by side. This is a pushdown automaton run on all its paths at once.

import { type ByteMachine, dead } from "./byte-machine.ts";
import type { ArrayForm, ObjectForm, Script, Value } from "./forms.ts";
import { type KeyMachine, keyMachine, mayClose, nextKeys, type UsedKeys } from "./keys.ts";
import { formAt } from "./satisfiable.ts";
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
}

/** The top of a stack; `parent` is what is read after it. */
export type Frame = ScalarFrame | KeyFrame | ArrayFrame | ObjectFrame | ColonFrame | ScriptFrame | FreeFrame;

interface ScalarFrame {
  readonly kind: "scalar";
  readonly machine: ByteMachine;
  readonly state: number;
  readonly parent: Frame;
}

interface KeyFrame {
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

interface ArrayFrame {
  readonly kind: "array";
  readonly form: ArrayForm;
  readonly phase: Phase;
  readonly count: number;
  readonly spaces: number;
  readonly depth: number;
  readonly parent: Frame;
}

interface ObjectFrame {
  readonly kind: "object";
  readonly form: ObjectForm;
  readonly phase: Phase;
  /** The first declared property that may still come. */
  readonly cursor: number;
  readonly count: number;
  readonly used: UsedKeys | undefined;
  readonly spaces: number;
  readonly depth: number;
  readonly parent: Frame;
}

/** Between a key and its value. */
interface ColonFrame {
  readonly kind: "colon";
  readonly passed: boolean;
  readonly value: Value;
  readonly spaces: number;
  readonly parent: ObjectFrame;
}

interface ScriptFrame {
  readonly kind: "script";
  readonly script: Script;
  /** Bytes of a text, or of white space, so far. */
  readonly at: number;
}

interface FreeFrame {
  readonly kind: "free";
  readonly script: Extract<Script, { kind: "free" }>;
  readonly state: number;
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
  /** What follows a scalar or key whose machine accepts; `text` is read if it has to be known which key it was. */
  leave(frame: ScalarFrame | KeyFrame | FreeFrame, state: number, text: () => string): Frame;
}

/** The recognizer of a script. */
export function createRecognizer(script: Script, { spaces, escapes }: Style): Recognizer {
  // ---- What may begin here

  const begin = (value: Value, byte: number, parent: Frame, depth: number): readonly Frame[] => {
    const frames: Frame[] = [];
    for (const form of value.forms) {
      if (form.kind === "scalar") {
        const state = form.machine.next(form.machine.start, byte);
        if (state !== dead) frames.push(...settled({ kind: "scalar", machine: form.machine, state, parent }));
      } else if (form.kind === "array" && byte === openArray) {
        const here = formAt(form, depth);
        if (here) frames.push({ ...fresh, kind: "array", form: here, depth: depth + 1, parent });
      } else if (form.kind === "object" && byte === openObject) {
        const here = formAt(form, depth);
        if (here)
          frames.push({ ...fresh, kind: "object", form: here, cursor: 0, used: undefined, depth: depth + 1, parent });
      }
    }
    return frames;
  };
  const mayBegin = (value: Value, depth: number) =>
    value.forms.some((form) => form.kind === "scalar" || formAt(form, depth));

  /** A scalar after a byte: it may go on, and if it is complete, what follows it may come. */
  const settled = (frame: ScalarFrame): readonly Frame[] => {
    const { machine, state, parent } = frame;
    if (!machine.accepts(state)) return [frame];
    return machine.ended(state) ? [parent] : [frame, parent];
  };

  // ---- Arrays

  const itemOf = (form: ArrayForm, index: number) => form.prefix[index] ?? form.rest;
  const takesItem = ({ form, count, depth }: ArrayFrame) => {
    const item = count < form.max ? itemOf(form, count) : undefined;
    return item !== undefined && mayBegin(item, depth);
  };

  const stepArray = (frame: ArrayFrame, byte: number): readonly Frame[] => {
    const { form, phase, count, parent, depth } = frame;
    if (phase === "after" && byte !== comma && byte !== closeArray && !isSpace(byte)) return none;
    const closes = phase !== "next" && count >= form.min;
    const more = takesItem(frame);
    if (isSpace(byte)) return spaced(frame, closes || phase !== "after", more);
    if (byte === closeArray) return closes && frame.spaces <= spaces.inside ? [parent] : none;
    if (phase === "after") {
      if (!more || frame.spaces > spaces.tight) return none;
      return [{ ...frame, phase: "next", spaces: 0 }];
    }
    if (!more) return none;
    return begin(itemOf(form, count) as Value, byte, { ...frame, phase: "after", count: count + 1, spaces: 0 }, depth);
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

  const stepObject = (frame: ObjectFrame, byte: number): readonly Frame[] => {
    const { form, phase, cursor, count, used, parent } = frame;
    const space = isSpace(byte);
    if (byte !== (phase === "after" ? comma : quote) && byte !== closeObject && !space) return none;
    const closes = phase !== "next" && mayClose(form, cursor, count);
    if (byte === closeObject) return closes && frame.spaces <= spaces.inside ? [parent] : none;
    const keys = nextKeys(form, cursor, count, used);
    if (space) return spaced(frame, closes || (phase !== "after" && keys !== undefined), keys !== undefined);
    if (!keys) return none;
    if (phase === "after") return frame.spaces <= spaces.tight ? [{ ...frame, phase: "next", spaces: 0 }] : none;
    const machine = keyMachine(form, keys, used, escapes);
    return [{ kind: "key", machine, state: machine.next(machine.start, quote), parent: frame, text: undefined }];
  };

  const afterKey = (frame: KeyFrame, state: number, text: () => string): Frame => {
    const { machine, parent: object } = frame;
    const { form } = object;
    const outcome = machine.outcome(state);
    let { cursor, used } = object;
    let value: Value;
    if ("property" in outcome) {
      cursor = outcome.property + 1;
      value = form.properties[outcome.property].value;
    } else {
      cursor = form.properties.length;
      value = outcome.extra;
      if (!form.repeats) used = { name: lazy(text), before: used, count: (used?.count ?? 0) + 1 };
    }
    const parent: ObjectFrame = { ...object, phase: "after", cursor, count: object.count + 1, used, spaces: 0 };
    return { kind: "colon", passed: false, value, spaces: 0, parent };
  };

  const stepKey = (frame: KeyFrame, byte: number): readonly Frame[] => {
    const { machine } = frame;
    const state = machine.next(frame.state, byte);
    if (state === dead) return none;
    if (machine.accepts(state)) return [afterKey(frame, state, () => contentOf(frame.text))];
    return [{ ...frame, state, ...machine.released(state), text: { byte, before: frame.text } }];
  };

  const stepColon = (frame: ColonFrame, byte: number): readonly Frame[] => {
    const { passed, value, parent } = frame;
    if (isSpace(byte)) return frame.spaces < (passed ? spaces.inside : spaces.tight) ? afterSpace(frame) : none;
    if (passed) return begin(value, byte, parent, parent.depth);
    return byte === colon ? [{ ...frame, passed: true, spaces: 0 }] : none;
  };

  // ---- Scripts

  const enter = (script: Script): Frame =>
    script.kind === "free" ? { kind: "free", script, state: script.machine.start } : { kind: "script", script, at: 0 };

  const stepScript = ({ script, at }: ScriptFrame, byte: number): readonly Frame[] => {
    switch (script.kind) {
      case "text":
        if (script.text[at] !== byte) return none;
        return [at + 1 < script.text.length ? { kind: "script", script, at: at + 1 } : enter(script.next)];
      case "value":
        if (isSpace(byte)) return at < spaces.around ? [{ kind: "script", script, at: at + 1 }] : none;
        return begin(script.value, byte, enter(script.next), 0);
      case "choice":
        return script.options.flatMap((option) => step(enter(option), byte));
      case "end":
        return isSpace(byte) && at < spaces.around ? [{ kind: "script", script, at: at + 1 }] : none;
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
        return state === dead ? none : settled({ ...frame, state });
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
        const item = takesItem(frame) ? itemOf(frame.form, frame.count) : undefined;
        return [closeArray, ...spaceBytes, ...(item ? firstBytes(item) : [])];
      }
      case "colon":
        return frame.passed ? [...spaceBytes, ...firstBytes(frame.value)] : [colon, ...spaceBytes];
      case "script": {
        const { script, at } = frame;
        if (script.kind === "text") return [script.text[at]];
        if (script.kind === "value") return [...spaceBytes, ...firstBytes(script.value)];
        if (script.kind === "choice")
          return [...new Set(script.options.flatMap((option) => candidates(enter(option))))];
        return script.kind === "end" ? spaceBytes : [];
      }
      default:
        return everyByte;
    }
  };

  const stepToken = (frame: Frame, id: number): readonly Frame[] => {
    if (frame.kind === "free") {
      const { next } = frame.script;
      return next.kind === "token" && next.id === id ? [enter(next.next)] : none;
    }
    if (frame.kind !== "script") return none;
    const { script } = frame;
    if (script.kind === "choice") return script.options.flatMap((option) => stepToken(enter(option), id));
    return script.kind === "token" && script.id === id ? [enter(script.next)] : none;
  };

  const leave = (frame: FreeFrame): Frame => enter((frame.script.next as { next: Script }).next);

  return {
    start: [enter(script)],
    step,
    candidates,
    stepToken,
    leave(frame, state, text) {
      if (frame.kind === "key") return afterKey(frame, state, text);
      return frame.kind === "free" ? leave(frame) : frame.parent;
    },
  };
}

/** Whether the text may end with this stack. */
export function mayEnd(frame: Frame): boolean {
  const ends = (script: Script): boolean =>
    script.kind === "end" ||
    (script.kind === "free" && script.mayEnd) ||
    (script.kind === "choice" && script.options.some(ends));
  if (frame.kind === "free") return frame.script.mayEnd;
  return frame.kind === "script" && ends(frame.script);
}

/** The text of a key, its quotes left out. */
export function contentOf(text: Bytes | undefined): string {
  const bytes: number[] = [];
  for (let at = text; at; at = at.before) bytes.push(at.byte);
  return JSON.parse(`"${new TextDecoder().decode(Uint8Array.from(bytes.reverse()))}"`);
}

function lazy<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
