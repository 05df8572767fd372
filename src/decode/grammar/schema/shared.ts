// What schemas share: a number from 0 on, a date, a name of up to 63 letters, the keys of a pattern. What masks know of a
// machine is known wherever it stands, in one schema and in the next. Only the last used are kept.

import type { Form } from "../forms.ts";
import { maxShared } from "../limits.ts";

/** Gives what is kept under a name, made if it is not known; the name says all that it depends on. */
export function keeper<Made>(): <M extends Made | undefined>(name: string, make: () => M) => Made | M {
  const kept = new Map<string, Made>();
  return (name, make) => {
    const one = kept.get(name) ?? make();
    if (one === undefined) return one;
    kept.delete(name);
    kept.set(name, one);
    if (kept.size > maxShared) kept.delete(kept.keys().next().value as string);
    return one;
  };
}

export const sharedForm = keeper<Form>();
