// Options by name: one that nobody knows is a slip of the caller's, refused with the name that was meant, as far as one is
// near. A list of names is complete by its type: `{ … } satisfies Names<Options>` does not compile without one of them.

import { FieldError, shown } from "./field-error.ts";
import { nearNames } from "./near-names.ts";

/** Every name of an options object. */
export type Names<Options> = Readonly<Record<keyof Options, true>>;

/** @throws FieldError of the first name in `given` that has a value and is not known, or if it is no object. */
export function checkNames<Options extends object>(given: Options, known: Names<Options>): void {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new FieldError(
      "",
      `got ${shown(given)}, expected an object with ${Object.keys(known).join(", ")}`,
      "invalid_type",
    );
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || Object.hasOwn(known, name)) continue;
    const near = nearest(name, Object.keys(known));
    throw new FieldError(
      name,
      near === undefined
        ? `unknown option, expected ${Object.keys(known).join(", ")}`
        : `unknown option, did you mean ${near}?`,
      "unknown",
    );
  }
}

/** The name that was meant: the same but for case and underscores, or with few letters changed. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replace(/[_-]/g, "");
  const [near] = nearNames(plain(name), known.map(plain));
  return known.find((other) => plain(other) === near);
}
