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
  let one: RegExp;
  try {
    one = new RegExp(`^\\p{${name}}$`, "u");
  } catch {
    return undefined;
  }
  const ranges: number[] = [];
  for (let codePoint = 0; codePoint <= highest; codePoint++) {
    if (codePoint === 0xd800) codePoint = 0xe000;
    if (!one.test(String.fromCodePoint(codePoint))) continue;
    if (ranges[ranges.length - 1] === codePoint - 1) ranges[ranges.length - 1] = codePoint;
    else ranges.push(codePoint, codePoint);
  }
  const set = codePoints(ranges);
  properties.set(name, set);
  return set;
}
