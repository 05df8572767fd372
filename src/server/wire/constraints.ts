// What a request asks its answer to be, in the fields of OpenAI, DeepSeek and vLLM → one response format of the library. A
// field that asks for a form and is not known is refused by its name, never dropped: the answer would look as if it held.

import { z } from "zod";
import { orderedText, parseOrdered } from "../../decode/grammar/json-text.ts";
import type { GenerateOptions } from "../../engine/generate.ts";
import { FieldError, type FieldNames, renamed, shown } from "../../field-error.ts";
import { formatFields, formatGrammar, type ResponseFormat } from "../../response-format.ts";
import { ApiError } from "../errors.ts";
import { functionName } from "./function-name.ts";

const schemaField = z.unknown().optional().describe("A JSON schema, or its text.");

const guidedFields = {
  guided_json: schemaField,
  guided_regex: z.string().nullish().describe("A pattern that the whole answer matches."),
  guided_choice: z.array(z.string()).nullish().describe("The answers there are."),
};

/** Fields that say what an answer is to be; with their names, what is inside of `extra_body` and `nvext` too. */
const constraintFields = {
  response_format: z
    .discriminatedUnion("type", [
      z.object({ type: z.literal("text") }),
      z.object({ type: z.literal("json_object"), schema: schemaField }),
      z.object({
        type: z.literal("json_schema"),
        json_schema: z.object({
          name: functionName.nullish(),
          description: z.string().nullish(),
          schema: z.unknown().describe("A JSON schema, which the answer is certain to be valid against."),
          strict: z.boolean().nullish().describe("Makes no difference: it always is."),
        }),
      }),
    ])
    .nullish(),
  ...guidedFields,
  structured_outputs: z
    .looseObject({
      json: schemaField,
      regex: guidedFields.guided_regex,
      choice: guidedFields.guided_choice,
      json_object: z.boolean().nullish(),
    })
    .nullish()
    .describe("The same as guided_json, guided_regex and guided_choice, as newer clients of vLLM send it."),
};

const nested = z.looseObject(constraintFields).nullish();

/** The same, and the objects in which some clients send them. */
export const constraintBody = {
  ...constraintFields,
  extra_body: nested.describe("What an answer is to be may stand in here too."),
  nvext: nested.describe("As extra_body."),
};

const constraintSchema = z.object(constraintBody);

type ConstraintBody = z.infer<typeof constraintSchema>;

/** What was asked for, and which field said so: names in the library → names on the wire. */
export interface Constraint {
  readonly format: ResponseFormat | undefined;
  readonly fields: FieldNames;
}

/** The grammar of an answer that is text alone, and where its fields came from. @throws as `constraintOf` */
export function answerForm(
  body: ConstraintBody,
  known: readonly string[],
): { grammar: GenerateOptions["grammar"]; fields: FieldNames } {
  const { format, fields } = constraintOf(body, known);
  const onWire = Object.entries(formatFields("grammar")).map(([name, given]) => [name, fields[given] ?? given]);
  try {
    return { grammar: formatGrammar(format), fields: Object.fromEntries(onWire) };
  } catch (error) {
    throw renamed(error, fields);
  }
}

interface Asked {
  readonly format: ResponseFormat;
  /** The field that asked. */
  readonly field: string;
  /** The field that the schema, pattern or choices are in. */
  readonly inside: string;
}

/**
 * The one form that a request asks for.
 * @param known names of the body's fields
 * @throws FieldError for two that differ, which names both; ApiError 400 for an unknown field that asks for one
 */
export function constraintOf(body: ConstraintBody, known: readonly string[]): Constraint {
  const asked = [...askedIn(body, ""), ...askedIn(body.extra_body, "extra_body."), ...askedIn(body.nvext, "nvext.")];
  refuseUnknown(body, "", [...known, "extra_body", "nvext"]);
  for (const place of ["extra_body", "nvext"] as const)
    refuseUnknown(body[place] ?? {}, `${place}.`, Object.keys(constraintFields));
  const [first, ...others] = asked;
  if (!first) return { format: undefined, fields: {} };
  const one = others.reduce(narrower, first);
  const { format, field, inside } = one;
  const names = { schema: inside, pattern: inside, choices: inside };
  const fields = Object.entries(names).map(([name, wire]) => [`responseFormat.${name}`, wire]);
  return { format, fields: { responseFormat: field, ...Object.fromEntries(fields) } };
}

function askedIn(given: Omit<ConstraintBody, "extra_body" | "nvext"> | null | undefined, at: string): Asked[] {
  const { response_format: format, structured_outputs: outputs } = given ?? {};
  const asked: Asked[] = [];
  const add = (field: string, format: ResponseFormat | undefined, inside = "") => {
    if (format) asked.push({ format, field: at + field, inside: at + field + inside });
  };
  if (format?.type === "json_schema")
    add("response_format", { type: "json_schema", schema: format.json_schema.schema }, ".json_schema.schema");
  if (format?.type === "json_object") {
    const schema = schemaOf(format.schema, `${at}response_format.schema`);
    add("response_format", schema ?? { type: "json_object" }, ".schema");
  }
  const guided = (from: string, json: unknown, regex?: string | null, choice?: readonly string[] | null) => {
    const [jsonName, regexName, choiceName] = ["json", "regex", "choice"].map((name) => from + name);
    add(jsonName, schemaOf(json, at + jsonName));
    if (regex) add(regexName, { type: "regex", pattern: regex });
    if (choice) add(choiceName, { type: "choice", choices: choice });
  };
  guided("guided_", given?.guided_json, given?.guided_regex, given?.guided_choice);
  if (outputs) {
    guided("structured_outputs.", outputs.json, outputs.regex, outputs.choice);
    if (outputs.json_object) add("structured_outputs.json_object", { type: "json_object" });
    refuseUnknown(outputs, `${at}structured_outputs.`, ["json", "regex", "choice", "json_object"], true);
  }
  return asked;
}

/** The format of a schema, or of its text; undefined for none. */
function schemaOf(given: unknown, field: string): ResponseFormat | undefined {
  if (given === undefined || given === null || given === "") return undefined;
  if (typeof given !== "string") return { type: "json_schema", schema: given };
  try {
    return { type: "json_schema", schema: parseOrdered(given) };
  } catch (error) {
    throw new FieldError(field, `it is a text and not JSON: ${(error as Error).message}`);
  }
}

/** Of two the one that is what both ask. @throws FieldError that names both fields */
function narrower(one: Asked, other: Asked): Asked {
  if (orderedText(one.format) === orderedText(other.format)) return one;
  if (one.format.type === "json_object" && describesObject(other.format)) return other;
  if (other.format.type === "json_object" && describesObject(one.format)) return one;
  throw new FieldError(other.field, `${one.field} asks for another form, expected one of both`);
}

function describesObject(format: ResponseFormat): boolean {
  return format.type === "json_schema" && (format.schema as { type?: unknown } | null)?.type === "object";
}

/** Names, in any spelling, by which some server is told what an answer is to be. */
const stems =
  /guided|grammar|[eg]bnf|regex|(?<!^\$)schema|structur|constrain|json|allowed_tok|(?:^|_)(?:bad|ban|banned|force)_(?:tok|word|str)|logits?_processor/;
const whole =
  /^(?:(?:output|answer|completion|result|reply|response|text|generation|message|return)_?(?:format|type|mime_?type)|format|choices?|pattern|lark|enum)$/;
/** How it is computed, not what it is. */
const harmless = /backend|fallback/;

/** @throws ApiError 400 of the first unknown field that asks for a form, however deep; `every`: all unknown ones do. */
function refuseUnknown(value: object, at: string, known: readonly string[], every = false): void {
  for (const [key, inner] of Array.isArray(value) ? [] : Object.entries(value)) {
    if (known.includes(key) || key === "metadata") continue;
    const name = key.replace(/(?<=[a-z\d])(?=[A-Z])|-/g, "_").toLowerCase();
    if ((every || stems.test(name) || whole.test(name)) && !harmless.test(name) && says(inner)) {
      const param = at + (/^\w+$/.test(key) ? key : JSON.stringify(key)); // as the client wrote it
      const instead = "response_format, guided_json, guided_regex or guided_choice";
      throw new ApiError(
        400,
        `${param}: got ${shown(inner)}, which is not supported; what an answer is to be is told by ${instead}`,
        { param },
      );
    }
    for (const [i, item] of Array.isArray(inner) ? inner.entries() : [["", inner] as const])
      if (typeof item === "object" && item !== null) refuseUnknown(item, `${at}${key}${i === "" ? "" : `[${i}]`}.`, []);
  }
}
/** Whether a value is a wish: null, false, "", "text" and what holds nothing are none. */
function says(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0) return false;
  if (typeof value === "string") return !["", "text", "none", "auto", "text/plain"].includes(value);
  if (typeof value !== "object") return true;
  const { type, ...rest } = value as { type?: unknown };
  return type === "text" ? Object.keys(rest).length > 0 : Object.keys(value).length > 0;
}
