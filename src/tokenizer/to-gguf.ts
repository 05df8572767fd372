// A tokenizer.json as GGUF metadata: the way back from from-gguf.ts. GGUF does not describe a tokenizer, it names one, so
// only those that it has a name for can be written; the rest is an error, never a file that encodes differently.
// Source: ggml-org/llama.cpp, gguf-py/gguf/vocab.py and convert_hf_to_gguf.py.

import type { GgufField } from "../../weights/gguf-header.ts";
import { readAddedTokens } from "./added-tokens.ts";
import { readVocabulary } from "./bpe.ts";
import { type Fields, fieldsOf, listOf } from "./fields.ts";
import { mergesOfScores, spaceMark, type TokenizerFiles, tokenTypes } from "./from-gguf.ts";
import { namedPreTokenizers, preTokenizerOf } from "./gguf-pre.ts";
import { createFrame, framedByClass } from "./post-processor.ts";

/**
 * The metadata of a tokenizer, for a model of `vocabSize` rows; rows without a token are called "[PADn]".
 * @throws an Error that says what of tokenizer.json GGUF has no name for.
 */
export function tokenizerToGguf({ tokenizerJson, tokenizerConfig }: TokenizerFiles, vocabSize: number) {
  const model = fieldsOf(tokenizerJson.model, "model");
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(fieldsOf(model.vocab, "model.vocab"))) tokens[id as number] = token;
  const added = readAddedTokens(tokenizerJson.added_tokens, readVocabulary(tokenizerJson.model));
  for (const token of added) tokens[token.id] = token.content;
  if (tokens.length > vocabSize)
    throw new Error(`tokenizer.json: ${tokens.length} tokens do not fit the model's ${vocabSize} rows`);

  const types: number[] = new Array(vocabSize).fill(tokenTypes.normal);
  for (let id = 0; id < vocabSize; id++) {
    if (tokens[id] !== undefined) continue;
    tokens[id] = `[PAD${id}]`;
    types[id] = tokenTypes.unused;
  }
  for (const { id, special } of added) types[id] = special ? tokenTypes.control : tokenTypes.userDefined;

  const merges = listOf(model.merges, "model.merges").map((merge) =>
    typeof merge === "string" ? merge : (merge as string[]).join(" "),
  );
  const fields: Record<string, GgufField> = {};
  if (model.byte_fallback === true) Object.assign(fields, sentencePieceFields(tokenizerJson, tokens, types, merges));
  else {
    fields.model = { type: "string", value: "gpt2" };
    fields.pre = { type: "string", value: preNameOf(tokenizerJson, model) };
    fields.merges = { type: "array", of: "string", value: merges };
  }
  fields.tokens = { type: "array", of: "string", value: tokens };
  fields.token_type = { type: "array", of: "i32", value: types };

  const idOf = new Map(tokens.map((token, id) => [token, id]));
  const named = { bos: idOfNamed(tokenizerConfig.bos_token, idOf), eos: idOfNamed(tokenizerConfig.eos_token, idOf) };
  const { before, after } = framedByClass(createFrame(tokenizerJson.post_processor), tokenizerConfig, named);
  const [bos, eos] = [before[0] ?? named.bos, after[0] ?? named.eos];
  if (before.length > 1 || after.length > 1)
    throw new Error("tokenizer.json: post_processor adds several tokens on a side, expected at most one");
  if (bos !== undefined) fields.bos_token_id = { type: "u32", value: bos };
  if (eos !== undefined) fields.eos_token_id = { type: "u32", value: eos };
  fields.add_bos_token = { type: "bool", value: before.length === 1 };
  fields.add_eos_token = { type: "bool", value: after.length === 1 };

  const metadata = new Map<string, GgufField>();
  for (const [name, field] of Object.entries(fields)) metadata.set(`tokenizer.ggml.${name}`, field);
  const template = tokenizerConfig.chat_template;
  if (typeof template === "string") metadata.set("tokenizer.chat_template", { type: "string", value: template });
  return metadata;
}

/** The name of a byte-level tokenizer's cutting. */
function preNameOf(json: Fields, model: Fields): string {
  const steps = stepsOf(json.pre_tokenizer);
  const normalizers = flat(json.normalizer, "normalizers");
  const nfc = normalizers.length === 1 && normalizers[0].type === "NFC";
  const ignoreMerges = model.ignore_merges === true;
  const found = namedPreTokenizers.find(
    (named) =>
      JSON.stringify(stepsOf(preTokenizerOf(named))) === JSON.stringify(steps) &&
      (named.ignoreMerges ?? false) === ignoreMerges &&
      (named.nfc ?? false) === nfc,
  );
  if (found && (nfc || normalizers.length === 0)) return found.names[0];
  const known = namedPreTokenizers.map(({ names }) => names[0]).join(", ");
  throw new Error(
    `tokenizer.json: GGUF has no name for this normalizer, pre_tokenizer and ignore_merges among ${known}`,
  );
}

/** What text is cut by, one after the other, in one spelling; undefined where something else than cutting is done. */
function stepsOf(preTokenizer: unknown): string[] | undefined {
  const cuts: string[] = [];
  const steps = flat(preTokenizer, "pretokenizers");
  for (const [i, step] of steps.entries()) {
    const pattern = step.pattern as Fields | undefined;
    if (step.type === "Split" && step.behavior === "Isolated" && !step.invert && typeof pattern?.Regex === "string") {
      cuts.push(plain(pattern.Regex));
    } else if (step.type === "Digits") cuts.push(step.individual_digits ? "\\p{N}" : "\\p{N}+");
    else if (step.type === "Punctuation") cuts.push(`Punctuation ${step.behavior ?? "Isolated"}`);
    else if (step.type === "ByteLevel" && step.add_prefix_space === false) {
      if (step.use_regex !== false) cuts.push(namedPreTokenizers[0].patterns[0]);
      if (i < steps.length - 1) cuts.push("ByteLevel"); // what follows cuts bytes
    } else return undefined;
  }
  return cuts;
}

/** The steps of a component that may be one, a sequence, or absent. */
function flat(component: unknown, list: string): Fields[] {
  if (component === null || component === undefined) return [];
  const fields = component as Fields;
  return fields.type === "Sequence" ? (fields[list] as unknown[]).flatMap((step) => flat(step, list)) : [fields];
}

/** One spelling for line ends in patterns. */
const plain = (pattern: string) => pattern.replaceAll("\r", "\\r").replaceAll("\n", "\\n");

function sentencePieceFields(
  json: Fields,
  tokens: readonly string[],
  types: number[],
  merges: readonly string[],
): Record<string, GgufField> {
  const steps = flat(json.normalizer, "normalizers");
  const prefix = steps[0]?.type === "Prepend" && steps[0].prepend === spaceMark;
  const replace = steps.at(prefix ? 1 : 0);
  const pattern = replace?.pattern as Fields | undefined;
  const marks = replace?.type === "Replace" && pattern?.String === " " && replace.content === spaceMark;
  if (!marks || steps.length !== (prefix ? 2 : 1) || flat(json.pre_tokenizer, "pretokenizers").length > 0)
    throw new Error("tokenizer.json: GGUF has no name for this normalizer and pre_tokenizer beside byte_fallback");

  for (const [id, token] of tokens.entries()) if (/^<0x[0-9A-F]{2}>$/.test(token)) types[id] = tokenTypes.byte;
  const unknown = tokens.indexOf(String(fieldsOf(json.model, "model").unk_token));
  if (unknown >= 0) types[unknown] = tokenTypes.unknown;
  return {
    model: { type: "string", value: "llama" },
    scores: { type: "array", of: "f32", value: scoresOf(tokens, merges) },
    add_space_prefix: { type: "bool", value: prefix },
    ...(unknown >= 0 ? { unknown_token_id: { type: "u32", value: unknown } } : {}),
  };
}

/**
 * Scores that give these merges again: a token's is less the later its first merge comes.
 * @throws an Error, if the merges are not all pairs of tokens that make a token, as SentencePiece has it.
 */
function scoresOf(tokens: readonly string[], merges: readonly string[]): number[] {
  const rankOf = new Map<string, number>();
  for (const merge of merges) {
    const token = merge.replace(" ", "");
    if (!rankOf.has(token)) rankOf.set(token, rankOf.size);
  }
  const scores = tokens.map((token) => -(rankOf.get(token) ?? rankOf.size));
  const again = new Set(mergesOfScores(tokens, scores).map((pair) => pair.join(" ")));
  const missing = merges.find((merge) => !again.has(merge));
  if (again.size !== merges.length || missing !== undefined)
    throw new Error(
      `tokenizer.json: ${merges.length} merges, but its tokens make ${again.size} (GGUF has scores, no merges, beside byte_fallback)`,
    );
  return scores;
}

function idOfNamed(named: unknown, idOf: ReadonlyMap<string, number>): number | undefined {
  const content = typeof named === "object" && named !== null ? (named as Fields).content : named;
  return typeof content === "string" ? idOf.get(content) : undefined;
}
