// The tokenizer in a GGUF file, as the tokenizer.json that it came from: byte-level BPE ("gpt2"), whose pre-tokenizer GGUF
// only names, and SentencePiece's BPE ("llama"), whose merges follow from its scores. Nothing is encoded here; the file's
// chat template is handed on as text. Source: ggml-org/llama.cpp, src/llama-vocab.cpp; ggml-org/ggml, docs/gguf.md.

import { GgufError, type GgufItems, type GgufMetadata, isNoToken } from "../../weights/gguf-header.ts";
import { endOfTurnTexts } from "./end-of-turn.ts";
import {
  type NamedPreTokenizer,
  namedPreTokenizers,
  preTokenizerOf,
  preTokenizersOfArchitectures,
} from "./gguf-pre.ts";
import { createTokenizer, type Tokenizer, type TokenizerExtras } from "./tokenizer.ts";

/** What a tokenizer is made of: both files of a model directory, parsed. */
export interface TokenizerFiles {
  readonly tokenizerJson: Readonly<Record<string, unknown>>;
  /** `bos_token`, `eos_token` and, where the file has one, `chat_template`. */
  readonly tokenizerConfig: Readonly<Record<string, unknown>>;
}

/** The tokenizer that the metadata of `file` describe. @throws as `tokenizerFromGguf`. */
export function ggufTokenizer(file: string, metadata: GgufMetadata): Tokenizer {
  const { tokenizerJson, tokenizerConfig, ...extras } = tokenizerFromGguf(file, metadata);
  return createTokenizer(tokenizerJson, tokenizerConfig, extras);
}

/** `tokenizer.ggml.token_type` */
export const tokenTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** The mark that SentencePiece puts for a space. */
export const spaceMark = "\u2581";

/**
 * The metadata of `file` as tokenizer.json and tokenizer_config.json.
 * @throws a GgufError that names the key, if one is missing, malformed or asks for something that is not computed here.
 */
export function tokenizerFromGguf(file: string, metadata: GgufMetadata): TokenizerFiles & Required<TokenizerExtras> {
  const read = readerOf(file, metadata);
  const kind = read.text("model");
  if (kind !== "gpt2" && kind !== "llama") throw read.error("model", `${JSON.stringify(kind)}, expected gpt2 or llama`);
  const warnings: string[] = [];
  const tokens = read.tokens();
  const twins = twinsOf(tokens);
  if (twins.size > 0) {
    const [[id, other]] = twins;
    const problem = `${JSON.stringify(tokens[id])} has the ids ${id} and ${other}`;
    warnings.push(`${twins.size} of the tokens are there twice (${problem}): text becomes the later id`);
  }
  const parts = kind === "gpt2" ? byteLevelParts(read, tokens, warnings) : sentencePieceParts(read, tokens);
  const types = read.list("token_type", tokens.length);
  const stated = (id: number) => (types ? Number(types[id]) : tokenTypes.normal);
  // What no merge makes can only have been meant for one: a vocabulary may have "</s>" as a word like any other.
  const unmarked = new Set(
    tokens.filter((text, id) => endOfTurnTexts.has(text) && stated(id) === tokenTypes.normal && !parts.makes(text)),
  );
  if (unmarked.size > 0) warnings.push(`${[...unmarked].join(", ")}: not marked as control tokens, read as such`);
  const typeOf = (id: number) => (unmarked.has(tokens[id]) ? tokenTypes.control : stated(id));

  const special = ({ type, id }: { type: number; id: number }) => ({
    id,
    content: tokens[id],
    special: type !== tokenTypes.userDefined,
    normalized: false,
  });
  const isAdded = ({ type }: { type: number }) =>
    type === tokenTypes.control || type === tokenTypes.userDefined || type === tokenTypes.unknown;
  const addedTokens = tokens
    .map((_, id) => ({ id, type: typeOf(id) }))
    .filter((token) => isAdded(token) && !twins.has(token.id))
    .map(special);

  const bos = read.id("bos_token_id", tokens.length);
  const eos = read.id("eos_token_id", tokens.length);
  const before = (read.flag("add_bos_token") ?? parts.addBos) ? [read.needed("bos_token_id", bos)] : [];
  const after = (read.flag("add_eos_token") ?? false) ? [read.needed("eos_token_id", eos)] : [];
  const chatTemplate = metadata.get("tokenizer.chat_template")?.value;
  return {
    tokenizerJson: {
      ...parts.json,
      added_tokens: addedTokens,
      post_processor: frameOf(before, after),
    },
    twins,
    warnings,
    tokenizerConfig: {
      ...(bos === undefined ? {} : { bos_token: tokens[bos] }),
      ...(eos === undefined ? {} : { eos_token: tokens[eos] }),
      ...(typeof chatTemplate === "string" ? { chat_template: chatTemplate } : {}),
    },
  };
}

interface Parts {
  readonly json: Readonly<Record<string, unknown>>;
  /** Whether a merge makes this token, in plain ASCII. */
  makes(text: string): boolean;
  readonly addBos: boolean;
}

function byteLevelParts(read: Reader, tokens: readonly string[], warnings: string[]): Parts {
  const named = preTokenizerNamed(read, warnings);
  const list = read.list("merges");
  if (!list) throw read.error("merges", "missing, expected an array of strings");
  const merges = Array.from(list, String);
  return {
    addBos: named.addBos ?? false,
    makes: (text) => merges.some((merge) => merge.replace(" ", "") === text),
    json: {
      normalizer: named.nfc ? { type: "NFC" } : null,
      pre_tokenizer: preTokenizerOf(named),
      model: {
        type: "BPE",
        vocab: vocabularyOf(tokens),
        merges,
        ignore_merges: named.ignoreMerges ?? false,
      },
      decoder: { type: "ByteLevel" },
    },
  };
}

function preTokenizerNamed(read: Reader, warnings: string[]): NamedPreTokenizer {
  const ofArchitecture = preTokenizersOfArchitectures[read.architecture];
  const absent = !read.has("pre");
  if (absent) {
    const taken = ofArchitecture ? `${read.architecture} models do` : "llama.cpp does by default";
    warnings.push(`tokenizer.ggml.pre is missing: text is cut as ${taken}, which may not be how the model was trained`);
  }
  if (absent && ofArchitecture) return ofArchitecture;
  const name = absent ? "default" : read.text("pre");
  const named = namedPreTokenizers.find(({ names }) => names.includes(name));
  if (named) return named;
  const known = namedPreTokenizers.flatMap(({ names }) => names).join(", ");
  throw read.error("pre", `${JSON.stringify(name)}, expected one of ${known}`);
}

function sentencePieceParts(read: Reader, tokens: readonly string[]): Parts {
  const scores = read.list("scores", tokens.length);
  if (!scores) throw read.error("scores", "missing, expected an array of numbers");
  if (read.flag("remove_extra_whitespaces")) {
    throw read.error("remove_extra_whitespaces", "true, expected false (it is not computed here)");
  }
  const prefix = read.flag("add_space_prefix") ?? true;
  const unknown = read.id("unknown_token_id", tokens.length) ?? 0;
  const toMarks = { type: "Replace", pattern: { String: " " }, content: spaceMark };
  const toSpaces = { type: "Replace", pattern: { String: spaceMark }, content: " " };
  const merges = mergesOfScores(tokens, scores);
  return {
    addBos: true,
    makes: (text) => merges.some(([left, right]) => left + right === text),
    json: {
      normalizer: {
        type: "Sequence",
        normalizers: [...(prefix ? [{ type: "Prepend", prepend: spaceMark }] : []), toMarks],
      },
      pre_tokenizer: null,
      model: {
        type: "BPE",
        vocab: vocabularyOf(tokens),
        merges,
        unk_token: tokens[unknown],
        byte_fallback: true,
        fuse_unk: true,
      },
      decoder: {
        type: "Sequence",
        decoders: [
          toSpaces,
          { type: "ByteFallback" },
          { type: "Fuse" },
          ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
        ],
      },
    },
  };
}

/**
 * The merges of a SentencePiece vocabulary: every pair of tokens that together are a token, the token of the highest score
 * first, then by the ids of the two. Source: huggingface/tokenizers, bindings/python/scripts/sentencepiece_extractor.py
 */
export function mergesOfScores(tokens: readonly string[], scores: GgufItems): [string, string][] {
  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const merges: { left: number; right: number; score: number }[] = [];
  for (const [id, token] of tokens.entries()) {
    if (idOf.get(token) !== id) continue; // there again, later
    const pairs: { left: number; right: number; score: number }[] = [];
    for (let at = 1; at < token.length; at++) {
      const left = idOf.get(token.slice(0, at));
      const right = idOf.get(token.slice(at));
      if (left !== undefined && right !== undefined) pairs.push({ left, right, score: Number(scores[id]) });
    }
    merges.push(...pairs.sort((a, b) => a.left - b.left || a.right - b.right));
  }
  return merges.sort((a, b) => b.score - a.score).map(({ left, right }) => [tokens[left], tokens[right]]);
}

/** Without a prototype, because "__proto__" may be a token. */
function vocabularyOf(tokens: readonly string[]): Record<string, number> {
  const vocabulary: Record<string, number> = Object.create(null);
  for (const [id, token] of tokens.entries()) vocabulary[token] = id;
  return vocabulary;
}

function frameOf(before: readonly number[], after: readonly number[]): unknown {
  const parts = (ids: readonly number[]) => ids.map((id) => ({ SpecialToken: { id: String(id), type_id: 0 } }));
  return {
    type: "TemplateProcessing",
    single: [...parts(before), { Sequence: { id: "A", type_id: 0 } }, ...parts(after)],
    special_tokens: Object.fromEntries([...before, ...after].map((id) => [id, { id: String(id), ids: [id] }])),
  };
}

/** Ids whose text a later id has too, and that id. */
function twinsOf(tokens: readonly string[]): Map<number, number> {
  const lastOf = new Map(tokens.map((token, id) => [token, id]));
  const twins = new Map<number, number>();
  for (const [id, token] of tokens.entries()) {
    const last = lastOf.get(token) as number;
    if (last !== id) twins.set(id, last);
  }
  return twins;
}

type Reader = ReturnType<typeof readerOf>;

/** Reads the keys that begin with "tokenizer.ggml.", each checked. */
function readerOf(file: string, metadata: GgufMetadata) {
  const get = (name: string) => metadata.get(`tokenizer.ggml.${name}`);
  const error = (name: string, problem: string) => new GgufError(file, "metadata", problem, `tokenizer.ggml.${name}`);
  const architecture = metadata.get("general.architecture")?.value;
  return {
    error,
    architecture: typeof architecture === "string" ? architecture : "",
    has: (name: string) => get(name) !== undefined,
    text(name: string): string {
      const value = get(name)?.value;
      if (typeof value === "string") return value;
      throw error(name, value === undefined ? "missing, expected a string" : "not a string");
    },
    flag(name: string): boolean | undefined {
      const value = get(name)?.value;
      if (value === undefined || typeof value === "boolean") return value;
      throw error(name, "not a bool");
    },
    /** An array, of the given length where one is given; undefined where there is none. */
    list(name: string, length?: number): GgufItems | undefined {
      const field = get(name);
      if (field === undefined) return undefined;
      if (field.type !== "array") throw error(name, "not an array");
      if (length === undefined || field.value.length === length) return field.value;
      throw error(name, `${field.value.length} items, expected ${length}: as many as tokens`);
    },
    tokens(): string[] {
      const field = get("tokens");
      if (field?.type !== "array" || field.of !== "string") throw error("tokens", "expected an array of strings");
      const texts = Array.from(field.value, String);
      return texts.map((token, id) => (token === "" ? `[EMPTY_${id}]` : token)); // as llama.cpp names them
    },
    id(name: string, count: number): number | undefined {
      const value = get(name)?.value;
      if (value === undefined || isNoToken(value)) return undefined;
      const id = typeof value === "bigint" ? Number(value) : value;
      if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < count) return id;
      throw error(name, `${String(value)}, expected an id from 0 to ${count - 1}`);
    },
    needed(name: string, id: number | undefined): number {
      if (id === undefined) throw error(name, "missing, but the token is to be added to texts");
      return id;
    },
  };
}
