// Conversations as clients keep them: turns that were cut short, said nothing or called with broken arguments, and the fields
// that other servers put beside. A history that is refused is refused for ever.

import { describe, expect, test } from "vitest";
import { api } from "./api.ts";

const { ask, send, refused, served } = await api();
const user = (content: unknown) => ({ role: "user", content });
const call = (given: unknown, more: object = { type: "function" }) => ({
  id: "call_1",
  ...more,
  function: { name: "get_weather", arguments: given },
});
/** A turn that called, and its result. */
const called = (call: object, result: unknown = "Sunny") => [
  user("Weather?"),
  { role: "assistant", content: null, tool_calls: [call] },
  { role: "tool", tool_call_id: "call_1", content: result },
];
const short = { max_tokens: 2, temperature: 0 };
const good = '{"location": "Paris"}';

describe("is taken", () => {
  test.each<[string, object[]]>([
    ["content null without calls", [user("Hi"), { role: "assistant", content: null }, user("So?")]],
    ["content [] without calls", [user("Hi"), { role: "assistant", content: [] }, user("So?")]],
    ["no content at all", [user("Hi"), { role: "assistant" }, user("So?")]],
    ["calls of []", [user("Hi"), { role: "assistant", content: "a", tool_calls: [] }, user("So?")]],
    ["a result of null", called(call(good), null)],
    ["a result of []", called(call(good), [])],
    ["a call with type ''", called(call(good, { type: "" }))],
    ["a call without type", called(call(good, {}))],
    ["a call with type null, and an index", called(call(good, { type: null, index: 0 }))],
    ["no arguments, as ''", called(call(""))],
    ["no arguments, as 'null'", called(call("null"))],
    ["no arguments, as null", called(call(null))],
    ["no arguments, by absence", called(call(undefined))],
    ["arguments as an object", called(call({ location: "Paris" }))],
    [
      "calls and results without ids",
      [
        user("Weather?"),
        { role: "assistant", tool_calls: [call(good, { id: null }), call(good, { id: undefined })] },
        { role: "tool", content: "Sunny" },
        { role: "tool", content: "Cold", tool_call_id: null },
      ],
    ],
    [
      "a refusal as a part",
      [user("Hi"), { role: "assistant", content: [{ type: "refusal", refusal: "No." }] }, user("?")],
    ],
    ["a refusal as a field", [user("Hi"), { role: "assistant", content: null, refusal: "No." }, user("?")]],
    [
      "an answer of OpenAI's, with all its fields",
      [
        user("Hi"),
        {
          ...{ role: "assistant", content: "Yes", refusal: null, audio: null, function_call: null, name: null },
          ...{ annotations: [], reasoning_content: null, tool_calls: null, prefix: null, tool_call_id: null },
          ...{ id: "x", provider_specific_fields: { a: 1 }, cache_control: { type: "ephemeral" } },
        },
        user([{ type: "text", text: "So?", cache_control: { type: "ephemeral" } }]),
      ],
    ],
  ])("%s, without a word", async (_, messages) => {
    const response = await send("/chat/completions", { ...short, messages });
    expect([response.status, response.headers.get("x-plainformer-warning")], await response.text()).toEqual([
      200,
      null,
    ]);
  });

  test.each<[string, unknown]>([
    ["cut", '{"location": "Par'],
    ["broken", "{location: Paris}"],
    ["an array", "[1]"],
    ["an array, not as text", [1]],
    ["a number", 5],
    ["a word", "Paris"],
  ])("arguments that are %s, as {}, and a header says which", async (_, given) => {
    const response = await send("/chat/completions", { ...short, messages: called(call(given)) });
    expect(response.status).toBe(200);
    expect(response.headers.get("x-plainformer-warning")).toMatch(
      /^messages\[1\]\.tool_calls\[0\]\.function\.arguments: got .*, which is no JSON object; the model is shown \{\}$/,
    );
    const tokens = async (given: unknown) =>
      (await ask("/chat/completions", { ...short, messages: called(call(given)) })).usage.prompt_tokens;
    expect(await tokens(given)).toBe(await tokens("{}"));
  });

  test("what is read is what was said: a refusal is content, arguments as an object are their text", async () => {
    const tokens = async (messages: object[]) =>
      (await ask("/chat/completions", { ...short, messages })).usage.prompt_tokens;
    const answered = (more: object) => [user("Hi"), { role: "assistant", ...more }, user("So?")];
    const plain = await tokens(answered({ content: "I will not do that." }));
    expect(await tokens(answered({ content: null, refusal: "I will not do that." }))).toBe(plain);
    expect(await tokens(answered({ content: [{ type: "refusal", refusal: "I will not do that." }] }))).toBe(plain);
    expect(await tokens(answered({ content: null }))).toBeLessThan(plain);
    const text = await tokens(called(call('{"location":"Paris"}')));
    expect(await tokens(called(call({ location: "Paris" })))).toBe(text);
  });
});

test("messages beside input_embeds are ignored, [] too; alone they are not", async () => {
  const input_embeds = [new Array(served.config.dModel).fill(0.1)];
  for (const messages of [[], null, [user("Hi")], [{ role: "user" }]])
    expect((await ask("/chat/completions", { ...short, input_embeds, messages })).usage.prompt_tokens).toBe(1);
  expect((await refused("/chat/completions", { ...short, messages: [] })).param).toBe("messages");
});

test.each<[string, object, string]>([
  ["a function_call of the old form", { role: "assistant", function_call: { name: "f" } }, "messages[1].function_call"],
  ["audio of before", { role: "assistant", audio: { id: "a" } }, "messages[1].audio"],
  [
    "a call of another type",
    { role: "assistant", tool_calls: [call(good, { type: "custom" })] },
    "messages[1].tool_calls[0].type",
  ],
])("%s is refused by name", async (_, message, param) => {
  expect(await refused("/chat/completions", { messages: [user("Hi"), message, user("So?")] })).toMatchObject({
    status: 400,
    param,
  });
});

test.each<[string, (long: string) => object, string]>([
  ["/v1/chat/completions", (text) => ({ messages: [user(text)] }), "messages"],
  ["/v1/completions", (prompt) => ({ prompt }), "prompt"],
  ["/v1/completions", (text) => ({ input: [{ type: "text", text }] }), "input"],
  ["/v1/completions", (prompt) => ({ prompt, echo: true, max_tokens: 0 }), "prompt"],
  [
    "/v1/completions_from_embeds",
    (prompt_text) => ({ prompt_embeds: [new Array(served.config.dModel).fill(0)], prompt_text }),
    "prompt_",
  ],
  ["/v1/score", (input) => ({ input, targets: ["a"] }), "input"],
  [
    "/v1/gradients",
    (text) => ({
      input: [
        { type: "embeds", id: "p", embeds: [new Array(served.config.dModel).fill(0)] },
        { type: "text", text },
      ],
      targets: ["a"],
    }),
    "input",
  ],
])(
  "%s: a prompt longer than the context has the code and the words that agents look for",
  async (path, body, param) => {
    const refusal = await refused(path, body("word ".repeat(9000)));
    expect(refusal).toMatchObject({ status: 400, code: "context_length_exceeded" });
    expect(refusal.param).toMatch(param);
    expect(refusal.message).toMatch(/maximum context length is 8192 tokens/);
  },
);
