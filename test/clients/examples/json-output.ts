// JSON output: exam questions turned into an object. With json_object alone the prompt says which fields; with a schema they
// are certain. The example of DeepSeek's announcement of July 2024.

import OpenAI from "openai";

const url = process.env.PLAINFORMER_URL ?? "http://127.0.0.1:8000";
const client = new OpenAI({ baseURL: url, apiKey: "any" });

const system = `The user will provide some exam text. Please parse the "question" and "answer" and output them in JSON format.

EXAMPLE INPUT:
Which is the highest mountain in the world? Mount Everest.

EXAMPLE JSON OUTPUT:
{"question": "Which is the highest mountain in the world?", "answer": "Mount Everest"}`;
const messages: OpenAI.ChatCompletionMessageParam[] = [
  { role: "system", content: system },
  { role: "user", content: "Which is the longest river in the world? The Nile River." },
];
const request = { model: "deepseek-chat", messages, temperature: 0, max_tokens: 300 };

const object = await client.chat.completions.create({ ...request, response_format: { type: "json_object" } });

const schema = {
  type: "object",
  properties: { question: { type: "string", maxLength: 80 }, answer: { type: "string", maxLength: 40 } },
  required: ["question", "answer"],
  additionalProperties: false,
};
const exam = await client.chat.completions.create({
  ...request,
  response_format: { type: "json_schema", json_schema: { name: "exam", schema, strict: true } },
});
const [free, held] = [object, exam].map(({ choices }) => JSON.parse(choices[0].message.content ?? ""));
console.log(JSON.stringify({ free, held }));
