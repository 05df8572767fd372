// Each form of calls: the grammar admits what the form writes and nothing else, and the reader reads back exactly what the
// grammar admits, arguments that spell the form's own marks included, whether these are control tokens or letters.

import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Constraint } from "../../src/decode/constraint.ts";
import { compileGrammar } from "../../src/decode/grammar/grammar.ts";
import { createConstraint } from "../../src/decode/grammar/matcher.ts";
import { vocabularyOf } from "../../src/decode/grammar/token-trie.ts";
import { type ToolChoice, toolGrammar } from "../../src/prompt/answer-grammar.ts";
import type { Tool } from "../../src/prompt/chat-message.ts";
import { chatOutput } from "../../src/prompt/chat-output.ts";
import { type ToolFormat, toolFormats } from "../../src/prompt/tool-formats.ts";
import { writeCalls } from "../../src/prompt/written-calls.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { noiseSource } from "../decode/grammar/generate.ts";
import { times } from "../long.ts";
import { tokenizerOf } from "./template-goldens.ts";

const parameters = {
  type: "object",
  properties: {
    city: { type: "string" },
    days: { type: "integer", minimum: 0, maximum: 20 },
    unit: { enum: ["C", "F", "true"] },
    code: { type: "string", pattern: "^[A-Z]{2}\\d*$" },
    note: { type: ["string", "null"] },
    either: { anyOf: [{ type: "string", maxLength: 40 }, { type: "integer" }, { type: "boolean" }] },
    short: { type: ["string", "boolean"], maxLength: 4 },
    list: { type: "array", items: { type: ["string", "null", "boolean"] }, maxItems: 3 },
    tree: { $ref: "#/$defs/tree" },
    any: {},
  },
  required: ["city"],
  additionalProperties: false,
  $defs: {
    tree: {
      type: "object",
      properties: { kids: { type: "array", items: { $ref: "#/$defs/tree" } }, leaf: { type: "number" } },
      additionalProperties: false,
    },
  },
};
const tools: Tool[] = [
  { type: "function", function: { name: "get_weather", parameters } },
  { type: "function", function: { name: "now" } },
  {
    type: "function",
    function: {
      name: "set_env",
      parameters: { type: "object", additionalProperties: { type: ["string", "integer"] } },
    },
  },
];
const ajv = new Ajv2020({ strict: false });
const validators = new Map([
  ["get_weather", ajv.compile(parameters)],
  ["now", ajv.compile({ type: "object", maxProperties: 0 })],
  ["set_env", ajv.compile({ type: "object", additionalProperties: { type: ["string", "integer"] } })],
]);

/** All texts that a format writes of its own. */
function marksOf(format: ToolFormat): string[] {
  const { begin, callBegin, nameEnd, callEnd, separator, end, openers, notation } = format;
  const inner = notation
    ? [notation.open, notation.keyBegin, notation.keyEnd.string, notation.keyEnd.other, notation.valueEnd]
    : [];
  const strings = typeof notation?.strings === "object" ? [notation.strings.open] : [];
  return [begin, callBegin, nameEnd, callEnd, separator, end, ...openers, ...inner, ...strings].filter(
    (text) => text.trim() !== "",
  );
}

const tagsIn = (texts: readonly string[]) => [
  ...new Set(texts.flatMap((text) => text.match(/<[^<>\s=]*>|\[\/?[A-Z_]+\]/g) ?? [])),
];

/** A text's tokens: the format's marks as control tokens where there are such, values never. */
function tokensOf(
  format: ToolFormat,
  tokenizer: Tokenizer,
  calls: readonly { name: string; arguments: string }[],
): number[] {
  const pieces: { text: string; mark: boolean }[] = [];
  const add = (text: string, mark: boolean) => {
    pieces.push({ text, mark });
    return text;
  };
  writeCalls(format, calls, {
    mark: (text) => add(text, true),
    value: (text) => add(text, false),
    hole: (text) => add(text, false),
  });
  return pieces.flatMap(({ text, mark }) =>
    tokenizer.encode(text, { addSpecialTokens: false, parseSpecialTokens: mark }),
  );
}

interface Read {
  content: string;
  calls: { name: string; arguments: string }[];
}

function read(format: ToolFormat, tokenizer: Tokenizer, ids: readonly number[], either = false): Read {
  const specialTexts = tokenizer.addedTokens.filter((token) => token.special).map((token) => token.content);
  const output = chatOutput({
    format: { toolFormat: format, thinkTags: undefined, specialTexts },
    startsInReasoning: false,
    tools,
    either,
  });
  const characters = tokenizer.stream({ skipSpecialTokens: false });
  const result: Read = { content: "", calls: [] };
  const texts = [...ids.map((id) => characters.push(id)), characters.end()];
  for (const { content = "", toolCall } of [...texts.flatMap(output.push), ...output.end()]) {
    result.content += content;
    if (toolCall?.name !== undefined) result.calls.push({ name: toolCall.name, arguments: "" });
    if (toolCall?.arguments !== undefined) result.calls[toolCall.index].arguments += toolCall.arguments;
  }
  return result;
}

function accepts(constraint: Constraint, ids: readonly number[]): boolean {
  try {
    for (const id of ids) constraint.accept(id);
    return constraint.complete;
  } catch {
    return false;
  }
}

const parsed = ({ calls }: Read) => calls.map(({ name, arguments: text }) => ({ name, arguments: JSON.parse(text) }));

describe.each(toolFormats.map((format) => [format.name, format] as const))("%s", (_, format) => {
  const marks = marksOf(format);
  const vocabularies = [tokenizerOf(""), tokenizerOf("", tagsIn(marks))];
  const grammars = vocabularies.map((tokenizer) => ({
    tokenizer,
    grammar: (choice: ToolChoice["choice"], more: Partial<ToolChoice> = {}) =>
      compileGrammar(toolGrammar(format, tokenizer, { tools, choice, parallel: true, ...more })),
  }));
  const required = grammars.map(({ tokenizer, grammar }) => ({ tokenizer, grammar: grammar("required") }));
  /** A raw string cannot hold the mark that ends it. */
  const end =
    format.notation?.strings === "raw"
      ? format.notation.valueEnd.trim()
      : typeof format.notation?.strings === "object"
        ? format.notation.strings.close
        : undefined;
  const canHold = (value: unknown): boolean =>
    end === undefined || !JSON.stringify(value).includes(JSON.stringify(end).slice(1, -1));

  const hostile = fc
    .array(
      fc.oneof(
        fc.constantFrom(...marks, "\n", " ", '"', "\\", "'", "}", "{", "true", "null", "5", "é😀", "\u0001", ","),
        fc.string({ unit: "grapheme", maxLength: 3 }),
      ),
      { maxLength: 5 },
    )
    .map((list) => list.join(""));
  const tree: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
    tree: fc.record({ kids: fc.array(tie("tree"), { maxLength: 2 }), leaf: fc.integer() }, { requiredKeys: [] }),
  })).tree;
  /** No numbers with exponents: they are not generated. */
  const anything = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 2 },
      hostile,
      fc.integer(),
      fc.constantFrom(null, true, false, 1.5),
      fc.array(tie("value"), { maxLength: 2 }),
      fc.dictionary(fc.constantFrom("a", "b_c"), tie("value")),
    ),
  })).value;
  const weather = fc.record(
    {
      city: hostile,
      days: fc.nat(20),
      unit: fc.constantFrom("C", "F", "true"),
      code: fc.constantFrom("AB", "AB12"),
      note: fc.oneof(hostile, fc.constant(null)),
      either: fc.oneof(
        hostile.filter((text) => [...text].length <= 40),
        fc.integer(),
        fc.boolean(),
      ),
      short: fc.oneof(fc.constantFrom("abc", "", "x}"), fc.boolean()),
      list: fc.array(fc.oneof(hostile, fc.constantFrom(null, true)), { maxLength: 3 }),
      tree,
      any: fc.oneof(hostile, anything),
    },
    { requiredKeys: ["city"] },
  );
  /** Where raw text says nothing of its type, a string that is written like another valid value is read as that. */
  const readsAsOther = (text: unknown) =>
    typeof text === "string" && /^\s*([-0-9{[(]|(true|false|null|True|False|None)\s*$)/.test(text);
  const untold = format.notation?.strings === "raw" && format.notation.keyEnd.string === format.notation.keyEnd.other;

  test("what it writes is admitted and read back", () => {
    fc.assert(
      fc.property(weather, fc.boolean(), (value, twice) => {
        // -0 and __proto__ are not told apart by JSON.parse.
        const plain = JSON.parse(JSON.stringify(value));
        if (!canHold(plain) || JSON.stringify(plain).includes("__proto__")) return;
        if (untold && [plain.note, plain.either, plain.any, plain.short].some(readsAsOther)) return;
        const calls = [{ name: "get_weather", arguments: JSON.stringify(plain) }];
        if (twice && format.parallel) calls.push({ name: "now", arguments: "{}" });
        for (const { tokenizer, grammar } of required) {
          const ids = tokensOf(format, tokenizer, calls);
          const admitted = accepts(createConstraint(grammar, vocabularyOf(tokenizer)), ids);
          expect([admitted, tokenizer.decode(ids)]).toEqual([true, tokenizer.decode(ids)]);
          expect(parsed(read(format, tokenizer, ids))).toEqual(
            calls.map((call) => ({ ...call, arguments: JSON.parse(call.arguments) })),
          );
        }
      }),
      { numRuns: times(8, 25) },
    );
  });

  if (end === undefined) return; // its strings are quoted

  test("a string that has the mark in it which ends it is not admitted", () => {
    for (const { tokenizer, grammar } of required)
      for (const city of [`a${end}b`, `${end}`, `a\n${end}`]) {
        const ids = tokensOf(format, tokenizer, [{ name: "get_weather", arguments: JSON.stringify({ city }) }]);
        expect(accepts(createConstraint(grammar, vocabularyOf(tokenizer)), ids), city).toBe(false);
      }
  });

  test("a pattern that leads into the mark is not followed there", () => {
    const mark = end.replace(/[|\\{}()[\]^$+*?.]/g, "\\$&");
    const called = (pattern: string) => {
      const properties = { text: { type: "string", pattern } };
      const schema = { type: "object", properties, required: ["text"], additionalProperties: false };
      return [{ type: "function" as const, function: { name: "say", parameters: schema } }];
    };
    for (const { tokenizer, grammar } of grammars) {
      const only = () => grammar("required", { tools: called(`^(a${mark})+b$`) });
      expect(only).toThrow(/parameters/);
      const tools = called(`^(a${mark}b|aab|a+c)$`);
      const vocabulary = vocabularyOf(tokenizer);
      for (const text of ["aab", "aac"]) {
        const ids = tokensOf(format, tokenizer, [{ name: "say", arguments: JSON.stringify({ text }) }]);
        const constraint = createConstraint(grammar("required", { tools }), vocabulary);
        for (const id of ids) {
          const logits = new Float32Array(vocabulary.size);
          constraint.mask(logits);
          // Behind what may come, something may come: the first byte of the mark may not.
          const written = new TextEncoder().encode(end as string)[0];
          if (id === 97) expect(logits[written]).toBe(-Infinity);
          constraint.accept(id);
        }
        expect(constraint.complete).toBe(true);
      }
    }
  });

  test("what is generated is read as valid calls", () => {
    const random = noiseSource(23);
    for (const { tokenizer, grammar } of required) {
      const vocabulary = vocabularyOf(tokenizer);
      const liked = new Set([...new TextEncoder().encode(marks.join(""))]);
      for (let walk = 0; walk < times(1, 20); walk++) {
        const constraint = createConstraint(grammar, vocabulary);
        const ids: number[] = [];
        const logits = new Float32Array(vocabulary.size);
        while (ids.length < 400 && !constraint.finished && !(constraint.complete && random() < 0.3)) {
          for (let id = 0; id < logits.length; id++)
            logits[id] = random() + (liked.has(id) ? 0.3 : 0) + (id >= 256 ? 0.6 : 0);
          constraint.mask(logits);
          let next = 0;
          for (let id = 1; id < logits.length; id++) if (logits[id] > logits[next]) next = id;
          expect(logits[next], tokenizer.decode(ids)).toBeGreaterThan(-Infinity); // no dead end
          constraint.accept(next);
          ids.push(next);
        }
        if (!constraint.complete) continue;
        const result = read(format, tokenizer, ids);
        expect(result.calls.length, tokenizer.decode(ids)).toBeGreaterThan(0);
        for (const { name, arguments: text } of result.calls) {
          const valid = validators.get(name)?.(JSON.parse(text));
          expect(valid, `${tokenizer.decode(ids)}\n${text}`).toBe(true);
        }
      }
    }
  });

  test("a named tool is called once", () => {
    const [{ tokenizer, grammar }] = grammars;
    const named = grammar({ name: "now" });
    const one = tokensOf(format, tokenizer, [{ name: "now", arguments: "{}" }]);
    expect(accepts(createConstraint(named, vocabularyOf(tokenizer)), one)).toBe(true);
    const two = tokensOf(format, tokenizer, [
      { name: "now", arguments: "{}" },
      { name: "now", arguments: "{}" },
    ]);
    expect(accepts(createConstraint(named, vocabularyOf(tokenizer)), two)).toBe(false);
  });

  test("beside a response format: a call, or the JSON", () => {
    const [{ tokenizer, grammar }] = grammars;
    const schema = { type: "object", properties: { name: { type: "string" } }, required: ["name"] };
    const both = grammar("auto", { otherwise: { kind: "json_schema", schema } });
    const admits = (ids: readonly number[]) => accepts(createConstraint(both, vocabularyOf(tokenizer)), ids);
    const text = (written: string) => tokenizer.encode(written, { addSpecialTokens: false });
    const said = JSON.stringify({ name: `now ${marks.join(" ")}` });
    expect(admits(text(said))).toBe(true);
    expect(read(format, tokenizer, text(said), true)).toEqual({ content: said, calls: [] });
    expect(admits(text('{"name": 5}'))).toBe(false);
    expect(admits(text("Hello"))).toBe(false);
    const { begin, openers, callBegin } = format;
    const marked = openers.length === 0 || openers.some((opener) => (begin + callBegin).startsWith(opener));
    const opened = marked ? format : { ...format, begin: openers[0] + begin };
    const call = tokensOf(opened, tokenizer, [{ name: "now", arguments: "{}" }]);
    expect(admits(call)).toBe(true);
    expect(read(format, tokenizer, call, true).calls).toEqual([{ name: "now", arguments: "{}" }]);
  });
});
