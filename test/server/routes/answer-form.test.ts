import { expect, test } from "vitest";
import { api } from "./api.ts";
const { ask, stream, refused } = await api();
const base = { temperature: 0, max_tokens: 200 };
test("look", async () => {
  const schema = { type: "object", properties: { question: { type: "string", maxLength: 40 }, answer: { type: "string", maxLength: 40 } }, required: ["question", "answer"], additionalProperties: false };
  const messages = [{ role: "user", content: "Which is the highest mountain in the world? Mount Everest. As JSON please" }];
  const a = await ask("/chat/completions", { ...base, messages, response_format: { type: "json_schema", json_schema: { name: "qa", schema } } });
  console.log(JSON.stringify(a));
  const b = await ask("/chat/completions", { ...base, messages, response_format: { type: "json_object" } });
  console.log(JSON.stringify(b));
  const parameters = { type: "object", properties: { location: { type: "string", maxLength: 30 } }, required: ["location"] };
  const tools = [{ type: "function", function: { name: "get_weather", description: "Get the weather", parameters } }, { type: "function", function: { name: "now" } }];
  for (const tool_choice of ["auto", "required", { type: "function", function: { name: "now" } }, "none"]) {
    const c = await ask("/chat/completions", { ...base, messages: [{ role: "user", content: "What is the weather in Paris?" }], tools, tool_choice });
    console.log(JSON.stringify(c.choices));
  }
  const { chunks } = await stream("/chat/completions", { ...base, messages: [{ role: "user", content: "What is the weather in Paris?" }], tools, tool_choice: "required" });
  console.log(chunks.map((c) => JSON.stringify(c.choices[0])).join("\n"));
  console.log(await refused("/chat/completions", { ...base, messages, response_format: { type: "json_schema", json_schema: { name: "qa", schema: { not: {} } } } }));
  console.log(await refused("/chat/completions", { ...base, messages, response_format: { type: "json_schema", json_schema: { schema: { not: {} } } } }));
  console.log(await refused("/chat/completions", { ...base, messages, response_format: { type: "xml" } }));
  console.log(await refused("/chat/completions", { ...base, messages, tools: [...tools, { type: "function", function: { name: "bad", parameters: { properties: { a: { not: {} } } } } }] }));
  console.log(await refused("/beta/chat/completions", { ...base, messages: [...messages, { role: "assistant", content: '{"a":', prefix: true }], response_format: { type: "json_schema", json_schema: { name: "qa", schema } } }));
  const d = await ask("/beta/chat/completions", { ...base, messages: [...messages, { role: "assistant", content: '{"question":', prefix: true }], response_format: { type: "json_schema", json_schema: { name: "qa", schema } } });
  console.log(JSON.stringify(d));
});
