// What is wrong with a schema, as data: the keyword, where it stands, and whether it is wrong or only not supported. The
// field is the path inside the schema: `properties.a.if`, `anyOf[2].properties["two words"].pattern`; the sentence says it too,
// for borders that know the schema by one name.

import { type FaultCode, FieldError } from "../../../field-error.ts";

/** Where the keyword stands, a JSON pointer; for who wants to do without it. */
const pointers = new WeakMap<FieldError, string>();

/** An error about what stands at a JSON pointer of a schema. */
export function schemaFault(pointer: string, problem: string, code: FaultCode = "unsupported"): FieldError {
  const where = pointer === "" ? "" : ` (at #${pointer})`;
  const fault = new FieldError(fieldOf(pointer), problem + where, code);
  pointers.set(fault, pointer);
  return fault;
}

/** The JSON pointer of an error that `schemaFault` made. */
export function pointerOf(fault: FieldError): string | undefined {
  return pointers.get(fault);
}

/** A name as a part of a JSON pointer. */
export function escapePointer(name: string | number): string {
  return String(name).replaceAll("~", "~0").replaceAll("/", "~1");
}

/** The names and indices of a JSON pointer. */
export function stepsOf(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The path of a JSON pointer, as in a FieldError. */
export function fieldOf(pointer: string): string {
  const parts = stepsOf(pointer).map((step) => {
    if (/^\d+$/.test(step)) return `[${step}]`;
    return /^[$\w-]+$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
  });
  return parts.join("").replace(/^\./, "");
}

/** A value for a message, cut short. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
