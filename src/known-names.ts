// Options by name: one that nobody knows is a slip of the caller's, refused with the name that was meant, as far as one is
// near. A list of names is complete by its type: `{ … } satisfies Names<Options>` does not compile without one of them.

import { FieldError, shown } from "./field-error.ts";
import { nearNames } from "./near-names.ts";

/** Every name of an options object. */
export type Names<Options> = Readonly<Record<keyof Options, true>>;

/** @throws FieldError of the first name in `given` that has a value and is not known, or if it is no object. */
export function checkNames<Options extends object>(given: Options, known: Names<Options>): void {
  const names = Object.keys(known);
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new FieldError("", `got ${shown(given)}, expected an object with ${names.join(", ")}`, "invalid_type");
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || Object.hasOwn(known, name)) continue;
    const camelCase = name.replace(/[_-]+(\w)/g, (_, letter: string) => letter.toUpperCase());
    const [near] = nearNames(camelCase, names);
    const hint = near === undefined ? `expected ${names.join(", ")}` : `did you mean ${near}?`;
    throw new FieldError(name, `unknown option, ${hint}`, "unknown");
  }
}
