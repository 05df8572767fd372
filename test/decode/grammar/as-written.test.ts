// JSON Schema as people write it: what stands in the schemas of real clients and is easily refused, or read wrongly, though it
// says nothing or something plain. Each case: the texts that are valid and those that are not, for what is written and for
// what is judged.

import { describe, expect, test } from "vitest";
import { checked, compileGrammar, written } from "../../../src/decode/grammar/grammar.ts";
import { check } from "./check.ts";

type Case = [what: string, schema: unknown, valid: readonly string[], invalid: readonly string[]];

const compiled = (schema: unknown) =>
  [written, checked].map((style) => compileGrammar({ kind: "json_schema", schema }, style));

function holds(cases: readonly Case[]): void {
  test.each(cases)("%s", (_, schema, valid, invalid) => {
    for (const grammar of compiled(schema)) {
      for (const text of valid) expect(check(grammar, text), text).toBe("accepted");
      for (const text of invalid) expect(check(grammar, text), text).not.toBe("accepted");
    }
  });
}

const string = (more: object) => ({ type: "string", ...more });
const names = (...list: string[]) => Object.fromEntries(list.map((name) => [name, {}]));

describe("numbers: the size of a bound says nothing about decimals", () => {
  const numbers = ["3.25", "-0.5", "0.1", "2", "1234567.875"];
  holds([
    ["safe integers", { type: "number", minimum: -9007199254740991, maximum: 9007199254740991 }, numbers, ["1e16"]],
    ["0 to 999999999999999", { type: "number", minimum: 0, maximum: 999999999999999 }, ["3.25", "0.1"], ["-0.5"]],
    ["up to 1e12", { type: "number", maximum: 1e12 }, numbers, ["1000000000001"]],
    ["small ones", { type: "number", minimum: 0, maximum: 1e12 }, ["1e-06", "1e-300", "0.000001"], ["-1e-06"]],
  ]);
  test("what is no multiple is written so that a double is none either", () => {
    const [writing, judging] = compiled({ type: "number", not: { multipleOf: 2 } });
    for (const text of ["1", "-3", "2.5", "9007199254740991"]) expect(check(writing, text), text).toBe("accepted");
    for (const text of ["2", "4645637293847348437178574396701083603163"])
      expect(check(writing, text), text).not.toBe("accepted");
    expect(check(judging, "1e-3")).toBe("accepted");
  });
  test("judged: 2.0 is an integer, and 1e-06 a number", () => {
    const [, integers] = compiled({ type: "integer" });
    for (const text of ["2.0", "2e0", "20e-1", "1E2"]) expect(check(integers, text)).toBe("accepted");
    expect(check(integers, "2.5")).not.toBe("accepted");
    const [, numbers] = compiled({ type: "number", minimum: 0 });
    for (const text of ["1e-06", "1e-300", "0.0"]) expect(check(numbers, text)).toBe("accepted");
  });
});

describe("what says nothing is passed over", () => {
  const integer = (more: object): [unknown, string[], string[]] => [
    { type: "integer", ...more },
    ["5"],
    ['"5"', "5.5"],
  ];
  holds([
    ...["uint32", "int64", "double", "float", "date", "unheard-of"].map(
      (format): Case => [`the format ${format} of an integer`, ...integer({ format })],
    ),
    ...[
      { descrption: "typo", example: 3, readonly: true, self: {}, markdownDescription: "x" },
      { enumNames: ["a"], errorMessage: { type: "no" }, propertyOrdering: ["a"], discriminator: { propertyName: "a" } },
      {
        id: "https://example.com/x",
        components: { schemas: { a: 5 } },
        $vocabulary: { "https://example.com/v": true },
      },
      { additionalItems: false, $comment: "x", contentSchema: { type: "nothing" }, "x-order": 1 },
    ].map((more): Case => [Object.keys(more).join(", "), ...integer(more)]),
    ...["path", "binary", "password", "unheard-of"].map(
      (format): Case => [`the format ${format}`, string({ format }), ['"anything at all"'], ["1"]],
    ),
    ["null where a keyword's value should be", { type: "string", pattern: null, enum: null }, ['"a"'], ["1"]],
    ["a name required twice", { type: "object", required: ["a", "a"] }, ['{"a":1}'], ["{}"]],
    ["propertyNames that every name is", { type: "object", propertyNames: { type: "string" } }, ['{"a":1}'], ["[]"]],
  ]);
  test("but nullable is a constraint", () => {
    for (const grammar of compiled({ type: "string", nullable: true })) {
      expect(check(grammar, "null")).toBe("accepted");
      expect(check(grammar, "1")).not.toBe("accepted");
    }
    for (const grammar of compiled({ type: "string", nullable: false }))
      expect(check(grammar, "null")).not.toBe("accepted");
  });
});

describe("formats", () => {
  const format = (name: string, valid: string[], invalid: string[]): Case => [
    name,
    string({ format: name }),
    valid.map((text) => JSON.stringify(text)),
    invalid.map((text) => JSON.stringify(text)),
  ];
  const uris = [
    "file:///etc/passwd",
    "http://[::1]/",
    "http://user:pw@example.com/",
    "HTTP://EXAMPLE.COM/A",
    "urn:a:b",
  ];
  holds([
    format("uri", uris, ["a b", "no-scheme", "http://[::1/"]),
    format("uri-reference", ["/a/b?c#d", "../x", "#top", ...uris], ["a b", "%zz"]),
    format("iri", ["http://münchen.example/straße"], ["a b"]),
    format("email", ["John.Doe@Example.com", "a+b@c.example"], ["a@b@c", "nobody"]),
    format("regex", ["^a+$", "[a-z]{2,3}|\\d*"], ["(", "[a"]),
    format("json-pointer", ["", "/a/0", "/~0~1"], ["a", "/~2"]),
    format("relative-json-pointer", ["0", "1/a", "2#"], ["/a", "-1"]),
    format("duration", ["P3Y6M4DT12H30M5S", "PT0S", "P4W"], ["P", "3D", "P1S"]),
    format(
      "date-time",
      ["2024-02-29T23:59:59.5Z", "2024-02-29T00:00:00+01:00"],
      ["2023-02-29T00:00:00Z", "2024-02-29"],
    ),
  ]);
  test("those of no standard that are plain languages hold for what is written, and say nothing to a judge", () => {
    const cases: [string, string, string][] = [
      ["cuid", "cjld2cjxh0000qzrmn831i7rn", "x"],
      ["ulid", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01"],
      ["nanoid", "V1StGXR8_Z5jdHi6B-myT", "short"],
      ["e164", "+14155552671", "4155552671"],
      ["base64", "aGk=", "a"],
      ["cidrv4", "10.0.0.0/8", "10.0.0.0/33"],
      ["jwt", "a.b.c", "a.b"],
      ["lowercase", "abc", "Abc"],
    ];
    for (const [format, right, other] of cases) {
      const [writing, judging] = compiled(string({ format }));
      expect(check(writing, `"${right}"`), format).toBe("accepted");
      expect(check(writing, `"${other}"`), format).not.toBe("accepted");
      for (const text of [right, other]) expect(check(judging, `"${text}"`), format).toBe("accepted");
    }
  });
});

describe("not, oneOf, and what depends on other keys", () => {
  holds([
    ["not {}: no value", { type: "object", properties: { a: { not: {} } } }, ["{}", '{"b":1}'], ['{"a":1}']],
    ["not const", { type: "string", not: { const: "a" } }, ['"b"', '"aa"'], ['"a"', '"\\u0061"']],
    ["not enum", { type: "integer", not: { enum: [1, 2] } }, ["3", "12"], ["1", "2"]],
    ["not type", { not: { type: ["object", "array"] } }, ["1", '"a"'], ["{}", "[]"]],
    ["not required", { type: "object", not: { required: ["a"] } }, ["{}", '{"b":1}'], ['{"a":1}']],
    [
      "oneOf of required names",
      { type: "object", properties: names("a", "b"), oneOf: [{ required: ["a"] }, { required: ["b"] }] },
      ['{"a":1}', '{"b":1}'],
      ["{}", '{"a":1,"b":2}'],
    ],
    [
      "oneOf that overlap",
      {
        oneOf: [
          { type: "integer", minimum: 0 },
          { type: "integer", maximum: 5 },
        ],
      },
      ["-1", "6"],
      ["3"],
    ],
    [
      "dependentRequired",
      { type: "object", properties: names("a", "b"), dependentRequired: { a: ["b"] } },
      ["{}", '{"b":1}', '{"a":1,"b":2}'],
      ['{"a":1}'],
    ],
    [
      "dependentSchemas",
      { type: "object", properties: names("a", "b"), dependentSchemas: { a: { properties: { b: { type: "null" } } } } },
      ['{"b":1}', '{"a":1,"b":null}'],
      ['{"a":1,"b":2}'],
    ],
    [
      "if, then, else",
      {
        type: "object",
        properties: { kind: { enum: ["x", "y"] }, v: {} },
        required: ["kind", "v"],
        if: { properties: { kind: { const: "x" } } },
        // biome-ignore lint/suspicious/noThenProperty: a keyword
        then: { properties: { v: { type: "integer" } } },
        else: { properties: { v: { type: "string" } } },
      },
      ['{"kind":"x","v":1}', '{"kind":"y","v":"a"}'],
      ['{"kind":"x","v":"a"}', '{"kind":"y","v":1}'],
    ],
    [
      "uniqueItems",
      { type: "array", items: { enum: [1, 2, 3] }, uniqueItems: true },
      ["[]", "[3,1]"],
      ["[1,1]", "[1,2,1]"],
    ],
    [
      "contains",
      { type: "array", items: { type: "integer" }, contains: { minimum: 5 } },
      ["[1,7]", "[5]"],
      ["[]", "[1,4]"],
    ],
    ["decimal multipleOf", { type: "number", multipleOf: 0.01 }, ["1.25", "3", "-0.07"], ["1.255"]],
    ["constrained names", { type: "object", propertyNames: { pattern: "^[a-z]+$" } }, ['{"ab":1}'], ['{"A":1}']],
  ]);
});

describe("drafts 4 to 7", () => {
  const draft4 = "http://json-schema.org/draft-04/schema#";
  const tuple = { type: "array", items: [{ type: "integer" }, { type: "string" }] };
  holds([
    ["a tuple in items", tuple, ["[]", "[1]", '[1,"a"]', '[1,"a",null]'], ['["a"]', "[1,2]"]],
    ["additionalItems", { ...tuple, additionalItems: false }, ['[1,"a"]'], ['[1,"a",null]']],
    ["exclusiveMinimum: true", { type: "integer", minimum: 3, exclusiveMinimum: true }, ["4"], ["3"]],
    [
      "exclusiveMaximum: false",
      { $schema: draft4, type: "integer", maximum: 3, exclusiveMaximum: false },
      ["3"],
      ["4"],
    ],
    [
      "dependencies, both kinds",
      { type: "object", properties: names("a", "b", "c"), dependencies: { a: ["b"], b: { required: ["c"] } } },
      ['{"c":1}', '{"b":1,"c":1}', '{"a":1,"b":1,"c":1}'],
      ['{"a":1}', '{"b":1}', '{"a":1,"b":1}'],
    ],
    [
      "what stands beside $ref",
      { $schema: draft4, definitions: { a: { type: "integer" } }, $ref: "#/definitions/a" },
      ["1"],
      ['"a"'],
    ],
  ]);
});

describe("keys", () => {
  test("come in the order of the schema's text, those that look like numbers too", () => {
    const schemaText =
      '{"type":"object","properties":{"b":{"type":"null"},"1":{"type":"null"}},"required":["b","1"],"additionalProperties":false}';
    const grammar = compileGrammar({ kind: "json_schema", schemaText });
    expect(check(grammar, '{"b":null,"1":null}')).toBe("accepted");
    expect(check(grammar, '{"1":null,"b":null}')).not.toBe("accepted");
    expect(check(compileGrammar({ kind: "json_schema", schemaText }, checked), '{"1":null,"b":null}')).toBe("accepted");
  });
});

test.each([
  { minLength: 1, pattern: "^$" },
  { minLength: 3, pattern: "^\\w{2}$" },
  { minLength: 3, maxLength: 3, pattern: "^(aa)*$" },
])("a length that no text of the pattern has is refused: %o", (more) => {
  expect(() => compiled(string(more))).toThrow("cannot be satisfied");
});

describe("patterns", () => {
  const words = (count: number) => Array.from({ length: count }, () => "word").join(" ");
  const pattern = (pattern: string, valid: string[], invalid: string[], more: object = {}): Case => [
    `${pattern}${Object.keys(more)}`,
    string({ pattern, ...more }),
    valid.map((text) => JSON.stringify(text)),
    invalid.map((text) => JSON.stringify(text)),
  ];
  holds([
    pattern("^(?:\\S+\\s+){0,50}\\S+$", [words(51), words(1)], [words(52), ""], { maxLength: 300 }),
    pattern("^[a-z]*$", ["a".repeat(5000)], ["a".repeat(5001)], { maxLength: 5000 }),
    pattern("^(?!.*\\.\\.)[a-z.]+@[a-z]+$", ["a.b@c"], ["a..b@c"]),
    pattern("^(?!^[-+.]*$)[+-]?0*\\d*\\.?\\d*$", ["1.5", "-3", ".5"], ["+", "-.", ""]),
    pattern("^(?=.*\\d)(?=.*[a-z]).{3,}$", ["ab1"], ["abc", "123"]),
    pattern("^[\\w-.]+$", ["a-b.c"], ["a b"]),
    pattern("^[\\w-\\.]+$", ["a-b.c"], ["a b"]),
    pattern("^{a}]$", ["{a}]"], ["a"]),
    pattern("\\bcat\\b", ["a cat", "cat"], ["concatenate"]),
    pattern("(?i)^abc$", ["ABC", "abc"], ["abd"]),
    pattern("^(?P<year>\\d{4})$", ["2024"], ["24"]),
    pattern("\\A\\d+\\Z", ["12"], ["a1"]),
    pattern("^\\/a\\-b$", ["/a-b"], ["a"]),
  ]);
  test("a format and a length are counted beside each other", () => {
    for (const grammar of compiled(string({ format: "uri", maxLength: 2083 }))) {
      expect(check(grammar, `"http://a/${"b".repeat(2083 - 9)}"`)).toBe("accepted");
      expect(check(grammar, `"http://a/${"b".repeat(2083 - 8)}"`)).not.toBe("accepted");
    }
  });
});
