// The nearest grammar: what cannot be honored is left out and named, and nothing else is.

import { describe, expect, test } from "vitest";
import { compileGrammar } from "../../../src/decode/grammar/grammar.ts";
import { check } from "./check.ts";

const nearest = (schema: unknown) => compileGrammar({ kind: "json_schema", schema, nearest: true });

describe("what is dropped is named", () => {
  const chain = (n: number, keyword: string) => ({
    type: "object",
    properties: Object.fromEntries(
      Array.from({ length: n }, (_, i) => [
        `p${i}`,
        { [keyword]: [{ minimum: i }, { maxLength: i }, { minItems: i }] },
      ]),
    ),
  });
  test.each<[string, unknown, { field: string; keyword: string }[], string[], string[]]>([
    ["nothing", { type: "integer" }, [], ["1"], ['"a"']],
    [
      "a pattern",
      { type: "object", properties: { a: { type: "string", pattern: "(x)\\1" } }, required: ["a"] },
      [{ field: "schema.properties.a", keyword: "pattern" }],
      ['{"a":"anything"}'],
      ["{}", '{"a":1}'],
    ],
    [
      "a reference out of the schema",
      { type: "object", properties: { a: { $ref: "b.json" }, b: { type: "null" } } },
      [{ field: "schema.properties.a", keyword: "$ref" }],
      ['{"a":1,"b":null}'],
      ['{"b":1}'],
    ],
    [
      "several",
      { type: "array", items: [{ pattern: "(?<=a)b", type: "string" }, { $ref: "#/nowhere" }], minItems: 2 },
      [
        { field: "schema.items[1]", keyword: "$ref" },
        { field: "schema.items[0]", keyword: "pattern" },
      ],
      ['["x",2]'],
      ["[1,2]", '["x"]'],
    ],
    [
      "inside of not: all of it, because less would be more",
      { type: "string", not: { pattern: "(x)\\1" }, maxLength: 3 },
      [{ field: "schema", keyword: "not" }],
      ['"xx"'],
      ['"xxxx"'],
    ],
    [
      "a value that is no keyword's",
      { type: "object", properties: { a: { type: "text" } } },
      [{ field: "schema.properties.a", keyword: "type" }],
      ['{"a":1}'],
      ["1"],
    ],
    [
      "several contains",
      { type: "array", contains: { const: 1 }, allOf: [{ contains: { const: 2 } }], maxItems: 2 },
      [{ field: "schema.allOf[0]", keyword: "contains" }],
      ["[1,3]"],
      ["[2]"],
    ],
  ])("%s", (_, schema, dropped, valid, invalid) => {
    const grammar = nearest(schema);
    expect(grammar.dropped).toEqual(dropped);
    expect(valid.filter((text) => check(grammar, text) !== "accepted")).toEqual([]);
    expect(invalid.filter((text) => check(grammar, text) === "accepted")).toEqual([]);
  });

  test("a contradiction: everything, at worst", () => {
    const grammar = nearest({ type: "integer", minimum: 3, maximum: 2 });
    expect(grammar.dropped).toEqual([{ field: "schema", keyword: "" }]);
    expect(check(grammar, '{"a":1}')).toBe("accepted");
  });

  test("without `nearest` nothing is dropped, and many choices are honored", () => {
    expect(compileGrammar({ kind: "json_schema", schema: chain(30, "anyOf") }).dropped).toEqual([]);
  });
});

describe("tools", () => {
  const frame = {
    ...{ begin: [], before: [{ text: "<" }], between: [{ text: "|" }], after: [{ text: ">" }], separator: [], end: [] },
  };
  const callOf = (tools: readonly object[]) =>
    compileGrammar({ kind: "tools", tools: tools as { name: string }[], choice: "required", parallel: false, frame });
  test("arguments are an object whatever the parameters leave out", () => {
    for (const parameters of [undefined, null, {}, { properties: { a: { type: "integer" } } }, true]) {
      const grammar = callOf([{ name: "f", parameters }]);
      expect(check(grammar, '<f|{"a":1}>')).toBe("accepted");
      expect(check(grammar, "<f|5>")).not.toBe("accepted");
      expect(check(grammar, "<f|[1]>")).not.toBe("accepted");
    }
  });
  test("one odd tool among good ones", () => {
    const odd = { type: "object", properties: { a: { type: "integer", minimum: 1 }, b: { $ref: "b.json" } } };
    const good = { type: "object", properties: { c: { type: "string" } }, additionalProperties: false };
    const tools = [
      { name: "good", parameters: good },
      { name: "odd", parameters: odd, nearest: true },
    ];
    const grammar = callOf(tools);
    expect(grammar.dropped).toEqual([{ field: "tools[1].parameters.properties.b", keyword: "$ref" }]);
    expect(check(grammar, '<odd|{"a":1,"b":[]}>')).toBe("accepted");
    expect(check(grammar, '<odd|{"a":0}>')).not.toBe("accepted");
    expect(() => callOf([{ name: "odd", parameters: odd }])).toThrow("leads out of the schema");
  });
});

describe("keys keep the order of the text", () => {
  const schemaText =
    '{"type":"object","properties":{"b":{},"1":{},"a":{"const":{"y":1,"0":2}}},"required":["b","1","a"]}';
  test("a schema as text", () => {
    const grammar = compileGrammar({ kind: "json_schema", schemaText });
    expect(check(grammar, '{"b":0,"1":0,"a":{"y":1,"0":2}}')).toBe("accepted");
    expect(check(grammar, '{"1":0,"b":0,"a":{"y":1,"0":2}}')).not.toBe("accepted");
    expect(check(grammar, '{"b":0,"1":0,"a":{"0":2,"y":1}}')).not.toBe("accepted");
  });
  test("what is no JSON is a fault of that field", () => {
    expect(() => compileGrammar({ kind: "json_schema", schemaText: "{" })).toThrow(/^schemaText: it is not JSON/);
  });
});
