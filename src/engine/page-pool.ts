// Who holds which cache page, and which pages keep a prefix that a later sequence can take instead of computing it. A page
// with a name (see prefix-key.ts) outlives its holders until the pool has nothing else to give; then the page whose last
// holder left longest ago goes first. Kwon et al. 2023, arXiv 2309.06180, section 4.

import { pageSize } from "../../kernels/kernels.ts";
import { type KvCache, pagesFor, releasePages, takePages } from "../model/kv-cache.ts";
import { keyOf, mayShare, type Sequence } from "./sequence.ts";

export interface PagePool {
  readonly nPages: number;
  /** Pages that no sequence holds: `free` ones with nothing in them and `kept` ones that have a name. */
  counts(): { free: number; kept: number };
  /** A page with no use left, held by the caller alone; undefined when sequences hold them all. */
  take(): number | undefined;
  /** The page of that name, held by the caller too; undefined when there is none. */
  share(key: string): number | undefined;
  /** Gives a page that is full and computed its name. Where another page has it already, that one keeps it. */
  publish(page: number, key: string): void;
  /** Ends a holder's hold on its pages, given in order of position. */
  release(pages: readonly number[]): void;
}

/** A pool over a cache whose pages are all free. */
export function createPagePool(cache: KvCache): PagePool {
  const holders = new Int32Array(cache.nPages);
  const keys: (string | undefined)[] = new Array(cache.nPages).fill(undefined);
  const pageOf = new Map<string, number>();
  /** Named pages without a holder; a Set keeps the order in which they came: least recently used first. */
  const kept = new Set<number>();

  function evict(): number | undefined {
    const [page] = kept;
    if (page === undefined) return undefined;
    kept.delete(page);
    pageOf.delete(keys[page] as string);
    keys[page] = undefined;
    return page;
  }

  return {
    nPages: cache.nPages,
    counts: () => ({ free: cache.free.length, kept: kept.size }),
    take() {
      const page = takePages(cache, 1)?.[0] ?? evict();
      if (page !== undefined) holders[page] = 1;
      return page;
    },
    share(key) {
      const page = pageOf.get(key);
      if (page === undefined) return undefined;
      kept.delete(page);
      holders[page]++;
      return page;
    },
    publish(page, key) {
      if (pageOf.has(key)) return;
      pageOf.set(key, page);
      keys[page] = key;
    },
    release(pages) {
      // Last page first: without the pages before it a page is of no use, so it has to go before them.
      for (const page of pages.toReversed()) {
        if (--holders[page] > 0) continue;
        if (keys[page] === undefined) releasePages(cache, [page]);
        else kept.add(page);
      }
    },
  };
}

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
export function extendPages(pool: PagePool, sequence: Sequence, rows: number): boolean {
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
