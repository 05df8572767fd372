// Hostile and absurd schemas: answered rightly or refused with one sentence, quickly, and the process lives on.

import { describe, expect, test } from "vitest";
import { checked, compileGrammar } from "../../../src/decode/grammar/grammar.ts";
import { cpuClock } from "../../cpu-time.ts";
import { check } from "./check.ts";

const compile = (schema: unknown) => compileGrammar({ kind: "json_schema", schema }, checked);

/** Milliseconds of CPU: far above what they take. */
const patience = 1000;

function timed<T>(run: () => T): T {
  const elapsed = cpuClock();
  const result = run();
  expect(elapsed()).toBeLessThan(patience);
  return result;
}

describe("answered", () => {
  test("maxLength 5,000, counted in code points however they are written", () => {
    const grammar = timed(() => compile({ type: "string", maxLength: 5000 }));
    for (const char of ["a", "é", "😀", "\\n", "\\ud83d\\ude00"]) {
      expect(timed(() => check(grammar, `"${char.repeat(5000)}"`))).toBe("accepted");
      expect(check(grammar, `"${char.repeat(5001)}"`)).not.toBe("accepted");
    }
  });
  test("maxLength 5,000 with a pattern", () => {
    const grammar = timed(() => compile({ type: "string", maxLength: 5000, pattern: "^[a-z]*$" }));
    expect(check(grammar, `"${"a".repeat(5000)}"`)).toBe("accepted");
    expect(check(grammar, `"${"a".repeat(5001)}"`)).toBe(5001);
  });
  test("an enum of 5,000 strings", () => {
    const words = Array.from({ length: 5000 }, (_, i) => `value number ${i * 7919}`);
    const grammar = timed(() => compile({ enum: words }));
    expect(check(grammar, JSON.stringify(words[4321]))).toBe("accepted");
    expect(check(grammar, '"value number 3"')).not.toBe("accepted");
  });
  test("empty properties", () => {
    const grammar = compile({ type: "object", properties: {} });
    expect(check(grammar, "{}")).toBe("accepted");
    expect(check(grammar, '{"any":1}')).toBe("accepted");
  });
  test("1,000 properties, all optional", () => {
    const properties = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`p${i}`, { type: "integer" }]));
    const grammar = timed(() => compile({ type: "object", properties, additionalProperties: false }));
    expect(check(grammar, '{"p3":1,"p999":2}')).toBe("accepted");
    expect(check(grammar, '{"p999":1,"p3":2}')).toBe(9);
  });
  test("recursion that ends", () => {
    const grammar = compile({ type: "object", properties: { next: { $ref: "#" } }, additionalProperties: false });
    const nested = (depth: number) => `${'{"next":'.repeat(depth)}{}${"}".repeat(depth)}`;
    expect(check(grammar, nested(511))).toBe("accepted");
    expect(check(grammar, nested(512))).not.toBe("accepted");
  });
  test("a text that could be read in 2^200 ways", () => {
    const item = {
      anyOf: [
        { type: "array", items: { $ref: "#" } },
        { type: "array", items: { $ref: "#" }, maxItems: 3 },
      ],
    };
    const grammar = compile(item);
    expect(timed(() => check(grammar, "[".repeat(8) + "]".repeat(8)))).toBe("accepted");
  });
  test("no key twice, however it is written", () => {
    const grammar = compile({ type: "object", properties: { a: {}, é: {} } });
    expect(check(grammar, '{"a":1,"b":2,"c":3}')).toBe("accepted");
    expect(check(grammar, '{"a":1,"\\u0061":2}')).not.toBe("accepted");
    expect(check(grammar, '{"b":1,"b":2}')).not.toBe("accepted");
    expect(check(grammar, '{"b":1,"\\u0062":2}')).not.toBe("accepted");
    expect(check(grammar, '{"x":1,"\\u00e9":2}')).not.toBe("accepted");
    expect(check(grammar, '{"😀":1,"\\ud83d\\ude00":2}')).not.toBe("accepted");
    expect(check(grammar, '{"b":{"b":{"b":1}},"c":[{"b":1},{"b":1}]}')).toBe("accepted");
  });
});

describe("refused", () => {
  const nested = (depth: number): unknown => {
    let schema: unknown = {};
    for (let i = 0; i < depth; i++) schema = { type: "array", items: schema, minItems: 1 };
    return schema;
  };
  test.each<[string, unknown, string]>([
    ["not a schema", 5, "expected a schema"],
    ["a list", [], "expected a schema"],
    ["null below", { properties: { a: null } }, '"properties" must be an object of schemas'],
    ["an unknown type", { type: "text" }, '"type" must be one of'],
    ["a negative length", { minLength: -1 }, '"minLength" must be a whole number'],
    ["draft 4's exclusive", { exclusiveMinimum: true }, '"exclusiveMinimum" must be a number'],
    ["items as a list", { items: [{}] }, '"items" must be a schema'],
    ["an empty enum", { enum: [] }, '"enum" must be a list of values'],
    ["an unknown keyword", { type: "string", nullable: true }, '"nullable" is not supported (at #/nullable)'],
    [
      "not, deep",
      { properties: { "a/b": { items: { not: {} } } } },
      '"not" is not supported (at #/properties/a~1b/items/not)',
    ],
    ["uniqueItems", { uniqueItems: true }, '"uniqueItems" is not supported'],
    ["an unknown format", { format: "color" }, 'the format "color" is not supported'],
    ["look-ahead", { type: "string", pattern: "(?=a)" }, "look-ahead"],
    ["a fraction in multipleOf", { type: "number", multipleOf: 0.01 }, '"multipleOf" 0.01 is not supported'],
    ["a remote reference", { $ref: "https://example.com/schema" }, "is not supported: only #/"],
    ["a reference to nothing", { $ref: "#/$defs/a" }, "leads nowhere"],
    ["a reference to no schema", { $ref: "#/title", title: "x" }, "expected a schema"],
    ["a reference to itself", { $ref: "#" }, "refers to itself without end"],
    [
      "a circle of references",
      { $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } } },
      "itself without end",
    ],
    ["a circle through anyOf", { anyOf: [{ $ref: "#" }, { type: "null" }] }, "itself without end"],
    ["overlapping oneOf", { oneOf: [{ type: "integer" }, { minimum: 2 }] }, '"oneOf" is supported only where'],
    [
      "recursion that never ends",
      { type: "object", properties: { next: { $ref: "#" } }, required: ["next"] },
      "cannot be satisfied",
    ],
    ["bounds out of order", { type: "integer", minimum: 5, maximum: 3 }, "cannot be satisfied: no number lies between"],
    ["lengths out of order", { type: "string", minLength: 5, maxLength: 3 }, "cannot be satisfied"],
    [
      "types that exclude each other",
      { allOf: [{ type: "string" }, { type: "integer" }] },
      "cannot be satisfied: no type is left",
    ],
    [
      "patterns that exclude each other",
      { type: "string", allOf: [{ pattern: "^a+$" }, { pattern: "^b+$" }] },
      "cannot be satisfied",
    ],
    ["an enum of the wrong type", { type: "integer", enum: ["a"] }, "cannot be satisfied"],
    [
      "a required property that may not be",
      { type: "object", properties: { a: false }, required: ["a"] },
      "cannot be satisfied",
    ],
    ["more required than allowed", { type: "object", required: ["a", "b"], maxProperties: 1 }, "cannot be satisfied"],
    [
      "too few keys",
      { type: "object", patternProperties: { "^[ab]$": {} }, additionalProperties: false, minProperties: 3 },
      "cannot be satisfied",
    ],
    [
      "a contradiction deep inside",
      {
        type: "object",
        properties: { a: { type: "array", items: { type: "integer", minimum: 1, maximum: 0 }, minItems: 1 } },
        required: ["a"],
      },
      "cannot be satisfied: no number",
    ],
    ["too deep", nested(600), "nests more than 512 brackets"],
    [
      "too many alternatives",
      { allOf: Array.from({ length: 12 }, () => ({ anyOf: [{ minimum: 1 }, { minimum: 2 }] })) },
      "more than 2000 alternatives",
    ],
    [
      "a pattern of 30,000 parentheses",
      { type: "string", pattern: "(".repeat(30_000) + ")".repeat(30_000) },
      "longer than 20000",
    ],
    [
      "a length and a pattern too large together",
      { type: "string", maxLength: 49_000, pattern: "^(abc)*$|^(abcd)*$" },
      "50000 states",
    ],
  ])("%s", (_, schema, why) => {
    const error = timed(() => {
      try {
        compile(schema);
      } catch (error) {
        return error;
      }
      return undefined;
    });
    expect(error).toBeInstanceOf(RangeError);
    expect((error as Error).message).toContain(why);
    expect((error as Error).message.length).toBeLessThan(400);
  });

  test("a possible alternative is enough", () => {
    const grammar = compile({
      anyOf: [{ type: "integer", minimum: 5, maximum: 3 }, { const: 1 }],
      properties: { a: false },
    });
    expect(check(grammar, "1")).toBe("accepted");
    expect(check(grammar, "4")).toBe(0);
  });
});
