// The merges of a BPE model: which adjacent pairs may become one token, and in what order. A table only; merging itself is
// in merge.ts. Source: huggingface/tokenizers src/models/bpe/model.rs.

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
export function findMerge(table: MergeTable, left: number, right: number): number {
  const slot = seek(table, left, right);
  return table.slots[slot] === none ? none : slot;
}

/** The rank of the merge in a slot. */
export const rankAt = (table: MergeTable, slot: number): number => table.slots[slot + 2];

/** The id that the merge in a slot makes. */
export const mergedAt = (table: MergeTable, slot: number): number => table.slots[slot + 3];

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
