// DeepSeek's rules for tools with `strict: true`: a smaller JSON Schema, in which every object names all its keys. What is
// within them is also within ours. Source: DeepSeek API documentation, guides/tool_calls, "strict mode".

import { checkKeywords, isObject } from "./schema/dialect.ts";
import { escapePointer, schemaFault } from "./schema/fault.ts";

const allowed: readonly string[] = [
  ...["type", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf", "$ref"],
  ...["pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
];
const harmless = [
  "title",
  "description",
  "default",
  "examples",
  "$comment",
  "$schema",
  "$id",
  "$defs",
  "$def",
  "definitions",
];
const formats = ["email", "hostname", "ipv4", "ipv6", "uuid"];

/** The keywords of a strict tool's schema, once they are known to be what they must. */
interface Strict {
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly properties?: object;
  readonly required?: readonly string[];
  readonly additionalProperties?: unknown;
  readonly items?: unknown;
  readonly anyOf?: readonly unknown[];
}

/**
 * Checks the parameters of a strict tool. Throws a FieldError that names the first rule broken and where: a keyword or
 * format that DeepSeek does not offer, an object whose `required` leaves out a property or that allows others.
 */
export function checkStrictParameters(schema: unknown, at = ""): void {
  if (!isObject(schema))
    throw schemaFault(at, "a strict tool needs a schema with a type, not a boolean or another value", "invalid_type");
  checkKeywords(schema, at);
  for (const keyword of Object.keys(schema))
    if (!allowed.includes(keyword) && !harmless.includes(keyword))
      throw schemaFault(`${at}/${escapePointer(keyword)}`, `the keyword "${keyword}" is not offered in strict tools`);
  const { type, format, properties, required = [], additionalProperties, items, anyOf }: Strict = schema;
  if (format !== undefined && !formats.includes(format))
    throw schemaFault(
      `${at}/format`,
      `the format "${format}" is not offered in strict tools; there are ${formats.join(", ")}`,
    );
  if (at === "" && type !== "object")
    throw schemaFault(at, 'the parameters of a strict tool must be of type "object"', "invalid_value");

  if (type === "object" || (Array.isArray(type) && type.includes("object")) || properties) {
    const broken = (at: string, rule: string) => schemaFault(at, rule, "invalid_value");
    if (additionalProperties !== false)
      throw broken(at, 'every object of a strict tool needs "additionalProperties": false');
    for (const name of Object.keys(properties ?? {}))
      if (!required.includes(name))
        throw broken(
          `${at}/required`,
          `every property of a strict tool must be required; ${JSON.stringify(name)} is not`,
        );
    for (const name of required)
      if (!properties || !Object.hasOwn(properties, name))
        throw broken(`${at}/required`, `${JSON.stringify(name)} is required and not among the properties`);
  }

  const named = (keyword: string, schemas: unknown) => {
    for (const [name, schema] of Object.entries(schemas ?? {}))
      checkStrictParameters(schema, `${at}/${keyword}/${escapePointer(name)}`);
  };
  named("properties", properties);
  for (const keyword of ["$defs", "$def", "definitions"]) named(keyword, schema[keyword]);
  if (items !== undefined) checkStrictParameters(items, `${at}/items`);
  for (const [i, member] of (anyOf ?? []).entries()) checkStrictParameters(member, `${at}/anyOf/${i}`);
}
