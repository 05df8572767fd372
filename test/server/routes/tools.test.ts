// Tools as clients send them: those that are not strict are held to the nearest schema, with a warning; strict ones are
// honored or refused; what says nothing is as if absent; a tool that is named is called once.

import { Ajv2020 } from "ajv/dist/2020.js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ChatEnd, ChatOptions } from "../../../src/index.ts";
import { loadInWorker } from "../../../src/plainformer.ts";
import type { ServedModel } from "../../../src/served-model.ts";
import { api, type Json } from "./api.ts";

const { ask, send, refused, served } = await api();
const ajv = new Ajv2020({ strict: false });
const messages = [{ role: "user" as const, content: "What is the weather in Paris?" }];
const tool = (name: string, parameters?: unknown, more: object = {}) => ({
  type: "function" as const,
  function: { name, description: `Does ${name}`, parameters: parameters as Record<string, unknown>, ...more },
});
const place = { type: "object", properties: { location: { type: "string", maxLength: 30 } }, required: ["location"] };
const odd = {
  type: "object",
  properties: { userName: { $ref: "other.json" }, n: { type: "integer", minimum: 3, maximum: 7 } },
  required: ["userName", "n"],
};
const warningOf = (response: Response) => response.headers.get("x-plainformer-warning");
const named = (name: string) => ({ tool_choice: { type: "function", function: { name } } });

describe.each(["/v1", "/beta"])("%s", (prefix) => {
  const path = `${prefix}/chat/completions`;
  const body = { messages, temperature: 0, max_tokens: 100 };

  test("a schema that cannot be honored costs its keyword, not the request, and a header says which", async () => {
    const tools = [tool("get_weather", place), tool("odd", odd)];
    for (const choice of ["auto", "none", "required"]) {
      const response = await send(path, { ...body, tools, tool_choice: choice });
      expect(response.status).toBe(200);
      expect(warningOf(response)).toBe(
        'tools[1].function.parameters: the keyword "$ref" cannot be honored in properties.userName; this tool is not strict, so its arguments are held to the rest',
      );
    }
    for (let seed = 0; seed < 1; seed++) {
      const asked = { ...body, tools, ...named("odd"), temperature: 1.5, seed, max_tokens: 400 };
      const { choices } = await ask(path, asked);
      const call = choices[0].message.tool_calls[0].function;
      if (choices[0].finish_reason === "length") continue;
      expect(
        ajv.validate({ ...odd, properties: { ...odd.properties, userName: {} } }, JSON.parse(call.arguments)),
      ).toBe(true);
    }
    expect(warningOf(await send(path, { ...body, tools: [tools[0]] }))).toBe(null);
  });

  test("a stream's header says it before the first token", async () => {
    const response = await send(path, { ...body, tools: [tool("odd", odd)], stream: true });
    expect(warningOf(response)).toContain("tools[0].function.parameters");
    await response.body?.cancel();
  });

  test("strict is a tool's own: honored where it can be, refused by tool and keyword where not", async () => {
    const good = tool("get_weather", place, { strict: true });
    const beside = await send(path, { ...body, tools: [good, tool("odd", odd)] });
    expect([beside.status, warningOf(beside)]).toEqual([200, expect.stringContaining("tools[1]")]);
    for (const stream of [false, true])
      expect(await refused(path, { ...body, stream, tools: [good, tool("odd", odd, { strict: true })] })).toMatchObject(
        {
          status: 400,
          param: "tools[1].function.parameters",
          message: expect.stringMatching(/"\$ref".*#\/properties\/userName/),
        },
      );
  });

  test.each<[string, unknown, object]>([
    ["{}", {}, {}],
    ["no type", { properties: { location: { type: "string" } } }, {}],
    ["a type of null", { type: null, properties: {} }, {}],
    ["null", null, { maxProperties: 0 }],
    ["nothing", undefined, { maxProperties: 0 }],
  ])("parameters: %s: arguments are an object", async (_, parameters, schema) => {
    const tools = [tool("f", parameters, { description: null, strict: null })];
    for (let seed = 0; seed < 1; seed++) {
      const asked = { ...body, tools, tool_choice: "required", temperature: 1.8, seed, parallel_tool_calls: false };
      const { choices } = await ask(path, asked);
      const { arguments: text } = choices[0].message.tool_calls[0].function;
      expect(text).toMatch(/^\{/);
      if (choices[0].finish_reason !== "length")
        expect(ajv.validate({ type: "object", ...schema }, JSON.parse(text))).toBe(true);
    }
  });

  test("parameters that are no object are refused", async () => {
    for (const parameters of [5, "{}", [], true])
      expect(await refused(path, { ...body, tools: [tool("f", parameters)] })).toMatchObject({
        status: 400,
        param: "tools[0].function.parameters",
        message: expect.stringContaining("expected an object"),
      });
  });
});

test("many warnings fit into headers that clients take", async () => {
  const properties = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`name${i}`, { $ref: `${i}.json` }]));
  const tools = Array.from({ length: 3 }, (_, i) => tool(`tool_${i}`, { type: "object", properties }));
  const response = await send("/chat/completions", { messages, tools, max_tokens: 1 });
  expect(response.status).toBe(200);
  expect(warningOf(response)).toMatch(/and \d+ more$/);
  expect(warningOf(response)?.length).toBeLessThan(4096);
});

test("a named tool is called once, however much the model would like to go on", async () => {
  const again = served.tokenizer.idOf("<｜tool▁calls▁end｜>") as number;
  const tools = [tool("get_weather", place), tool("now")];
  const body = { messages, tools, temperature: 0, max_tokens: 200, logit_bias: { [again]: -100 } };
  const { choices } = await ask("/chat/completions", { ...body, tool_choice: "required" });
  expect(choices[0]).toMatchObject({ finish_reason: "length" }); // it goes on and on
  expect(choices[0].message.tool_calls.length).toBeGreaterThan(2);
  for (const name of ["get_weather", "now"]) {
    const once = await ask("/chat/completions", { ...body, ...named(name) });
    expect(once.choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: { tool_calls: [{ function: { name } }] },
    });
    expect(once.choices[0].message.tool_calls).toHaveLength(1);
  }
});

test("arguments have their keys in the order of the schema's text, and the prompt shows them so", async () => {
  const prompts: string[] = [];
  const { send } = await api({
    model: {
      ...served,
      generate(options) {
        prompts.push(JSON.stringify(options.input));
        return served.generate(options);
      },
    },
  });
  const parameters =
    '{"type":"object","properties":{"b":{"const":0},"1":{"const":0},"a":{"const":0}},"required":["b","1","a"],"additionalProperties":false}';
  const text = `{"model":"plainformer","messages":${JSON.stringify(messages)},"temperature":0,"tool_choice":"required",
    "tools":[{"type":"function","function":{"name":"f","parameters":${parameters}}}]}`;
  const { choices } = (await (await send("/chat/completions", text)).json()) as Json;
  const { arguments: made } = choices[0].message.tool_calls[0].function;
  expect(made.match(/"\w"/g)).toEqual(['"b"', '"1"', '"a"']);
  expect(prompts[0]).toMatch(/"b\\*": \{.*"1\\*": \{.*"a\\*": \{/);
});

describe("in the library", () => {
  let there: ServedModel;
  beforeAll(async () => {
    there = await loadInWorker();
  });
  afterAll(() => there.close());

  async function endOf(model: ServedModel, options: ChatOptions): Promise<ChatEnd> {
    for await (const event of model.chat({ maxTokens: 60, temperature: 0, ...options }))
      if (event.type === "end") return event;
    throw new Error("no end");
  }

  test.each([
    ["in this thread", () => served],
    ["in a worker", () => there],
  ])("%s: warnings, a call beside a response format, a seed of 64 bits", async (_, model) => {
    const tools = [tool("get_weather", place), tool("odd", odd)];
    const { warnings } = await endOf(model(), { messages, tools });
    expect(warnings).toEqual([expect.stringMatching(/^tools\[1\]\.function\.parameters: the keyword "\$ref" cannot/)]);
    const strict = endOf(model(), { messages, tools: [tool("odd", odd, { strict: true })] });
    await expect(strict).rejects.toMatchObject({ field: "tools[0].function.parameters", code: "unsupported" });

    const schema = { type: "object", properties: { age: { type: "integer" } }, required: ["age"], maxProperties: 1 };
    const begins = served.tokenizer.idOf("<｜tool▁calls▁begin｜>") as number;
    const either = { messages, tools: [tools[0]], responseFormat: { type: "json_schema" as const, schema } };
    const called = await endOf(model(), { ...either, logitBias: { [begins]: 100 } });
    expect(called).toMatchObject({ finishReason: "tool_calls", message: { content: null } });
    const said = await endOf(model(), { ...either, logitBias: { [begins]: -100 } });
    expect(said.message.tool_calls).toBeUndefined();
    expect(ajv.validate(schema, JSON.parse(said.message.content ?? ""))).toBe(true);

    const told = async (seed: number | bigint) =>
      (await endOf(model(), { messages, seed, temperature: 2 })).message.content;
    const [one, same, other] = [await told(2n ** 62n + 1n), await told(2n ** 62n + 1n), await told(2n ** 62n)];
    expect(same).toBe(one);
    expect(other).not.toBe(one);
    expect(await told(7n)).toBe(await told(7));
    await expect(told(2n ** 63n)).rejects.toMatchObject({ field: "seed" });
    await expect(told(2 ** 60)).rejects.toMatchObject({ field: "seed", problem: expect.stringContaining("bigint") });
  });
});
