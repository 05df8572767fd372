// An answer longer than max_tokens: each call goes on exactly where the one before was cut (beta).

import OpenAI from "openai";

const url = process.env.PLAINFORMER_URL ?? "http://127.0.0.1:8000";
const client = new OpenAI({ baseURL: `${url}/beta`, apiKey: "any" });

const question = { role: "user" as const, content: "Tell me a short story." };
let answer = "";
let calls = 0;
for (let cut = true; cut && calls < 20; calls++) {
  const prefix = { role: "assistant" as const, content: answer, prefix: true };
  const { choices } = await client.chat.completions.create({
    model: "deepseek-chat",
    messages: answer === "" ? [question] : [question, prefix],
    max_tokens: 20,
    temperature: 0,
  });
  answer += choices[0].message.content;
  cut = choices[0].finish_reason === "length";
}
console.log(JSON.stringify({ calls, answer }));
