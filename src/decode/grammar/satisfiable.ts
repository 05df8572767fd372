// What can be written at all: for every place the least number of brackets that its shortest text nests, as a least fixed
// point. A place without a finite one (a list node that requires a next list node, for ever) has no text; alternatives that
// need it are dropped, and a root that needs it is a contradiction. Also: what of a form still fits near the depth limit.

import { countTexts } from "./automaton.ts";
import type { ArrayForm, Form, ObjectForm, Property, Value } from "./forms.ts";
import { maxDepth } from "./limits.ts";

/** Sets the heights of all values and drops the forms that nothing can satisfy. */
export function settleHeights(values: readonly Value[]): void {
  for (let changed = true; changed; ) {
    changed = false;
    for (const value of values) {
      for (const form of value.forms) if (form.kind !== "scalar") form.height = heightOf(form);
      const height = Math.min(...value.forms.map((form) => (form.kind === "scalar" ? 0 : form.height)));
      if (height >= value.height) continue;
      value.height = height;
      changed = true;
    }
  }
  for (const value of values) value.forms = value.forms.map(pruned).filter((form) => form !== undefined);
}

function heightOf(form: ArrayForm | ObjectForm): number {
  if (form.kind === "array") {
    let height = 0;
    for (let i = 0; i < Math.min(form.min, form.prefix.length); i++) height = Math.max(height, form.prefix[i].height);
    if (form.min > form.prefix.length) height = Math.max(height, form.rest?.height ?? Infinity);
    return height + 1;
  }
  const { properties, extras, min, max } = form;
  const required = properties.filter((property) => property.required);
  if (required.length > max) return Infinity;
  let height = Math.max(0, ...required.map(({ value }) => value.height));
  const missing = min - required.length;
  if (missing > 0) {
    // The easiest others make up the minimum.
    const others = properties.filter((property) => !property.required).map(({ value }) => value.height);
    const easiest = others.filter((height) => height < Infinity).sort((a, b) => a - b);
    const needed = easiest[missing - 1] ?? Math.min(Infinity, ...(extras?.values ?? []).map((value) => value.height));
    if (easiest.length + (extras ? (extras.keys ? countTexts(extras.keys)[0] : Infinity) : 0) < missing)
      return Infinity;
    height = Math.max(height, needed);
  }
  return height + 1;
}

/** A form without what has no text; undefined if nothing is left. */
function pruned(form: Form): Form | undefined {
  if (form.kind === "scalar") return form;
  if (form.height === Infinity) return undefined;
  return restricted(form, Infinity);
}

const isPossible = (value: Value, room: number) => value.height <= room && value.height < Infinity;

/** A form whose members nest at most `room` brackets: what does not fit is left out. */
function restricted<F extends ArrayForm | ObjectForm>(form: F, room: number): F;
function restricted(form: ArrayForm | ObjectForm, room: number): ArrayForm | ObjectForm {
  if (form.kind === "array") {
    const end = form.prefix.findIndex((value) => !isPossible(value, room));
    if (end >= 0) return { ...form, prefix: form.prefix.slice(0, end), rest: undefined, max: Math.min(form.max, end) };
    if (!form.rest || isPossible(form.rest, room)) return form;
    return { ...form, rest: undefined, max: Math.min(form.max, form.prefix.length) };
  }
  const fits = ({ value }: Property) => isPossible(value, room);
  const extras = form.extras?.within((value) => isPossible(value, room));
  const properties = form.properties.filter(fits);
  if (properties.length === form.properties.length && extras === form.extras) return form;
  const forbidden = [
    ...form.forbidden,
    ...form.properties.filter((property) => !fits(property)).map(({ name }) => name),
  ];
  return { ...form, properties, extras, forbidden };
}

const nearLimit = new WeakMap<ArrayForm | ObjectForm, Map<number, ArrayForm | ObjectForm>>();

/** The form as it may be opened inside `depth` brackets; undefined if it cannot be. */
export function formAt<F extends ArrayForm | ObjectForm>(form: F, depth: number): F | undefined {
  if (depth + form.height > maxDepth) return undefined;
  const room = maxDepth - depth - 1;
  if (room > maxDepth / 2) return form; // far from the limit
  const byRoom = nearLimit.get(form) ?? new Map<number, ArrayForm | ObjectForm>();
  nearLimit.set(form, byRoom);
  const made = byRoom.get(room) ?? restricted(form, room);
  byRoom.set(room, made);
  return made as F;
}
