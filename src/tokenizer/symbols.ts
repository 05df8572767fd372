// How a word becomes the symbols that merging starts from: bytes in a byte-level model, else characters. Characters that
// are no tokens become the tokens of their bytes where the model says so, else the unknown token, else nothing.
// Source: huggingface/tokenizers src/models/bpe/model.rs, merge_word.

import { charOfByte } from "./byte-level.ts";
import { type Fields, fieldError, flagOf } from "./fields.ts";
import { none } from "./merge-table.ts";

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

const utf8 = new TextEncoder();

/** The symbols of a model; throws an Error that names the field if its unknown token or its byte tokens are missing. */
export function createSymbols(model: Fields, idOfText: ReadonlyMap<string, number>, byteLevel: boolean): Symbols {
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
