// Agents of five turns as people's clients run them: tools made of Zod, one tool that is odd (a schema that cannot be honored,
// a description of null), answers read by the client's own schemas. What the model says is of no matter; that every turn
// comes, is read and goes back is.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { type BaseMessage, HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool as langChainTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { api } from "../server/routes/api.ts";

const { url } = await api();
const model = "deepseek-v4-flash";
const question = "What is the weather in Paris?";
const turns = 5;

const place = z.object({ location: z.string().max(20), unit: z.enum(["C", "F"]).nullable() });
const booking = z.object({
  kind: z.discriminatedUnion("type", [
    z.object({ type: z.literal("room"), beds: z.int().min(1).max(4) }),
    z.object({ type: z.literal("table"), seats: z.int().positive().max(9) }),
  ]),
  id: z.uuid(),
  mail: z.email().max(30),
  day: z.iso.date(),
  tags: z
    .array(z.enum(["a", "b", "c"]))
    .min(1)
    .max(3),
  price: z.number().min(0).max(1000),
  note: z.string().max(12).nullable(),
});
/** No grammar can hold to it in full, and its description says nothing. */
const oddSchema = {
  type: "object" as const,
  properties: {
    query: { $ref: "https://a.example/query.json", type: "string" as const, maxLength: 12 },
    limit: { type: "integer" as const, minimum: 1, maximum: 5 },
  },
  required: ["limit"],
  additionalProperties: false,
};
/** What the client makes of its arguments. */
const search = z.object({ limit: z.int().min(1).max(5) });

describe("openai", () => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 });

  test("zodResponseFormat: the answer is parsed", async () => {
    for (const [seed, schema] of [place, booking].entries()) {
      const { choices } = await client.chat.completions.parse({
        ...{
          model,
          seed,
          temperature: 1.2,
          max_tokens: 300,
          messages: [{ role: "user", content: "A booking as JSON." }],
        },
        response_format: zodResponseFormat(schema, "answer"),
      });
      expect(choices[0].finish_reason).toBe("stop");
      expect(schema.safeParse(choices[0].message.parsed).success).toBe(true);
    }
  });

  test("zodFunction and runTools beside an odd tool: five turns, every call of a tool parsed", async () => {
    const called: unknown[] = [];
    const zodTool = <Schema extends z.ZodType>(name: string, parameters: Schema) =>
      zodFunction({
        name,
        parameters,
        function: async (given: unknown) => {
          expect(parameters.safeParse(given).success).toBe(true);
          called.push(given);
          return { done: true };
        },
      });
    const odd = { ...zodTool("search", search) }; // a copy is no longer one that the client calls strict
    Object.assign(odd.function, {
      ...{ description: null, parameters: oddSchema, strict: false, parse: JSON.parse },
      function: async (given: unknown) => {
        expect(search.safeParse(given).success).toBe(true);
        called.push(given);
        return null;
      },
    });
    const tools = [zodTool("get_weather", place), zodTool("book", booking), odd];
    for (const tool_choice of ["required", { type: "function", function: { name: "search" } }] as const) {
      called.length = 0;
      const runner = client.chat.completions.runTools(
        {
          model,
          tools,
          tool_choice,
          temperature: 0.5,
          seed: 1,
          parallel_tool_calls: false,
          max_tokens: 300,
          messages: [{ role: "user", content: question }],
        },
        { maxChatCompletions: turns },
      );
      await runner.done();
      const asked = typeof tool_choice === "string" ? turns : 1; // runTools asks once for a named tool
      expect(runner.allChatCompletions()).toHaveLength(asked);
      expect(called.length).toBeGreaterThanOrEqual(asked);
    }
  });

  test("what was left out of the odd tool is told in a header, and streams say so too", async () => {
    const tools = [{ type: "function" as const, function: { name: "search", parameters: oddSchema } }];
    const body = { model, tools, max_tokens: 1, messages: [{ role: "user" as const, content: question }] };
    for (const stream of [false, true]) {
      const { response } = await client.chat.completions.create({ ...body, stream }).withResponse();
      expect(response.headers.get("x-plainformer-warning")).toContain('"$ref"');
      await response.body?.cancel().catch(() => {});
    }
  });
});

describe("@ai-sdk/openai-compatible", () => {
  const provider = createOpenAICompatible({ name: "here", baseURL: `${url}/v1`, supportsStructuredOutputs: true });
  const asked = {
    model: provider(model),
    prompt: question,
    temperature: 0.5,
    seed: 1,
    maxOutputTokens: 300,
    maxRetries: 0,
  };
  const called: unknown[] = [];
  const tools = {
    get_weather: tool({ inputSchema: place, execute: async (given) => called.push(given) && "Sunny" }),
    search: tool({ inputSchema: jsonSchema(oddSchema), execute: async (given) => called.push(given) && null }),
  };

  test("generateObject: an object of the schema", async () => {
    const { object } = await generateObject({ ...asked, schema: booking });
    expect(booking.safeParse(object).success).toBe(true);
  });

  test("generateText and streamText: five steps of calls", async () => {
    const agent = { ...asked, tools, toolChoice: "required" as const, stopWhen: stepCountIs(turns) };
    called.length = 0;
    const { steps } = await generateText(agent);
    expect(steps.map(({ finishReason }) => finishReason)).toEqual(Array(turns).fill("tool-calls"));
    expect(called.length).toBeGreaterThanOrEqual(turns);
    const streamed = streamText({
      ...agent,
      onError({ error }) {
        throw error;
      },
    });
    expect((await streamed.steps).map(({ toolCalls }) => toolCalls.map(({ toolName }) => toolName))).toEqual(
      steps.map(({ toolCalls }) => toolCalls.map(({ toolName }) => toolName)),
    );
  });
});

test("@langchain/openai: five turns, each result back in the conversation, and an answer in a schema", async () => {
  const chat = new ChatOpenAI({
    ...{
      model,
      apiKey: "any",
      temperature: 0.5,
      maxTokens: 300,
      maxRetries: 0,
      configuration: { baseURL: `${url}/v1` },
    },
  });
  const weather = langChainTool(async () => "Sunny", {
    name: "get_weather",
    description: "The weather",
    schema: place,
  });
  const odd = {
    type: "function" as const,
    function: { name: "search", description: JSON.parse("null"), parameters: oddSchema }, // as some clients send it
  };
  const bound = chat.bindTools([weather, odd], { tool_choice: "required" });
  const messages: BaseMessage[] = [new HumanMessage(question)];
  for (let turn = 0; turn < turns; turn++) {
    const answer = await bound.invoke(messages);
    expect(answer.tool_calls?.length).toBeGreaterThan(0);
    messages.push(answer);
    for (const { id, name, args } of answer.tool_calls ?? []) {
      expect(name === "get_weather" ? place.safeParse(args).success : typeof args.limit === "number").toBe(true);
      messages.push(new ToolMessage({ tool_call_id: id ?? "", content: "Sunny" }));
    }
  }
  const structured = chat.withStructuredOutput(place, { name: "answer", method: "jsonSchema" });
  expect(place.safeParse(await structured.invoke("Paris, as JSON.")).success).toBe(true);
});
