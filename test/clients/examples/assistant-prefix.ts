// Chat prefix completion (beta): the answer begins with a code fence and stops at the next, so that only code comes back.
// The example of DeepSeek's announcement of July 2024.

import OpenAI from "openai";

const url = process.env.PLAINFORMER_URL ?? "http://127.0.0.1:8000";
const client = new OpenAI({ baseURL: `${url}/beta`, apiKey: "any" });

const prefix = { role: "assistant" as const, content: "```python\n", prefix: true };
const { choices } = await client.chat.completions.create({
  model: "deepseek-chat",
  messages: [{ role: "user", content: "Please write quick sort code" }, prefix],
  stop: ["```"],
  max_tokens: 200,
  temperature: 0,
});
console.log(choices[0].message.content);
