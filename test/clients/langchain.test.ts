// LangChain's DeepSeek chat model: messages, streams and tool calls in its own classes.

import { HumanMessage, SystemMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatDeepSeek } from "@langchain/deepseek";
import { expect, test } from "vitest";
import { z } from "zod";
import { api } from "../server/routes/api.ts";

const { url } = await api();
const model = new ChatDeepSeek({
  model: "deepseek-chat",
  apiKey: "any",
  temperature: 0,
  maxTokens: 24,
  maxRetries: 0,
  configuration: { baseURL: `${url}/v1` },
});
const messages = [new SystemMessage("Be brief."), new HumanMessage("Tell me a short story.")];

test("invoke: text and usage", async () => {
  const { text, usage_metadata, response_metadata } = await model.invoke(messages);
  expect(text.length).toBeGreaterThan(10);
  expect(usage_metadata?.output_tokens).toBeGreaterThan(0);
  expect(["stop", "length"]).toContain(response_metadata.finish_reason);
});

test("stream: the same text in pieces", async () => {
  const whole = await model.invoke(messages);
  let text = "";
  for await (const chunk of await model.stream(messages)) text += chunk.text;
  expect(text).toBe(whole.text);
});

test("a bound tool is called, and its result is understood", async () => {
  const weather = tool(async ({ location }) => `Sunny in ${location}`, {
    name: "get_weather",
    description: "Get the weather of a place",
    schema: z.object({ location: z.string() }),
  });
  const bound = new ChatDeepSeek({
    model: "deepseek-chat",
    apiKey: "any",
    temperature: 0,
    maxTokens: 100,
    maxRetries: 0,
    configuration: { baseURL: `${url}/v1` },
  }).bindTools([weather]);
  const question = new HumanMessage("What is the weather in Paris?");
  const asked = await bound.invoke([question]);
  const [call] = asked.tool_calls ?? [];
  expect(call).toMatchObject({ name: "get_weather", args: { location: expect.any(String) }, type: "tool_call" });
  const result = new ToolMessage({ tool_call_id: call.id ?? "", content: "Sunny, 25 degrees" });
  const answer = await bound.invoke([question, asked, result]);
  expect(answer.text.length).toBeGreaterThan(0);
});
