// Forms that schemas share: a number from 0 on, a date, a name of up to 63 letters. What masks know of a form's machine is
// known wherever the form stands, in one schema and in the next. Only the last used are kept.

import type { Form } from "../forms.ts";
import { maxSharedForms } from "../limits.ts";

const kept = new Map<string, Form>();

/** The form of a name, made if it is not known; the name says all that the form depends on. */
export function sharedForm(name: string, make: () => Form | undefined): Form | undefined {
  const form = kept.get(name) ?? make();
  if (!form) return undefined;
  kept.delete(name);
  kept.set(name, form);
  if (kept.size > maxSharedForms) kept.delete(kept.keys().next().value as string);
  return form;
}
