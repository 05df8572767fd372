// The RFC's example 3: take the embeddings of a text, change them or not, and send them back. Unchanged rows give the
// answer that the text gives; here the last of them is also moved halfway to another word.

import OpenAI from "openai";

const url = process.env.PLAINFORMER_URL ?? "http://127.0.0.1:8000";
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any" });
const model = "deepseek-chat";
const sampling = { max_tokens: 20, temperature: 0 };

interface TokenEmbeddings {
  data: { ids: number[]; tokens: string[]; embeddings: number[][] }[];
}

const text = "Once upon a time there was a little fox";
const [fox, girl] = (
  await client.post<TokenEmbeddings>("/token_embeddings", { body: { model, input: [text, " girl"] } })
).data;

const complete = async (prompt_embeds: number[][]) => {
  const body = { model, prompt_embeds, ...sampling };
  return (await client.post<OpenAI.Completion>("/completions_from_embeds", { body })).choices[0].text;
};

const fromText = (await client.completions.create({ model, prompt: text, ...sampling })).choices[0].text;
const unchanged = await complete(fox.embeddings);

const half = (a: number[], b: number[]) => a.map((x, i) => (x + b[i]) / 2);
const last = half(fox.embeddings.at(-1) as number[], girl.embeddings.at(-1) as number[]);
const moved = await complete(fox.embeddings.with(-1, last));

// The same with nothing but fetch, and the rows as base64 instead of text.
const post = async (path: string, body: object) => {
  const headers = { "content-type": "application/json", authorization: "Bearer any" };
  const response = await fetch(`${url}/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  return (await response.json()) as TokenEmbeddings & OpenAI.Completion;
};
const packed = await post("/token_embeddings", { model, input: text, encoding_format: "base64" });
const throughFetch = await post("/completions_from_embeds", {
  model,
  prompt_embeds: packed.data[0].embeddings, // { shape, dtype, data }
  ...sampling,
});

console.log(
  JSON.stringify({ tokens: fox.tokens, fromText, unchanged, moved, throughFetch: throughFetch.choices[0].text }),
);
