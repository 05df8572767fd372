// Unicode normalization form C in time that is linear in the text (n log n in a run of marks). The engine's own normalize
// sorts the marks of a character by insertion: a megabyte of them on one letter would take minutes. Here a long run is
// sorted first, which changes nothing in the result. Source: Unicode Standard, section 3.11, canonical ordering.

const longRun = /\p{M}{64,}/gu;
// The mark that sorts after every other: a mark that does not move before it does not move at all.
const lastMark = "\u0345";

/** `text` in normalization form C, the same as `text.normalize("NFC")`. */
export function toNfc(text: string): string {
  return text.replace(longRun, sortMarks).normalize("NFC");
}

function sortMarks(run: string): string {
  const marks = [...run].flatMap((mark) => [...mark.normalize("NFD")]);
  const distinct = [...new Set(marks)];
  const fixed = new Set(distinct.filter((mark) => mark !== lastMark && !swaps(lastMark, mark)));
  const order = distinct.filter((mark) => !fixed.has(mark)).sort((a, b) => (swaps(b, a) ? -1 : swaps(a, b) ? 1 : 0));
  const classes = new Map<string, number>();
  order.forEach((mark, i) => {
    const before = order[i - 1];
    classes.set(mark, i > 0 && !swaps(mark, before) && !swaps(before, mark) ? (classes.get(before) as number) : i);
  });
  const classOf = (mark: string) => classes.get(mark) as number;
  let sorted = "";
  for (let start = 0, end = 0; start < marks.length; start = ++end) {
    while (end < marks.length && !fixed.has(marks[end])) end++;
    const movable = marks.slice(start, end).sort((a, b) => classOf(a) - classOf(b));
    sorted += movable.join("") + (marks[end] ?? "");
  }
  return sorted;
}

/** Whether canonical ordering puts `second` before `first`. */
function swaps(first: string, second: string): boolean {
  return (first + second).normalize("NFD") === second + first && first !== second;
}
