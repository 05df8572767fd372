// The strict JSON reader against JSON.parse, and against JSONTestSuite where a folder with it is given.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseStrictJson, type StrictJson } from "../../weights/strict-json.ts";
import { cpuClock } from "../cpu-time.ts";
import { times } from "../long.ts";
import { jsonTestSuite } from "../outside-data.ts";

function plain(value: StrictJson): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  return value instanceof Map ? Object.fromEntries([...value].map(([key, item]) => [key, plain(item)])) : value;
}

test("agrees with JSON.parse on what JSON.stringify writes", () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: "binary" }), fc.nat(3), (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      expect(plain(parseStrictJson(text))).toEqual(JSON.parse(text));
    }),
    { seed: 1, numRuns: times(250, 1000) },
  );
});

test("agrees with JSON.parse about what is JSON at all", () => {
  const token = fc.constantFrom(
    ..."{}[]:,\"'\\ \t\n0123-+.eEtruefalsnx",
    "true",
    "null",
    '"a"',
    "\u0000",
    "\\u00e9",
    "1.5",
  );
  const accepts = (parse: (text: string) => unknown, text: string) => {
    try {
      parse(text);
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(SyntaxError);
      return false;
    }
  };
  fc.assert(
    fc.property(fc.string({ unit: token, maxLength: 12 }), (text) => {
      const strict = accepts(parseStrictJson, text);
      if (strict !== accepts(JSON.parse, text)) expect(text).toMatch(/("a?").*\1/); // one key twice
    }),
    { seed: 2, numRuns: times(4000, 20_000) },
  );
});

test.each([
  ['{"a":1,"a":1}', 'the key "a" for the second time at character 10'],
  ['{"a":1,"\\u0061":2}', 'the key "a" for the second time'],
  ['{"__proto__":1,"__proto__":1}', 'the key "__proto__" for the second time'],
  ['{"x":{"b":[],"b":[]}}', 'the key "b" for the second time'],
  ['"\\ud800"', "half a surrogate pair"],
  ['"\\udc00\\ud800"', "half a surrogate pair"],
  ["1e999", "a number beyond the range of a double"],
  ["\ufeff{}", "no JSON value at character 0"],
  ["[1,]", "no JSON value at character 3"],
  ["[1", "] expected, but the text ends at character 2"],
  ["{} {}", "something after the end of the value at character 3"],
  ["", "no JSON value at character 0"],
  ['"a\nb"', "a malformed string at character 0"],
  ["[".repeat(129), "more than 128 levels of nesting"],
  ["[".repeat(1_000_000), "more than 128 levels of nesting"],
])("refuses %.40j", (text, message) => {
  expect(() => parseStrictJson(text)).toThrow(SyntaxError);
  expect(() => parseStrictJson(text)).toThrow(message);
});

test("keeps integers exact and names safe", () => {
  expect(parseStrictJson("18446744073709551615")).toBe(2n ** 64n - 1n);
  expect(parseStrictJson("[0,-0,-1,1.0,1e2,123456789012345678901]")).toEqual([
    0n,
    -0,
    -1,
    1,
    100,
    123456789012345680000,
  ]);
  const object = parseStrictJson('{"__proto__":{"polluted":true},"10":1,"2":2}') as Map<string, StrictJson>;
  expect([...object.keys()]).toEqual(["__proto__", "10", "2"]);
  expect("polluted" in {}).toBe(false);
  expect(parseStrictJson(`${"[".repeat(128)}${"]".repeat(128)}`)).toHaveLength(1);
});

test("is linear: a million backslashes, digits, spaces or keys", () => {
  const million = 1_000_000;
  const elapsed = cpuClock();
  parseStrictJson(`"${"\\\\".repeat(million)}"`);
  parseStrictJson("1".repeat(million).replace(/^/, "0."));
  parseStrictJson(" ".repeat(million).concat("{}"));
  parseStrictJson(`[${Array.from({ length: million }, (_, i) => i).join(",")}]`);
  parseStrictJson(`{${Array.from({ length: million / 10 }, (_, i) => `"${i}":${i}`).join(",")}}`);
  expect(elapsed()).toBeLessThan(20_000);
});

test("JSONTestSuite: y_ accepted, n_ refused", (context) => {
  if (jsonTestSuite.missing) return context.skip(jsonTestSuite.missing);
  const folder = jsonTestSuite.directory;
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const counts = { y: 0, n: 0 };
  for (const file of readdirSync(folder)) {
    const kind = file[0];
    if (kind !== "y" && kind !== "n") continue;
    const parse = () => parseStrictJson(decoder.decode(readFileSync(join(folder, file))));
    // The suite lets a duplicate key pass; to refuse it is the point here.
    if (kind === "n" || file.startsWith("y_object_duplicated_key")) expect(parse, file).toThrow();
    else expect(parse, file).not.toThrow();
    counts[kind]++;
  }
  expect(counts.y).toBeGreaterThan(90);
  expect(counts.n).toBeGreaterThan(180);
});
