// Reads the text of calls as a ToolFormat writes it, while it comes. Forgiving where a model may err (spaces, the order of
// keys), since a grammar has held it to the format or nobody has; text that is no call after all is given back. Here: calls
// that are JSON objects; framed-calls.ts has the others.

import { createCallReader } from "./call-object.ts";
import { type CallSink, createFramedCalls, type KindOf } from "./framed-calls.ts";
import type { ToolFormat } from "./tool-formats.ts";

/** More of a call: `id` and `name` once, at its beginning. */
export interface CallDelta {
  readonly index: number;
  readonly id?: string;
  readonly name?: string;
  readonly arguments?: string;
}

/** Each function gives back text that is no part of a call. */
export interface Calls {
  /** A tag of the format, or one of its openers. */
  tag(tag: string): string;
  /** Text between tags. */
  text(text: string): string;
  /** Within a string of JSON, where a tag is text like any other. */
  readonly quoting: boolean;
  /** The text has ended. A call that was cut short stays as far as it came. */
  end(): string;
}

/** The tags in a format's texts: what stands in angle brackets. */
export function tagsOf({ begin, callBegin, nameEnd, callEnd, end }: ToolFormat): string[] {
  return [begin, callBegin, nameEnd, callEnd, end].flatMap((text) => text.match(/<[^<>]*>/g) ?? []);
}

/** A reader of the calls of one answer; `kindOf` tells what the arguments of the tools offered are. */
export function createCalls(format: ToolFormat, kindOf: KindOf, emit: (delta: CallDelta) => void): Calls {
  let index = -1;
  const sink: CallSink = {
    begin: (name, id) => emit({ index: ++index, id: id ?? newCallId(format, index, name), name }),
    more: (text) => emit({ index, arguments: text }),
  };
  if (format.object) return objectCalls(format, sink.begin, sink.more);
  const calls = createFramedCalls(format, kindOf, sink);
  return {
    tag: calls.text,
    text: calls.text,
    end: calls.end,
    get quoting() {
      return calls.quoting;
    },
  };
}

/** Ids as DeepSeek gives them; Mistral's templates want nine letters and digits. */
function newCallId({ ids }: ToolFormat, index: number, name: string): string {
  if (ids === "functions") return `functions.${name}:${index}`;
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  const random = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return ids === "nine" ? random.slice(0, 9) : `call_${String(index).padStart(2, "0")}_${random}`;
}

type Begin = (name: string) => void;
type More = (text: string) => void;

/** Calls that are JSON objects, one after the other or in a list. */
function objectCalls(format: ToolFormat, begin: Begin, more: More): Calls {
  let reader: ReturnType<typeof createCallReader> | undefined;
  let raw = ""; // what has come and is not yet certain to be a call
  let named = false;
  let inList = format.bareBeginnings.length === 0 || !format.begin.endsWith("[");

  return {
    tag(tag) {
      if (!format.openers.includes(tag)) return "";
      const noCall = drop();
      raw = tag;
      return noCall;
    },
    end: drop,
    get quoting() {
      return reader?.quoting ?? false;
    },
    text(text) {
      let at = 0;
      while (at < text.length) {
        if (!inList) {
          inList = text[at] === "["; // what stands before it has been seen
          raw += text[at++];
          continue;
        }
        if (!reader) {
          if (/[\s,;[\]}`]/.test(text[at])) at++;
          else if (text[at] === "{") reader = createCallReader();
          else return drop() + text.slice(at);
          continue;
        }
        const { used, news, done } = reader.push(text.slice(at));
        if (!named) raw += text.slice(at, at + used);
        for (const item of news) {
          if (item.name !== undefined) begin(item.name);
          if (item.name !== undefined) named = true;
          if (item.arguments !== undefined && named) more(item.arguments);
        }
        at += used;
        if (!done) continue;
        const noCall = drop();
        if (noCall !== "") return noCall + text.slice(at);
      }
      return "";
    },
  };

  /** Leaves the call; gives back its text if it was none. */
  function drop(): string {
    const text = named ? "" : raw;
    reader = undefined;
    raw = "";
    named = false;
    return text;
  }
}
