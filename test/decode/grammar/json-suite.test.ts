// Any JSON value against nst/JSONTestSuite: what must be accepted is, what must be refused is, and what is free is listed.
// Then the bytes that other grammars got wrong: escapes, surrogates, control characters, overlong UTF-8, exponents.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checked, compileGrammar } from "../../../src/decode/grammar/grammar.ts";
import { maxDepth } from "../../../src/decode/grammar/limits.ts";
import { jsonTestSuite } from "../../outside-data.ts";
import { check } from "./check.ts";

const json = compileGrammar({ kind: "json" }, checked);
const { directory, missing } = jsonTestSuite;

/** Of the files that a parser may take or leave, those that we take: numbers beyond doubles and a noncharacter. */
const takenFreely = [
  "i_number_double_huge_neg_exp.json",
  "i_number_huge_exp.json",
  "i_number_neg_int_huge_exp.json",
  "i_number_pos_double_huge_exp.json",
  "i_number_real_neg_overflow.json",
  "i_number_real_pos_overflow.json",
  "i_number_real_underflow.json",
  "i_number_too_big_neg_int.json",
  "i_number_too_big_pos_int.json",
  "i_number_very_big_negative_int.json",
  "i_structure_500_nested_arrays.json",
];

describe.skipIf(missing)(`JSONTestSuite${missing ? ` (${missing})` : ""}`, () => {
  const files = missing ? [] : readdirSync(directory);
  const accepted = (file: string) => check(json, readFileSync(join(directory, file))) === "accepted";

  test("95 files that must be accepted are", () => {
    const must = files.filter((file) => file.startsWith("y_"));
    expect(must).toHaveLength(95);
    expect(must.filter((file) => !accepted(file))).toEqual([]);
  });
  test("188 files that must be refused are", () => {
    const mustNot = files.filter((file) => file.startsWith("n_"));
    expect(mustNot).toHaveLength(188);
    expect(mustNot.filter(accepted)).toEqual([]);
  });
  test("35 files are free; 11 of them are accepted", () => {
    const free = files.filter((file) => file.startsWith("i_"));
    expect(free).toHaveLength(35);
    expect(free.filter(accepted)).toEqual(takenFreely);
  });
});

describe("bytes", () => {
  const text = (bytes: number[]) => Uint8Array.from([0x22, ...bytes, 0x22]);
  test.each<[string, string | Uint8Array, "accepted" | number]>([
    ["an exponent without a sign", "1e5", "accepted"],
    ["minus zero", "-0", "accepted"],
    ["an escaped solidus", '"\\/"', "accepted"],
    ["U+007F", '"\u007f"', "accepted"],
    ["U+0080", '"\u0080"', "accepted"],
    ["a pair in escapes", '"\\ud83d\\ude00"', "accepted"],
    ["a pair in UTF-8", '"😀"', "accepted"],
    ["the last code point", '"\u{10ffff}"', "accepted"],
    ["a lone high surrogate", '"\\ud83d"', 7],
    ["a high surrogate before another escape", '"\\ud83d\\n"', 8],
    ["a high surrogate before a high one", '"\\ud83d\\ud83d"', 10],
    ["a lone low surrogate", '"\\ude00"', 4],
    ["an unknown escape", '"\\x"', 2],
    ["a digit that is none", '"\\u00g0"', 5],
    ["a raw line feed", '"a\nb"', 2],
    ["a raw U+0000", '"\u0000"', 1],
    ["a raw U+001F", '"\u001f"', 1],
    ["overlong, two bytes", text([0xc0, 0x80]), 1],
    ["overlong, three bytes", text([0xe0, 0x80, 0x80]), 2],
    ["overlong, four bytes", text([0xf0, 0x80, 0x80, 0x80]), 2],
    ["a surrogate in UTF-8", text([0xed, 0xa0, 0x80]), 2],
    ["beyond the last code point", text([0xf4, 0x90, 0x80, 0x80]), 2],
    ["a byte that never occurs", text([0xff]), 1],
    ["a cut sequence", text([0xe2, 0x82]), 3],
    ["a leading zero", "01", 1],
    ["a plus", "+1", 0],
    ["a bare point", "1.", 2],
  ])("%s", (_, bytes, verdict) => {
    expect(check(json, bytes)).toBe(verdict);
  });

  test("every two-byte and three-byte UTF-8 sequence is judged as TextDecoder judges it", () => {
    const strict = new TextDecoder("utf-8", { fatal: true });
    const isUtf8 = (bytes: Uint8Array) => {
      try {
        strict.decode(bytes);
        return true;
      } catch {
        return false;
      }
    };
    for (let lead = 0x80; lead < 0x100; lead++) {
      for (let second = 0x7f; second <= 0xc0; second++) {
        const two = text([lead, second]);
        expect(check(json, two) === "accepted", String(two)).toBe(isUtf8(two));
        for (const last of [0x7f, 0x80, 0xbf, 0xc0]) {
          for (const bytes of [text([lead, second, last]), text([lead, second, last, last])])
            expect(check(json, bytes) === "accepted", String(bytes)).toBe(isUtf8(bytes));
        }
      }
    }
  });

  test("brackets nest to the limit and no further", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(check(json, nested(maxDepth))).toBe("accepted");
    expect(check(json, nested(maxDepth + 1))).toBe(maxDepth);
    expect(check(json, "[".repeat(100_000))).toBe(maxDepth);
  });

  test("white space is bounded", () => {
    expect(check(json, `[${" ".repeat(256)}]`)).toBe("accepted");
    expect(check(json, `[${" ".repeat(257)}]`)).toBe(257);
    const written = compileGrammar({ kind: "json" });
    expect(check(written, "[1, 2]")).toBe("accepted");
    expect(check(written, `[1,${" ".repeat(25)}2]`)).toBe(27);
    expect(check(written, "[1 ,2]")).toBe(3);
    expect(check(written, " 1")).toBe(0);
    expect(check(written, "1 ")).toBe(1);
  });
});
