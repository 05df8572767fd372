// Which of the known names somebody may have meant. Distance: insertions, deletions and substitutions of one character
// (Levenshtein 1966).

/** Up to three known names, nearest first, of those that are within a third of the name's length, or two edits, of it. */
export function nearNames(name: string, known: Iterable<string>): string[] {
  const limit = Math.max(2, Math.floor(name.length / 3));
  const near: { known: string; edits: number }[] = [];
  for (const candidate of known) {
    if (Math.abs(candidate.length - name.length) > limit) continue; // bounds the work: a name may come from outside
    const edits = distance(name, candidate);
    if (edits <= limit) near.push({ known: candidate, edits });
  }
  near.sort((a, b) => a.edits - b.edits); // stable: of equals the first known
  return near.slice(0, 3).map(({ known }) => known);
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j); // from a's first i characters to b's first j
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}
