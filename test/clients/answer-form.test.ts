// JSON output and tools through the clients that people use: their own types and parsers read what comes, at / and /beta,
// streamed and whole.

import { createDeepSeek } from "@ai-sdk/deepseek";
import { HumanMessage } from "@langchain/core/messages";
import { ChatDeepSeek } from "@langchain/deepseek";
import { generateText, Output, streamText, tool } from "ai";
import OpenAI from "openai";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { api } from "../server/routes/api.ts";

const { url } = await api();
const model = "deepseek-chat";
Object.assign(globalThis, { AI_SDK_LOG_WARNINGS: false }); // it says that it puts schemas into the prompt
const exam = "Which is the longest river in the world? The Nile River. Answer in JSON.";
const schema = {
  type: "object",
  properties: { question: { type: "string", maxLength: 80 }, answer: { type: "string", maxLength: 40 } },
  required: ["question", "answer"],
  additionalProperties: false,
};
const parameters = {
  type: "object",
  properties: { location: { type: "string", maxLength: 40 } },
  required: ["location"],
  additionalProperties: false,
};

describe.each(["", "/beta"])("openai at %s/", (base) => {
  const client = new OpenAI({ baseURL: url + base, apiKey: "any", maxRetries: 0 });
  const json = { model, messages: [{ role: "user" as const, content: exam }], temperature: 0, max_tokens: 300 };
  const weather = {
    ...json,
    messages: [{ role: "user" as const, content: "What is the weather in Hangzhou?" }],
    tools: [{ type: "function" as const, function: { name: "get_weather", parameters } }],
  };

  test.each([
    { type: "json_object" as const },
    { type: "json_schema" as const, json_schema: { name: "exam", schema, strict: true } },
  ])("$type, whole and in pieces", async (response_format) => {
    const whole = await client.chat.completions.create({ ...json, response_format });
    const { content } = whole.choices[0].message;
    const object: unknown = JSON.parse(content ?? "");
    if (response_format.type === "json_object") expect(object).toBeTypeOf("object");
    else expect(object).toEqual({ question: expect.any(String), answer: expect.any(String) });
    const final = await client.chat.completions.stream({ ...json, response_format }).finalChatCompletion();
    expect(final.choices[0].message.content).toBe(content);
  });

  test("parse(): the client's own reading of structured output and of strict tools", async () => {
    const response_format = { type: "json_schema" as const, json_schema: { name: "exam", schema, strict: true } };
    const { choices } = await client.chat.completions.parse({ ...json, response_format });
    expect(choices[0].message.parsed).toEqual({ question: expect.any(String), answer: expect.any(String) });
  });

  test("a tool is called, answered, and the conversation goes on; whole and in pieces", async () => {
    const { choices } = await client.chat.completions.create(weather);
    const [{ message, finish_reason }] = choices;
    expect(finish_reason).toBe("tool_calls");
    const [call] = message.tool_calls ?? [];
    if (call?.type !== "function") throw new Error("no function was called");
    expect(call.function.name).toBe("get_weather");
    expect(JSON.parse(call.function.arguments)).toEqual({ location: expect.any(String) });

    const streamed = await client.chat.completions.stream(weather).finalChatCompletion();
    expect(streamed.choices[0].message.tool_calls?.map((call) => "function" in call && call.function)).toMatchObject([
      { name: call.function.name, arguments: call.function.arguments },
    ]);
    const messages = [...weather.messages, message, { role: "tool" as const, tool_call_id: call.id, content: "24 ℃" }];
    const next = await client.chat.completions.create({ ...weather, messages });
    expect(next.choices[0].finish_reason).toMatch(/stop|tool_calls/);
    const forced = await client.chat.completions.create({ ...weather, messages, tool_choice: "required" });
    expect(forced.choices[0].message.tool_calls).toHaveLength(1);
  });

  test("runTools(): the client's own loop calls the function and sends back what it gave", async () => {
    const places: string[] = [];
    const runner = client.chat.completions.runTools(
      {
        ...json,
        messages: weather.messages,
        tools: [
          {
            type: "function",
            function: {
              name: "get_weather",
              description: "Get the weather of a place",
              parameters,
              parse: JSON.parse as (text: string) => { location: string },
              function: ({ location }: { location: string }) => {
                places.push(location);
                return "24 ℃";
              },
            },
          },
        ],
      },
      { maxChatCompletions: 2 },
    );
    await runner.done();
    expect(places.length).toBeGreaterThanOrEqual(1);
    for (const place of places) expect(place).toBeTypeOf("string");
  });
});

describe("@ai-sdk/deepseek", () => {
  const deepseek = createDeepSeek({ baseURL: url, apiKey: "any" })(model);
  const call = { model: deepseek, temperature: 0, maxOutputTokens: 300, maxRetries: 0 };

  test("structured output, whole and in pieces", async () => {
    const output = Output.object({ schema: z.record(z.string(), z.unknown()) });
    const whole = await generateText({ ...call, prompt: exam, output });
    expect(whole.output).toBeTypeOf("object");
    const streamed = streamText({ ...call, prompt: exam, output });
    expect(await streamed.output).toEqual(whole.output);
  });

  test("tools: required and named", async () => {
    const tools = {
      get_weather: tool({ description: "Get the weather", inputSchema: z.object({ location: z.string() }) }),
      get_time: tool({ description: "Get the time", inputSchema: z.object({ zone: z.enum(["UTC", "CET"]) }) }),
    };
    const prompt = "What is the weather in Hangzhou?";
    const required = await generateText({ ...call, prompt, tools, toolChoice: "required" });
    expect(required.finishReason).toBe("tool-calls");
    expect(required.toolCalls[0]).toMatchObject({ input: expect.any(Object) });
    expect(required.toolCalls[0]).not.toHaveProperty("invalid", true);
    const named = await generateText({ ...call, prompt, tools, toolChoice: { type: "tool", toolName: "get_time" } });
    expect(named.toolCalls).toMatchObject([
      { toolName: "get_time", input: { zone: expect.stringMatching(/UTC|CET/) } },
    ]);
  });
});

describe("@langchain/deepseek", () => {
  const options = { model, apiKey: "any", temperature: 0, maxTokens: 300, maxRetries: 0 };
  const chat = new ChatDeepSeek({ ...options, configuration: { baseURL: url } });
  const shape = z.object({ question: z.string().max(80), answer: z.string().max(40) });

  test.each(["jsonSchema", "functionCalling"] as const)("withStructuredOutput by %s", async (method) => {
    const answer = await chat.withStructuredOutput(shape, { name: "exam", method }).invoke(exam);
    expect(shape.parse(answer)).toEqual(answer);
  });

  test("a bound tool that must be called", async () => {
    const tools = [
      { type: "function" as const, function: { name: "get_weather", description: "Weather", parameters } },
    ];
    const bound = chat.bindTools(tools, { tool_choice: "required" });
    const { tool_calls, invalid_tool_calls } = await bound.invoke([new HumanMessage("Tell me a short story.")]);
    expect(tool_calls).toMatchObject([{ name: "get_weather", args: { location: expect.any(String) } }]);
    expect(invalid_tool_calls).toEqual([]);
    let pieces = "";
    for await (const chunk of await bound.stream([new HumanMessage("Tell me a short story.")]))
      for (const { args } of chunk.tool_call_chunks ?? []) pieces += args ?? "";
    expect(JSON.parse(pieces)).toEqual(tool_calls?.[0].args);
  });
});
