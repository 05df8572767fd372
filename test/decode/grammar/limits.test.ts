// Hostile and absurd schemas: answered rightly or refused with one sentence, quickly, and the process lives on.

import { describe, expect, test } from "vitest";
import { checked, compileGrammar, written } from "../../../src/decode/grammar/grammar.ts";
import { FieldError } from "../../../src/field-error.ts";
import { cpuClock } from "../../cpu-time.ts";
import { check } from "./check.ts";

const compile = (schema: unknown, style = checked) => compileGrammar({ kind: "json_schema", schema }, style);

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
    const schema = { type: "object", properties, additionalProperties: false };
    const grammar = timed(() => compile(schema, written));
    expect(check(grammar, '{"p3":1,"p999":2}')).toBe("accepted");
    expect(check(grammar, '{"p999":1,"p3":2}')).toBe(9); // what is written keeps the order
    expect(
      check(
        timed(() => compile(schema)),
        '{"p999":1,"p3":2}',
      ),
    ).toBe("accepted");
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
    expect(check(grammar, '{"é":1,"\\u00e9":2}')).not.toBe("accepted");
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
  test.each<[string, unknown, string, string]>([
    ["not a schema", 5, "", "expected a schema"],
    ["a list", [], "", "expected a schema"],
    ["a number below", { properties: { a: 5 } }, "properties", '"properties" must be an object of schemas'],
    ["an unknown type", { type: "text" }, "type", '"type" must be one of'],
    ["a negative length", { minLength: -1 }, "minLength", '"minLength" must be a whole number'],
    ["an empty enum", { enum: [] }, "enum", '"enum" must be a list of values'],
    [
      "a keyword, deep",
      { properties: { "a/b": { items: { pattern: "(a)\\1" } } } },
      'properties["a/b"].items.pattern',
      "back-references, which are not supported (at character 5) (at #/properties/a~1b/items/pattern)",
    ],
    [
      "several contains",
      { type: "array", allOf: [{ contains: { const: 1 } }, { contains: { const: 2 } }] },
      "allOf[1].contains",
      'several "contains" at one place are not supported',
    ],
    [
      "a remote reference",
      { $ref: "https://example.com/schema" },
      "$ref",
      "is not supported: it leads out of the schema",
    ],
    ["a reference to nothing", { $ref: "#/$defs/a" }, "$ref", "leads nowhere"],
    ["a reference to no schema", { $ref: "#/title", title: "x" }, "title", "expected a schema"],
    ["a reference to itself", { $ref: "#" }, "", "refers to itself without end"],
    [
      "a circle of references",
      { $ref: "#/$defs/a", $defs: { a: { $ref: "#/$defs/b" }, b: { $ref: "#/$defs/a" } } },
      "$defs.a",
      "itself without end",
    ],
    ["a circle through anyOf", { anyOf: [{ $ref: "#" }, { type: "null" }] }, "", "itself without end"],
    [
      "recursion that never ends",
      { type: "object", properties: { next: { $ref: "#" } }, required: ["next"] },
      "",
      "cannot be satisfied",
    ],
    [
      "bounds out of order",
      { type: "integer", minimum: 5, maximum: 3 },
      "",
      "cannot be satisfied: no number lies between",
    ],
    ["lengths out of order", { type: "string", minLength: 5, maxLength: 3 }, "", "cannot be satisfied"],
    [
      "types that exclude each other",
      { allOf: [{ type: "string" }, { type: "integer" }] },
      "",
      "cannot be satisfied: no type is left",
    ],
    [
      "patterns that exclude each other",
      { type: "string", allOf: [{ pattern: "^a+$" }, { pattern: "^b+$" }] },
      "",
      "cannot be satisfied",
    ],
    ["an enum of the wrong type", { type: "integer", enum: ["a"] }, "", "cannot be satisfied"],
    [
      "a required property that may not be",
      { type: "object", properties: { a: false }, required: ["a"] },
      "",
      "cannot be satisfied",
    ],
    [
      "more required than allowed",
      { type: "object", required: ["a", "b"], maxProperties: 1 },
      "",
      "cannot be satisfied",
    ],
    [
      "too few keys",
      { type: "object", patternProperties: { "^[ab]$": {} }, additionalProperties: false, minProperties: 3 },
      "",
      "cannot be satisfied",
    ],
    [
      "a contradiction deep inside",
      {
        type: "object",
        properties: { a: { type: "array", items: { type: "integer", minimum: 1, maximum: 0 }, minItems: 1 } },
        required: ["a"],
      },
      "",
      "cannot be satisfied: no number",
    ],
    ["too deep", nested(600), "", "nests more than 512 brackets"],
    [
      "too many alternatives",
      { allOf: Array.from({ length: 12 }, () => ({ anyOf: [{ minimum: 1 }, { minimum: 2 }] })) },
      "",
      "more than 2000 alternatives",
    ],
    [
      "a pattern of 30,000 parentheses",
      { type: "string", pattern: "(".repeat(30_000) + ")".repeat(30_000) },
      "pattern",
      "longer than 20000",
    ],
    [
      "a length and a pattern too large together",
      { type: "string", maxLength: 5_000_000, pattern: "^(abc)*$|^(abcd)*$" },
      "pattern",
      "5000000 steps",
    ],
  ])("%s", (_, schema, field, why) => {
    const error = timed(() => {
      try {
        compile(schema);
      } catch (error) {
        return error;
      }
      return undefined;
    });
    expect(error).toBeInstanceOf(FieldError);
    const { field: named, problem } = error as FieldError;
    expect([named, problem]).toEqual([field === "" ? "schema" : `schema.${field}`, expect.stringContaining(why)]);
    expect(problem.length).toBeLessThan(400);
  });

  test("a possible alternative is enough", () => {
    const grammar = compile({
      anyOf: [{ type: "integer", minimum: 5, maximum: 3 }, { const: 1 }],
      properties: { a: false },
    });
    expect(check(grammar, "1")).toBe("accepted");
    expect(check(grammar, "4")).toBe(1);
  });
});

// What would take for ever is counted, not timed: the same schemas are refused on every machine, with the limit's name.
describe("schemas made to explode", () => {
  const many = <T>(count: number, make: (i: number) => T) => Array.from({ length: count }, (_, i) => make(i));
  const byName = (count: number, make: (i: number) => unknown, name = (i: number) => `p${i}`) =>
    Object.fromEntries(many(count, (i) => [name(i), make(i)]));
  const deep = (count: number, around: (schema: unknown) => unknown) => {
    let schema: unknown = { type: "integer" };
    for (let i = 0; i < count; i++) schema = around(schema);
    return schema;
  };
  const anyKey = { type: "object", properties: byName(700, () => ({})) };

  test.each<[string, unknown]>([
    [
      "properties, all required",
      { ...anyKey, properties: byName(10_000, () => ({})), required: many(10_000, (i) => `p${i}`) },
    ],
    ["unknown keywords", byName(10_000, (i) => i)],
    ["bounds in allOf", { allOf: many(10_000, (i) => ({ minimum: i })) }],
  ])("10,000 %s are read", (_, schema) => {
    for (const style of [written, checked]) expect(() => compile(schema, style)).not.toThrow();
  });

  test.each<[string, unknown, RegExp]>([
    [
      "2,000 patterns of keys",
      { patternProperties: byName(2_000, (i) => ({ minimum: i })) },
      /more than 3000000 steps to tell apart/,
    ],
    [
      "700 keys and as many patterns",
      {
        ...anyKey,
        patternProperties: byName(
          700,
          () => ({}),
          (i) => `^x${i}$`,
        ),
      },
      /more than 200000 texts to hold against its patterns/,
    ],
    ["10,000 alternatives", { anyOf: many(10_000, (i) => ({ const: i })) }, /multiply to more than 2000 alternatives/],
    ["10,000 exclusive ones", { oneOf: many(10_000, (i) => ({ const: i })) }, /"oneOf" has more than 200 members/],
    [
      "10,000 exclusive names",
      { oneOf: many(10_000, (i) => ({ type: "object", required: [`p${i}`] })) },
      /"oneOf" has more than 200 members/,
    ],
    [
      "10,000 names that depend on the next",
      { type: "object", dependentRequired: byName(10_000, (i) => [`p${i + 1}`]) },
      /more than 500 names of keys depend on each other/,
    ],
    [
      "alternatives that double",
      { allOf: many(40, (i) => ({ anyOf: [{ multipleOf: 2 * i + 3 }, { minimum: i }] })) },
      /more than \d+ (?:alternatives|comparisons)/,
    ],
    ["recursion through allOf", { allOf: [{ $ref: "#" }] }, /refers to itself without end/],
    ["recursion through not", { not: { $ref: "#" } }, /refers to itself without end/],
    ["not in not, 10,000 deep", deep(10_000, (schema) => ({ not: schema })), /nests more than 1000 brackets/],
    ["an automaton that doubles", { type: "string", pattern: "(a|b)*a(a|b){20}$" }, /too large an automaton/],
    ["a pattern that multiplies", { type: "string", pattern: "((a{1,100}){1,100}){1,100}" }, /too large|longer/],
  ])("%s: refused", (_, schema, why) => {
    let problem = "it compiles";
    try {
      compile(schema, written);
    } catch (error) {
      expect(error).toBeInstanceOf(FieldError);
      problem = (error as FieldError).problem;
    }
    expect(problem).toMatch(why);
  });
  test.each(["not", "allOf", "items"])("%s, 900 deep: read or refused by name", (keyword) => {
    const around = (schema: unknown) => ({ [keyword]: keyword === "allOf" ? [schema] : schema });
    try {
      compile(deep(keyword === "allOf" ? 450 : 900, around), written);
    } catch (error) {
      expect(error).toBeInstanceOf(FieldError);
    }
  });
});
