// The pages of one sequence: taken from the pool as rows are computed or found there, named when they are full, given back.

import { pageSize } from "../../kernels/kernels.ts";
import { pagesFor } from "../model/kv-cache.ts";
import type { PagePool } from "./page-pool.ts";
import { keyOf, mayShare, type Sequence } from "./sequence.ts";

/** Takes computed pages from the pool for as many of the sequence's next rows as it has. */
export function takeSharedPages(pool: PagePool, sequence: Sequence): void {
  for (;;) {
    const next = sequence.computed / pageSize;
    if (!Number.isInteger(next) || !mayShare(sequence, next)) return;
    const page = pool.share(keyOf(sequence, next));
    if (page === undefined) return;
    sequence.pages.push(page);
    sequence.computed += pageSize;
  }
}

/** Takes pages for so many rows in all. → false when the pool ran out of them */
export function takePages(pool: PagePool, sequence: Sequence, rows: number): boolean {
  while (sequence.pages.length < pagesFor(rows)) {
    const page = pool.take();
    if (page === undefined) return false;
    sequence.pages.push(page);
  }
  return true;
}

/** Gives the pages their names that became full since `from` rows were computed. */
export function publishPages(pool: PagePool, sequence: Sequence, from: number): void {
  const full = Math.floor(sequence.computed / pageSize);
  for (let n = Math.floor(from / pageSize); n < full; n++) pool.publish(sequence.pages[n], keyOf(sequence, n));
}

/** Gives back the pages behind those of computed rows. */
export function trimPages(pool: PagePool, sequence: Sequence): void {
  pool.release(sequence.pages.splice(pagesFor(sequence.computed)));
}

/** Gives all pages back: the rows must be computed again, or found. */
export function giveBackPages(pool: PagePool, sequence: Sequence): void {
  sequence.computed = 0;
  sequence.continuing = false;
  trimPages(pool, sequence);
}
