// Learns byte-level BPE: from words and how often each occurs to a vocabulary and its merges. Encoding is not here.
// Source: Sennrich et al. 2016, arXiv 1508.07909, algorithm 1; ties and order as huggingface/tokenizers
// src/models/bpe/trainer.rs, whose result on the same words is the same.

import { textOfBytes } from "../../src/tokenizer/byte-level.ts";

export interface LearnedBpe {
  /** Token text → id: first the special tokens, then the 256 bytes in the order of their characters, then the merges. */
  vocab: Record<string, number>;
  merges: [string, string][];
}

interface Word {
  symbols: number[];
  count: number;
}

interface Pair {
  left: number;
  right: number;
  count: number;
  /** Words that hold the pair, or held it once. */
  words: Set<Word>;
}

const shift = 65536;

/**
 * Merges the most frequent pair of neighbors, again and again, until the vocabulary has `vocabSize` tokens. `words` maps
 * text to its number of occurrences; no merge crosses a word. Throws an Error when the words run out of pairs.
 */
export function learnBpe(
  words: ReadonlyMap<string, number>,
  vocabSize: number,
  specialTokens: readonly string[],
): LearnedBpe {
  const alphabet = Array.from({ length: 256 }, (_, byte) => textOfBytes(Uint8Array.of(byte))).sort();
  const tokens = [...specialTokens, ...alphabet];
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const merges: [string, string][] = [];
  const pairs = new Map<number, Pair>();

  const change = (left: number, right: number, count: number, word: Word) => {
    const key = left * shift + right;
    const pair = pairs.get(key) ?? { left, right, count: 0, words: new Set() };
    pair.count += count;
    if (count > 0) pair.words.add(word);
    pairs.set(key, pair);
  };
  const utf8 = new TextEncoder();
  for (const [text, count] of words) {
    const symbols = [...textOfBytes(utf8.encode(text))].map((unit) => idOf.get(unit) ?? -1);
    const word = { symbols, count };
    for (let i = 1; i < symbols.length; i++) change(symbols[i - 1], symbols[i], count, word);
  }

  while (tokens.length < vocabSize) {
    let best: Pair | undefined;
    for (const pair of pairs.values()) if (best === undefined || isBefore(pair, best)) best = pair;
    if (best === undefined || best.count < 1)
      throw new Error(`the words give ${tokens.length} tokens, not ${vocabSize}`);
    const { left, right } = best;
    const text = tokens[left] + tokens[right];
    const merged = idOf.get(text) ?? tokens.push(text) - 1;
    idOf.set(text, merged);
    merges.push([tokens[left], tokens[right]]);
    for (const word of best.words) mergeIn(word, left, right, merged, change);
    pairs.delete(left * shift + right);
  }
  return { vocab: Object.fromEntries(tokens.map((token, id) => [token, id])), merges };
}

/** More frequent pairs first; among equals the one with lower ids. */
function isBefore(a: Pair, b: Pair): boolean {
  return a.count > b.count || (a.count === b.count && (a.left < b.left || (a.left === b.left && a.right < b.right)));
}

function mergeIn(
  word: Word,
  left: number,
  right: number,
  merged: number,
  change: (left: number, right: number, count: number, word: Word) => void,
) {
  const { symbols, count } = word;
  for (let i = 0; i + 1 < symbols.length; i++) {
    if (symbols[i] !== left || symbols[i + 1] !== right) continue;
    if (i > 0) {
      change(symbols[i - 1], left, -count, word);
      change(symbols[i - 1], merged, count, word);
    }
    if (i + 2 < symbols.length) {
      change(right, symbols[i + 2], -count, word);
      change(merged, symbols[i + 2], count, word);
    }
    symbols.splice(i, 2, merged);
  }
}
