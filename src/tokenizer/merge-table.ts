// The merges of a BPE model: which adjacent pairs may become one token, and in what order. A table only; merging itself is
// in merge.ts. Source: huggingface/tokenizers src/models/bpe/model.rs.

import { fieldError, listOf } from "./fields.ts";

/** Where a pair has no merge, or a character no token. */
export const none = -1;
/** The rank of a pair that has no merge. */
export const noRank = 0x7fffffff;

/** (left id, right id) → rank and merged id: a hash table with open addressing, four integers a slot. */
export interface MergeTable {
  /** How many merges there are; ranks are below. */
  readonly count: number;
  /** The slot of a pair, or `none`. */
  find(left: number, right: number): number;
  /** Of a slot; `noRank` of `none`. */
  rankAt(slot: number): number;
  mergedAt(slot: number): number;
}

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
  const mask = 4 * size - 1;
  const table = new Int32Array(4 * size).fill(none);
  const seek = (left: number, right: number) => {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = (4 * hash) & mask;
    while (table[slot] !== none && (table[slot] !== left || table[slot + 1] !== right)) slot = (slot + 4) & mask;
    return slot;
  };
  for (let rank = 0; rank < list.length; rank++) {
    const [a, b] = halvesOf(list[rank]);
    const left = idOfText.get(a as string);
    const right = idOfText.get(b as string);
    const merged = idOfText.get(`${a}${b}`);
    if (left === undefined || right === undefined || merged === undefined) {
      throw fieldError(`model.merges[${rank}]`, list[rank], "two tokens of the vocabulary that make a third");
    }
    const slot = seek(left, right);
    table[slot] = left;
    table[slot + 1] = right;
    table[slot + 2] = rank;
    table[slot + 3] = merged;
  }
  return {
    count: list.length,
    find(left, right) {
      const slot = seek(left, right);
      return table[slot] === none ? none : slot;
    },
    rankAt: (slot) => (slot === none ? noRank : table[slot + 2]),
    mergedAt: (slot) => table[slot + 3],
  };
}
