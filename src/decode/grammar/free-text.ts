// Text that a model writes as it likes, before or instead of what a grammar holds it to: an answer that may go over into
// calls of tools, thoughts before JSON. It ends where a given text or control token comes; some texts may not come at all.

import { byteText } from "../../../weights/bytes.ts";
import { type ByteMachine, tabulate } from "./byte-machine.ts";
import { type FramePart, parts, type Script } from "./forms.ts";

/** What stands round a model's thoughts. */
export interface ThoughtsSpec {
  /** What begins them; absent: the prompt has begun them, so the text must end them first. */
  readonly open?: readonly FramePart[];
  readonly close: readonly FramePart[];
}

/** A script after thoughts: they end with their tag, and up to two line breaks follow it. */
export function afterThoughts({ open, close }: ThoughtsSpec, script: Script): Script {
  const spaced: Script = {
    kind: "choice",
    options: [script, parts([{ text: "\n" }], script), parts([{ text: "\n\n" }], script)],
  };
  const thoughts = freeText({ until: parts(close, spaced), reserved: [], mayEnd: false });
  return open ? { kind: "choice", options: [script, parts(open, thoughts)] } : thoughts;
}

interface FreeText {
  /** What it goes over into: a script that begins with a text or a control token. Absent: it only ends. */
  readonly until?: Script;
  /** Texts that may not come in it; the one that ends it may be among them. */
  readonly reserved: readonly string[];
  /** Texts that it may not begin with, white space in it left out. */
  readonly refused?: readonly string[];
  /** Whether everything may end in it. */
  readonly mayEnd: boolean;
}

/** Free text; no control token comes in it but the one that ends it. Throws a RangeError if nothing could end it. */
export function freeText({ until = { kind: "end" }, reserved, refused = [], mayEnd }: FreeText): Script {
  if (!mayEnd && until.kind === "end") throw new RangeError("free text that may not end must go over into something");
  if (until.kind !== "text" && until.kind !== "token" && until.kind !== "end")
    throw new RangeError("a call that may come after free text must begin with a fixed text or a control token");
  const encode = (text: string) => byteText(new TextEncoder().encode(text));
  const trigger = until.kind === "text" ? byteText(until.text) : undefined;
  const machine = search(trigger, reserved.map(encode), refused.map(encode));
  return { kind: "free", machine, next: until, mayEnd };
}

/**
 * Accepts once `trigger` has appeared, and is dead where one of `reserved` has, or where all text so far, spaces left out,
 * is one of `refused`. The state is the longest end of the text that begins one of the first two (Aho and Corasick 1975),
 * and the whole of it while it may still become one of the last. All texts have a character for each byte.
 */
function search(trigger: string | undefined, reserved: readonly string[], refused: readonly string[]): ByteMachine {
  const wanted = trigger === undefined ? reserved : [trigger, ...reserved];
  const longest = (text: string) => {
    for (let from = 0; from < text.length; from++) {
      const end = text.slice(from);
      if (wanted.some((one) => one.startsWith(end))) return end;
    }
    return "";
  };
  interface State {
    readonly end: string;
    /** undefined: it has become none of `refused`. */
    readonly whole: string | undefined;
  }
  return tabulate<State>({
    start: { end: "", whole: refused.length > 0 ? "" : undefined },
    key: ({ end, whole }) => JSON.stringify([end, whole]),
    step({ end, whole }, byte) {
      if (end === trigger) return undefined;
      const char = String.fromCharCode(byte);
      const next = longest(end + char);
      if (next !== trigger && reserved.some((text) => next.endsWith(text))) return undefined;
      let begun = whole;
      if (whole !== undefined && !/[ \t\n\r]/.test(char)) {
        begun = refused.some((text) => text.startsWith(whole + char)) ? whole + char : undefined;
        if (begun !== undefined && refused.includes(begun)) return undefined;
      }
      return { end: next, whole: begun };
    },
    accepts: ({ end }) => end === trigger,
  });
}
