// Values that are almost right: one thing changed at a time.

export const scalars = [
  0,
  1,
  -1,
  5,
  9,
  10,
  12,
  100,
  0.5,
  -0.25,
  1e21,
  "",
  "a",
  "b",
  "ab",
  "aaa",
  "x_1",
  "red",
  "2024-02-29",
  true,
  false,
  null,
];

/** Gives a function that gives a value with one thing changed: an item or key gone, added or renamed, a scalar replaced or bent a little. */
export function mutator(random: () => number): (value: unknown) => unknown {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)];
  const mutated = (value: unknown): unknown => {
    if (random() < 0.15) return pick<unknown>([...scalars, [], {}]);
    if (Array.isArray(value)) {
      const at = Math.floor(random() * (value.length + 1));
      if (at === value.length) return [...value, pick(scalars)];
      return random() < 0.3 ? value.toSpliced(at, 1) : value.with(at, mutated(value[at]));
    }
    if (typeof value === "object" && value !== null) {
      const entries = Object.entries(value);
      const at = Math.floor(random() * (entries.length + 1));
      if (at === entries.length) return { ...value, [pick(["a", "b", "x_new", "_y", "zz", "kind"])]: pick(scalars) };
      if (random() < 0.3) return Object.fromEntries(entries.toSpliced(at, 1));
      return Object.fromEntries(entries.with(at, [entries[at][0], mutated(entries[at][1])]));
    }
    if (typeof value === "string") {
      const at = Math.floor(random() * (value.length + 1));
      return (
        value.slice(0, at) +
        pick(["", "a", "Z", "9", "-", ".", "é", "😀", '"', "\n"]) +
        value.slice(at + (random() < 0.5 ? 1 : 0))
      );
    }
    if (typeof value === "number")
      return pick([value + 1, value - 1, -value, value * 10, value + 0.5, Math.trunc(value / 2)]);
    return pick(scalars);
  };
  return mutated;
}
