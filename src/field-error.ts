// A fault in what a caller gave, as data: which field, what is wrong with it, and what kind of fault it is. It is thrown
// where the fault is known, crosses threads as it is, and is put into words of the wire or of the command line in one place
// each. Nobody parses its message. An option that nobody knows is such a fault, named with the option that was meant.

import { nearNames } from "./near-names.ts";

/**
 * The kind of a fault, for programs: a value of the wrong type, a value out of its range, nothing where something must be,
 * a name that nobody knows, a prompt that does not fit the model's context, something that is not computed here.
 */
export type FaultCode =
  | "invalid_type"
  | "invalid_value"
  | "missing"
  | "unknown"
  | "context_length_exceeded"
  | "unsupported";

/**
 * `field` is a path in the library's own names: `maxTokens`, `input[2].embeds`, `messages[3].content[1].embeds`. A name that
 * a caller chose is quoted in it: `templateArguments["tone"]`. Empty: the whole of what was given.
 */
export class FieldError extends Error {
  override readonly name = "FieldError";
  readonly field: string;
  /** What came and what was expected: one sentence without the field's name. */
  readonly problem: string;
  readonly code: FaultCode;

  constructor(field: string, problem: string, code: FaultCode = "invalid_value") {
    super(field === "" ? problem : `${field}: ${problem}`);
    this.field = field;
    this.problem = problem;
    this.code = code;
  }
}

/** Runs `make`; the fields of its faults are then inside `field`: `text` in `input[2]` becomes `input[2].text`. */
export function inField<Made>(field: string, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    throw within(field, error);
  }
}

/** A fault of something inside `field`; any other error as it is. */
export function within(field: string, error: unknown): unknown {
  if (!(error instanceof FieldError)) return error;
  const joint = error.field === "" || error.field.startsWith("[") ? "" : ".";
  return new FieldError(field + joint + error.field, error.problem, error.code);
}

/**
 * Where values came from that a program put into another's fields: the field → the one that its caller gave. What lies
 * inside of a field in the list goes by that name too.
 */
export type FieldNames = Readonly<Record<string, string>>;

/** The fault by the name that its caller knows: that of the innermost field in `names` that it lies in. */
export function renamed(error: unknown, names: FieldNames): unknown {
  if (!(error instanceof FieldError)) return error;
  const known = outward(error.field).find((field) => Object.hasOwn(names, field));
  return known === undefined ? error : new FieldError(names[known], error.problem, error.code);
}

/** A field and the fields that it lies in, from the inside: input[2].embeds, input[2], input. */
export function outward(field: string): string[] {
  const ends = [...field.matchAll(/[.[]/g)].map(({ index }) => index).reverse();
  return [field, ...ends.map((end) => field.slice(0, end))];
}

/** A value in few words; never a long text. */
export function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : `an array of ${value.length}`;
  if (value !== null && typeof value === "object") return "an object";
  if (typeof value !== "string") return typeof value === "function" ? "a function" : String(value);
  const text = JSON.stringify(value);
  return text.length > 60 ? `a text of ${value.length} characters` : text;
}

/** Every name of an options object: `{ … } satisfies Names<Options>` does not compile without one of them. */
export type Names<Options> = Readonly<Record<keyof Options, true>>;

/** @throws FieldError of the first name in `given` that has a value and is not known, or if it is no object. */
export function checkNames<Options extends object>(given: Options, known: Names<Options>): void {
  const names = Object.keys(known);
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new FieldError("", `got ${shown(given)}, expected an object with ${names.join(", ")}`, "invalid_type");
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || Object.hasOwn(known, name)) continue;
    const camelCase = name.replace(/[_-]+(\w)/g, (_, letter: string) => letter.toUpperCase());
    const [near] = nearNames(camelCase, names);
    const hint = near === undefined ? `expected ${names.join(", ")}` : `did you mean ${near}?`;
    throw new FieldError(name, `unknown option, ${hint}`, "unknown");
  }
}
