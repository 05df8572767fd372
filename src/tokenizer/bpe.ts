// Byte-pair encoding: a word becomes symbols (bytes or characters), then the adjacent pair of the lowest rank is merged,
// the leftmost of equals first, until no pair has a merge. Words are those of the pre-tokenizer; texts, added tokens and
// decoding are elsewhere. Source: Sennrich et al. 2016 (arXiv:1508.07909); huggingface/tokenizers src/models/bpe.

import { charOfByte, textOfBytes } from "./byte-level.ts";
import { type Fields, fieldError, fieldsOf, flagOf, isCount, listOf } from "./fields.ts";

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
  const mayJoin = ignoreMerges || byteLevel ? undefined : readJoints(model.merges, idOfText, symbols);

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

  const encodePart = (word: string, ids: number[]) => {
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

  const encode = (word: string, ids: number[]) => {
    let start = 0;
    for (let i = 1; mayJoin && i < word.length; i++) {
      if (mayJoin(word.charCodeAt(i - 1), word.charCodeAt(i))) continue;
      encodePart(word.slice(start, i), ids);
      start = i;
    }
    encodePart(start === 0 ? word : word.slice(start), ids);
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
    if (!isCount(id)) throw fieldError(`model.vocab[${JSON.stringify(text)}]`, id, "a whole number from 0");
    idOfText.set(text, id);
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

function halvesOf(merge: unknown): readonly unknown[] {
  if (typeof merge !== "string") return Array.isArray(merge) ? merge : [];
  const space = merge.indexOf(" ");
  return [merge.slice(0, space), merge.slice(space + 1)];
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

/**
 * Without a pre-tokenizer the whole text is one word. It may still be cut, with the same result, between two characters
 * (UTF-16 code units) that no merge can join: those that never end the left and begin the right half of one. Not so
 * where a merge takes a byte token, whose text is not what it stands for, or where unknown characters may be fused or
 * dropped.
 */
function readJoints(
  merges: unknown,
  idOfText: ReadonlyMap<string, number>,
  symbols: Symbols,
): ((last: number, first: number) => boolean) | undefined {
  if (symbols.mayBeUnknown) return undefined;
  const joints = new Set<number>();
  for (const merge of listOf(merges, "model.merges")) {
    const [a, b] = halvesOf(merge) as [string, string];
    if (symbols.isByte(idOfText.get(a)) || symbols.isByte(idOfText.get(b))) return undefined;
    joints.add((a.charCodeAt(a.length - 1) << 16) | b.charCodeAt(0));
  }
  const isLowSurrogate = (unit: number) => (unit & 0xfc00) === 0xdc00;
  let asked = 0; // the last question, since a run asks the same one over and over
  let answer = joints.has(asked);
  return (last, first) => {
    const joint = (last << 16) | first;
    if (joint !== asked) {
      asked = joint;
      answer = joints.has(joint) || isLowSurrogate(first);
    }
    return answer;
  };
}

/** The symbols that a word starts from: `ids[0..count)` after `fill`. */
interface Symbols {
  ids: Int32Array;
  count: number;
  fill(word: string): void;
  readonly mayBeUnknown: boolean;
  isByte(id: number | undefined): boolean;
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

  const byteIds = new Set(idOfByte);
  const idOfUnit = new Int32Array(0x10000).fill(none);
  for (const [text, id] of idOfText) if (text.length === 1) idOfUnit[text.charCodeAt(0)] = id;

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
    mayBeUnknown: !fallback || idOfByte.includes(none),
    isByte: (id) => id !== undefined && byteIds.has(id),
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
        for (let i = 0; i < word.length; i++) {
          let id = idOfUnit[word.charCodeAt(i)];
          let char: string | undefined;
          if (id === none) {
            char = String.fromCodePoint(word.codePointAt(i) as number);
            id = idOfText.get(char) ?? none;
            i += char.length - 1;
          }
          if (id !== none || !fallback || !addBytes(char as string)) addToken(id);
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

/** The positions where one pair waits for its merge, leftmost first; those before `at` are done. */
interface Bucket {
  readonly left: number;
  readonly right: number;
  readonly merged: number;
  positions: Int32Array;
  count: number;
  inOrder: boolean;
  at: number;
}

/**
 * Merges `ids[0..count)` in place, O(count log count) in any case and O(count) where few ranks occur, as in a long run of
 * one letter; returns how many ids are left. A symbol stays where its first
 * part was, and its first and last place hold its length; each rank that occurs has a bucket. While a
 * bucket is emptied nothing comes to it: whatever is merged meanwhile contains its pair, and so is no half of it.
 */
function mergeByRank(ids: Int32Array, count: number, merges: Merges): number {
  const lengths = new Int32Array(count).fill(1);
  const buckets: (Bucket | undefined)[] = new Array(merges.count); // by rank
  const ranks: number[] = [];

  const offer = (position: number, after: number) => {
    const slot = merges.find(ids[position], ids[after]);
    if (slot === none) return;
    const rank = merges.rankAt(slot);
    const bucket = buckets[rank];
    if (bucket === undefined) {
      const [left, right, merged] = [ids[position], ids[after], merges.mergedAt(slot)];
      buckets[rank] = { left, right, merged, positions: Int32Array.of(position), count: 1, inOrder: true, at: 0 };
      pushHeap(ranks, rank);
    } else {
      const { count } = bucket;
      if (count === bucket.positions.length) {
        const larger = new Int32Array(8 * count);
        larger.set(bucket.positions);
        bucket.positions = larger;
      }
      if (bucket.positions[count - 1] > position) bucket.inOrder = false;
      bucket.positions[count] = position;
      bucket.count = count + 1;
    }
  };

  for (let i = 0; i + 1 < count; i++) offer(i, i + 1);

  while (ranks.length > 0) {
    const bucket = buckets[ranks[0]] as Bucket;
    if (!bucket.inOrder) bucket.positions.subarray(0, bucket.count).sort();
    bucket.inOrder = true;
    if (bucket.at === bucket.count) {
      buckets[popHeap(ranks)] = undefined;
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
    if (after < count) offer(position, after);
    if (position > 0) offer(position - lengths[position - 1], position);
  }

  let kept = 0;
  for (let i = 0; i < count; i += lengths[i]) ids[kept++] = ids[i];
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
