// Makes the default model's tokenizer.json and tokenizer_config.json: byte-level BPE learned from the corpus, with
// DeepSeek-V3's pre-tokenizer and special tokens. Unlike DeepSeek-V3's file, which leaves the start token to its Python
// class, the post-processor in tokenizer.json adds it, so that every reader of the file does.
// Usage: tsx weights/make-default/tokenizer.ts OUT_DIR

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { createPreTokenizer } from "../../src/tokenizer/pre-tokenizer.ts";
import { learnBpe } from "./bpe.ts";
import { document, vocabularyMix } from "./corpus.ts";
import { seeded } from "./draw.ts";

export const vocabSize = 4096;
const documents = 40_000;
const first = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"];
// In DeepSeek-V3's order, with its flags: only <|EOT|> is marked special.
const last = [
  ...["<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>", "<｜User｜>", "<｜Assistant｜>", "<|EOT|>"],
  ...["<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"],
  ...[
    "<｜tool▁outputs▁begin｜>",
    "<｜tool▁outputs▁end｜>",
    "<｜tool▁output▁begin｜>",
    "<｜tool▁output▁end｜>",
    "<｜tool▁sep｜>",
  ],
];
const chinese = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
const words =
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+";

function preTokenizer(digits: number): unknown {
  const split = (Regex: string) => ({ type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false });
  const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return { type: "Sequence", pretokenizers: [split(`\\p{N}{1,${digits}}`), split(chinese), split(words), bytes] };
}

/** Words of a text and how often each occurs, added to `counts`. */
export function countWords(text: string, counts: Map<string, number>): void {
  // Two digits at most: three would spend a quarter of the vocabulary on numbers.
  for (const part of text.split(/<[｜|][^｜|]*[｜|]>/))
    cutter.cut(part, false, (word) => counts.set(word, (counts.get(word) ?? 0) + 1));
}
const cutter = createPreTokenizer(preTokenizer(2));

/** The parsed tokenizer.json that the words give, in the form of huggingface/tokenizers. */
export function tokenizerJson(counts: ReadonlyMap<string, number>, size = vocabSize): Record<string, unknown> {
  const { vocab, merges } = learnBpe(counts, size - last.length, first);
  const flags = { single_word: false, lstrip: false, rstrip: false };
  const bos = { SpecialToken: { id: first[0], type_id: 0 } };
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [
      ...first.map((content, id) => ({ id, content, ...flags, normalized: false, special: true })),
      ...last.map((content, i) => ({
        id: size - last.length + i,
        content,
        ...flags,
        normalized: true,
        special: content === "<|EOT|>",
      })),
    ],
    normalizer: { type: "Sequence", normalizers: [] },
    pre_tokenizer: preTokenizer(3),
    post_processor: {
      type: "Sequence",
      processors: [
        { type: "ByteLevel", add_prefix_space: true, trim_offsets: false, use_regex: true },
        {
          type: "TemplateProcessing",
          single: [bos, { Sequence: { id: "A", type_id: 0 } }],
          pair: [
            bos,
            { Sequence: { id: "A", type_id: 0 } },
            { SpecialToken: { id: first[0], type_id: 1 } },
            { Sequence: { id: "B", type_id: 1 } },
          ],
          special_tokens: { [first[0]]: { id: first[0], ids: [0], tokens: [first[0]] } },
        },
      ],
    },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges,
    },
  };
}

async function tokenizerConfig(): Promise<Record<string, unknown>> {
  return {
    add_bos_token: true,
    add_eos_token: false,
    bos_token: first[0],
    eos_token: first[1],
    pad_token: first[2],
    unk_token: null,
    clean_up_tokenization_spaces: false,
    model_max_length: 8192,
    tokenizer_class: "PreTrainedTokenizerFast",
    chat_template: (await readFile(new URL("chat-template.jinja", import.meta.url), "utf8")).trimEnd(),
  };
}

/** Words of the tokenizer's own seed of the corpus. */
export function corpusWords(): Map<string, number> {
  const counts = new Map<string, number>();
  const random = seeded("tokenizer");
  for (let i = 0; i < documents; i++) countWords(document(random, vocabularyMix).text, counts);
  return counts;
}

/** Learns the vocabulary and writes both files. */
export async function writeTokenizer(out: string): Promise<void> {
  await mkdir(out, { recursive: true });
  await writeFile(join(out, "tokenizer.json"), `${JSON.stringify(tokenizerJson(corpusWords()), null, 2)}\n`);
  await writeFile(join(out, "tokenizer_config.json"), `${JSON.stringify(await tokenizerConfig(), null, 2)}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await writeTokenizer(process.argv[2]);
