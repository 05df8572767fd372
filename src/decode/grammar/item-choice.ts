// Which items of an array may come next, where some are counted (`contains`): an item is read as a hit or as a miss, and
// either may come only if the items after it can still make up what is missing.

import type { ArrayForm, Value } from "./forms.ts";

/** What an item may be, and the number of hits after it. */
export interface ItemChoice {
  readonly value: Value;
  readonly hits: number;
}

/** The readings of the item at `count`, after `hits` hits; none: no item may come. */
export function nextItems(form: ArrayForm, count: number, hits: number): readonly ItemChoice[] {
  if (count >= form.max) return [];
  const { contains } = form;
  if (!contains) {
    const value = form.prefix[count] ?? form.rest;
    return value ? [{ value, hits }] : [];
  }
  const at = Math.min(count, contains.hits.length - 1);
  const choices: ItemChoice[] = [];
  for (const [list, after] of [
    [contains.hits, hits + 1],
    [contains.misses, hits],
  ] as const) {
    const value = list[at];
    if (value && canFinish(form, count + 1, after)) choices.push({ value, hits: after });
  }
  return choices;
}

/** Whether the array may end. */
export function mayEndItems({ min, contains }: ArrayForm, count: number, hits: number): boolean {
  return count >= min && (!contains || (hits >= contains.min && hits <= contains.max));
}

/** Whether some array of the form can be written. */
export function holdsItems(form: ArrayForm): boolean {
  return canFinish(form, 0, 0);
}

const known = new WeakMap<ArrayForm, Map<number, boolean>>();

function canFinish(form: ArrayForm, count: number, hits: number): boolean {
  const { min, max, contains } = form;
  if (!contains) return true;
  if (hits > contains.max) return false;
  if (mayEndItems(form, count, hits)) return true;
  const last = contains.hits.length - 1;
  if (count >= last) {
    // All items from here on are alike.
    const [hit, miss] = [contains.hits[last] !== undefined, contains.misses[last] !== undefined];
    const missing = Math.max(0, contains.min - hits);
    const more = Math.max(min - count, missing);
    if (count + more > max || (missing > 0 && !hit)) return false;
    // Beyond the hits that are missing, misses, or hits as far as they may go.
    return miss || (hit && hits + more <= contains.max);
  }
  if (count >= max) return false;
  const states = known.get(form) ?? new Map<number, boolean>();
  known.set(form, states);
  const key = count * (last + 2) + hits;
  let can = states.get(key);
  if (can === undefined) {
    can =
      (contains.hits[count] !== undefined && canFinish(form, count + 1, hits + 1)) ||
      (contains.misses[count] !== undefined && canFinish(form, count + 1, hits));
    states.set(key, can);
  }
  return can;
}
