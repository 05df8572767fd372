// Grammar and reader of calls agree: whatever text the grammar of a family lets through, the reader finds in it only calls
// of tools that were offered, with arguments that are valid; text that only looks like a call never comes to it.

import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { compileGrammar, type GrammarSpec } from "../../src/decode/grammar/grammar.ts";
import { createConstraint } from "../../src/decode/grammar/matcher.ts";
import { type Vocabulary, vocabularyOf } from "../../src/decode/grammar/token-trie.ts";
import { defaultModel } from "../../src/plainformer.ts";
import { type ToolChoice, thoughtsGrammar, toolGrammar } from "../../src/prompt/answer-grammar.ts";
import type { Tool } from "../../src/prompt/chat-message.ts";
import { chatOutput } from "../../src/prompt/chat-output.ts";
import { type ToolFormat, toolFormats } from "../../src/prompt/tool-formats.ts";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { noiseSource } from "../decode/grammar/generate.ts";
import { times } from "../long.ts";
import { family } from "./chat-families.ts";

const tokenizer = await loadTokenizer(defaultModel);
const place = { type: "object", properties: { location: { type: "string" } }, required: ["location"] };
const tools: Tool[] = [
  { type: "function", function: { name: "get_weather", parameters: place } },
  { type: "function", function: { name: "now" } },
];
const thinkTags = { open: "<think>", close: "</think>" };
const ajv = new Ajv2020({ strict: false });
const isPlace = ajv.compile(place);

interface Read {
  content: string;
  reasoning: string;
  calls: { name: string; arguments: string }[];
}

/** What the reader makes of tokens that come one by one. */
function readTokens(format: ToolFormat, tokenizer: Tokenizer, ids: readonly number[], startsInReasoning = false): Read {
  const specialTexts = tokenizer.addedTokens.filter((token) => token.special).map((token) => token.content);
  const output = chatOutput({ format: { toolFormat: format, thinkTags, specialTexts }, startsInReasoning, tools });
  const characters = tokenizer.stream({ skipSpecialTokens: false });
  const read: Read = { content: "", reasoning: "", calls: [] };
  const texts = [...ids.map((id) => characters.push(id)), characters.end()];
  for (const { content = "", reasoning = "", toolCall } of [...texts.flatMap(output.push), ...output.end()]) {
    read.content += content;
    read.reasoning += reasoning;
    if (toolCall?.name !== undefined) read.calls.push({ name: toolCall.name, arguments: "" });
    if (toolCall?.arguments !== undefined) read.calls[toolCall.index].arguments += toolCall.arguments;
  }
  return read;
}

function expectSound({ calls }: Read, text: string): void {
  for (const { name, arguments: args } of calls) {
    expect(["get_weather", "now"], text).toContain(name);
    const value: unknown = JSON.parse(args);
    expect(name === "now" ? JSON.stringify(value) === "{}" : isPlace(value), text).toBe(true);
  }
}

/** Whether the grammar takes a text whole (control tokens where `special`), and what the reader makes of it. */
function taken(format: ToolFormat, choice: ToolChoice["choice"], text: string, special = true): Read | undefined {
  const grammar = compileGrammar(toolGrammar(format, tokenizer, { tools, choice, parallel: true }));
  const constraint = createConstraint(grammar, vocabularyOf(tokenizer));
  const ids = tokenizer.encode(text, { addSpecialTokens: false, parseSpecialTokens: special });
  try {
    for (const id of ids) constraint.accept(id);
  } catch {
    return undefined;
  }
  return constraint.complete ? readTokens(format, tokenizer, ids) : undefined;
}

// The other forms: call-forms.test.ts.
const common = ["deepseek-v3.1", "deepseek-v3", "mistral", "hermes", "llama3", "json"];
const formats = toolFormats.filter(({ name }) => common.includes(name));

describe.each(formats.map((format) => [format.name, format] as const))("%s", (_, format) => {
  const { begin, callBegin, nameEnd, callEnd, separator, end, openers, bareBeginnings } = format;
  const call = (name: string, args: string) => `${callBegin}${name}${nameEnd}${args}${callEnd}`;

  test("tags within arguments are text", () => {
    const location = `${openers.join()} ${begin}${call("now", "{}")}${end} \`\`\` \\" <｜tool▁call▁end｜></tool_call>`;
    const args = JSON.stringify({ location });
    const text = begin + call("get_weather", args) + end;
    // Their texts in other tokens than their own, as a model must spell them.
    const constraint = createConstraint(
      compileGrammar(toolGrammar(format, tokenizer, { tools, choice: "required", parallel: true })),
      vocabularyOf(tokenizer),
    );
    const at = text.indexOf(args);
    const spelled = [text.slice(0, at), args, text.slice(at + args.length)].flatMap((part, i) =>
      tokenizer.encode(part, { addSpecialTokens: false, parseSpecialTokens: i !== 1 }),
    );
    for (const id of spelled) constraint.accept(id);
    expect(constraint.complete).toBe(true);
    expect(readTokens(format, tokenizer, spelled).calls).toEqual([{ name: "get_weather", arguments: args }]);
  });

  test("calls are held to it, free text is not", () => {
    const good = call("get_weather", '{"location": "Rome"}');
    for (const choice of ["auto", "required", { name: "get_weather" }] as const)
      expect(taken(format, choice, begin + good + end)?.calls).toEqual([
        { name: "get_weather", arguments: '{"location": "Rome"}' },
      ]);
    const both = taken(format, "required", begin + good + separator + call("now", "{}") + end);
    expect(both?.calls.length).toBe(format.parallel ? 2 : undefined);
    expect(taken(format, "auto", 'Hello, {"a": 1}')).toMatchObject({ content: 'Hello, {"a": 1}', calls: [] });
    expect(taken(format, "auto", '{"a": 1}')).toMatchObject({ content: '{"a": 1}', calls: [] });
    for (const choice of ["required", { name: "now" }] as const) expect(taken(format, choice, "Hello")).toBe(undefined);
    expect(taken(format, { name: "now" }, begin + good + end)).toBe(undefined);
    expect(taken(format, "none", "Hello")?.content).toBe("Hello");
    expect(taken(format, "none", begin + good + end)).toBe(undefined);
    expect(taken(format, "auto", begin + call("get_weather", '{"location": 5}') + end)).toBe(undefined);
  });

  test("nothing else can look like a call", () => {
    for (const opener of openers) expect(taken(format, "auto", `So: ${opener}`, false)).toBe(undefined);
    for (const beginning of bareBeginnings) {
      const spaced = beginning.replace("NAME", "now").replaceAll('"', ' "\n');
      expect(taken(format, "auto", `${spaced} 5`)).toBe(undefined);
    }
  });

  /** Tokens that are pieces of the format's texts come more often than others. */
  const walks = (tokenizer: Tokenizer, vocabulary: Vocabulary, choice: ToolChoice["choice"], count: number) => {
    const spec = toolGrammar(format, tokenizer, { tools, choice, parallel: true });
    const grammar = compileGrammar(spec);
    const texts = [begin + call("get_weather", '{"location": "'), end, separator, ...openers, ...bareBeginnings].join(
      "",
    );
    const liked = [...Array(vocabulary.size).keys()].filter((id) => {
      const text = tokenizer.tokenOf(id) === undefined ? "" : new TextDecoder().decode(tokenizer.bytes(id));
      return text !== "" && texts.includes(text);
    });
    const random = noiseSource(17);
    let calls = 0;
    for (let walk = 0; walk < count; walk++) {
      const constraint = createConstraint(grammar, vocabulary);
      const ids: number[] = [];
      const logits = new Float32Array(vocabulary.size);
      while (ids.length < 120 && !constraint.finished && !(constraint.complete && random() < 0.05)) {
        for (let id = 0; id < logits.length; id++) logits[id] = random();
        for (const id of liked) logits[id] += 0.5 * random();
        constraint.mask(logits);
        const next = logits.indexOf(logits.reduce((most, logit) => Math.max(most, logit), -Infinity));
        constraint.accept(next);
        ids.push(next);
      }
      if (!constraint.complete) continue;
      const text = ids.map((id) => tokenizer.tokenOf(id)).join("|");
      const read = readTokens(format, tokenizer, ids);
      expectSound(read, text);
      if (choice === "required") expect(read.calls.length, text).toBeGreaterThan(0);
      if (choice === "none") expect(read.calls, text).toEqual([]);
      calls += read.calls.length;
    }
    return calls;
  };

  test.each(["none", "auto", "required"] as const)("random text that leans to its marks: %s", (choice) => {
    const calls = walks(tokenizer, vocabularyOf(tokenizer), choice, times(20, 60));
    if (choice === "required") expect(calls).toBeGreaterThan(2);
  });
});

describe("thoughts", () => {
  const json: GrammarSpec = { kind: "json_schema", schema: { type: "object", required: ["a"], maxProperties: 1 } };
  const takes = (spec: GrammarSpec, tokenizer: Tokenizer, text: string) => {
    const constraint = createConstraint(compileGrammar(spec), vocabularyOf(tokenizer));
    try {
      for (const id of tokenizer.encode(text, { addSpecialTokens: false, parseSpecialTokens: true }))
        constraint.accept(id);
    } catch {
      return "refused";
    }
    return constraint.complete ? "complete" : "open";
  };

  test.each([
    ["as text", tokenizer],
    ["as control tokens", family("qwen3").tokenizer],
  ])("begun by the prompt: the grammar starts behind them; tags %s", (_, tokenizer) => {
    const spec = { ...json, thoughts: thoughtsGrammar(thinkTags, tokenizer, true) };
    expect(takes(spec, tokenizer, "Hmm {")).toBe("open");
    expect(takes(spec, tokenizer, '{"a": 1}')).toBe("open"); // still a thought: it may not end here
    for (const space of ["", "\n", "\n\n"])
      expect(takes(spec, tokenizer, `Hmm.</think>${space}{"a": 1}`)).toBe("complete");
    expect(takes(spec, tokenizer, "Hmm.</think>\n\nWell")).toBe("refused");
    expect(takes(spec, tokenizer, "Hmm.</think>[]")).toBe("refused");
  });

  test("begun by the model, or not at all", () => {
    const spec = { ...json, thoughts: thoughtsGrammar(thinkTags, tokenizer, false) };
    expect(takes(spec, tokenizer, '{"a": 1}')).toBe("complete");
    expect(takes(spec, tokenizer, '<think>\nHmm.\n</think>\n\n{"a": 1}')).toBe("complete");
    expect(takes(spec, tokenizer, '<think>\nHmm.\n{"a": 1}')).toBe("open");
    expect(takes(spec, tokenizer, "Hmm.")).toBe("refused");
  });
});
