// The byte-pair encoding model: words → ids. A word becomes symbols: bytes in a byte-level model, else characters;
// characters that are no tokens become the tokens of their bytes where the model says so, else the unknown token, else
// nothing. What becomes of symbols is in merge.ts; the vocabulary, the cache of words and which words need no merging are here.
// Source: Sennrich et al. 2016 (arXiv:1508.07909); huggingface/tokenizers src/models/bpe (merge_word for symbols).

import { charOfByte, textOfBytes } from "./byte-level.ts";
import { type Fields, fieldError, fieldsOf, flagOf, isCount, listOf } from "./fields.ts";
import { halvesOf, mergeSymbols, none, readMergeTable } from "./merge.ts";

/** Token text → id. */
export type Vocabulary = ReadonlyMap<string, number>;

/** Appends the ids of one word to `ids`. */
export type WordEncoder = (word: string, ids: number[]) => void;

const cacheEntries = 1 << 16;
const cacheWordLength = 48;

const utf8 = new TextEncoder();

/**
 * The encoder of tokenizer.json's `model`. `byteLevel`: symbols are bytes in the alphabet of byte-level.ts, else they are
 * characters; a word that `isControl` is not taken whole. Throws an Error that names the field on anything not supported.
 */
export function createWordEncoder(
  value: unknown,
  vocabulary: Vocabulary,
  byteLevel: boolean,
  isControl: (id: number) => boolean,
): WordEncoder {
  const model = fieldsOf(value, "model");
  for (const field of ["continuing_subword_prefix", "end_of_word_suffix", "dropout"]) {
    if (model[field]) throw fieldError(`model.${field}`, model[field], "none");
  }
  const merges = readMergeTable(model.merges, vocabulary);
  const symbols = createSymbols(model, vocabulary, byteLevel);
  let longestText = 0;
  for (const text of vocabulary.keys()) longestText = Math.max(longestText, text.length);
  const ignoreMerges = flagOf(model.ignore_merges, "model.ignore_merges", false);
  const cache = new Map<string, readonly number[]>();
  const mayJoin = ignoreMerges || byteLevel ? undefined : readJoints(model.merges, vocabulary, symbols);

  const encodeUncached = (word: string, ids: number[]) => {
    if (ignoreMerges && word.length <= longestText) {
      const id = vocabulary.get(byteLevel ? textOfBytes(utf8.encode(word)) : word);
      if (id !== undefined && !isControl(id)) {
        ids.push(id);
        return;
      }
    }
    symbols.fill(word);
    const count = mergeSymbols(symbols.ids, symbols.count, merges);
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

  return (word, ids) => {
    let start = 0;
    for (let i = 1; mayJoin && i < word.length; i++) {
      if (mayJoin(word.charCodeAt(i - 1), word.charCodeAt(i))) continue;
      encodePart(word.slice(start, i), ids);
      start = i;
    }
    encodePart(start === 0 ? word : word.slice(start), ids);
  };
}

/** The same string in memory of its own: V8 keeps the whole text alive behind a slice of it that is a key of the cache. */
function detached(word: string): string {
  return ` ${word}`.slice(1);
}

/** The `vocab` of tokenizer.json's `model`; throws an Error that names the field if it is malformed or not of a BPE model. */
export function readVocabulary(value: unknown): Vocabulary {
  const model = fieldsOf(value, "model");
  if (model.type !== undefined && model.type !== "BPE") throw fieldError("model.type", model.type, '"BPE"');
  const entries = fieldsOf(model.vocab, "model.vocab");
  const idOfText = new Map<string, number>();
  for (const text in entries) {
    const id = entries[text];
    if (!isCount(id)) throw fieldError(`model.vocab[${JSON.stringify(text)}]`, id, "a whole number from 0");
    idOfText.set(text, id);
  }
  return idOfText;
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

/** The symbols of one word: `ids[0..count)` after `fill`. */
export interface Symbols {
  ids: Int32Array;
  count: number;
  fill(word: string): void;
  /** Whether there are characters that neither are tokens nor become bytes. */
  readonly mayBeUnknown: boolean;
  /** Whether an id stands for a byte. */
  isByte(id: number | undefined): boolean;
}

/** The symbols of a model; throws an Error that names the field if its unknown token or its byte tokens are missing. */
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
  if (byteLevel && fallback && idOfByte.includes(none)) {
    throw fieldError("model.byte_fallback", fallback, "false beside a ByteLevel pre-tokenizer");
  }

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
