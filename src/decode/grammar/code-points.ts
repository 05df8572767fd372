// Sets of code points: sorted, disjoint ranges as one flat list, [from, to, from, to …]. Surrogates are in none of them.

/** [from, to, from, to …], sorted, disjoint. */
export type CodePoints = readonly number[];

const highest = 0x10ffff;

/** The set of the given ranges, in any order and overlapping. */
export function codePoints(ranges: readonly number[]): CodePoints {
  const pairs: [number, number][] = [];
  for (let i = 0; i < ranges.length; i += 2) {
    const [from, to] = [ranges[i], ranges[i + 1]];
    if (from < 0xd800) pairs.push([from, Math.min(to, 0xd7ff)]);
    if (to > 0xdfff) pairs.push([Math.max(from, 0xe000), to]);
  }
  pairs.sort((a, b) => a[0] - b[0]);
  const merged: number[] = [];
  for (const [from, to] of pairs) {
    if (merged.length > 0 && from <= merged[merged.length - 1] + 1)
      merged[merged.length - 1] = Math.max(merged[merged.length - 1], to);
    else merged.push(from, to);
  }
  // Merging has joined D7FF and E000 at most; nothing that matters lies between them.
  return merged;
}

/** All code points that are not in the set. */
export function complement(set: CodePoints): CodePoints {
  const gaps: number[] = [];
  let from = 0;
  for (let i = 0; i < set.length; i += 2) {
    if (set[i] > from) gaps.push(from, set[i] - 1);
    from = set[i + 1] + 1;
  }
  if (from <= highest) gaps.push(from, highest);
  return codePoints(gaps);
}

export const anyCodePoint = codePoints([0, highest]);
export const digits = codePoints([0x30, 0x39]);
export const wordCharacters = codePoints([0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a]);
/** JavaScript's \s. */
export const spaces = codePoints([
  ...[0x09, 0x0d, 0x20, 0x20, 0xa0, 0xa0, 0x1680, 0x1680, 0x2000, 0x200a],
  ...[0x2028, 0x2029, 0x202f, 0x202f, 0x205f, 0x205f, 0x3000, 0x3000, 0xfeff, 0xfeff],
]);
/** What `.` leaves out. */
export const lineEnds = codePoints([0x0a, 0x0a, 0x0d, 0x0d, 0x2028, 0x2029]);

const properties = new Map<string, CodePoints>();

/**
 * The code points with a Unicode property, as in \p{...}; undefined if there is no such property. The host's regular
 * expressions are asked about single characters only.
 */
export function withProperty(name: string): CodePoints | undefined {
  const known = properties.get(name);
  if (known) return known;
  let runs: RegExp;
  try {
    runs = new RegExp(`\\p{${name}}+`, "gu");
  } catch {
    return undefined;
  }
  const ranges: number[] = [];
  for (const { 0: run, index } of everything().matchAll(runs))
    ranges.push(codePointAt(index), codePointAt(index + run.length) - 1);
  const set = codePoints(ranges);
  properties.set(name, set);
  return set;
}

let all: string | undefined;

/** Every code point in order. */
function everything(): string {
  if (all === undefined) {
    const parts: string[] = [];
    for (let from = 0; from <= highest; from += 0x400) {
      if (from >= 0xd800 && from < 0xe000) continue;
      parts.push(String.fromCodePoint(...Array.from({ length: 0x400 }, (_, i) => from + i)));
    }
    all = parts.join("");
  }
  return all;
}

/** The code point at an index of `everything`. */
function codePointAt(index: number): number {
  if (index < 0xd800) return index;
  if (index < 0xf800) return index + 0x800;
  return 0x10000 + (index - 0xf800) / 2;
}

let variants: ReadonlyMap<number, readonly number[]> | undefined;

/** Each code point that has cases, with its others. */
function caseVariants(): ReadonlyMap<number, readonly number[]> {
  if (variants) return variants;
  const groups = new Map<number, Set<number>>();
  for (const { 0: char } of everything().matchAll(/\p{Changes_When_Casemapped}/gu)) {
    // What JavaScript's flag i, with u, takes for the same: simple case folding.
    const own = char.codePointAt(0) as number;
    const group = new Set([own]);
    for (const other of [char.toLowerCase(), char.toUpperCase(), char.toUpperCase().toLowerCase()]) {
      const codePoint = other.codePointAt(0) as number;
      if (other === String.fromCodePoint(codePoint)) group.add(codePoint);
    }
    for (const one of group) for (const known of groups.get(one) ?? []) group.add(known);
    for (const one of group) groups.set(one, group);
  }
  variants = new Map([...groups].map(([one, group]) => [one, [...group]]));
  return variants;
}

/** A set with all that differs from its members by case alone. */
export function foldCase(set: CodePoints): CodePoints {
  const ranges = [...set];
  for (const [one, others] of caseVariants())
    if (includesCodePoint(set, one)) for (const other of others) ranges.push(other, other);
  return codePoints(ranges);
}

export function includesCodePoint(set: CodePoints, codePoint: number): boolean {
  for (let i = 0; i < set.length; i += 2) if (codePoint >= set[i] && codePoint <= set[i + 1]) return true;
  return false;
}

/** The code points of both sets. */
export function common(a: CodePoints, b: CodePoints): CodePoints {
  const ranges: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const [from, to] = [Math.max(a[i], b[j]), Math.min(a[i + 1], b[j + 1])];
    if (from <= to) ranges.push(from, to);
    if (a[i + 1] < b[j + 1]) i += 2;
    else j += 2;
  }
  return ranges;
}
