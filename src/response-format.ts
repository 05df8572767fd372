// What an answer is to be, as callers say it → the grammar that holds it to that. Which field of a request said so is the
// caller's own matter; beside tools it is one branch of their grammar (prompt/answer-grammar.ts).

import { orderedText } from "./decode/grammar/json-text.ts";
import type { TextSpec } from "./decode/grammar/plain-text.ts";
import type { JsonSpec } from "./decode/grammar/tools.ts";
import { FieldError, type FieldNames, shown } from "./field-error.ts";

/** What an answer is to be, by construction. Beside tools that may be called it is that, or a call. */
export type ResponseFormat =
  | { readonly type: "text" }
  | { readonly type: "json_object" }
  /** A JSON Schema, as JSON.parse gives it. */
  | { readonly type: "json_schema"; readonly schema: unknown }
  /** A pattern that the whole answer matches, or the answers there are: not beside tools that may be called. */
  | { readonly type: "regex"; readonly pattern: string }
  | { readonly type: "choice"; readonly choices: readonly string[] };

/** The grammar of a format by itself; undefined for free text. @throws FieldError inside of `responseFormat` */
export function formatGrammar(format: ResponseFormat | undefined): JsonSpec | TextSpec | undefined {
  const given = <Value>(name: string, value: Value | undefined, what: string): Value => {
    if (value !== undefined) return value;
    throw new FieldError(`responseFormat.${name}`, `missing, expected ${what}`, "missing");
  };
  switch (format?.type) {
    case undefined:
      if (format !== undefined) given("type", undefined, formatTypes);
      return undefined;
    case "text":
      return undefined;
    case "json_object":
      return { kind: "json_object" };
    case "json_schema":
      return { kind: "json_schema", schemaText: orderedText(given("schema", format.schema, "a JSON schema")) };
    case "regex":
      return { kind: "regex", pattern: given("pattern", format.pattern, "a text") };
    case "choice":
      return { kind: "choice", texts: given("choices", format.choices, "a list of texts") };
    default:
      throw new FieldError(
        "responseFormat.type",
        `got ${shown((format as ResponseFormat).type)}, expected ${formatTypes}`,
      );
  }
}

const formatTypes = "text, json_object, json_schema, regex or choice";

/** Where the fields of a grammar at `at` came from, the one of a format. */
export function formatFields(at: string): FieldNames {
  return {
    [at]: "responseFormat",
    [`${at}.schemaText`]: "responseFormat.schema",
    [`${at}.pattern`]: "responseFormat.pattern",
    [`${at}.texts`]: "responseFormat.choices",
  };
}
