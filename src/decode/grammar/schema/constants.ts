// The values of enum and const → forms. They are known, so every other keyword is simply asked whether it allows them.

import { type Form, literalForm, numberForm, type ObjectForm, type Value } from "../forms.ts";
import { keysOf } from "../json-text.ts";
import type { Compiler } from "./compiler.ts";
import { satisfies } from "./evaluate.ts";
import { canonical, type Keywords } from "./keywords.ts";

/** The values that every enum of a branch has and every other keyword allows; undefined if there is no enum. */
export function constantsOf(
  branch: readonly Keywords[],
  { patterns }: Pick<Compiler, "patterns">,
): unknown[] | undefined {
  const list = branch.find(({ enums }) => enums)?.enums?.[0];
  if (!list) return undefined;
  const different = [...new Map(list.map((value) => [canonical(value), value])).values()];
  return different.filter(
    (value) =>
      !(typeof value === "string" && /\p{Surrogate}/u.test(value)) &&
      branch.every((schema) => satisfies(schema, value, patterns)),
  );
}

export function enumeratedForms(values: readonly unknown[], branch: readonly Keywords[], compiler: Compiler): Form[] {
  if (values.length === 0)
    return compiler.conflict(branch[0]?.at ?? "", "no value of the enum satisfies the other keywords");
  return formsOfValues(values, compiler);
}

function formsOfValues(values: readonly unknown[], { escapes, judged }: Pick<Compiler, "escapes" | "judged">): Form[] {
  const texts = values.filter((value) => typeof value === "string");
  const numbers = values.filter((value) => typeof value === "number");
  const others = values.filter((value) => value === null || typeof value === "boolean");
  const forms: Form[] = [];
  if (texts.length > 0) forms.push(literalForm(texts, escapes));
  if (judged)
    for (const number of numbers) {
      const bound = { value: number, exclusive: false };
      forms.push(...[numberForm({ min: bound, max: bound }, true) ?? []].flat());
    }
  const literals = judged ? others : [...numbers, ...others];
  if (literals.length > 0) forms.push(literalForm(literals));
  const constantValue = (value: unknown): Value => ({
    forms: formsOfValues([value], { escapes, judged }),
    height: heightOf(value),
  });
  for (const value of values) {
    if (typeof value !== "object" || value === null) continue;
    if (Array.isArray(value)) {
      const prefix = value.map(constantValue);
      forms.push({
        ...{ kind: "array", prefix, rest: undefined, min: value.length, max: value.length, height: heightOf(value) },
        ...{ contains: undefined, unique: false },
      });
      continue;
    }
    const properties = keysOf(value).map((name) => ({
      ...{ name, value: constantValue((value as Readonly<Record<string, unknown>>)[name]), required: true },
    }));
    const form: ObjectForm = {
      ...{ kind: "object", properties, extras: undefined, witness: undefined, presence: true, forbidden: [] },
      ...{ min: 0, max: Infinity, repeats: false, height: heightOf(value) },
    };
    forms.push(form);
  }
  return forms;
}

/** How many brackets a known value nests. */
function heightOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(heightOf));
}
