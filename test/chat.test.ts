// Conversations and gaps in the library give what the server answers: in this thread and in a worker, whole and part by part.

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FieldError } from "../src/field-error.ts";
import type { ChatAnswer, ChatEnd, ChatEvent, ChatOptions, ServedModel } from "../src/index.ts";
import { loadInWorker } from "../src/plainformer.ts";
import { api } from "./server/routes/api.ts";

const { send, served: here } = await api({ beta: true });
let there: ServedModel;
beforeAll(async () => {
  there = await loadInWorker();
});
afterAll(() => there.close());

async function eventsOf(model: ServedModel, options: ChatOptions): Promise<ChatEvent[]> {
  const events: ChatEvent[] = [];
  for await (const event of model.chat(options)) events.push(event);
  return events;
}

/** The last event, whose message is the parts before it put together. */
function endOf(events: readonly ChatEvent[]): ChatEnd {
  const end = events.at(-1);
  if (end?.type !== "end") throw new Error("no end");
  let content = "";
  let reasoning = "";
  const calls: string[] = [];
  for (const event of events) {
    if (event.type === "content") content += event.text;
    if (event.type === "reasoning") reasoning += event.text;
    if (event.type === "toolCall")
      calls[event.index] = (calls[event.index] ?? event.name ?? "") + (event.arguments ?? "");
  }
  expect(end.message.content ?? "").toBe(content);
  expect(end.message.reasoning_content ?? "").toBe(reasoning);
  expect((end.message.tool_calls ?? []).map(({ function: { name, arguments: text } }) => name + text)).toEqual(calls);
  return end;
}

const age = {
  type: "object",
  properties: { age: { type: "integer" } },
  required: ["age"],
  additionalProperties: false,
};
const user = (content: string) => ({ role: "user" as const, content });
const tool = { type: "function" as const, function: { name: "set_age", parameters: age } };
const greedy = { maxTokens: 24, temperature: 0 };
const wireGreedy = { max_tokens: 24, temperature: 0 };

/** The library's options, and the body that asks the server for the same. */
const cases: [string, ChatOptions, object][] = [
  ["a question", { messages: [user("Hello!")], ...greedy }, { messages: [user("Hello!")], ...wireGreedy }],
  [
    "drawn with a seed",
    { messages: [user("Hello!")], maxTokens: 12, seed: 5 },
    { messages: [user("Hello!")], max_tokens: 12, seed: 5 },
  ],
  [
    "a prefix",
    { messages: [user("Who are you?"), { role: "assistant", content: "I am", prefix: true }], ...greedy },
    { messages: [user("Who are you?"), { role: "assistant", content: "I am", prefix: true }], ...wireGreedy },
  ],
  [
    "JSON of a schema",
    { messages: [user("An age as JSON")], responseFormat: { type: "json_schema", schema: age }, ...greedy },
    {
      messages: [user("An age as JSON")],
      response_format: { type: "json_schema", json_schema: { name: "age", schema: age } },
      ...wireGreedy,
    },
  ],
  [
    "a call that must come",
    { messages: [user("Ann is 7.")], tools: [tool], toolChoice: "required", parallelToolCalls: false, ...greedy },
    {
      messages: [user("Ann is 7.")],
      tools: [tool],
      tool_choice: "required",
      parallel_tool_calls: false,
      ...wireGreedy,
    },
  ],
  [
    "tools that may not be called",
    { messages: [user("Ann is 7.")], tools: [tool], toolChoice: "none", ...greedy },
    { messages: [user("Ann is 7.")], tools: [tool], tool_choice: "none", ...wireGreedy },
  ],
];

describe.each([
  ["in this thread", () => here],
  ["in a worker", () => there],
])("%s", (_, model) => {
  test.each(cases)("%s", async (_, options, body) => {
    const end = endOf(await eventsOf(model(), options));
    const response = await send("/chat/completions", body);
    const { choices, usage } = (await response.json()) as {
      choices: { message: ChatAnswer; finish_reason: string }[];
      usage: { prompt_tokens: number; completion_tokens: number };
    };
    const [{ message, finish_reason }] = choices;
    const calls = (answer: ChatAnswer) => answer.tool_calls?.map((call) => call.function);
    expect(end.message.content).toBe(message.content);
    expect(calls(end.message)).toEqual(calls(message));
    expect(end.finishReason).toBe(finish_reason);
    expect(end.usage).toMatchObject({ promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens });
  });

  test("log-probabilities come with the text that they belong to", async () => {
    const events = await eventsOf(model(), { messages: [user("Hello!")], logprobs: 2, ...greedy });
    const end = endOf(events);
    for (const event of events) {
      if (event.type !== "content") continue;
      const text = event.tokens?.map(({ id }) => here.tokenizer.decode([id])).join("");
      expect(text).toBe(event.text);
      for (const { logprob, topLogprobs } of event.tokens ?? []) expect(topLogprobs?.[0].logprob).toBe(logprob);
    }
    expect(end.usage.reasoningTokens).toBe(0);
  });

  test("rows of one's own as the whole prompt, and as a part of a message", async () => {
    const ids = here.tokenizer.encode("Once upon a time");
    const rows = { embeds: await here.embed(ids), shape: [ids.length, here.config.dModel] as const };
    const fromRows = endOf(await eventsOf(model(), { input: [rows], ...greedy }));
    const fromIds = endOf(await eventsOf(model(), { input: [{ ids }], ...greedy }));
    expect(fromRows.message).toEqual(fromIds.message);
    expect(fromRows.usage.embedTokens).toBe(ids.length);
    const part = { role: "user" as const, content: [{ type: "embeds" as const, ...rows }] };
    expect(endOf(await eventsOf(model(), { messages: [part], ...greedy })).usage.embedTokens).toBe(ids.length);
  });

  test("a gap is filled as the server fills it", async () => {
    const gap = { prefix: "def add(a, b):\n    return ", suffix: "\n\nprint(add(1, 2))\n" };
    let text = "";
    for await (const event of model().fim({ ...gap, ...greedy })) if (event.type === "token") text += event.text;
    const response = await send("/completions", { prompt: gap.prefix, suffix: gap.suffix, ...wireGreedy });
    const { choices } = (await response.json()) as { choices: { text: string }[] };
    expect(text).toBe(choices[0].text);
    expect(text).not.toBe("");
  });

  const long = "word ".repeat(9000);
  const wide = { type: "embeds" as const, embeds: new Float32Array(3), shape: [1, 3] as const };
  const parts = [user("a"), { role: "user" as const, content: [{ type: "text" as const, text: "b" }, wide] }];
  test.each<[string, object, string]>([
    ["no messages", {}, "messages"],
    ["a role that there is not", { messages: [{ role: "boss", content: "a" }] }, "messages[0].role"],
    ["rows of another width", { messages: parts }, "messages[1].content[1].shape"],
    ["a prompt that does not fit", { messages: [user(long)] }, "messages"],
    ["an option misspelled", { messages: [user("a")], max_tokens: 3 }, "max_tokens"],
    ["a number out of range", { messages: [user("a")], topP: 2 }, "topP"],
    ["a tool twice", { messages: [user("a")], tools: [tool, tool] }, "tools[1].function.name"],
    [
      "a choice of what is not there",
      { messages: [user("a")], tools: [tool], toolChoice: { name: "b" } },
      "toolChoice.name",
    ],
    ["a format that there is not", { messages: [user("a")], responseFormat: { type: "xml" } }, "responseFormat.type"],
    [
      "a schema that is none",
      { messages: [user("a")], responseFormat: { type: "json_schema", schema: { type: "nothing" } } },
      "responseFormat.schema",
    ],
    [
      "a tool's schema that is none",
      {
        messages: [user("a")],
        tools: [{ ...tool, function: { name: "a", parameters: { type: "nothing" }, strict: true } }],
      },
      "tools[0].function.parameters",
    ],
  ])("refused: %s", async (_, options, field) => {
    const error = await eventsOf(model(), options as ChatOptions).catch((error) => error);
    expect(error).toBeInstanceOf(FieldError);
    expect(error.field).toBe(field);
  });
});

test("leaving the loop ends the work", async () => {
  for await (const event of here.chat({ messages: [user("Tell me a story.")] })) if (event.type === "content") break;
  await expect.poll(async () => (await here.load()).running).toBe(0);
});
