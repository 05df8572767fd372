// The families of chat-golden.json.gz: vocabularies with their chat templates, as make-chat.py puts them together.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type ChatFormat, type ChatRequest, createChatFormat } from "../../src/prompt/chat-format.ts";
import { idsOf, promptOf } from "../../src/prompt/segments.ts";
import { createTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";

interface Family {
  readonly vocabulary: string;
  readonly template: string | null;
  readonly renamed: Readonly<Record<string, string>>;
  readonly added: readonly string[];
  /** What transformers gives, by name of the conversation. */
  readonly ids: Readonly<Record<string, readonly number[]>>;
  /** And of the gaps, where the vocabulary has tokens for them. */
  readonly fim?: readonly (readonly number[])[];
}

interface Goldens {
  readonly versions: Readonly<Record<string, string>>;
  readonly conversations: Readonly<Record<string, ChatRequest>>;
  /** Prefix and suffix. */
  readonly gaps: readonly (readonly [string, string])[];
  readonly families: Readonly<Record<string, Family>>;
}

const root = new URL("../../", import.meta.url);
const read = (path: string | URL) => readFileSync(new URL(path, root), "utf8");

export const goldens: Goldens = JSON.parse(
  gunzipSync(readFileSync(new URL("chat-golden.json.gz", import.meta.url))).toString(),
);

export interface LoadedFamily {
  readonly tokenizer: Tokenizer;
  readonly format: ChatFormat;
  readonly template: string;
  /** The ids of a prompt; embeddings have none. */
  ids(request: ChatRequest): number[];
}

const loaded = new Map<string, LoadedFamily>();

/** A family by its name in the goldens. */
export function family(name: string): LoadedFamily {
  const known = loaded.get(name);
  if (known) return known;
  const { vocabulary, template, renamed, added } = goldens.families[name];
  // The goldens are those of the class PreTrainedTokenizerFast, which adds nothing.
  const { tokenizer_class, ...config } = JSON.parse(read(`${vocabulary}/tokenizer_config.json`));
  const tokenizer = tokenizerOf(vocabulary, renamed, added, config);
  const text = template ? read(`test/prompt/templates/${template}.jinja`) : config.chat_template;
  const format = createChatFormat(text, tokenizer);
  const limits = { dModel: 4, vocabSize: tokenizer.vocabSize };
  const result: LoadedFamily = {
    tokenizer,
    format,
    template: text,
    ids: (request) => idsOf(promptOf(format.prompt(request).segments, tokenizer, limits)),
  };
  loaded.set(name, result);
  return result;
}

const tokenizers = new Map<string, Tokenizer>();

function tokenizerOf(
  vocabulary: string,
  renamed: Family["renamed"],
  added: Family["added"],
  config: unknown,
): Tokenizer {
  const key = JSON.stringify([vocabulary, renamed, added]);
  const known = tokenizers.get(key);
  if (known) return known;
  const json = JSON.parse(read(`${vocabulary}/tokenizer.json`));
  for (const token of json.added_tokens) token.content = renamed[token.id] ?? token.content;
  const ids = [
    ...Object.values<number>(json.model.vocab),
    ...json.added_tokens.map((token: { id: number }) => token.id),
  ];
  const first = ids.reduce((most, id) => Math.max(most, id), 0) + 1;
  for (const [i, content] of added.entries())
    json.added_tokens.push({ id: first + i, content, special: true, normalized: false });
  const tokenizer = createTokenizer(json, config);
  tokenizers.set(key, tokenizer);
  return tokenizer;
}
