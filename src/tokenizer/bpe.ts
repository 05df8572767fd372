// Byte-pair encoding: a word becomes symbols (bytes or characters), then the adjacent pair of the lowest rank is merged,
// the leftmost of equals first, until no pair has a merge. Words are those of the pre-tokenizer; texts, added tokens and
// decoding are elsewhere. Source: Sennrich et al. 2016 (arXiv:1508.07909); huggingface/tokenizers src/models/bpe.

import { charOfByte, textOfBytes } from "./byte-level.ts";
import { countOf, type Fields, fieldError, fieldsOf, flagOf, listOf } from "./fields.ts";

export interface Bpe {
  /** The vocabulary: token text → id. */
  readonly idOfText: ReadonlyMap<string, number>;
  /** Appends the ids of one word to `ids`. */
  encode(word: string, ids: number[]): void;
}

/** Where a pair has no merge. */
const none = -1;

// A word of up to this many symbols is merged by scanning it for the lowest rank, a longer one by rank buckets.
const scanLimit = 64;
const cacheEntries = 1 << 16;
// V8 lets a slice of 13 characters or more share the memory of its text: as a key of the cache it would keep a whole
// prompt alive.
const cacheWordLength = 12;

const utf8 = new TextEncoder();

/**
 * The BPE model of tokenizer.json's `model` field. `byteLevel`: symbols are bytes in the alphabet of byte-level.ts, else
 * they are characters. Throws an Error that names the field on a kind of model, or an option, that is not supported.
 */
export function createBpe(value: unknown, byteLevel: boolean): Bpe {
  const model = fieldsOf(value, "model");
  if (model.type !== undefined && model.type !== "BPE") throw fieldError("model.type", model.type, '"BPE"');
  for (const field of ["continuing_subword_prefix", "end_of_word_suffix", "dropout"]) {
    if (model[field]) throw fieldError(`model.${field}`, model[field], "none");
  }
  const idOfText = readVocabulary(model.vocab);
  const merges = readMerges(model.merges, idOfText);
  const symbolsOf = createSymbols(model, idOfText, byteLevel);
  const ignoreMerges = flagOf(model.ignore_merges, "model.ignore_merges", false);
  const cache = new Map<string, readonly number[]>();

  const encodeUncached = (word: string, ids: number[]) => {
    if (ignoreMerges) {
      const id = idOfText.get(byteLevel ? textOfBytes(utf8.encode(word)) : word);
      if (id !== undefined) {
        ids.push(id);
        return;
      }
    }
    const symbols = symbolsOf(word);
    const count = symbols.length <= scanLimit ? mergeByScan(symbols, merges) : mergeByRank(symbols, merges);
    for (let i = 0; i < count; i++) ids.push(symbols[i]);
  };

  const encode = (word: string, ids: number[]) => {
    if (word.length > cacheWordLength) return encodeUncached(word, ids);
    let known = cache.get(word);
    if (known === undefined) {
      const fresh: number[] = [];
      encodeUncached(word, fresh);
      if (cache.size >= cacheEntries) cache.clear();
      cache.set(word, fresh);
      known = fresh;
    }
    for (let i = 0; i < known.length; i++) ids.push(known[i]);
  };
  return { idOfText, encode };
}

function readVocabulary(value: unknown): Map<string, number> {
  const vocabulary = fieldsOf(value, "model.vocab");
  const idOfText = new Map<string, number>();
  for (const text in vocabulary) {
    idOfText.set(text, countOf(vocabulary[text], `model.vocab[${JSON.stringify(text)}]`));
  }
  return idOfText;
}

/** (left id, right id) → rank and merged id, in one open-addressing hash table of four integers a slot. */
interface Merges {
  /** The slot of a pair, or `none`. */
  find(left: number, right: number): number;
  rankAt(slot: number): number;
  mergedAt(slot: number): number;
}

function readMerges(value: unknown, idOfText: ReadonlyMap<string, number>): Merges {
  const list = listOf(value, "model.merges");
  let size = 16;
  while (size < 2 * list.length) size *= 2;
  const mask = size - 1;
  const table = new Int32Array(4 * size).fill(none);
  const seek = (left: number, right: number) => {
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = 4 * (hash & mask);
    while (table[slot] !== none && (table[slot] !== left || table[slot + 1] !== right))
      slot = (slot + 4) & (4 * mask + 3);
    return slot;
  };
  for (let rank = 0; rank < list.length; rank++) {
    const merge = list[rank];
    let a: string | undefined;
    let b: string | undefined;
    if (typeof merge === "string") {
      const space = merge.indexOf(" ");
      a = merge.slice(0, space);
      b = merge.slice(space + 1);
    } else if (Array.isArray(merge) && merge.length === 2) {
      [a, b] = merge;
    }
    const left = idOfText.get(a as string);
    const right = idOfText.get(b as string);
    const merged = idOfText.get(`${a}${b}`);
    if (left === undefined || right === undefined || merged === undefined) {
      throw fieldError(`model.merges[${rank}]`, merge, "two tokens of the vocabulary that make a third");
    }
    const slot = seek(left, right);
    table[slot] = left;
    table[slot + 1] = right;
    table[slot + 2] = rank;
    table[slot + 3] = merged;
  }
  return {
    find(left, right) {
      const slot = seek(left, right);
      return table[slot] === none ? none : slot;
    },
    rankAt: (slot) => table[slot + 2],
    mergedAt: (slot) => table[slot + 3],
  };
}

/** How a word becomes the symbols that merging starts from; characters that have none become bytes, or the unknown token. */
function createSymbols(
  model: Fields,
  idOfText: ReadonlyMap<string, number>,
  byteLevel: boolean,
): (word: string) => Int32Array {
  const fallback = flagOf(model.byte_fallback, "model.byte_fallback", false);
  const fuseUnknown = flagOf(model.fuse_unk, "model.fuse_unk", false);
  const unknownText = model.unk_token ?? undefined;
  const unknown = unknownText === undefined ? undefined : idOfText.get(unknownText as string);
  if (unknownText !== undefined && unknown === undefined) {
    throw fieldError("model.unk_token", unknownText, "a token of the vocabulary");
  }
  const byteName = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
  const idOfByte = Array.from({ length: 256 }, (_, byte) =>
    idOfText.get(byteLevel ? charOfByte[byte] : byteName(byte)),
  );

  let symbols = new Int32Array(256);
  let count = 0;
  let pending = false; // an unknown token that the next unknown character may join
  const add = (id: number) => {
    symbols[count++] = id;
  };
  const addUnknown = () => {
    if (unknown === undefined) return; // dropped, as the Rust library does
    if (pending && !fuseUnknown) add(unknown);
    pending = true;
  };
  const addKnown = (id: number) => {
    if (pending) add(unknown as number);
    pending = false;
    add(id);
  };

  return (word) => {
    if (symbols.length < 4 * word.length) symbols = new Int32Array(8 * word.length);
    count = 0;
    if (byteLevel) {
      for (const byte of utf8.encode(word)) {
        const id = idOfByte[byte];
        if (id === undefined) addUnknown();
        else addKnown(id);
      }
    } else {
      for (const char of word) {
        const id = idOfText.get(char);
        if (id !== undefined) {
          addKnown(id);
          continue;
        }
        const bytes = fallback ? Array.from(utf8.encode(char), (byte) => idOfByte[byte]) : [undefined];
        // Bytes do not close a pending unknown: the Rust library writes it after them.
        if (bytes.includes(undefined)) addUnknown();
        else for (const byte of bytes) add(byte as number);
      }
    }
    if (pending) add(unknown as number);
    pending = false;
    return symbols.subarray(0, count);
  };
}

/** Merges in place by looking for the lowest rank again and again, O(n²); returns how many symbols are left. */
function mergeByScan(symbols: Int32Array, merges: Merges): number {
  let count = symbols.length;
  const slots = scanSlots;
  for (let i = 0; i + 1 < count; i++) slots[i] = merges.find(symbols[i], symbols[i + 1]);
  for (;;) {
    let best = none;
    let bestRank = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 1 < count; i++) {
      if (slots[i] !== none && merges.rankAt(slots[i]) < bestRank) {
        best = i;
        bestRank = merges.rankAt(slots[i]);
      }
    }
    if (best === none) return count;
    symbols[best] = merges.mergedAt(slots[best]);
    count--;
    for (let i = best + 1; i < count; i++) {
      symbols[i] = symbols[i + 1];
      slots[i] = slots[i + 1];
    }
    if (best > 0) slots[best - 1] = merges.find(symbols[best - 1], symbols[best]);
    if (best + 1 < count) slots[best] = merges.find(symbols[best], symbols[best + 1]);
  }
}

const scanSlots = new Int32Array(scanLimit);

/** Positions that wait for the merge of one rank: mostly they come in order (`run`, read from `at`), else they are `late`. */
interface Bucket {
  readonly run: number[];
  at: number;
  readonly late: number[];
}

/**
 * Merges in place, O(n log n) in any case and O(n) when few ranks occur, as in a long run of one letter; returns how
 * many symbols are left. The symbols are a linked list; each rank that has candidates has a bucket of positions.
 */
function mergeByRank(symbols: Int32Array, merges: Merges): number {
  const count = symbols.length;
  const previous = new Int32Array(count);
  const next = new Int32Array(count);
  const buckets = new Map<number, Bucket>();
  const ranks: number[] = [];

  const offer = (position: number, right: number) => {
    const slot = merges.find(symbols[position], symbols[right]);
    if (slot === none) return;
    const rank = merges.rankAt(slot);
    let bucket = buckets.get(rank);
    if (bucket === undefined) {
      bucket = { run: [], at: 0, late: [] };
      buckets.set(rank, bucket);
      pushHeap(ranks, rank);
    }
    const { run, late } = bucket;
    if (run.length === 0 || run[run.length - 1] <= position) run.push(position);
    else pushHeap(late, position);
  };

  for (let i = 0; i < count; i++) {
    previous[i] = i - 1;
    next[i] = i + 1;
  }
  for (let i = 0; i + 1 < count; i++) offer(i, i + 1);

  while (ranks.length > 0) {
    const rank = ranks[0];
    const bucket = buckets.get(rank) as Bucket;
    const { run, late } = bucket;
    if (bucket.at === run.length && late.length === 0) {
      popHeap(ranks);
      buckets.delete(rank);
      continue;
    }
    const takeLate = late.length > 0 && (bucket.at === run.length || late[0] < run[bucket.at]);
    const position = takeLate ? popHeap(late) : run[bucket.at++];
    const right = next[position];
    if (symbols[position] === none || right === count) continue;
    const slot = merges.find(symbols[position], symbols[right]);
    if (slot === none || merges.rankAt(slot) !== rank) continue; // a neighbour was merged meanwhile
    symbols[position] = merges.mergedAt(slot);
    symbols[right] = none;
    const after = next[right];
    next[position] = after;
    if (after < count) {
      previous[after] = position;
      offer(position, after);
    }
    if (previous[position] >= 0) offer(previous[position], position);
  }

  let kept = 0;
  for (let i = 0; i < count; i = next[i]) symbols[kept++] = symbols[i];
  return kept;
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
