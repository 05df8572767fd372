// Reads the text of calls as a ToolFormat writes it, while it comes. Forgiving where a model may err (spaces, the order of
// keys), since a grammar has held it to the format or nobody has; text that is no call after all is given back.

import { createCallReader } from "./call-object.ts";
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

/** A reader of the calls of one answer. */
export function createCalls(format: ToolFormat, emit: (delta: CallDelta) => void): Calls {
  let index = -1;
  const begin = (name: string) => emit({ index: ++index, id: newCallId(format, index), name });
  const more = (text: string) => emit({ index, arguments: text });
  return format.argumentsKey === undefined ? taggedCalls(format, begin, more) : objectCalls(format, begin, more);
}

/** Ids as DeepSeek gives them; Mistral's templates want nine letters and digits. */
function newCallId({ name }: ToolFormat, index: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  const random = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return name === "mistral" ? random.slice(0, 9) : `call_${String(index).padStart(2, "0")}_${random}`;
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
          if (/[\s,;[\]}]/.test(text[at])) at++;
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

/** Calls whose name and arguments stand between tags. */
function taggedCalls(format: ToolFormat, begin: Begin, more: More): Calls {
  const [callTag] = format.callBegin.match(/<[^<>]*>/g) as string[];
  const [endTag] = format.callEnd.match(/<[^<>]*>/g) as string[];
  const nameTag = format.callBegin.match(/<[^<>]*>$/)?.[0]; // opens the name, if the call's tag does not
  const fenced = !format.nameEnd.startsWith("<");
  let phase: "between" | "kind" | "name" | "fence" | "arguments" = "between";
  let buffer = "";
  let sent = false;
  let quotes = createQuotes();

  return {
    get quoting() {
      return phase === "arguments" && quotes.open;
    },
    tag(tag) {
      if (tag === callTag) {
        quotes = createQuotes();
        phase = nameTag === callTag ? "name" : "kind";
        buffer = "";
        sent = false;
      } else if (tag === endTag && phase !== "between") {
        if (phase === "name") beginCall(buffer);
        if (!sent && (phase === "name" || phase === "arguments" || phase === "fence")) more("{}");
        phase = "between";
      } else if (phase === "kind" && tag === nameTag) {
        phase = "name";
        buffer = "";
      } else if (phase === "name" && !fenced) {
        beginCall(buffer);
        phase = "arguments";
      }
      return "";
    },
    text(text) {
      if (phase === "between") return text.trimStart();
      buffer += text;
      if (phase === "name" && fenced && buffer.includes("\n")) {
        const [name, ...rest] = buffer.split("\n");
        beginCall(name);
        phase = "fence";
        buffer = rest.join("\n");
      }
      if (phase === "fence") {
        if (!/^\s*(`|$)/.test(buffer)) phase = "arguments";
        else if (/^\s*```[^\n]*\n/.test(buffer)) {
          buffer = buffer.replace(/^\s*```[^\n]*\n/, "");
          phase = "arguments";
        }
      }
      if (phase === "arguments") {
        const solid = fenced ? buffer.replace(/[\s`]+$/, "") : buffer.trimEnd();
        quotes.push(solid);
        if (solid !== "") more(solid);
        if (solid !== "") sent = true;
        buffer = buffer.slice(solid.length);
      }
      return "";
    },
    end: () => "",
  };

  function beginCall(name: string): void {
    begin(name.trim());
    buffer = "";
  }
}

/** Tells whether JSON text, which comes in pieces, has a string open. */
function createQuotes(): { readonly open: boolean; push(text: string): void } {
  let open = false;
  let escaped = false;
  return {
    get open() {
      return open;
    },
    push(text) {
      for (const char of text) {
        if (escaped) escaped = false;
        else if (open && char === "\\") escaped = true;
        else if (char === '"') open = !open;
      }
    },
  };
}
