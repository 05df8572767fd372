// Which words of the heap are taken: by weights never, by the tensors of a step until it or a scope of it ends. Nothing is
// ever moved: what a scope returns stays where it is, and its neighbors' room is used again around it.

/** Words from `at` on. */
export interface Range {
  readonly at: number;
  readonly words: number;
}

/** Ranges begin at multiples of 256 bytes, so that vectors of four lie even. */
const grain = 64;

export type Ranges = ReturnType<typeof createRanges>;

export function createRanges() {
  let taken: (Range & { readonly number: number })[] = []; // in order of `at`
  let count = 0;
  let reach = 0; // end of the highest range that was taken since `settle`

  return {
    /**
     * The first gap with so many words; `fresh`: one that nobody had since `settle`. The host writes into it before the
     * device does any of what was asked since then, so what had it before would be overwritten too early. `reaches` hears
     * up to where words are needed, and may throw: then nothing is taken.
     */
    take(words: number, fresh: boolean, reaches: (end: number) => void): Range {
      const size = Math.max(grain, Math.ceil(words / grain) * grain);
      let at = fresh ? reach : 0;
      let i = 0;
      for (; i < taken.length; i++) {
        if (taken[i].at + taken[i].words <= at) continue;
        if (at + size <= taken[i].at) break;
        at = taken[i].at + taken[i].words;
      }
      reaches(at + size);
      const range = { at, words: size, number: count++ };
      taken.splice(i, 0, range);
      reach = Math.max(reach, at + size);
      return range;
    },
    /** A place in the order of what is taken. */
    mark: () => count,
    /** Frees what was taken since the mark, but `kept`. */
    release(mark: number, kept: Range | null): void {
      taken = taken.filter((range) => range.number < mark || range.at === kept?.at);
    },
    /** Frees everything. */
    clear(): void {
      taken = [];
    },
    /** The device has been given all that was asked: freed ranges may be written by the host again. */
    settle(): void {
      reach = taken.reduce((end, { at, words }) => Math.max(end, at + words), 0);
    },
    /** Words from 0 on that were in use since `settle`. */
    reach: () => reach,
  };
}
