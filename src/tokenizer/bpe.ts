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

/** Where a pair has no merge, or a symbol was merged away. */
const none = -1;
const noRank = 0x7fffffff;

// A word of up to this many symbols is merged by looking for the lowest rank, a longer one by buckets of ranks.
const scanLimit = 64;
const cacheEntries = 1 << 16;
const cacheWordLength = 48;

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
  const symbols = createSymbols(model, idOfText, byteLevel);
  let longestText = 0;
  for (const text of idOfText.keys()) longestText = Math.max(longestText, text.length);
  const ignoreMerges = flagOf(model.ignore_merges, "model.ignore_merges", false);
  const cache = new Map<string, readonly number[]>();

  const encodeUncached = (word: string, ids: number[]) => {
    if (ignoreMerges && word.length <= longestText) {
      const id = idOfText.get(byteLevel ? textOfBytes(utf8.encode(word)) : word);
      if (id !== undefined) {
        ids.push(id);
        return;
      }
    }
    symbols.fill(word);
    const merge = symbols.count <= scanLimit ? mergeByScan : mergeByRank;
    const count = merge(symbols.ids, symbols.count, merges);
    for (let i = 0; i < count; i++) ids.push(symbols.ids[i]);
  };

  const encode = (word: string, ids: number[]) => {
    if (word.length > cacheWordLength) return encodeUncached(word, ids);
    let known = cache.get(word);
    if (known === undefined) {
      const fresh: number[] = [];
      encodeUncached(word, fresh);
      if (cache.size >= cacheEntries) cache.clear();
      cache.set(detached(word), fresh);
      known = fresh;
    }
    for (let i = 0; i < known.length; i++) ids.push(known[i]);
  };
  return { idOfText, encode };
}

/** The same string in memory of its own: V8 keeps the whole text alive behind a slice of it that is a key of the cache. */
function detached(word: string): string {
  return ` ${word}`.slice(1);
}

function readVocabulary(value: unknown): Map<string, number> {
  const vocabulary = fieldsOf(value, "model.vocab");
  const idOfText = new Map<string, number>();
  for (const text in vocabulary) {
    const id = vocabulary[text];
    if (!Number.isSafeInteger(id)) countOf(id, `model.vocab[${JSON.stringify(text)}]`);
    idOfText.set(text, id as number);
  }
  return idOfText;
}

/** (left id, right id) → rank and merged id: a hash table with open addressing, four integers a slot. */
interface Merges {
  readonly count: number;
  /** The slot of a pair, or `none`. */
  find(left: number, right: number): number;
  /** Of a slot; `noRank` of `none`. */
  rankAt(slot: number): number;
  mergedAt(slot: number): number;
}

function readMerges(value: unknown, idOfText: ReadonlyMap<string, number>): Merges {
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
    const merge = list[rank];
    const space = typeof merge === "string" ? merge.indexOf(" ") : 0;
    const [a, b] = typeof merge === "string" ? [merge.slice(0, space), merge.slice(space + 1)] : listOf(merge, "merge");
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
    count: list.length,
    find(left, right) {
      const slot = seek(left, right);
      return table[slot] === none ? none : slot;
    },
    rankAt: (slot) => (slot === none ? noRank : table[slot + 2]),
    mergedAt: (slot) => table[slot + 3],
  };
}

/** The symbols that a word starts from: `ids[0..count)` after `fill`. */
interface Symbols {
  ids: Int32Array;
  count: number;
  fill(word: string): void;
}

/** Characters that are no tokens become the tokens of their bytes where the model says so, else the unknown token. */
function createSymbols(model: Fields, idOfText: ReadonlyMap<string, number>, byteLevel: boolean): Symbols {
  const fallback = flagOf(model.byte_fallback, "model.byte_fallback", false);
  const fuseUnknown = flagOf(model.fuse_unk, "model.fuse_unk", false);
  const unknownText = model.unk_token ?? undefined;
  const unknown = unknownText === undefined ? none : (idOfText.get(unknownText as string) ?? none);
  if (unknownText !== undefined && unknown === none) {
    throw fieldError("model.unk_token", unknownText, "a token of the vocabulary");
  }
  const byteName = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
  const idOfByte = Array.from({ length: 256 }, (_, byte) => {
    return idOfText.get(byteLevel ? charOfByte[byte] : byteName(byte)) ?? none;
  });

  let bytes = new Uint8Array(256);
  let pending = false; // an unknown token that the next unknown character may join
  const add = (id: number) => {
    symbols.ids[symbols.count++] = id;
  };
  const addToken = (id: number) => {
    if (id === none && unknown === none) return; // dropped, as the Rust library does
    if (pending && (id !== none || !fuseUnknown)) add(unknown);
    pending = id === none;
    if (id !== none) add(id);
  };
  const addBytes = (char: string): boolean => {
    const { written } = utf8.encodeInto(char, bytes);
    for (let i = 0; i < written; i++) if (idOfByte[bytes[i]] === none) return false;
    // They do not close a pending unknown token: the Rust library writes it after them.
    for (let i = 0; i < written; i++) add(idOfByte[bytes[i]]);
    return true;
  };

  const symbols: Symbols = {
    ids: new Int32Array(256),
    count: 0,
    fill(word) {
      if (bytes.length < 3 * word.length) {
        bytes = new Uint8Array(4 * word.length);
        symbols.ids = new Int32Array(4 * word.length);
      }
      symbols.count = 0;
      if (byteLevel) {
        const { written } = utf8.encodeInto(word, bytes);
        for (let i = 0; i < written; i++) addToken(idOfByte[bytes[i]]);
      } else {
        for (const char of word) {
          const id = idOfText.get(char) ?? none;
          if (id !== none || !fallback || !addBytes(char)) addToken(id);
        }
      }
      if (pending) add(unknown);
      pending = false;
    },
  };
  return symbols;
}

const scanSlots = new Int32Array(scanLimit);
const scanRanks = new Int32Array(scanLimit);

/** Merges `ids[0..count)` in place by looking for the lowest rank each time, O(count²); returns how many ids are left. */
function mergeByScan(ids: Int32Array, count: number, merges: Merges): number {
  const look = (i: number) => {
    scanSlots[i] = merges.find(ids[i], ids[i + 1]);
    scanRanks[i] = merges.rankAt(scanSlots[i]);
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
    ids[best] = merges.mergedAt(scanSlots[best]);
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

/** Positions that wait for the merge of one rank: mostly they come in order (`run`, read from `at`), else they are `late`. */
interface Bucket {
  readonly run: number[];
  at: number;
  readonly late: number[];
}

/**
 * Merges `ids[0..count)` in place, O(count log count) in any case and O(count) where few ranks occur, as in a long run of
 * one letter; returns how many ids are left. The symbols are a linked list; each rank that some pair has, has a bucket.
 */
function mergeByRank(ids: Int32Array, count: number, merges: Merges): number {
  const previous = new Int32Array(count);
  const next = new Int32Array(count);
  const buckets: (Bucket | undefined)[] = new Array(merges.count);
  const ranks: number[] = [];

  const offer = (position: number, right: number) => {
    const rank = merges.rankAt(merges.find(ids[position], ids[right]));
    if (rank === noRank) return;
    let bucket = buckets[rank];
    if (bucket === undefined) {
      bucket = { run: [], at: 0, late: [] };
      buckets[rank] = bucket;
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
    const bucket = buckets[rank] as Bucket;
    const { run, late } = bucket;
    if (bucket.at === run.length && late.length === 0) {
      popHeap(ranks);
      buckets[rank] = undefined;
      continue;
    }
    const takeLate = late.length > 0 && (bucket.at === run.length || late[0] < run[bucket.at]);
    const position = takeLate ? popHeap(late) : run[bucket.at++];
    const right = next[position];
    if (ids[position] === none || right === count) continue;
    const slot = merges.find(ids[position], ids[right]);
    if (merges.rankAt(slot) !== rank) continue; // one of the two was merged with another neighbor meanwhile
    ids[position] = merges.mergedAt(slot);
    ids[right] = none;
    const after = next[right];
    next[position] = after;
    if (after < count) {
      previous[after] = position;
      offer(position, after);
    }
    if (position > 0) offer(previous[position], position);
  }

  let kept = 0;
  for (let i = 0; i < count; i = next[i]) ids[kept++] = ids[i];
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
