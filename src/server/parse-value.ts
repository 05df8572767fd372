// A value held against a Zod schema, up to the first fault. Zod itself looks at everything and reports every fault: in a body
// of a few megabytes a million wrong elements, or right ones that a union tries as something else first, would become
// gigabytes of reports. So containers are walked here, and Zod sees a primitive, or a short run of them, at a time.

import { z } from "zod";

type Schema = z.core.$ZodType;
type Issue = z.core.$ZodIssue;

/** The value as the schema gives it back, or what is wrong with the first part that does not fit (paths from the value). */
export type Parsed = { readonly value: unknown; readonly issues?: undefined } | { readonly issues: Issue[] };

/** Elements that Zod sees at a time. */
const runLength = 256;

/** As schema.safeParse(value), but for the number of issues. */
export function parseValue(schema: Schema, value: unknown): Parsed {
  if (!isContainer(value)) return byZod(schema, value);
  const def = schema._zod.def as z.core.$ZodTypes["_zod"]["def"];
  switch (def.type) {
    case "optional":
    case "nullable":
    case "default":
    case "readonly":
      return parseValue(def.innerType, value);
    case "lazy":
      return parseValue(def.getter(), value);
    case "pipe":
      return then(parseValue(def.in, value), (inner) => byZod(def.out, inner));
    case "union":
      return then(ofUnion(def, schema, value), (inner) => checked(schema, inner));
    case "array":
      if (!Array.isArray(value)) return byZod(schema, value);
      return then(ofArray(def, schema, value), (inner) => checked(schema, inner));
    case "object":
      if (Array.isArray(value)) return byZod(schema, value);
      return then(ofObject(def, value), (inner) => checked(schema, inner));
    case "record":
      if (Array.isArray(value)) return byZod(schema, value);
      return then(ofRecord(def, value), (inner) => checked(schema, inner));
    default:
      return byZod(schema, value);
  }
}

function byZod(schema: Schema, value: unknown): Parsed {
  const { data, error } = z.safeParse(schema, value);
  return error ? { issues: error.issues } : { value: data };
}

function then(parsed: Parsed, next: (value: unknown) => Parsed): Parsed {
  return parsed.issues ? parsed : next(parsed.value);
}

/** Paths of issues inside `key`. */
function below(key: PropertyKey, issues: readonly Issue[]): { issues: Issue[] } {
  return { issues: issues.map((issue) => ({ ...issue, path: [key, ...issue.path] })) };
}

const known = { runs: new WeakMap<Schema, Schema>(), checks: new WeakMap<Schema, Schema>() };

function remembered(map: WeakMap<Schema, Schema>, key: Schema, make: () => Schema): Schema {
  const made = map.get(key) ?? make();
  map.set(key, made);
  return made;
}

/** The schema's own checks (lengths, refinements) on a container whose parts are right. */
function checked(schema: Schema, value: unknown): Parsed {
  const { checks } = schema._zod.def;
  if (!checks?.length) return { value };
  return byZod(
    remembered(known.checks, schema, () => z.unknown().check(...(checks as z.core.$ZodCheck<unknown>[]))),
    value,
  );
}

function ofArray({ element }: z.core.$ZodArrayDef, schema: Schema, value: readonly unknown[]): Parsed {
  const maximum = schema._zod.bag.maximum as number | undefined;
  if (maximum !== undefined && value.length > maximum)
    return { issues: [{ code: "too_big", origin: "array", maximum, inclusive: true, path: [], message: "" }] };
  const run = remembered(known.runs, element, () => z.array(element));
  const out: unknown[] = [];
  for (let i = 0; i < value.length; ) {
    let end = i;
    while (end < value.length && end < i + runLength && !isContainer(value[end])) end++;
    if (end === i) {
      const parsed = parseValue(element, value[i]);
      if (parsed.issues) return below(i, parsed.issues);
      out.push(parsed.value);
      i++;
    } else {
      const parsed = byZod(run, value.slice(i, end));
      if (parsed.issues) {
        const [at, ...rest] = parsed.issues[0].path;
        return { issues: [{ ...parsed.issues[0], path: [i + (at as number), ...rest] }] };
      }
      out.push(...(parsed.value as unknown[]));
      i = end;
    }
  }
  return { value: out };
}

function ofObject({ shape, catchall }: z.core.$ZodObjectDef, value: object): Parsed {
  const out: Record<string, unknown> = catchall ? withoutPrototype(value) : {};
  for (const [key, field] of Object.entries(shape)) {
    const present = Object.hasOwn(value, key);
    const parsed = parseValue(field, present ? (value as Record<string, unknown>)[key] : undefined);
    if (parsed.issues) return below(key, parsed.issues);
    if (present || parsed.value !== undefined) out[key] = parsed.value;
  }
  return { value: out };
}

function ofRecord({ keyType, valueType }: z.core.$ZodRecordDef, value: object): Parsed {
  const out: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(withoutPrototype(value))) {
    const parsed = then(byZod(keyType, key), () => parseValue(valueType, inner));
    if (parsed.issues) return below(key, parsed.issues);
    out[key] = parsed.value;
  }
  return { value: out };
}

/** A copy without a field of the name __proto__, which an assignment would take for something else. */
function withoutPrototype(value: object): Record<string, unknown> {
  const { ["__proto__"]: _, ...rest } = value as Record<string, unknown>;
  return rest;
}

function ofUnion({ options }: z.core.$ZodUnionDef, schema: Schema, value: object): Parsed {
  if ("discriminator" in schema._zod.def) {
    const key = schema._zod.def.discriminator as string;
    const tag = (value as Record<string, unknown>)[key] as z.core.util.Primitive;
    const chosen = options.find((option) => option._zod.propValues?.[key]?.has(tag));
    return chosen ? parseValue(chosen, value) : byZod(schema, { [key]: tag });
  }
  const errors: Issue[][] = [];
  for (const option of options) {
    const parsed = parseValue(option, value);
    if (!parsed.issues) return parsed;
    errors.push(parsed.issues);
  }
  return { issues: [{ code: "invalid_union", errors, path: [], message: "" }] };
}

function isContainer(value: unknown): value is object {
  return value !== null && typeof value === "object";
}
