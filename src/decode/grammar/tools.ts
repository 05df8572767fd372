// Tool calls as a script: the fixed text and control tokens that a model family writes around a call are data, the name is
// one of those offered, and the arguments are valid against that tool's parameters. Which text a family writes is not here.

import { tabulate } from "./byte-machine.ts";
import type { Script, Value } from "./forms.ts";
import { valueOfSchema } from "./schema.ts";
import type { Escapes } from "./string.ts";

/** A fixed part of the text around a call: literal text, or a control token by its id. */
export type FramePart = { readonly text: string } | { readonly token: number };

/** What a family writes around tool calls: `begin (before NAME between ARGUMENTS after) separator (…) end`. */
export interface ToolFrame {
  readonly begin: readonly FramePart[];
  readonly before: readonly FramePart[];
  readonly between: readonly FramePart[];
  readonly after: readonly FramePart[];
  readonly separator: readonly FramePart[];
  readonly end: readonly FramePart[];
}

export interface ToolsSpec {
  readonly kind: "tools";
  readonly tools: readonly { readonly name: string; readonly parameters?: unknown }[];
  /** "auto": free text that may go over into calls; "required": calls; a name: calls of that tool. */
  readonly choice: "auto" | "required" | { readonly name: string };
  /** Whether several calls may follow each other. */
  readonly parallel: boolean;
  readonly frame: ToolFrame;
}

/** The script of a request with tools. Throws a RangeError that names the tool if its parameters cannot be honored. */
export function toolScript({ tools, choice, parallel, frame }: ToolsSpec, escapes: Escapes): Script {
  const offered = typeof choice === "object" ? tools.filter(({ name }) => name === choice.name) : tools;
  if (offered.length === 0)
    throw new RangeError(
      typeof choice === "object" ? `no tool is named ${JSON.stringify(choice.name)}` : "there are no tools",
    );
  const options = offered.map(({ name, parameters = { type: "object" } }) => ({
    name,
    value: parametersOf(name, parameters, escapes),
  }));

  const end = parts(frame.end, { kind: "end" });
  // A call leads to what follows it, which may be another call: the choice is made first and filled in after.
  const following: Script[] = [end];
  const afterCall = parts(frame.after, parallel ? { kind: "choice", options: following } : end);
  const calls: Script = {
    kind: "choice",
    options: options.map(({ name, value }) =>
      parts([{ text: name }], parts(frame.between, { kind: "value", value, next: afterCall })),
    ),
  };
  const call = parts(frame.before, calls);
  if (parallel) following.push(parts(frame.separator, call));
  const first = parts(frame.begin, call);
  return choice === "auto" ? free(first) : first;
}

function parametersOf(name: string, parameters: unknown, escapes: Escapes): Value {
  try {
    return valueOfSchema(parameters, escapes);
  } catch (error) {
    throw new RangeError(`tool ${JSON.stringify(name)}: ${(error as Error).message}`);
  }
}

function parts(list: readonly FramePart[], next: Script): Script {
  return list.reduceRight<Script>((next, part) => {
    if ("token" in part) return { kind: "token", id: part.token, next };
    return part.text === "" ? next : { kind: "text", text: new TextEncoder().encode(part.text), next };
  }, next);
}

/** Free text until the first part of a script appears in it. */
function free(next: Script): Script {
  if (next.kind === "token") return { kind: "free", machine: search(new Uint8Array(0)), next };
  if (next.kind === "text") return { kind: "free", machine: search(next.text), next };
  throw new RangeError("a call that may come after free text must begin with a fixed text or a control token");
}

/** Accepts once `text` has appeared (Knuth, Morris and Pratt 1977: the state is how much of it has matched); never if empty. */
function search(text: Uint8Array) {
  const matched = (before: number, byte: number): number => {
    const seen = [...text.subarray(0, before), byte];
    for (let length = Math.min(seen.length, text.length); length > 0; length--)
      if (seen.slice(-length).every((value, i) => value === text[i])) return length;
    return 0;
  };
  return tabulate<number>({
    start: 0,
    key: (state) => state,
    step: (state, byte) => (state === text.length && state > 0 ? undefined : matched(state, byte)),
    accepts: (state) => state === text.length && state > 0,
  });
}
