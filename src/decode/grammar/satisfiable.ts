// What can be written at all: for every place the least number of brackets that its shortest text nests, as a least fixed
// point. A place without a finite one (a list node that requires a next list node, for ever) has no text; alternatives that
// need it are dropped, and a root that needs it is a contradiction. Also: what of a form still fits near the depth limit.

import { countTexts } from "./automaton.ts";
import type { ArrayForm, Extras, Form, ObjectForm, Property, Value } from "./forms.ts";
import { holdsItems } from "./item-choice.ts";
import { isWritable } from "./key-choice.ts";
import { maxDepth } from "./limits.ts";

/** Sets the heights of all values and drops the forms that nothing can satisfy. */
export function settleHeights(values: readonly Value[]): void {
  const users = new Map<Value, Value[]>(values.map((value) => [value, []]));
  for (const value of values)
    for (const form of value.forms)
      if (form.kind !== "scalar") for (const part of new Set(valuesOf(form))) users.get(part)?.push(value);
  const open = new Set([...values].reverse());
  for (const value of open) {
    open.delete(value); // whoever comes again is looked at again
    for (const form of value.forms) if (form.kind !== "scalar") form.height = heightOf(form);
    const height = Math.min(...value.forms.map((form) => (form.kind === "scalar" ? 0 : form.height)));
    if (height >= value.height) continue;
    value.height = height;
    for (const user of users.get(value) ?? []) open.add(user);
  }
  for (const value of values) value.forms = value.forms.map(pruned).filter((form) => form !== undefined);
}

function heightOf(form: ArrayForm | ObjectForm): number {
  return 1 + (form.kind === "array" ? heightOfItems(form) : heightOfMembers(form));
}

function heightOfItems(form: ArrayForm): number {
  if (form.contains) return leastRoom(candidates(valuesOf(form)), (room) => holdsItems(restricted(form, room)));
  let height = 0;
  for (let i = 0; i < Math.min(form.min, form.prefix.length); i++) height = Math.max(height, form.prefix[i].height);
  if (form.min > form.prefix.length) height = Math.max(height, form.rest?.height ?? Infinity);
  return height;
}

function heightOfMembers(form: ObjectForm): number {
  const { properties, extras, min, max, presence, witness } = form;
  if (presence !== true || witness || max < Infinity) {
    return leastRoom(candidates(valuesOf(form)), (room) => isWritable(restricted(form, room)));
  }
  const required = properties.filter((property) => property.required);
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
  return height;
}

/** The values that a form may hold. */
export function valuesOf(form: ArrayForm | ObjectForm): Value[] {
  if (form.kind === "object")
    return [
      ...form.properties.map(({ value }) => value),
      ...(form.extras?.values ?? []),
      ...(form.witness?.values ?? []),
    ];
  const { prefix, rest, contains } = form;
  return [...prefix, rest, ...(contains?.hits ?? []), ...(contains?.misses ?? [])].filter(
    (value) => value !== undefined,
  );
}

const candidates = (values: readonly Value[]) =>
  [...new Set(values.map(({ height }) => height))].filter((height) => height < Infinity).sort((a, b) => a - b);

/** The least room in which a form can be written, out of those that make a difference. */
function leastRoom(rooms: readonly number[], isEnough: (room: number) => boolean): number {
  if (isEnough(-1)) return 0;
  return rooms.find(isEnough) ?? Infinity;
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
  return form.kind === "array" ? restrictedArray(form, room) : restrictedObject(form, room);
}

function restrictedArray(form: ArrayForm, room: number): ArrayForm {
  const { prefix, rest, max, contains } = form;
  if (contains) {
    const possible = (value: Value | undefined) => (value && isPossible(value, room) ? value : undefined);
    const [hits, misses] = [contains.hits.map(possible), contains.misses.map(possible)];
    if (hits.every((hit, i) => hit === contains.hits[i]) && misses.every((miss, i) => miss === contains.misses[i]))
      return form;
    return { ...form, contains: { ...contains, hits, misses } };
  }
  const end = prefix.findIndex((value) => !isPossible(value, room));
  if (end >= 0) return { ...form, prefix: prefix.slice(0, end), rest: undefined, max: Math.min(max, end) };
  if (!rest || isPossible(rest, room)) return form;
  return { ...form, rest: undefined, max: Math.min(max, prefix.length) };
}

function restrictedObject(form: ObjectForm, room: number): ObjectForm {
  const fits = ({ value }: Property) => isPossible(value, room);
  const within = (extras: Extras | undefined) => extras?.within((value) => isPossible(value, room));
  const [extras, witness] = [within(form.extras), within(form.witness)];
  const properties = form.properties.filter(fits);
  if (properties.length === form.properties.length && extras === form.extras && witness === form.witness) return form;
  const left = form.properties.filter((property) => !fits(property));
  const forbidden = [...form.forbidden, ...left.map(({ name }) => name)];
  // What was asked for and is not there can no longer be had.
  const isLost = left.some(({ required }) => required) || (form.witness !== undefined && witness === undefined);
  return { ...form, properties, extras, witness, forbidden, presence: isLost ? false : form.presence };
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
