// Options by name: one that nobody knows is a slip of the caller's, refused with the name that was meant, as far as one is
// near. A list of names is complete by its type: `{ … } satisfies Names<Options>` does not compile without one of them.

import { FieldError, shown } from "./field-error.ts";

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
  const distances = known.map((other) => ({ other, distance: editDistance(plain(name), plain(other)) }));
  const [best] = distances.sort((a, b) => a.distance - b.distance);
  return best && best.distance <= Math.max(1, Math.floor(best.other.length / 4)) ? best.other : undefined;
}

/** Letters to insert, delete or replace that make one text the other (Levenshtein 1966). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}
