// The keywords of one schema, read and checked: JSON Schema 2020-12, without looking at other schemas. A keyword is either
// honored in full, or an annotation that says nothing about validity, or refused by name: none is ignored.
// Sources: JSON Schema 2020-12 core and validation; OpenAI's and DeepSeek's subsets are smaller.

import { formatNames } from "./formats.ts";

export type Schema = boolean | Keywords;

export interface Keywords {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly required?: readonly string[];
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly prefixItems?: readonly Schema[];
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly multipleOf?: number;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
}

export const typeNames = ["null", "boolean", "integer", "number", "string", "array", "object"] as const;
export type TypeName = (typeof typeNames)[number];

/** What a keyword's value must be. */
type Check = readonly [expected: string, check: (value: unknown) => boolean];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isSchema = (value: unknown) => typeof value === "boolean" || isObject(value);
const isStrings = (value: unknown) => Array.isArray(value) && value.every((item) => typeof item === "string");
const isUnique = (value: readonly unknown[]) => new Set(value).size === value.length;
const isType = (value: unknown) => (typeNames as readonly unknown[]).includes(value);

const text: Check = ["a string", (value) => typeof value === "string"];
const count: Check = ["a whole number from 0", (value) => Number.isSafeInteger(value) && (value as number) >= 0];
const bound: Check = ["a number", Number.isFinite];
const schema: Check = ["a schema (an object or a boolean)", isSchema];
const schemas: Check = [
  "a list of schemas, at least one",
  (value) => Array.isArray(value) && value.length > 0 && value.every(isSchema),
];
const schemasByName: Check = [
  "an object of schemas",
  (value) => isObject(value) && Object.values(value).every(isSchema),
];

const honored: Readonly<Record<keyof Keywords, Check>> = {
  $ref: text,
  type: [
    `one of ${typeNames.join(", ")}, or a list of them`,
    (value) => isType(value) || (Array.isArray(value) && value.length > 0 && value.every(isType) && isUnique(value)),
  ],
  enum: ["a list of values, at least one", (value) => Array.isArray(value) && value.length > 0],
  const: ["a value", () => true],
  properties: schemasByName,
  patternProperties: schemasByName,
  additionalProperties: schema,
  required: ["a list of different names", (value) => isStrings(value) && isUnique(value as string[])],
  minProperties: count,
  maxProperties: count,
  prefixItems: schemas,
  items: schema,
  minItems: count,
  maxItems: count,
  minLength: count,
  maxLength: count,
  pattern: text,
  format: text,
  minimum: bound,
  maximum: bound,
  exclusiveMinimum: bound,
  exclusiveMaximum: bound,
  multipleOf: ["a number above 0", (value) => Number.isFinite(value) && (value as number) > 0],
  anyOf: schemas,
  oneOf: schemas,
  allOf: schemas,
};

/** Say nothing about which values are valid. */
const annotations = new Set([
  ...["title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment", "$schema"],
  ...["contentMediaType", "contentEncoding", "contentSchema", "$defs", "definitions", "$anchor", "$id"],
  "$def", // DeepSeek's spelling of $defs
]);

/** An error about a schema: what is wrong, and where it stands as a JSON pointer. */
export function schemaError(at: string, what: string): RangeError {
  return new RangeError(`JSON Schema: ${what} (at #${at})`);
}

/** Checks the keywords of a schema that stands at a JSON pointer; throws a RangeError that names the first bad one. */
export function checkKeywords(value: unknown, at: string): asserts value is Schema {
  if (typeof value === "boolean") return;
  if (!isObject(value)) throw schemaError(at, `expected a schema (an object or a boolean), got ${shown(value)}`);
  for (const [keyword, content] of Object.entries(value)) {
    if (annotations.has(keyword) || keyword.startsWith("x-")) continue;
    const where = `${at}/${escapePointer(keyword)}`;
    if (keyword === "uniqueItems" && content === false) continue;
    if (!Object.hasOwn(honored, keyword)) throw schemaError(where, `the keyword "${keyword}" is not supported`);
    const [expected, check] = honored[keyword as keyof Keywords];
    if (!check(content)) throw schemaError(where, `"${keyword}" must be ${expected}, got ${shown(content)}`);
    if (keyword === "format" && !formatNames.includes(content as string))
      throw schemaError(where, `the format ${shown(content)} is not supported; there are ${formatNames.join(", ")}`);
  }
  // A new base would change what the references below it mean.
  if (at !== "" && "$id" in value && JSON.stringify(value).includes('"$ref":'))
    throw schemaError(`${at}/$id`, '"$id" inside a schema is not supported together with "$ref" below it');
}

/** A name as a part of a JSON pointer. */
export function escapePointer(name: string | number): string {
  return String(name).replaceAll("~", "~0").replaceAll("/", "~1");
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
