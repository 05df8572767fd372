// DeepSeek's rules for tools with `strict: true`: a smaller JSON Schema, in which every object names all its keys. What is
// within them is also within ours. Source: DeepSeek API documentation, guides/tool_calls, "strict mode".

import { checkKeywords, escapePointer, type Keywords, type Schema, schemaError } from "./schema-keywords.ts";

const allowed: readonly (keyof Keywords)[] = [
  ...(["type", "enum", "const", "properties", "required", "additionalProperties", "items", "anyOf", "$ref"] as const),
  ...(["pattern", "format", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"] as const),
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

/**
 * Checks the parameters of a strict tool. Throws a RangeError that names the first rule broken and where: a keyword or
 * format that DeepSeek does not offer, an object whose `required` leaves out a property or that allows others.
 */
export function checkStrictParameters(schema: unknown, at = ""): void {
  checkKeywords(schema, at);
  if (typeof schema === "boolean") throw schemaError(at, "a strict tool needs a schema with a type, not a boolean");
  for (const keyword of Object.keys(schema))
    if (!(allowed as readonly string[]).includes(keyword) && !harmless.includes(keyword))
      throw schemaError(`${at}/${escapePointer(keyword)}`, `the keyword "${keyword}" is not offered in strict tools`);
  const { type, format, properties, required = [], additionalProperties, items, anyOf } = schema;
  if (format !== undefined && !formats.includes(format))
    throw schemaError(
      `${at}/format`,
      `the format "${format}" is not offered in strict tools; there are ${formats.join(", ")}`,
    );
  if (at === "" && type !== "object") throw schemaError(at, 'the parameters of a strict tool must be of type "object"');

  if (type === "object" || (Array.isArray(type) && type.includes("object")) || properties) {
    if (additionalProperties !== false)
      throw schemaError(at, 'every object of a strict tool needs "additionalProperties": false');
    for (const name of Object.keys(properties ?? {}))
      if (!required.includes(name))
        throw schemaError(
          `${at}/required`,
          `every property of a strict tool must be required; ${JSON.stringify(name)} is not`,
        );
    for (const name of required)
      if (!properties || !Object.hasOwn(properties, name))
        throw schemaError(`${at}/required`, `${JSON.stringify(name)} is required and not among the properties`);
  }

  const named = (keyword: string, schemas: unknown) => {
    for (const [name, schema] of Object.entries((schemas ?? {}) as Record<string, Schema>))
      checkStrictParameters(schema, `${at}/${keyword}/${escapePointer(name)}`);
  };
  named("properties", properties);
  for (const keyword of ["$defs", "$def", "definitions"] as const)
    named(keyword, (schema as Readonly<Record<string, unknown>>)[keyword]);
  if (items !== undefined) checkStrictParameters(items, `${at}/items`);
  for (const [i, member] of (anyOf ?? []).entries()) checkStrictParameters(member, `${at}/anyOf/${i}`);
}
