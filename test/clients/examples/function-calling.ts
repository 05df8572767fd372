// Function calling: the model asks for the weather, is told, and answers. The example of DeepSeek's announcement of July
// 2024. Arguments are always valid against `parameters`, so nothing can go wrong in reading them.

import OpenAI from "openai";

const url = process.env.PLAINFORMER_URL ?? "http://127.0.0.1:8000";
const client = new OpenAI({ baseURL: url, apiKey: "any" });

const tools: OpenAI.ChatCompletionTool[] = [
  {
    type: "function",
    function: {
      name: "get_weather",
      description: "Get weather of a location, the user should supply a location first.",
      parameters: {
        type: "object",
        properties: { location: { type: "string", description: "The city and state, e.g. San Francisco, CA" } },
        required: ["location"],
      },
    },
  },
];
const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "What is the weather in Hangzhou?" }];

async function send(): Promise<OpenAI.ChatCompletionMessage> {
  const { choices } = await client.chat.completions.create({
    model: "deepseek-chat",
    messages,
    tools,
    temperature: 0,
    max_tokens: 200,
  });
  return choices[0].message;
}

const asked = await send();
const [call] = asked.tool_calls ?? [];
if (call?.type !== "function") throw new Error(`no tool was called: ${asked.content}`);
const { location } = JSON.parse(call.function.arguments) as { location: string };
messages.push(asked, { role: "tool", tool_call_id: call.id, content: "24 degrees" });
const answered = await send();
console.log(JSON.stringify({ name: call.function.name, location, answer: answered.content }));
