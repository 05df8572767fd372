// Arrays of a branch → forms: the schemas that hold at each position, and how many items there may be.

import type { ArrayForm, ContainsForm, Form } from "../forms.ts";
import type { Compiler } from "./compiler.ts";
import { complementOf } from "./complement.ts";
import { schemaFault } from "./fault.ts";
import type { Contains, Member, Place } from "./keywords.ts";

export function arrayForms(branch: readonly Member[], compiler: Compiler): Form[] {
  const { valueAt, conflict } = compiler;
  const at = branch[0]?.at ?? "";
  const min = Math.max(0, ...branch.map(({ minItems = 0 }) => minItems));
  const max = Math.min(Infinity, ...branch.map(({ maxItems = Infinity }) => maxItems));
  if (min > max) return conflict(at, `minItems ${min} is above maxItems ${max}`);
  const all = containsOf(branch);
  const counting = all.find(({ min, max }) => min > 0 || max < Infinity);
  const length = Math.max(counting?.from ?? 0, ...branch.map(({ prefixItems }) => prefixItems?.length ?? 0));
  const places = Array.from({ length: length + 1 }, (_, i) => itemPlaces(branch, i));
  const values = places.map(valueAt);
  const form: ArrayForm = {
    ...{ kind: "array", prefix: values.slice(0, length), rest: values[length], min, max, height: Infinity },
    contains: counting && containsForm(counting, places, compiler),
    unique: branch.some(({ uniqueItems }) => uniqueItems),
  };
  return [form];
}

/** What must be true of the item at an index. */
export function itemPlaces(branch: readonly Member[], index: number): Place[] {
  return branch.flatMap((member) => {
    const { prefixItems = [], items, unevaluatedItems } = member;
    const own = prefixItems[index] ?? items;
    if (own) return [own];
    if (!unevaluatedItems) return [];
    const evaluates = (other: Member) =>
      other.items || index < (other.prefixItems?.length ?? 0) || other.unevaluatedItems;
    const isEvaluated = branch.some(
      (other) => other !== member && other.above.includes(member.name) && evaluates(other),
    );
    return isEvaluated ? [] : [unevaluatedItems];
  });
}

/** The `contains` of a branch, those of the same schema as one; throws where several are to be counted. */
function containsOf(branch: readonly Member[]): Contains[] {
  const found = new Map<string, Contains>();
  for (const one of branch.flatMap(({ contains = [] }) => contains)) {
    const name = `${one.from} ${one.place.name}`;
    const other = found.get(name);
    found.set(name, other ? { ...one, min: Math.max(one.min, other.min), max: Math.min(one.max, other.max) } : one);
  }
  const counted = [...found.values()].filter(({ min, max }) => min > 0 || max < Infinity);
  if (counted.length > 1) throw schemaFault(counted[1].at, 'several "contains" at one place are not supported');
  return counted;
}

function containsForm(
  { place, from, min, max }: Contains,
  places: readonly Place[][],
  { valueAt }: Compiler,
): ContainsForm {
  const miss = max < Infinity ? [complementOf(place)] : []; // with no maximum, a hit may be counted as a miss
  return {
    min,
    max,
    hits: places.map((own, i) => (i < from ? undefined : valueAt([...own, place]))),
    misses: places.map((own, i) => valueAt(i < from ? own : [...own, ...miss])),
  };
}
