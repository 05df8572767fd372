// The first thing wrong with a value, found without looking further. Zod reports every fault of a value at once: a body of a
// few megabytes with a million wrong elements would become gigabytes of reports. So arrays and records are walked here, and
// Zod sees one field, or one short run of elements, at a time; what is right is parsed as a whole afterward.

import { z } from "zod";

type Schema = z.core.$ZodType;
type Issue = z.core.$ZodIssue;

/** Elements that Zod sees at a time. */
const runLength = 256;

/** Issues of the first part of `value` that does not fit, with paths from `value`; undefined where none was found. */
export function firstIssues(schema: Schema, value: unknown): Issue[] | undefined {
  const def = schema._zod.def as z.core.$ZodTypes["_zod"]["def"];
  if (value === null || typeof value !== "object") return issuesOf(schema, value);
  if ("innerType" in def) return firstIssues(def.innerType, value);
  switch (def.type) {
    case "lazy":
      return firstIssues(def.getter(), value);
    case "pipe":
      return firstIssues(def.in, value);
    case "union":
      return ofUnion(def, schema, value);
    case "array":
      return Array.isArray(value) ? ofArray(def, schema, value) : issuesOf(schema, value);
    case "object":
      return Array.isArray(value) ? issuesOf(schema, value) : ofFields(def.shape, value);
    case "record":
      return Array.isArray(value) ? issuesOf(schema, value) : ofRecord(def, value);
    default:
      return issuesOf(schema, value);
  }
}

function issuesOf(schema: Schema, value: unknown): Issue[] | undefined {
  return z.safeParse(schema, value).error?.issues;
}

function below(key: PropertyKey, issues: Issue[] | undefined): Issue[] | undefined {
  return issues?.map((issue) => ({ ...issue, path: [key, ...issue.path] }));
}

function ofArray({ element }: z.core.$ZodArrayDef, schema: Schema, value: readonly unknown[]): Issue[] | undefined {
  const maximum = schema._zod.bag.maximum as number | undefined;
  if (maximum !== undefined && value.length > maximum)
    return [{ code: "too_big", origin: "array", maximum, inclusive: true, path: [], message: "" }];
  for (let i = 0; i < value.length; ) {
    let end = i;
    while (end < value.length && end < i + runLength && !isContainer(value[end])) end++;
    if (end === i) {
      const issues = below(i, firstIssues(element, value[i++]));
      if (issues) return issues;
    } else {
      const issues = issuesOf(runOf(element), value.slice(i, end));
      if (issues)
        return issues.map((issue) => ({ ...issue, path: [i + (issue.path[0] as number), ...issue.path.slice(1)] }));
      i = end;
    }
  }
  return undefined;
}

const runs = new WeakMap<Schema, Schema>();

/** The schema of an array of such elements, of any length. */
function runOf(element: Schema): Schema {
  const known = runs.get(element);
  if (known) return known;
  const run = z.array(element);
  runs.set(element, run);
  return run;
}

function ofFields(shape: Readonly<Record<string, Schema>>, value: object): Issue[] | undefined {
  for (const [key, field] of Object.entries(shape)) {
    const inner = Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined;
    const issues = below(key, firstIssues(field, inner));
    if (issues) return issues;
  }
  return undefined;
}

function ofRecord({ keyType, valueType }: z.core.$ZodRecordDef, value: object): Issue[] | undefined {
  for (const [key, inner] of Object.entries(value)) {
    const issues = below(key, issuesOf(keyType, key) ?? firstIssues(valueType, inner));
    if (issues) return issues;
  }
  return undefined;
}

function ofUnion({ options }: z.core.$ZodUnionDef, schema: Schema, value: object): Issue[] | undefined {
  if ("discriminator" in schema._zod.def) {
    const key = schema._zod.def.discriminator as string;
    const tag = (value as Record<string, unknown>)[key] as z.core.util.Primitive;
    const chosen = options.find((option) => option._zod.propValues?.[key]?.has(tag));
    return chosen ? firstIssues(chosen, value) : issuesOf(schema, { [key]: tag });
  }
  const errors: Issue[][] = [];
  for (const option of options) {
    const issues = firstIssues(option, value);
    if (!issues) return undefined;
    errors.push(issues);
  }
  return [{ code: "invalid_union", errors, path: [], message: "" }];
}

function isContainer(value: unknown): boolean {
  return value !== null && typeof value === "object";
}
