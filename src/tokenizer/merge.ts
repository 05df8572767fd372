// The merges of a BPE model, which adjacent pairs may become one token and in what order, and merging the symbols of one
// word by them: the pair of the lowest rank first, the leftmost of equals, until no pair has a merge. Two ways with one
// result: short words are scanned, long ones would take the square of their length.
// Source: Sennrich et al. 2016 (arXiv:1508.07909), algorithm 1; huggingface/tokenizers src/models/bpe/{model,word}.rs.

import { fieldError, listOf } from "./fields.ts";

/** Where a pair has no merge, or a character no token. */
export const none = -1;
/** (left id, right id) → rank and merged id: a hash table with open addressing. */
export interface MergeTable {
  /** How many merges there are; ranks are below. */
  readonly count: number;
  /** Four integers a slot: left, right, rank, merged; left is `none` where the slot is empty. Its length is a power of 2. */
  readonly slots: Int32Array;
}

/** Where the merge of a pair is in `table.slots`, or the empty slot where it would be. */
function seek({ slots }: MergeTable, left: number, right: number): number {
  const mask = slots.length - 1;
  let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
  hash ^= hash >>> 15;
  let slot = (4 * hash) & mask;
  while (slots[slot] !== none && (slots[slot] !== left || slots[slot + 1] !== right)) slot = (slot + 4) & mask;
  return slot;
}

/** The slot of a pair, or `none` if it has no merge. */
function findMerge(table: MergeTable, left: number, right: number): number {
  const slot = seek(table, left, right);
  return table.slots[slot] === none ? none : slot;
}

/** The rank of the merge in a slot. */
const rankAt = (table: MergeTable, slot: number): number => table.slots[slot + 2];

/** The id that the merge in a slot makes. */
const mergedAt = (table: MergeTable, slot: number): number => table.slots[slot + 3];

/** The two halves of an entry of `model.merges`: "a b", or ["a", "b"] where tokens may hold a space. */
export function halvesOf(merge: unknown): readonly unknown[] {
  if (typeof merge !== "string") return Array.isArray(merge) ? merge : [];
  const space = merge.indexOf(" ");
  return [merge.slice(0, space), merge.slice(space + 1)];
}

/** The table of `model.merges`; throws an Error that names the entry if its halves or their sum are no tokens. */
export function readMergeTable(value: unknown, idOfText: ReadonlyMap<string, number>): MergeTable {
  const list = listOf(value, "model.merges");
  let size = 16;
  while (size < 2 * list.length) size *= 2;
  const table: MergeTable = { count: list.length, slots: new Int32Array(4 * size).fill(none) };
  for (let rank = 0; rank < list.length; rank++) {
    const [a, b] = halvesOf(list[rank]);
    const left = idOfText.get(a as string);
    const right = idOfText.get(b as string);
    const merged = idOfText.get(`${a}${b}`);
    if (left === undefined || right === undefined || merged === undefined) {
      throw fieldError(`model.merges[${rank}]`, list[rank], "two tokens of the vocabulary that make a third");
    }
    table.slots.set([left, right, rank, merged], seek(table, left, right));
  }
  return table;
}

/** Words of up to this many symbols are scanned. */
const scanLimit = 64;
/** The rank of a pair that has no merge: above all others. */
const noRank = 0x7fffffff;

/** Merges `ids[0..count)` in place; returns how many ids are left. */
export function mergeSymbols(ids: Int32Array, count: number, merges: MergeTable): number {
  return count <= scanLimit ? mergeByScan(ids, count, merges) : mergeByRank(ids, count, merges);
}

const scanSlots = new Int32Array(scanLimit);
const scanRanks = new Int32Array(scanLimit);

/** Looks for the lowest rank each time: O(count²). */
function mergeByScan(ids: Int32Array, count: number, merges: MergeTable): number {
  const look = (i: number) => {
    const slot = findMerge(merges, ids[i], ids[i + 1]);
    scanSlots[i] = slot;
    scanRanks[i] = slot === none ? noRank : rankAt(merges, slot);
  };
  let left = count;
  for (let i = 0; i + 1 < left; i++) look(i);
  for (;;) {
    let best = 0;
    let bestRank = noRank;
    for (let i = 0; i + 1 < left; i++) {
      if (scanRanks[i] < bestRank) {
        best = i;
        bestRank = scanRanks[i];
      }
    }
    if (bestRank === noRank) return left;
    ids[best] = mergedAt(merges, scanSlots[best]);
    left--;
    for (let i = best + 1; i < left; i++) {
      ids[i] = ids[i + 1];
      scanSlots[i] = scanSlots[i + 1];
      scanRanks[i] = scanRanks[i + 1];
    }
    if (best > 0) look(best - 1);
    if (best + 1 < left) look(best);
  }
}

/** The positions where one pair waits for its merge, leftmost first; those before `at` are done. */
interface Bucket {
  readonly left: number;
  readonly right: number;
  readonly merged: number;
  positions: Int32Array;
  count: number;
  at: number;
}

interface Work {
  readonly ids: Int32Array;
  readonly merges: MergeTable;
  /** By rank; `ranks` is a heap of the ranks that have one. */
  readonly buckets: (Bucket | undefined)[];
  readonly ranks: number[];
}

/**
 * Keeps a bucket of positions for each rank that occurs: O(count log ranks). A symbol stays where its first part was, and
 * its first and last place hold its length.
 *
 * Positions come to a bucket in order and never while it is emptied. In order: what stands round a token does not change
 * how it is merged from its symbols, as no merge crosses its ends, so its occurrences are completed by merges of one rank,
 * leftmost first; and a pair comes when the later of its halves is complete. Never while it is emptied: all that is
 * completed meanwhile contains the bucket's pair, so is no half of it.
 */
function mergeByRank(ids: Int32Array, count: number, merges: MergeTable): number {
  const lengths = new Int32Array(count).fill(1);
  const work: Work = { ids, merges, buckets: new Array(merges.count), ranks: [] };
  for (let i = 0; i + 1 < count; i++) offer(work, i, i + 1);

  while (work.ranks.length > 0) {
    const bucket = work.buckets[work.ranks[0]] as Bucket;
    if (bucket.at === bucket.count) {
      work.buckets[popHeap(work.ranks)] = undefined;
      continue;
    }
    const position = bucket.positions[bucket.at++];
    const right = position + lengths[position];
    // One of the two may have been merged with its other neighbor meanwhile.
    if (ids[position] !== bucket.left || right === count || ids[right] !== bucket.right) continue;
    const after = right + lengths[right];
    ids[position] = bucket.merged;
    ids[right] = none;
    lengths[position] = after - position;
    lengths[after - 1] = after - position;
    if (after < count) offer(work, position, after);
    if (position > 0) offer(work, position - lengths[position - 1], position);
  }

  let kept = 0;
  for (let i = 0; i < count; i += lengths[i]) ids[kept++] = ids[i];
  return kept;
}

/** Puts the pair of the symbols at two positions into its bucket, if it has a merge. */
function offer({ ids, merges, buckets, ranks }: Work, position: number, after: number): void {
  const slot = findMerge(merges, ids[position], ids[after]);
  if (slot === none) return;
  const rank = rankAt(merges, slot);
  const bucket = buckets[rank];
  if (bucket === undefined) {
    const [left, right, merged] = [ids[position], ids[after], mergedAt(merges, slot)];
    buckets[rank] = { left, right, merged, positions: Int32Array.of(position), count: 1, at: 0 };
    pushHeap(ranks, rank);
    return;
  }
  const { count } = bucket;
  if (count === bucket.positions.length) {
    const larger = new Int32Array(8 * count);
    larger.set(bucket.positions);
    bucket.positions = larger;
  }
  bucket.positions[count] = position;
  bucket.count = count + 1;
}

function pushHeap(heap: number[], value: number): void {
  let at = heap.length;
  heap.push(value);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent] <= value) break;
    heap[at] = heap[parent];
    at = parent;
  }
  heap[at] = value;
}

function popHeap(heap: number[]): number {
  const top = heap[0];
  const value = heap.pop() as number;
  let at = 0;
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && heap[child + 1] < heap[child]) child++;
    if (heap[child] >= value) break;
    heap[at] = heap[child];
    at = child;
  }
  if (heap.length > 0) heap[at] = value;
  return top;
}
