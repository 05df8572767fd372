// A body held against its schema: a refusal that names the field, what came and what was expected. The schemas are Zod's;
// unknown fields are dropped.

import type { z } from "zod";
import { FieldError, shown } from "../field-error.ts";
import { refusalOf } from "./errors.ts";
import { parseValue } from "./parse-value.ts";

/** The fields of `value` that `schema` knows. @throws FieldError, or ApiError 422 for something else where an object belongs. */
export function validate<Body>(schema: z.ZodType<Body>, value: unknown): Body {
  const parsed = parseValue(schema, value);
  if (!parsed.issues) return parsed.value as Body;
  const fault = faultOf(parsed.issues, value, []);
  const error = new FieldError(pathText(fault.path), fault.message);
  // As DeepSeek: `thinking: false` is a 422, a wrong type inside messages a 400.
  throw fault.expected === "an object" && fault.path.length === 1 ? refusalOf(error, 422) : error;
}

interface Fault {
  path: PropertyKey[];
  message: string;
  /** What type belongs here, when that is what is wrong. */
  expected?: string;
}

type Issue = z.core.$ZodIssue;

/** The first issue in words. */
function faultOf(issues: readonly Issue[], root: unknown, base: readonly PropertyKey[]): Fault {
  const sameAsFirst = issues.filter(
    ({ code, path }) => code === issues[0].code && pathText(path) === pathText(issues[0].path),
  );
  const issue = sameAsFirst[sameAsFirst.length - 1]; // of several bounds the schema's own, after the type's
  const path = [...base, ...issue.path];
  const got = shown(valueAt(root, path));
  const say = (expected: string) => ({ path, message: `got ${got}, expected ${expected}` });
  switch (issue.code) {
    case "invalid_type": {
      const expected = typeWords[issue.expected] ?? issue.expected;
      const missing = valueAt(root, path) === undefined;
      return { path, message: missing ? `missing, expected ${expected}` : say(expected).message, expected };
    }
    case "too_small":
      return say(bound(issue.origin, "at least", issue.inclusive ? "≥" : ">", issue.minimum));
    case "too_big":
      return say(bound(issue.origin, "at most", issue.inclusive ? "≤" : "<", issue.maximum));
    case "invalid_value":
      return say(issue.values.map((one) => JSON.stringify(one)).join(" or "));
    case "not_multiple_of":
      return say(`a multiple of ${issue.divisor}`);
    case "invalid_union": {
      if (issue.errors.length === 0) {
        const options = "options" in issue && Array.isArray(issue.options) ? issue.options : [];
        return say(options.map((one) => JSON.stringify(one)).join(" or ") || "another value");
      }
      const faults = issue.errors.map((errors) => faultOf(errors, root, path));
      const deepest = faults.reduce((best, fault) => (fault.path.length > best.path.length ? fault : best));
      if (deepest.path.length > path.length) return deepest; // the right kind of thing, with something wrong inside
      const types = faults.flatMap((fault) => fault.expected ?? []);
      return types.length === faults.length
        ? say([...new Set(types)].join(" or "))
        : (faults.find((f) => !f.expected) as Fault);
    }
    case "invalid_key":
    case "invalid_element":
      return faultOf(issue.issues, root, path);
    case "invalid_format":
      return issue.message.startsWith("Invalid")
        ? say(`a text of the form ${issue.pattern ?? issue.format}`)
        : say(issue.message);
    default:
      return { path, message: issue.message };
  }
}

function bound(origin: string, words: string, sign: string, limit: number | bigint): string {
  if (origin === "string") return `${words} ${limit} characters`;
  if (origin === "array" || origin === "set") return `${words} ${limit} elements`;
  if (origin === "object" || origin === "record" || origin === "map") return `${words} ${limit} entries`;
  return `a ${origin === "int" ? "whole number" : "number"} ${sign} ${limit}`;
}

const typeWords: Record<string, string> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "an array",
  object: "an object",
  record: "an object",
  null: "null",
};

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      value !== null && typeof value === "object" ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    root,
  );
}

/** ["messages", 9, "content"] → messages[9].content; a key that is no name of the wire's is quoted. */
function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((key) => {
      if (typeof key === "number") return `[${key}]`;
      return /^[a-z0-9_]+$/.test(String(key)) ? `.${String(key)}` : `[${JSON.stringify(key)}]`;
    })
    .join("")
    .replace(/^\./, "");
}
