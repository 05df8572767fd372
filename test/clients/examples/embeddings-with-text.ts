// The RFC's example 2: embeddings of one's own, then text. Once through the openai client, once with nothing but fetch.

import OpenAI from "openai";

const url = process.env.PLAINFORMER_URL ?? "http://127.0.0.1:8000";
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any" });

// How wide a row is, and how large numbers in the model's own table are, is data.
const { hidden_size, embedding } = await client.get<{ hidden_size: number; embedding: { std: number } }>(
  "/models/plainformer",
);
const noise = (i: number) => Math.sin(12.9898 * i) * embedding.std; // the rows that an encoder of yours would make
const prompt_embeds = Array.from({ length: 5 }, (_, row) =>
  Array.from({ length: hidden_size }, (_, column) => noise(row * hidden_size + column)),
);
const body = {
  model: "deepseek-chat",
  prompt_embeds,
  prompt_text: "Once upon a time",
  max_tokens: 20,
  temperature: 0,
};

const throughClient = await client.post<OpenAI.Completion>("/completions_from_embeds", { body });

const response = await fetch(`${url}/v1/completions_from_embeds`, {
  method: "POST",
  headers: { "content-type": "application/json", authorization: "Bearer any" },
  body: JSON.stringify(body),
});
const throughFetch = (await response.json()) as OpenAI.Completion;

// In chat, the rows are a part of a message.
const part = { type: "embeds", embeds: prompt_embeds } as unknown as OpenAI.ChatCompletionContentPart;
const chat = await client.chat.completions.create({
  model: "deepseek-chat",
  messages: [{ role: "user", content: [part, { type: "text", text: "Tell me a short story." }] }],
  max_tokens: 20,
  temperature: 0,
});

console.log(
  JSON.stringify({
    throughClient: throughClient.choices[0].text,
    throughFetch: throughFetch.choices[0].text,
    usage: throughClient.usage,
    chat: chat.choices[0].message.content,
    chatUsage: chat.usage,
  }),
);
