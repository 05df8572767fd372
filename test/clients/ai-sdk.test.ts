// Vercel's AI SDK with its DeepSeek provider: its own schemas read the answers, and refuse what does not fit.

import { createDeepSeek } from "@ai-sdk/deepseek";
import { generateText, stepCountIs, streamText, tool } from "ai";
import { expect, test } from "vitest";
import { z } from "zod";
import { api } from "../server/routes/api.ts";

const { url } = await api();
const deepseek = createDeepSeek({ baseURL: url, apiKey: "any" });
const model = deepseek("deepseek-chat");
const story = { model, prompt: "Tell me a short story.", temperature: 0, maxOutputTokens: 24, maxRetries: 0 };

test("generateText: text, finish reason, usage with cache hits", async () => {
  const { text, finishReason, usage, providerMetadata, response } = await generateText(story);
  expect(text.length).toBeGreaterThan(20);
  expect(finishReason).toBe("length");
  expect(usage).toMatchObject({ outputTokens: 24, totalTokens: (usage.inputTokens ?? 0) + 24 });
  const { promptCacheHitTokens, promptCacheMissTokens } = providerMetadata?.deepseek ?? {};
  expect(Number(promptCacheHitTokens) + Number(promptCacheMissTokens)).toBe(usage.inputTokens);
  expect(response.modelId).toBe("plainformer");
});

test("streamText: the same text in pieces, and usage", async () => {
  const whole = await generateText(story);
  const stream = streamText({
    ...story,
    onError({ error }) {
      throw error;
    },
  });
  let text = "";
  for await (const piece of stream.textStream) text += piece;
  expect(text).toBe(whole.text);
  expect(await stream.finishReason).toBe("length");
  expect(await stream.usage).toMatchObject({ outputTokens: 24 });
});

test("a tool is called with arguments that its schema reads, and the result goes back", async () => {
  const places: string[] = [];
  const { steps } = await generateText({
    ...story,
    prompt: "What is the weather in Paris?",
    maxOutputTokens: 100,
    tools: {
      get_weather: tool({
        description: "Get the weather of a place",
        inputSchema: z.object({ location: z.string() }),
        execute: async ({ location }) => {
          places.push(location);
          return "Sunny, 25 degrees";
        },
      }),
    },
    stopWhen: stepCountIs(2),
  });
  expect(steps[0].finishReason).toBe("tool-calls");
  expect(places).toHaveLength(1);
  expect(steps).toHaveLength(2);
});

test("a refusal reaches the caller with its message", async () => {
  await expect(generateText({ ...story, maxOutputTokens: 5000 })).rejects.toThrow(/Invalid max_tokens value/);
});
