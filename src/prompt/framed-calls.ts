// Reads calls whose name and arguments stand between a format's texts, while they come: DeepSeek's, Mistral's name[ARGS],
// tags for each argument, Python's calls. Arguments are handed on as the text of a JSON object, whatever they were written
// as. White space in the format's texts may differ, and what a model leaves out of them is forgiven; values are exact.

import type { ArgumentKind } from "../decode/grammar/argument-kinds.ts";
import { createValueEnd, readValue } from "./argument-values.ts";
import { type Json, spacedJson } from "./json-text.ts";
import type { ArgumentNotation, ToolFormat } from "./tool-formats.ts";

/** Where calls are reported: their beginning, with the id if the model wrote one, and more of their arguments. */
export interface CallSink {
  begin(name: string, id?: string): void;
  more(text: string): void;
}

/** What a tool's parameters say of an argument; undefined if they do not name it. */
export type KindOf = (tool: string, argument: string) => ArgumentKind | undefined;

type Match = { readonly status: "whole" | "part" | "none"; readonly used: number; readonly id?: string };

/** The text at the beginning of another, white space apart, or as much of it as has come. */
function matched(text: string, wanted: string): Match {
  let at = 0;
  let i = 0;
  let id: string | undefined;
  const isSpace = (char: string | undefined) => char !== undefined && /\s/.test(char);
  while (i < wanted.length) {
    const hole = /^\{(index|id)\}/.exec(wanted.slice(i));
    if (hole) {
      const found = /^[\w.:-]*/.exec(text.slice(at))?.[0] ?? "";
      if (at + found.length === text.length) return { status: "part", used: at };
      if (hole[1] === "id") id = found;
      at += found.length;
      i += hole[0].length;
    } else if (isSpace(wanted[i])) i++;
    else if (at === text.length) return { status: "part", used: at, id };
    else if (isSpace(text[at]) && text[at] !== wanted[i]) at++;
    else if (text[at] !== wanted[i]) return { status: "none", used: at, id };
    else {
      at++;
      i++;
    }
  }
  return { status: "whole", used: at, id };
}

/** How much of the text is white space that stands at the end of `wanted`: that and no more. */
function trailing(text: string, wanted: string): number {
  const space = /\s*$/.exec(wanted)?.[0] ?? "";
  let used = 0;
  while (used < space.length && text[used] === space[used]) used++;
  return used;
}

export interface FramedCalls {
  /** More text; gives back what is no part of a call. */
  text(text: string): string;
  readonly quoting: boolean;
  end(): string;
}

type Phase = "begin" | "call" | "name" | "nameEnd" | "json" | "open" | "key" | "keyEnd" | "value" | "callEnd";

export function createFramedCalls(format: ToolFormat, kindOf: KindOf, sink: CallSink): FramedCalls {
  const { begin, callBegin, nameEnd, callEnd, end, notation, openers } = format;
  let phase: Phase = "begin";
  let buffer = "";
  /** What has come of a call that is not yet certain to be one. */
  let raw = "";
  let name = "";
  let key = "";
  let first = true;
  let value: ValueReader | undefined;
  let json = createJsonObject();
  const stops = stopsOf([nameEnd, ...(nameEnd === "" && notation ? [notation.open, notation.keyBegin] : []), callEnd]);

  return {
    get quoting() {
      return phase === "value" || (phase === "json" && json.quoting);
    },
    text(text) {
      buffer += text;
      for (;;) {
        const before = phase;
        const length = buffer.length;
        const noCall = step();
        if (noCall !== undefined) return noCall;
        if (phase === before && buffer.length === length) return "";
      }
    },
    end() {
      if (phase === "value") value?.cut(buffer);
      else if (phase === "nameEnd") sink.begin(name);
      else if (phase === "begin" || phase === "call" || phase === "name") return drop();
      reset();
      return "";
    },
  };

  function take(count: number): void {
    if (phase === "begin" || phase === "call" || phase === "name") raw += buffer.slice(0, count);
    buffer = buffer.slice(count);
  }

  /** It was no call: what has come of it, and the rest. */
  function drop(): string {
    const text = raw + buffer;
    reset();
    return text;
  }

  function reset(): void {
    phase = "begin";
    buffer = raw = "";
  }

  /** One step; text that is no part of a call, or undefined. */
  function step(): string | undefined {
    switch (phase) {
      case "begin": {
        const opener = openers.find(
          (text) => buffer.startsWith(text) && matched(text, begin + callBegin).status === "none",
        );
        if (opener) take(opener.length);
        return expect(begin, "call");
      }
      case "call": {
        const space = /^[\s,;]*/.exec(buffer)?.[0].length ?? 0;
        if (end !== "" && raw === "" && matched(buffer, end).status !== "none") {
          const { status, used } = matched(buffer, end);
          if (status === "part") return undefined;
          buffer = buffer.slice(used);
          phase = "begin";
          return buffer.trim() === "" ? undefined : drop();
        }
        if (callBegin !== "") return buffer.length === 0 ? undefined : expect(callBegin, "name", space);
        take(space);
        if (buffer !== "") phase = "name";
        return undefined;
      }
      case "name": {
        const stop = stops.exec(buffer)?.index ?? -1;
        if (stop < 0) return undefined;
        name = buffer.slice(0, stop).trim();
        if (name === "") return drop();
        take(stop);
        phase = "nameEnd";
        return undefined;
      }
      case "nameEnd": {
        const { status, used, id } = matched(buffer, nameEnd);
        if (status === "part" && nameEnd !== "") return undefined;
        sink.begin(name, id);
        raw = "";
        buffer = buffer.slice(used);
        buffer = buffer.slice(trailing(buffer, nameEnd));
        first = true;
        json = createJsonObject();
        phase = notation ? "open" : "json";
        return undefined;
      }
      case "json":
        return stepJson();
      case "open": {
        const { status, used } = matched(buffer, (notation as ArgumentNotation).open);
        if (status === "part" && used === buffer.length && notation?.open !== "") return undefined;
        if (status === "whole") buffer = buffer.slice(used);
        sink.more("{");
        phase = "key";
        return undefined;
      }
      case "key":
        return stepKey(notation as ArgumentNotation);
      case "keyEnd":
        return stepKeyEnd(notation as ArgumentNotation);
      case "value": {
        const rest = value?.push(buffer);
        buffer = rest ?? "";
        if (rest !== undefined) phase = "key";
        return undefined;
      }
      case "callEnd": {
        const { status, used } = matched(buffer, format.afterArguments ?? "");
        if (format.afterArguments && status === "part" && used > 0) return undefined;
        if (format.afterArguments && status === "whole") buffer = buffer.slice(used);
        const ended = matched(buffer, callEnd);
        if (ended.status === "part" && callEnd !== "") return undefined;
        buffer = buffer.slice(ended.used);
        phase = "call";
        return undefined;
      }
    }
  }

  /** Waits for a text and goes on after it; anything else is no call. */
  function expect(wanted: string, next: Phase, space = 0): string | undefined {
    const { status, used } = matched(buffer.slice(space), wanted);
    if (status === "part" && wanted !== "") return undefined;
    if (status === "none") return drop();
    take(space + used);
    phase = next;
    return undefined;
  }

  /** Arguments that are a JSON object: as they are, up to its last bracket. */
  function stepJson(): undefined {
    if (!json.begun) {
      buffer = buffer.trimStart();
      if (buffer === "") return;
      if (buffer[0] !== "{") {
        const { status } = matched(buffer, callEnd);
        if (status === "part" && callEnd !== "") return;
        sink.more("{}");
        phase = "callEnd";
        return;
      }
    }
    const used = json.push(buffer);
    if (used > 0) sink.more(buffer.slice(0, used));
    buffer = buffer.slice(used);
    if (json.ended) phase = "callEnd";
  }

  /** Before a name, or at the end of all arguments. */
  function stepKey({ keyBegin, close, keyEnd }: ArgumentNotation): undefined {
    const space = first ? /^\s*/ : /^[\s,]*/;
    const text = buffer.replace(space, "");
    if (text === "") return;
    const key_ = keyBegin === "" ? undefined : matched(text, keyBegin);
    if (key_?.status === "whole") {
      const named = stopsOf([keyEnd.string, keyEnd.other]).exec(text.slice(key_.used));
      if (!named) return;
      begun(text, key_.used, named.index);
      return;
    }
    const closing = matched(text, close + callEnd);
    const open = closing.status === "part" && text !== "";
    if (key_?.status === "part" || open) return;
    if (closing.status === "whole" || keyBegin !== "") {
      const closed = matched(text, close);
      buffer = closed.status === "whole" ? text.slice(closed.used) : text;
      return closeArguments();
    }
    const named = stopsOf([keyEnd.string, keyEnd.other, close, callEnd]).exec(text);
    if (named) begun(text, 0, named.index);
  }

  /** Nothing more can be an argument. */
  function closeArguments(): undefined {
    sink.more("}");
    phase = "callEnd";
  }

  function begun(text: string, from: number, length: number): void {
    key = text.slice(from, from + length).trim();
    buffer = text.slice(from + length);
    phase = "keyEnd";
  }

  function stepKeyEnd({ keyEnd }: ArgumentNotation): undefined {
    const string = matched(buffer, keyEnd.string);
    const other = matched(buffer, keyEnd.other);
    const told = keyEnd.string !== keyEnd.other;
    if (string.status === "part" || (told && other.status === "part")) return;
    if (key === "" || (string.status === "none" && other.status === "none")) return closeArguments();
    const isString = told ? string.status === "whole" : undefined;
    const wanted = told && !isString ? keyEnd.other : keyEnd.string;
    const { used } = told && !isString ? other : string;
    const rest = buffer.slice(used);
    const space = /\s+$/.exec(wanted)?.[0] ?? "";
    if (rest.length < space.length && space.startsWith(rest)) return; // its white space is still to come
    buffer = rest.slice(trailing(rest, wanted));
    sink.more(`${first ? "" : ", "}${JSON.stringify(key)}: `);
    first = false;
    value = createValueReader(notation as ArgumentNotation, told ? isString : kindOf(name, key), sink.more);
    phase = "value";
  }
}

/** The first character of any of these texts, wherever it comes. */
function stopsOf(texts: readonly string[]): RegExp {
  const firsts = texts.filter((text) => text !== "").map((text) => text[0]);
  const chars = firsts.map((char) =>
    /\s/.test(char) ? "\\n" : `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return new RegExp(`[${chars.join("")}]`);
}

interface ValueReader {
  /** Takes all text that has come; gives back what stands behind the value, or undefined if that has not come. */
  push(text: string): string | undefined;
  /** The text has ended inside the value. */
  cut(rest: string): void;
}

/** Reads one value and hands on its JSON. A string is handed on as it comes. */
function createValueReader(
  notation: ArgumentNotation,
  kind: boolean | ArgumentKind | undefined,
  more: (text: string) => void,
): ValueReader {
  /** Nothing but a string may come: it is handed on as it comes. */
  const isString = kind === true || (typeof kind === "object" && kind.onlyString);
  /** The value of a raw text that may be no string. */
  const readRaw = (text: string): Json => {
    const value = readValue(text, notation);
    if (typeof kind === "object" && kind.mayBeString)
      return value !== undefined && typeof value !== "string" && kind.isOther(spacedJson(value)) ? value : text;
    return value === undefined ? text : value;
  };
  const escaped = (text: string) => JSON.stringify(text).slice(1, -1);
  let kept = "";
  if (notation.strings !== "raw") {
    const endOf = createValueEnd(notation);
    return {
      push(text) {
        kept += text;
        const end = endOf(kept);
        if (end < 0) return undefined;
        const value = readValue(kept.slice(0, end), notation);
        more(value === undefined ? JSON.stringify(kept.slice(0, end).trim()) : spacedJson(value));
        return kept.slice(end);
      },
      cut(rest) {
        const text = (kept + rest).trim();
        if (text === "") return;
        more(readValue(text, notation) === undefined ? jsonBeginning(text, notation) : text);
      },
    };
  }
  const lead = /^\s*/.exec(notation.valueEnd)?.[0] ?? "";
  const core = notation.valueEnd.trim();
  let opened = false;
  const say = (text: string) => {
    more(opened ? escaped(text) : `"${escaped(text)}`);
    opened = true;
  };
  return {
    push(text) {
      kept += text;
      const at = kept.indexOf(core);
      if (at < 0) {
        if (!isString) return undefined;
        // The end of the text may be the beginning of the mark.
        const held = heldBack(kept, lead + core);
        if (kept.length > held) say(kept.slice(0, kept.length - held));
        kept = kept.slice(kept.length - held);
        return undefined;
      }
      const content = kept.slice(0, at);
      const whole = content.endsWith(lead) ? content.slice(0, content.length - lead.length) : content;
      if (isString) {
        say(whole);
        more('"');
      } else {
        more(spacedJson(readRaw(whole)));
      }
      const rest = kept.slice(at + core.length);
      return rest;
    },
    cut() {
      const text = kept.endsWith(lead) ? kept.slice(0, kept.length - lead.length) : kept;
      if (isString) say(text);
      else if (typeof readRaw(text) !== "string") more(text.trim());
      else say(text);
    },
  };
}

/** What there is of a cut value as the beginning of JSON. */
function jsonBeginning(text: string, { strings }: ArgumentNotation): string {
  const open = typeof strings === "object" ? strings.open : /^["']/.exec(text)?.[0];
  return open && text.startsWith(open) ? `"${JSON.stringify(text.slice(open.length)).slice(1, -1)}` : text;
}

/** How many characters at the end of a text are the beginning of another. */
function heldBack(text: string, mark: string): number {
  for (let length = Math.min(text.length, mark.length - 1); length > 0; length--)
    if (mark.startsWith(text.slice(text.length - length))) return length;
  return 0;
}

/** Finds the end of a JSON object that comes in pieces. */
function createJsonObject() {
  let depth = 0;
  let open = false;
  let escaping = false;
  const state = {
    begun: false,
    ended: false,
    get quoting() {
      return open;
    },
    /** How many characters belong to the object. */
    push(text: string): number {
      let at = 0;
      for (; at < text.length && !state.ended; at++) {
        const char = text[at];
        state.begun = true;
        if (escaping) escaping = false;
        else if (open && char === "\\") escaping = true;
        else if (char === '"') open = !open;
        else if (!open && (char === "{" || char === "[")) depth++;
        else if (!open && (char === "}" || char === "]")) state.ended = --depth === 0;
      }
      return at;
    },
  };
  return state;
}
