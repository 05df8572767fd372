// The tokenizer: text ⇄ ids, as a Hugging Face tokenizer.json describes it. The steps of encoding, in order: added
// tokens, normalizer, added tokens that look at normalized text, pre-tokenizer, BPE, post-processor. It knows nothing of
// models or chat. Source: huggingface/tokenizers src/tokenizer, whose ids it reproduces exactly.

import { checkNames, FieldError, type Names } from "../field-error.ts";
import { type AddedToken, createFinder, type MayBeControl, readAddedTokens, type Stretch } from "./added-tokens.ts";
import { createWordEncoder, readVocabulary } from "./bpe.ts";
import { createDecoder } from "./decoder.ts";
import { type Fields, fieldsOf } from "./fields.ts";
import { createNormalizer } from "./normalizer.ts";
import { createFrame, framedByClass } from "./post-processor.ts";
import { createPreTokenizer } from "./pre-tokenizer.ts";

export interface EncodeOptions {
  /** Add what the post-processor adds, such as a beginning-of-sequence token. Default true. */
  readonly addSpecialTokens?: boolean;
  /**
   * Take the text of a control token (see AddedToken) for that token: everywhere, or only where it lies within one of
   * these ranges, which are in order and do not touch. Default false: user text never becomes one.
   */
  readonly parseSpecialTokens?: boolean | readonly TextRange[];
}

/** Characters (UTF-16 code units) of a text, `end` not included. */
export type TextRange = readonly [start: number, end: number];

export interface DecodeOptions {
  /** Leave special tokens out of the text. Default false. */
  readonly skipSpecialTokens?: boolean;
}

const encodeOptionNames = { addSpecialTokens: true, parseSpecialTokens: true } satisfies Names<EncodeOptions>;
const decodeOptionNames = { skipSpecialTokens: true } satisfies Names<DecodeOptions>;

/** Decodes ids one by one; the pieces, joined, are what `decode` gives for all of them. */
export interface TextStream {
  /** The text that is certain after this id: whole characters, often none. */
  push(id: number): string;
  /** The rest. */
  end(): string;
}

export interface Tokenizer {
  /** The highest id of vocabulary and added tokens, plus one. */
  readonly vocabSize: number;
  readonly addedTokens: readonly AddedToken[];
  /** What is doubtful in the files that it was made from, in sentences for people. */
  readonly warnings: readonly string[];
  /** The ids that tokenizer_config.json names as beginning and end of sequence. */
  readonly bosId: number | undefined;
  readonly eosId: number | undefined;
  /** The ids of `text`. A lone surrogate counts as U+FFFD, which is what UTF-8 makes of it. */
  encode(text: string, options?: EncodeOptions): number[];
  /** The text of `ids`; bytes that are not UTF-8 give U+FFFD. Throws a FieldError for an id that has no token. */
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  /** Decoding for text that is made token by token; `push` throws as `decode` does. */
  stream(options?: DecodeOptions): TextStream;
  /** The bytes that one token stands for. Throws a FieldError for an id that has no token. */
  bytes(id: number): Uint8Array;
  /** The id of a vocabulary text or of an added token's content. */
  idOf(token: string): number | undefined;
  /** The vocabulary text, or the added token's content, of an id. */
  tokenOf(id: number): string | undefined;
  isSpecial(id: number): boolean;
}

/** What only some files say of a tokenizer. */
export interface TokenizerExtras {
  /** Ids that no text becomes, because another has their text: id → that other. They decode like it. */
  readonly twins?: ReadonlyMap<number, number>;
  readonly warnings?: readonly string[];
}

/**
 * The tokenizer that the parsed tokenizer.json (and tokenizer_config.json, for the names of the beginning and end of
 * sequence, and whether they are added) describe. Throws an Error that names the field on anything malformed or not
 * supported.
 */
export function createTokenizer(
  tokenizerJson: unknown,
  tokenizerConfig: unknown = {},
  { twins = new Map(), warnings = [] }: TokenizerExtras = {},
): Tokenizer {
  const json = fieldsOf(tokenizerJson, "the file");
  const config = fieldsOf(tokenizerConfig, "tokenizer_config.json");
  const normalize = createNormalizer(json.normalizer);
  const preTokenizer = createPreTokenizer(json.pre_tokenizer);
  const decoder = createDecoder(json.decoder);
  const vocabulary = readVocabulary(json.model);
  const addedTokens = readAddedTokens(json.added_tokens, vocabulary);
  const addedById = new Map(addedTokens.map((token) => [token.id, token]));
  const isSpecial = (id: number) => addedById.get(id)?.special ?? false;
  const isControl = (id: number) => addedById.get(id)?.control ?? false;
  const encodeWord = createWordEncoder(json.model, vocabulary, preTokenizer.byteLevel, isControl);
  const findRaw = createFinder(
    addedTokens.filter((token) => !token.normalized),
    (text) => text,
  );
  const findNormalized = createFinder(
    addedTokens.filter((token) => token.normalized),
    normalize,
  );
  const addedByContent = new Map(addedTokens.map((token) => [token.content, token]));
  const textOfId: (string | undefined)[] = [];
  for (const [text, id] of vocabulary) textOfId[id] = text;
  for (const token of addedTokens) textOfId[token.id] = token.content;
  for (const [id, other] of twins) {
    textOfId[id] = textOfId[other];
    const added = addedById.get(other);
    if (added) addedById.set(id, added);
  }

  const tokenText = (id: number): string => {
    const text = textOfId[id];
    if (text === undefined)
      throw new FieldError(
        "ids",
        `no token has the id ${id}, expected a whole number from 0 to ${textOfId.length - 1}`,
      );
    return text;
  };
  const idOf = (token: string) => addedByContent.get(token)?.id ?? vocabulary.get(token);
  const bosId = namedId(config, "bos_token", idOf);
  const eosId = namedId(config, "eos_token", idOf);
  const frame = framedByClass(createFrame(json.post_processor), config, { bos: bosId, eos: eosId });
  /** The text that decoding starts from: an added token that is looked for in normalized text is decoded from it. */
  const decodedText = (id: number) => {
    const text = tokenText(id);
    return addedById.get(id)?.normalized ? normalize(text) : text;
  };

  /** Where normalizing changed the text, ranges of it mean nothing; a section then lies in one as a whole or not at all. */
  const findInNormalized = ({ text, start }: Stretch, mayBeControl: MayBeControl) => {
    const normalized = normalize(text);
    if (normalized === text) return findNormalized(text, (from, to) => mayBeControl(start + from, start + to));
    return findNormalized(normalized, () => mayBeControl(start, start + text.length));
  };

  const stream = (options: DecodeOptions = {}): TextStream => {
    checkNames(options, decodeOptionNames);
    const state = decoder.start();
    return {
      push: (id) => (options.skipSpecialTokens && isSpecial(id) ? "" : state.push([decodedText(id)]).join("")),
      end: () => state.end().join(""),
    };
  };

  return {
    vocabSize: textOfId.length,
    addedTokens,
    warnings,
    bosId,
    eosId,
    idOf,
    isSpecial,
    stream,
    tokenOf: (id) => textOfId[id],
    bytes: (id) => (addedById.has(id) ? new TextEncoder().encode(tokenText(id)) : decoder.bytes(tokenText(id))),
    encode(text, options = {}) {
      checkNames(options, encodeOptionNames);
      const { addSpecialTokens = true, parseSpecialTokens = false } = options;
      const ids: number[] = addSpecialTokens ? [...frame.before] : [];
      const mayBeControl = permissionOf(parseSpecialTokens);
      let atStart = true;
      for (const section of findRaw(wellFormed(text), mayBeControl)) {
        const parts = typeof section === "number" ? [section] : findInNormalized(section, mayBeControl);
        for (const part of parts) {
          if (typeof part === "number") ids.push(part);
          else preTokenizer.cut(part.text, atStart, (word) => encodeWord(word, ids));
          atStart = false;
        }
      }
      if (addSpecialTokens) ids.push(...frame.after);
      return ids;
    },
    decode(ids, options = {}) {
      checkNames(options, decodeOptionNames);
      const texts: string[] = [];
      for (const id of ids) if (!(options.skipSpecialTokens && isSpecial(id))) texts.push(decodedText(id));
      const state = decoder.start();
      return [...state.push(texts), ...state.end()].join("");
    },
  };
}

function namedId(config: Fields, field: string, idOf: (token: string) => number | undefined): number | undefined {
  const named = config[field];
  const content = typeof named === "object" && named !== null ? (named as Fields).content : named;
  return typeof content === "string" ? idOf(content) : undefined;
}

function permissionOf(parse: boolean | readonly TextRange[]): MayBeControl {
  if (typeof parse === "boolean") return () => parse;
  return (start, stop) => {
    let low = 0; // the first range that ends after `start`
    for (let high = parse.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (parse[middle][1] > start) high = middle;
      else low = middle + 1;
    }
    return low < parse.length && parse[low][0] <= start && stop <= parse[low][1];
  };
}

function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}
