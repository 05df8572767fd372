// Tool calls as a script: the fixed text and control tokens that a model family writes around a call are data, the name is
// one of those offered, and the arguments are valid against that tool's parameters. Which text a family writes is not here.

import { FieldError, inField } from "../../field-error.ts";
import { type FramePart, parts, type Script, type Value } from "./forms.ts";
import { freeText } from "./free-text.ts";
import { argumentsScript, type Notation } from "./notation.ts";

/** What a family writes around tool calls: `begin (before NAME between ARGUMENTS after) separator (…) end`. */
export interface ToolFrame {
  readonly begin: readonly FramePart[];
  readonly before: readonly FramePart[];
  readonly between: readonly FramePart[];
  readonly after: readonly FramePart[];
  /** What may stand between arguments and `after`. */
  readonly optional?: readonly FramePart[];
  readonly separator: readonly FramePart[];
  readonly end: readonly FramePart[];
  /** How arguments are written; absent: as one JSON object. */
  readonly notation?: Notation;
}

/** A tool that may be called. Its arguments are an object, whatever its parameters say or leave out. */
export interface Callable {
  readonly name: string;
  /** A JSON Schema, as JSON.parse or parseOrdered (json-text.ts) gives it. */
  readonly parameters?: unknown;
  /** The same as text, whose order of keys is kept. */
  readonly parametersText?: string;
  /** What cannot be honored of them is left out, instead of being refused. */
  readonly nearest?: boolean;
}

export interface ToolsSpec {
  readonly kind: "tools";
  readonly tools: readonly Callable[];
  /** "none": free text; "auto": free text that may go over into calls; "required": calls; a name: calls of that tool. */
  readonly choice: "none" | "auto" | "required" | { readonly name: string };
  /** Whether several calls may follow each other. */
  readonly parallel: boolean;
  readonly frame: ToolFrame;
  /** How calls are told from free text. */
  readonly opening?: Opening;
  /** With "auto": what an answer is that calls no tool; absent: free text. */
  readonly otherwise?: JsonSpec;
}

/** JSON that an answer may be instead of calls. */
export type JsonSpec =
  | { readonly kind: "json_object" }
  | {
      readonly kind: "json_schema";
      readonly schema?: unknown;
      /** The same as text, whose order of keys is kept. */
      readonly schemaText?: string;
    };

/** How a call is told from free text, in which no control token comes but the one that begins a call. */
export interface Opening {
  /**
   * "anywhere": the first part of a call, wherever it comes. "first": a call is the whole answer, or there is none; text
   * that begins, spaces left out, with one of `beginnings` is one (NAME stands for the name of a tool).
   */
  readonly place: "anywhere" | "first";
  readonly beginnings: readonly string[];
  /** Texts that begin calls for whoever reads the answer: free text may not spell them, unless a call then begins. */
  readonly reserved: readonly string[];
}

/** What a script of tools needs to be made: values of schemas, and whether a text begins one that a script allows. */
export interface Making {
  /** What the arguments of tool i may be. */
  parameters(tool: Callable, i: number): Value;
  answer(schema: { readonly schema?: unknown; readonly schemaText?: string }): Value;
  begins(script: Script, text: string): boolean;
}

/**
 * The script of a request with tools.
 * @throws FieldError of `tools` or `choice` if there is nothing to call, or if parameters cannot stand in the notation
 */
export function toolScript(spec: ToolsSpec, making: Making): Script {
  const { tools, choice, frame, opening, otherwise } = spec;
  const parallel = spec.parallel && typeof choice !== "object"; // who names a tool wants it called once
  const isOffered = (name: string) => typeof choice !== "object" || name === choice.name;
  const options = tools.flatMap((tool, i) =>
    isOffered(tool.name) ? [{ name: tool.name, i, value: making.parameters(tool, i) }] : [],
  );
  if (tools.length === 0) throw new FieldError("tools", "there are no tools, expected at least one", "missing");
  if (options.length === 0)
    throw new FieldError("choice", `no tool is named ${JSON.stringify((choice as { name: string }).name)}`, "unknown");

  const end = parts(frame.end, { kind: "end" });
  // A call leads to what follows it, which may be another call: the choice is made first and filled in after.
  const following: Script[] = [end];
  const closed = parts(frame.after, parallel ? { kind: "choice", options: following } : end);
  const afterCall: Script = frame.optional
    ? { kind: "choice", options: [closed, parts(frame.optional, closed)] }
    : closed;
  const argumentsOf = (i: number, value: Value): Script => {
    const { notation } = frame;
    if (!notation) return { kind: "value", value, next: afterCall };
    return inField(`tools[${i}].parameters`, () => argumentsScript(value, notation, afterCall));
  };
  const calls: Script = {
    kind: "choice",
    options: options.map(({ name, i, value }) => parts([{ text: name }], parts(frame.between, argumentsOf(i, value)))),
  };
  const call = parts(frame.before, calls);
  if (parallel) following.push(parts(frame.separator, call));
  const first = parts(frame.begin, call);
  if (choice !== "auto" && choice !== "none") return first;
  const { place, beginnings, reserved }: Opening = opening ?? { place: "anywhere", beginnings: [], reserved: [] };
  const refused = beginnings.flatMap((text) =>
    text.includes("NAME") ? options.map(({ name }) => text.replace("NAME", name)) : [text],
  );
  if (choice === "auto" && otherwise)
    return { kind: "choice", options: [first, jsonScript(otherwise, refused, making)] };
  if (choice === "auto" && place === "anywhere") return freeText({ until: first, reserved, refused, mayEnd: true });
  const text = freeText({ reserved, refused, mayEnd: true });
  return choice === "auto" ? { kind: "choice", options: [first, text] } : text;
}

/** JSON that cannot be taken for a call. @throws FieldError where a schema's own texts would be */
function jsonScript(spec: JsonSpec, refused: readonly string[], { answer, begins }: Making): Script {
  const value = answer(spec.kind === "json_schema" ? spec : { schema: { type: "object" } });
  // Keys that no property declares need not be those with which a call begins.
  const keys = refused.flatMap((text) => /^\{"([^"]*)"/.exec(text)?.[1] ?? []);
  const forms = value.forms.map((form) => {
    if (form.kind !== "object") return form;
    const extra = keys.filter((key) => !form.properties.some(({ name }) => name === key));
    return { ...form, forbidden: [...form.forbidden, ...extra] };
  });
  const script: Script = { kind: "value", value: { ...value, forms }, next: { kind: "end" } };
  const taken = refused.find((text) => begins(script, text));
  if (taken !== undefined)
    throw new FieldError(
      "otherwise",
      `an answer in it could begin with ${taken}, which begins a call of this model's tools`,
      "unsupported",
    );
  return script;
}
