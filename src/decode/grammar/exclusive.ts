// Which forms exclude each other: `oneOf` wants exactly one member to hold, which a grammar can promise only where no text
// satisfies two. What is not provably exclusive counts as overlapping. Typical proofs: different types, disjoint enums or
// ranges, a property that both have and whose values exclude each other (a discriminator).

import { intersect, languageOf, lengthAutomaton } from "./automaton.ts";
import type { ArrayForm, Form, ObjectForm, ScalarContent, Value } from "./forms.ts";
import { includes, lengths } from "./language.ts";
import { maxComparisons } from "./limits.ts";
import { inRange, type NumberRange } from "./number.ts";

/** Whether no text satisfies both forms, as far as that can be proven. */
export function areExclusive(a: Form, b: Form): boolean {
  const seen = new Map<Value, Set<Value>>();
  let comparisons = 0;

  const values = (a: Value, b: Value): boolean => {
    if (a === b) return false;
    const partners = seen.get(a) ?? new Set<Value>();
    if (partners.has(b) || ++comparisons > maxComparisons) return false; // no proof by going in a circle
    seen.set(a, partners.add(b));
    return a.forms.every((left) => b.forms.every((right) => forms(left, right)));
  };

  const forms = (a: Form, b: Form): boolean => {
    if (a.kind !== b.kind) return true;
    if (a.kind === "scalar") return scalars(a.content, (b as typeof a).content);
    return a.kind === "array" ? arrays(a, b as ArrayForm) : objects(a, b as ObjectForm);
  };

  const arrays = (a: ArrayForm, b: ArrayForm): boolean => {
    if (a.height === Infinity || b.height === Infinity || a.min > b.max || b.min > a.max) return true;
    const item = (form: ArrayForm, i: number) => form.prefix[i] ?? form.rest;
    // Positions that a common array must have.
    for (let i = 0; i < Math.min(Math.max(a.min, b.min), Math.max(a.prefix.length, b.prefix.length) + 1); i++) {
      const [left, right] = [item(a, i), item(b, i)];
      if (!left || !right || values(left, right)) return true;
    }
    return false;
  };

  const objects = (a: ObjectForm, b: ObjectForm): boolean => {
    if (a.height === Infinity || b.height === Infinity || a.min > b.max || b.min > a.max) return true;
    return [a, b].some((form) => {
      const other = form === a ? b : a;
      return form.properties.some(({ name, required, value }) => {
        if (!required) return false;
        const counterpart = other.properties.find((property) => property.name === name)?.value;
        if (counterpart) return values(value, counterpart);
        if (!other.extras || other.forbidden.includes(name)) return true;
        return other.extras.values.every((extra) => values(value, extra));
      });
    });
  };

  return forms(a, b);
}

function scalars(a: ScalarContent, b: ScalarContent): boolean {
  if (a.type === "words") return a.words.every((word) => !holds(b, word));
  if (b.type === "words") return b.words.every((word) => !holds(a, word));
  if (a.type !== b.type) return true;
  if (a.type === "number") return disjointRanges(a.range, (b as typeof a).range);
  if (a.type !== "string") return false;
  const other = b as typeof a;
  if (a.min > other.max || other.min > a.max) return true;
  if (!a.automaton && !other.automaton) return false;
  try {
    const automaton = (content: typeof a) => content.automaton ?? lengthAutomaton(content.min, content.max);
    return intersect(automaton(a), automaton(other)) === undefined;
  } catch {
    return false; // too large to tell
  }
}

function holds(content: ScalarContent, word: string | number | boolean | null): boolean {
  switch (content.type) {
    case "words":
      return content.words.includes(word);
    case "null":
      return word === null;
    case "boolean":
      return typeof word === "boolean";
    case "number":
      return typeof word === "number" && inRange(word, content.range);
    case "string": {
      const { automaton, min, max } = content;
      return typeof word === "string" && includes(automaton ? languageOf(automaton) : lengths(min, max), word);
    }
  }
}

function disjointRanges(a: NumberRange, b: NumberRange): boolean {
  const below = (low: NumberRange, high: NumberRange) => {
    if (low.max === undefined || high.min === undefined) return false;
    return low.max < high.min || (low.max === high.min && (low.maxExclusive || high.minExclusive) === true);
  };
  return below(a, b) || below(b, a);
}
