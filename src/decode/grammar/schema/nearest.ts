// The nearest schema that can be honored: what cannot be is left out, keyword by keyword, and named. For tools that need not be
// strict: one odd keyword in one of thirty should cost that keyword, not the request.

import { FieldError } from "../../../field-error.ts";
import type { Value } from "../forms.ts";
import { maxDropped } from "../limits.ts";
import { type Restriction, valueOfSchema } from "./compile.ts";
import type { Spelling } from "./compiler.ts";
import { isObject } from "./dialect.ts";
import { fieldOf, pointerOf, stepsOf } from "./fault.ts";

/** A keyword that is not honored. */
export interface Dropped {
  /** The path of the schema that it stands in, as in a FieldError: `properties.a`. */
  readonly path: string;
  readonly keyword: string;
}

/** What is tried, in turn, where a schema and not a keyword of it is refused: `oneOf!` takes it as anyOf. */
const suspects = [
  ...["oneOf!", "not", "if", "unevaluatedProperties", "unevaluatedItems", "contains", "uniqueItems", "propertyNames"],
  ...["patternProperties", "dependentSchemas", "dependencies", "pattern", "format", "oneOf", "anyOf", "allOf", "$ref"],
];

/**
 * The value of a schema, restricted as `valueOfSchema` has it, without what cannot be honored of it. It never throws: at worst nothing is
 * left but the types, and the keyword is "".
 */
export function nearestValue(
  schema: unknown,
  spelling: Spelling,
  restriction: Restriction = {},
): { value: Value; dropped: readonly Dropped[] } {
  const without = new Set<string>();
  const dropped: Dropped[] = [];
  while (dropped.length < maxDropped) {
    try {
      return { value: valueOfSchema(schema, spelling, { ...restriction, without }), dropped };
    } catch (error) {
      if (!(error instanceof FieldError)) throw error;
      const pointer = nextToDrop(schema, pointerOf(error) ?? "", without);
      if (pointer === undefined) break;
      without.add(pointer);
      const steps = pointer.split("/");
      dropped.push({
        path: fieldOf(steps.slice(0, -1).join("/")),
        keyword: stepsOf(pointer).at(-1)?.replace(/!$/, "") ?? "",
      });
    }
  }
  return { value: valueOfSchema(true, spelling, restriction), dropped: [...dropped, { path: "", keyword: "" }] };
}

/** The JSON pointer of what to do without, because of a fault at a pointer; undefined: there is nothing. */
function nextToDrop(schema: unknown, pointer: string, without: ReadonlySet<string>): string | undefined {
  // Less inside of what is negated would be more: then all of it goes.
  const steps = pointer.split("/");
  const isName = (i: number) => /^(?:\w*[pP]roperties|\$defs|definitions|dependen\w+)$/.test(steps[i - 1] ?? "");
  const negation = steps.findIndex((step, i) => (step === "not" || step === "if") && !isName(i));
  const at = negation > 0 ? steps.slice(0, negation + 1).join("/") : pointer;
  const target = stepsOf(at).reduce<unknown>(
    (value, step) =>
      typeof value === "object" && value !== null ? (value as Record<string, unknown>)[step] : undefined,
    schema,
  );
  const inside =
    isObject(target) && negation < 0 ? suspects.filter((name) => Object.hasOwn(target, name.replace("!", ""))) : [];
  return [...inside.map((name) => `${at}/${name}`), at].find(
    (candidate) => candidate !== "" && !without.has(candidate),
  );
}
