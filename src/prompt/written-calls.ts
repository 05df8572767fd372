// Calls as a ToolFormat writes them, and the way back from what a template writes to its format: which one it is, and with
// which white space. What a model is held to is then exactly what its own template shows it.

import { literal } from "../tokenizer/regex.ts";
import { type Json, JsonNumber, readJson, spacedJson } from "./json-text.ts";
import { type ArgumentNotation, type ToolFormat, toolFormats } from "./tool-formats.ts";

export interface WrittenCall {
  readonly name: string;
  /** Text of a JSON object. */
  readonly arguments: string;
  readonly id?: string;
}

/** How the pieces of a text are written, in order. */
export interface Pen {
  /** One of the format's own texts; `field` is where in the format it stands. */
  mark(text: string, field: string): string;
  /** A name or a value. */
  value(text: string): string;
  /** A number or an id of a call. */
  hole(text: string): string;
}

const plainPen: Pen = { mark: (text) => text, value: (text) => text, hole: (text) => text };
const holes = /(\{index\}|\{id\})/;

/** Calls as the model would have written them. @throws a SyntaxError if arguments are no JSON and the format needs them to be. */
export function writeCalls(format: ToolFormat, calls: readonly WrittenCall[], pen: Pen = plainPen): string {
  const { notation } = format;
  const mark = (field: "callBegin" | "nameEnd" | "callEnd", { id = "000000000" }: WrittenCall, index: number) => {
    const parts = format[field].split(holes);
    const hole = (part: string) => pen.hole(part === "{index}" ? String(index) : id);
    return parts.map((part, i) => (i % 2 === 0 ? pen.mark(part, `${field}.${i}`) : hole(part))).join("");
  };
  // In the order in which they stand: a pen may count on it.
  let text = pen.mark(format.begin, "begin");
  for (const [i, call] of calls.entries()) {
    if (i > 0) text += pen.mark(format.separator, "separator");
    text += mark("callBegin", call, i) + pen.value(call.name) + mark("nameEnd", call, i);
    text += notation ? writeArguments(notation, readJson(call.arguments), pen) : pen.value(call.arguments);
    text += mark("callEnd", call, i);
  }
  return text + pen.mark(format.end, "end");
}

function writeArguments(notation: ArgumentNotation, given: Json, pen: Pen): string {
  const mark = (text: string, field: string) => pen.mark(text, `notation.${field}`);
  let entries = given instanceof Map ? [...(given as ReadonlyMap<string, Json>)] : [];
  if (notation.sorted) entries = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  let text = mark(notation.open, "open");
  for (const [i, [key, value]] of entries.entries()) {
    const kind = typeof value === "string" ? "string" : "other";
    if (i > 0) text += mark(notation.separator, "separator");
    text += mark(notation.keyBegin, "keyBegin") + pen.value(key) + mark(notation.keyEnd[kind], `keyEnd.${kind}`);
    text += writeValue(notation, value, pen) + mark(notation.valueEnd, "valueEnd");
  }
  return text + mark(notation.close, "close");
}

function writeValue(notation: ArgumentNotation, value: Json, pen: Pen, depth = 0): string {
  const { strings, nested } = notation;
  const [yes, no, none] = notation.literals;
  if (typeof value === "string") {
    if (typeof strings === "object") return pen.mark(strings.open, "") + pen.value(value) + pen.mark(strings.close, "");
    return pen.value(strings === "raw" && depth === 0 ? value : JSON.stringify(value));
  }
  if (value === null) return pen.value(none);
  if (typeof value === "boolean") return pen.value(value ? yes : no);
  if (typeof value === "number" || value instanceof JsonNumber || nested === "json")
    return pen.value(spacedJson(value));
  const bare = nested === "bare";
  const between = bare ? "," : ", ";
  const inner = (item: Json) => writeValue(notation, item, pen, depth + 1);
  let text = pen.value(Array.isArray(value) ? "[" : "{");
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) text += (i > 0 ? pen.value(between) : "") + inner(item);
    return text + pen.value("]");
  }
  let entries = [...(value as ReadonlyMap<string, Json>)];
  if (notation.sorted) entries = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [i, [name, item]] of entries.entries()) {
    const key = bare ? `${name}:` : `${JSON.stringify(name)}: `;
    text += pen.value(i > 0 ? between + key : key) + inner(item);
  }
  return text + pen.value("}");
}

/** What a template makes of one call and of two, or "" for what it refuses; and of the turn before them, ready for an answer. */
export interface Renderings {
  readonly calls: readonly [one: WrittenCall, other: WrittenCall];
  readonly one: string;
  readonly two: string;
  readonly prompt: string;
}

/** The format in which a template writes calls, with its own white space; undefined if it is none that we know. */
export function formatOfRenderings({ calls, one, two, prompt }: Renderings): ToolFormat | undefined {
  let best: { format: ToolFormat; length: number } | undefined;
  for (const format of toolFormats) {
    const pair = two !== "" && format.parallel ? foundIn(format, calls, two, prompt) : undefined;
    const found = pair ?? foundIn(format, calls.slice(0, 1), one, prompt);
    if (!found || found.length <= (best?.length ?? 0)) continue;
    best = { format: { ...found.format, parallel: pair !== undefined }, length: found.length };
  }
  return best?.format;
}

/** The format as it stands in a text that has these calls, and how long its own texts are. */
function foundIn(format: ToolFormat, calls: readonly WrittenCall[], text: string, prompt: string) {
  const fields: string[] = [];
  let source = "";
  const add = (piece: string) => {
    source += piece;
    return "";
  };
  const pen: Pen = {
    value: (value) => add(loose(value)),
    hole: () => add("[\\w.:-]+"),
    mark(mark, field) {
      if (field === "") return add(loose(mark));
      if (field === "callEnd.0" && format.afterArguments)
        add(
          `(?:\\s*${format.afterArguments
            .split(holes)
            .map((part, i) => (i % 2 ? "[\\w.:-]+" : loose(part)))
            .join("")})?`,
        );
      const known = fields.indexOf(field);
      if (known >= 0) return add(`\\k<f${known}>`);
      const [before, after] = mark === "" && field !== "separator" ? ["", ""] : spaceAround(field);
      return add(`(?<f${fields.push(field) - 1}>${before}${loose(mark)}${after})`);
    },
  };
  writeCalls(format, calls, pen);
  const match = new RegExp(source).exec(text);
  if (!match) return undefined;
  if (format.bareBeginnings.length > 0 && text.slice(0, match.index).trim() !== prompt.trim()) return undefined;
  const found = new Map(fields.map((field, i) => [field, match.groups?.[`f${i}`] ?? ""]));
  return { format: withTexts(format, found), length: [...found.values()].join("").length };
}

/** A pattern for a text, white space anywhere in it or nowhere. */
function loose(text: string): string {
  return Array.from(text.replace(/\s+/g, ""), literal).join("\\s*");
}

/** White space round one of the format's texts belongs to it, unless it belongs to the text before. */
function spaceAround(field: string): [before: string, after: string] {
  const afterValue = /^(nameEnd|callEnd|separator|end|notation\.(keyEnd|valueEnd|close))/.test(field);
  return [afterValue ? "\\s*" : "", /^(callEnd|end)/.test(field) ? "" : "\\s*"];
}

function withTexts(format: ToolFormat, found: ReadonlyMap<string, string>): ToolFormat {
  const whole = (field: "callBegin" | "nameEnd" | "callEnd") =>
    format[field]
      .split(holes)
      .map((part, i) => found.get(`${field}.${i}`) ?? part)
      .join("");
  const { notation } = format;
  const inNotation = (field: string, otherwise: string) => found.get(`notation.${field}`) ?? otherwise;
  return {
    ...format,
    begin: found.get("begin") ?? format.begin,
    callBegin: whole("callBegin"),
    nameEnd: whole("nameEnd"),
    callEnd: whole("callEnd"),
    separator: found.get("separator") ?? format.separator,
    end: found.get("end") ?? format.end,
    ...(notation && {
      notation: {
        ...notation,
        open: inNotation("open", notation.open),
        close: inNotation("close", notation.close),
        keyBegin: inNotation("keyBegin", notation.keyBegin),
        keyEnd: {
          string: inNotation("keyEnd.string", notation.keyEnd.string),
          other: inNotation("keyEnd.other", notation.keyEnd.other),
        },
        valueEnd: inNotation("valueEnd", notation.valueEnd),
        separator: inNotation("separator", notation.separator),
      },
    }),
  };
}
