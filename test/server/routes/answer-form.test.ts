// response_format and tools over HTTP are guarantees: whatever the model that ships would rather say, ajv finds what comes
// valid, streamed or not, greedy or hot. And what cannot be guaranteed is refused by name.

import type { ErrorObject } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { describe, expect, test } from "vitest";
import type { GenerateOptions } from "../../../src/engine/generate.ts";
import { loadInWorker } from "../../../src/plainformer.ts";
import type { ServedModel } from "../../../src/served-model.ts";
import { cpuClock } from "../../cpu-time.ts";
import { schemas } from "../../decode/grammar/schemas.ts";
import { long, times } from "../../long.ts";
import { api, type Json } from "./api.ts";

const { ask, send, stream, refused, served } = await api();
const ajv = new Ajv2020({ strict: false });
(ajvFormats as unknown as (ajv: Ajv2020) => void)(ajv);

const story = [{ role: "user", content: "Tell me a short story, as JSON." }];
const capital = [
  { role: "system", content: "Write the question and the answer as JSON." },
  { role: "user", content: "What is the capital of France? Paris." },
];
const weather = [{ role: "user", content: "What is the weather in Paris?" }];
const qa = {
  type: "object",
  properties: { question: { type: "string", maxLength: 60 }, answer: { type: "string", maxLength: 60 } },
  required: ["question", "answer"],
  additionalProperties: false,
};
const asSchema = (schema: unknown) => ({ type: "json_schema", json_schema: { name: "answer", schema } });
const tool = (name: string, parameters?: unknown, more: object = {}) => ({
  type: "function",
  function: { name, description: `Does ${name}`, parameters, ...more },
});
const place = { type: "object", properties: { location: { type: "string", maxLength: 30 } }, required: ["location"] };
const tools = [tool("get_weather", place), tool("now")];

function expectValid(schema: unknown, text: string): void {
  const isValid = ajv.compile(schema as object | boolean);
  expect(isValid(JSON.parse(text)), `${text}: ${JSON.stringify(isValid.errors as ErrorObject[])}`).toBe(true);
}

/** Calls and content of a stream's first choice, put together. */
function joined(chunks: Json[]): { content: string; calls: { name: string; arguments: string }[]; reason: string } {
  const calls: { name: string; arguments: string }[] = [];
  let content = "";
  for (const { delta } of chunks.map(({ choices }) => choices[0])) {
    content += delta.content ?? "";
    for (const { index, function: part } of delta.tool_calls ?? []) {
      calls[index] ??= { name: part.name, arguments: "" };
      calls[index].arguments += part.arguments;
    }
  }
  return { content, calls, reason: chunks.at(-1).choices[0].finish_reason };
}

describe("response_format", () => {
  test("a schema: valid, greedy and hot, and the same in pieces", async () => {
    const response_format = asSchema(qa);
    for (const temperature of [0, 1, 1.5, 2]) {
      const body = { messages: story, response_format, temperature, seed: 7, max_tokens: 400 };
      const { choices } = await ask("/chat/completions", body);
      expect(choices[0].finish_reason).toBe("stop");
      expectValid(qa, choices[0].message.content);
      const { chunks } = await stream("/chat/completions", body);
      expect(joined(chunks).content).toBe(choices[0].message.content);
    }
  });

  test("json_object: an object; a hint in a header where nobody said json, and no refusal", async () => {
    const body = { response_format: { type: "json_object" }, temperature: 0, max_tokens: 200 };
    const asked = await send("/chat/completions", { ...body, messages: capital });
    expect(asked.headers.get("warning")).toBe(null);
    const { message, finish_reason } = ((await asked.json()) as Json).choices[0];
    expect(finish_reason).toBe("stop");
    expect(JSON.parse(message.content)).toBeTypeOf("object");
    const unasked = await send("/chat/completions", { ...body, messages: weather });
    expect([unasked.status, unasked.headers.get("warning")]).toEqual([200, expect.stringContaining("json")]);
    expect(((await unasked.json()) as Json).choices[0].message.content).toMatch(/^\s*\{/);
  });

  test("a cut answer says so; n answers are each valid; a stop string cuts", async () => {
    const body = { messages: story, response_format: asSchema(qa), temperature: 1.5, seed: 1 };
    const cut = await ask("/chat/completions", { ...body, max_tokens: 4 });
    expect(cut.choices[0].finish_reason).toBe("length");
    const many = await ask("/chat/completions", { ...body, max_tokens: 400, n: 4 });
    const texts = many.choices.map(({ message }: Json) => message.content);
    for (const text of texts) expectValid(qa, text);
    expect(new Set(texts).size).toBe(4);
    const stopped = await ask("/chat/completions", { ...body, max_tokens: 400, stop: ["answer"] });
    expect(stopped.choices[0]).toMatchObject({ finish_reason: "stop" });
    expect(stopped.choices[0].message.content).toMatch(/^\s*\{\s*"question"\s*:\s*"/);
  });

  test("log-probabilities are those of what may come: they sum to 1", async () => {
    const { choices } = await ask("/chat/completions", {
      messages: story,
      response_format: asSchema({ enum: ["yes", "no", "maybe"] }),
      logprobs: true,
      top_logprobs: 20,
      temperature: 1,
      max_tokens: 20,
    });
    const tokens: Json[] = choices[0].logprobs.content;
    expect(tokens.map(({ token }) => token).join("")).toBe(choices[0].message.content);
    let choicesMade = 0;
    for (const { top_logprobs, logprob } of tokens) {
      const sum = top_logprobs.reduce((sum: number, other: Json) => sum + Math.exp(other.logprob), 0);
      expect(sum).toBeCloseTo(1, 4);
      if (logprob < 0) choicesMade++;
    }
    expect(choicesMade).toBeGreaterThan(0);
  });

  test("requests at the same time: each as alone, to the bit", async () => {
    const bodies = schemas.slice(0, 12).map((schema, seed) => ({
      ...{ messages: story, response_format: asSchema(schema), temperature: 1.2, seed, max_tokens: 60 },
      ...{ logprobs: true, top_logprobs: 2 },
    }));
    const alone: Json[] = [];
    for (const body of bodies) alone.push((await ask("/chat/completions", body)).choices);
    const together = await Promise.all(bodies.map(async (body) => (await ask("/chat/completions", body)).choices));
    expect(together).toEqual(alone);
  });

  test("in a worker as in this thread", async () => {
    const served = await loadInWorker();
    const { ask: askWorker, refused: refusedByWorker } = await api({ model: served });
    const body = { messages: story, response_format: asSchema(qa), temperature: 1.5, seed: 3, max_tokens: 400 };
    const [here, there] = [await ask("/chat/completions", body), await askWorker("/chat/completions", body)];
    expect(there.choices).toEqual(here.choices);
    expect(
      await refusedByWorker("/chat/completions", { ...body, response_format: asSchema({ not: {} }) }),
    ).toMatchObject({ param: "response_format.json_schema.schema" });
    await served.close();
  });
});

describe("prefix", () => {
  const body = { response_format: asSchema(qa), temperature: 1, seed: 2, max_tokens: 300 };
  const prefixed = (content: string) => [...story, { role: "assistant", content, prefix: true }];

  test("goes on inside the grammar", async () => {
    for (const prefix of ['{"question":', '{"question": "Who', '{"question": "Who?", "ans', ""]) {
      const { choices } = await ask("/beta/chat/completions", { ...body, messages: prefixed(prefix) });
      expectValid(qa, prefix + choices[0].message.content);
    }
  });

  test("that cannot become valid is refused with the byte", async () => {
    expect(await refused("/beta/chat/completions", { ...body, messages: prefixed('{"a":') })).toMatchObject({
      status: 400,
      param: "messages[1].content",
      message: expect.stringContaining("byte 2"),
    });
  });

  test("is not taken for the beginning of a call", async () => {
    expect(
      await refused("/beta/chat/completions", { messages: prefixed("{"), tools, tool_choice: "required" }),
    ).toMatchObject({ param: "tool_choice" });
    const { choices } = await ask("/beta/chat/completions", { messages: prefixed("The"), tools, max_tokens: 8 });
    expect(choices[0].message.content.length).toBeGreaterThan(0);
  });
});

test("a model that thinks aloud may think first, in front of JSON as of calls", async () => {
  const template =
    "{% for m in messages %}<｜User｜>{{ m['content'] }}{% endfor %}<｜Assistant｜>{% if begun %}<think>\n{% endif %}{# </think> #}";
  const asked: GenerateOptions[] = [];
  const watched: ServedModel = {
    ...served,
    generate: (options) => {
      asked.push(options);
      return served.generate(options);
    },
  };
  const thoughts = async (begun: boolean, more: object) => {
    const chatTemplate = template.replace("begun", String(begun));
    const { ask } = await api({ model: { ...watched, chatTemplate } });
    const body = { messages: weather, temperature: 0, max_tokens: 12, ...more };
    const { message } = (await ask("/chat/completions", body)).choices[0];
    return {
      thoughts: asked.at(-1)?.grammar?.thoughts,
      reasoning: message.reasoning_content,
      content: message.content,
    };
  };
  const json = { response_format: asSchema(qa) };
  const [open, close] = [[{ text: "<think>" }], [{ text: "</think>" }]];
  expect(await thoughts(true, json)).toEqual({ thoughts: { close }, reasoning: expect.any(String), content: "" });
  expect(await thoughts(true, { tools })).toMatchObject({ thoughts: { close }, content: "" });
  expect((await thoughts(false, json)).thoughts).toEqual({ open, close });
  const silent = await thoughts(true, { ...json, thinking: { type: "disabled" } });
  expect(silent).toEqual({ thoughts: undefined, reasoning: undefined, content: expect.stringMatching(/^\s*\{/) });
});

describe("tools", () => {
  const hot = { messages: weather, temperature: 1.5, max_tokens: 300 };

  test("none, auto, required, a name", async () => {
    const body = { messages: weather, tools, temperature: 0, max_tokens: 60 };
    const choiceOf = async (tool_choice?: unknown) => {
      const { choices } = await ask("/chat/completions", { ...body, tool_choice });
      return choices[0];
    };
    for (const tool_choice of [undefined, "auto", "required"]) {
      const { message, finish_reason } = await choiceOf(tool_choice);
      expect(finish_reason).toBe("tool_calls");
      expect(message).toMatchObject({ content: null, tool_calls: [{ function: { name: "get_weather" } }] });
      expect(JSON.parse(message.tool_calls[0].function.arguments)).toEqual({ location: "Paris" });
    }
    const { message } = await choiceOf({ type: "function", function: { name: "now" } });
    expect(message.tool_calls).toMatchObject([{ function: { name: "now" } }]);
    expect(JSON.parse(message.tool_calls[0].function.arguments)).toEqual({});
    const none = await choiceOf("none");
    expect(none.message.tool_calls).toBe(undefined);
    expect(none.message.content).not.toContain("<｜");
    const chat = await ask("/chat/completions", { ...body, messages: [{ role: "user", content: "Hello!" }] });
    expect(chat.choices[0].message.tool_calls).toBe(undefined); // free to call nothing
  });

  test.runIf(long)(
    "128 tools with parameters of their own: names offered, arguments valid; in pieces the same (test:long)",
    async () => {
      const kinds = [{ type: "integer" }, { enum: ["a", "b"] }, { type: "boolean" }, { const: 5 }, { maxLength: 9 }];
      const many = Array.from({ length: 128 }, (_, i) => {
        const properties = { [`key_${i}`]: kinds[i % kinds.length] };
        const parameters = { type: "object", properties, required: [`key_${i}`], additionalProperties: i % 8 === 2 };
        return { type: "function", function: { name: `tool_${i}`, ...(i % 4 < 2 ? {} : { parameters }) } };
      });
      let calls = 0;
      for (let seed = 0; seed < times(1, 4); seed++) {
        const body = { ...hot, tools: many, tool_choice: "required", seed, max_tokens: times(120, 300) };
        const { choices } = await ask("/chat/completions", body);
        const [{ message, finish_reason }] = choices;
        const whole = finish_reason === "length" ? message.tool_calls.slice(0, -1) : message.tool_calls;
        for (const { function: call } of whole) {
          const offered = many.find((tool) => tool.function.name === call.name);
          expect(offered, call.name).toBeDefined();
          expectValid(offered?.function.parameters ?? { maxProperties: 0 }, call.arguments);
          calls++;
        }
        const { chunks } = await stream("/chat/completions", body);
        expect(joined(chunks).calls).toEqual(message.tool_calls.map(({ function: call }: Json) => call));
      }
      expect(calls).toBeGreaterThanOrEqual(times(1, 4));
    },
  );

  test.runIf(long)("four calls at once, and one where they are not parallel (test:long)", async () => {
    // The model that ships likes to call once: it is led away from the token that ends the calls, more and more.
    const end = served.tokenizer.idOf("<｜tool▁calls▁end｜>") as number;
    const counts = new Set<number>();
    for (let seed = 0; seed < 60 && !counts.has(4); seed++) {
      const request = { ...hot, tools, tool_choice: "required", logit_bias: { [end]: -6 - seed / 4 } };
      const { choices } = await ask("/chat/completions", { ...request, seed });
      const { tool_calls } = choices[0].message;
      if (choices[0].finish_reason === "tool_calls") counts.add(tool_calls.length);
      if (tool_calls.length !== 4) continue;
      expect(tool_calls.map(({ index }: Json) => index)).toEqual([0, 1, 2, 3]);
      expect(new Set(tool_calls.map(({ id }: Json) => id)).size).toBe(4);
      for (const { function: call } of tool_calls)
        expectValid(call.name === "now" ? { type: "object", maxProperties: 0 } : place, call.arguments);
      const alone = await ask("/chat/completions", { ...request, seed, parallel_tool_calls: false });
      expect(alone.choices[0].message.tool_calls).toHaveLength(1);
    }
    expect(counts).toContain(4);
  });

  test("strict where the server holds to DeepSeek's rules: in beta, all or none, in a smaller schema", async () => {
    const { ask, refused } = await api({ deepSeekStrict: true });
    const strictPlace = { ...place, properties: { location: { type: "string" } }, additionalProperties: false };
    const strict = [tool("get_weather", strictPlace, { strict: true })];
    const body = { messages: weather, temperature: 0, max_tokens: 60 };
    const { choices } = await ask("/beta/chat/completions", { ...body, tools: strict });
    expect(choices[0].finish_reason).toBe("tool_calls");
    const cases: [string, object[], string][] = [
      ["/chat/completions", strict, "tools[0].function.strict"],
      ["/beta/chat/completions", [...strict, tools[1]], "tools[1].function.strict"],
      ["/beta/chat/completions", [tool("f", place, { strict: true })], "tools[0].function.parameters"],
      [
        "/beta/chat/completions",
        [tool("f", { ...strictPlace, properties: { location: { userName: 1 } } }, { strict: true })],
        "tools[0].function.parameters",
      ],
    ];
    for (const [path, tools, param] of cases)
      expect(await refused(path, { ...body, tools })).toMatchObject({ status: 400, param });
  });
});

describe("what cannot be", () => {
  const deep = (levels: number): unknown => (levels === 0 ? {} : { properties: { a: deep(levels - 1) } });
  const ref = { $ref: "#/$defs/a", $defs: { a: { type: "array", items: { $ref: "#/$defs/a" }, minItems: 1 } } };
  test.each<[string, unknown]>([
    ["no schema", "a string"],
    ["a type that is none", { type: "text" }],
    ["a keyword that is not honored", { type: "array", uniqueItems: true }],
    ["contradictory", { type: "integer", minimum: 3, maximum: 2 }],
    ["too deep", deep(40)],
    ["look-around", { type: "string", pattern: "(?=a)b" }],
    ["a back-reference", { type: "string", pattern: "(a)\\1" }],
    ["30,000 parentheses", { type: "string", pattern: "(".repeat(15_000) + ")".repeat(15_000) }],
    ["recursion without end", ref],
  ])("a schema: %s", async (name, schema) => {
    const elapsed = cpuClock();
    // What is too deep for a body is refused before anybody knows what it is.
    const expected = (field: string) =>
      name === "too deep" ? { status: 400, param: null } : { status: 400, param: field };
    const inFormat = await refused("/chat/completions", { messages: story, response_format: asSchema(schema) });
    expect(inFormat).toMatchObject(expected("response_format.json_schema.schema"));
    if (typeof schema === "object") {
      const inTool = await refused("/chat/completions", {
        messages: story,
        tools: [tools[0], tool("f", schema, { strict: true })],
      });
      expect(inTool).toMatchObject(expected("tools[1].function.parameters"));
    }
    expect(elapsed()).toBeLessThan(2000);
    const next = await ask("/chat/completions", { messages: story, response_format: asSchema(qa) }); // it still serves
    expectValid(qa, next.choices[0].message.content);
  });

  test.each<[string, object, string]>([
    ["no name", { tools: [tool("")] }, "tools[0].function.name"],
    ["a name of 65 letters", { tools: [tool("a".repeat(65))] }, "tools[0].function.name"],
    ["a name with a space", { tools: [tools[0], tool("a b")] }, "tools[1].function.name"],
    ["a name twice", { tools: [tools[0], tools[1], tools[0]] }, "tools[2].function.name"],
    ["129 tools", { tools: Array.from({ length: 129 }, (_, i) => tool(`tool_${i}`)) }, "tools"],
    [
      "a choice that is not there",
      { tools, tool_choice: { type: "function", function: { name: "then" } } },
      "tool_choice.function.name",
    ],
    ["a choice of nothing", { tool_choice: "required" }, "tool_choice"],
    ["a choice that is none", { tools, tool_choice: "some" }, "tool_choice"],
    ["a format that is none", { response_format: { type: "xml" } }, "response_format.type"],
    [
      "a schema that is missing",
      { response_format: { type: "json_schema", json_schema: { name: "a" } } },
      "response_format.json_schema.schema",
    ],
  ])("%s", async (_, more, param) => {
    const refusal = await refused("/chat/completions", { messages: weather, ...more });
    expect(refusal).toMatchObject({ status: 400, param, message: expect.stringContaining(param) });
  });
});
