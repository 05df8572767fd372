// The RFC's example 4, as far as a forward pass goes: a soft prompt stands before a text and a label is read off. The RFC
// trains through the text that comes back, which no gradient can pass; what can be trained on is the log-probability of
// each label, which /score gives for many candidate prompts in one call.

import OpenAI from "openai";

const url = process.env.PLAINFORMER_URL ?? "http://127.0.0.1:8000";
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any" });
const model = "deepseek-chat";

interface TokenEmbeddings {
  data: { embeddings: number[][] }[];
}
interface Scores {
  data: { candidate: number; target: number; sum: number }[];
  usage: OpenAI.CompletionUsage;
}

// A soft prompt begins best at rows of the table: those of a few words that say what is wanted.
const [{ embeddings: start }] = (
  await client.post<TokenEmbeddings>("/token_embeddings", {
    body: { model, input: "The girl was happy or sad. She was", add_special_tokens: false },
  })
).data;

// Candidates round it. A search keeps the best and goes on from there (BBT, arXiv 2201.03514).
const candidates = [0, 1, 2, 3].map((seed) =>
  start.map((row, i) => row.map((x, j) => x + (seed === 0 ? 0 : 0.05 * Math.sin(seed * 78.233 + 12.9898 * i + j)))),
);

const text = " The girl lost her toy and cried. She was";
const labels = [" happy", " sad"];
const scores = await client.post<Scores>("/score", {
  body: {
    model,
    input: [
      { type: "embeds", id: "p", candidate: true },
      { type: "text", text },
    ],
    targets: labels,
    candidates,
  },
});

// How much likelier the right label is than the other, in nats, for each candidate.
const margins = candidates.map((_, c) => {
  const [happy, sad] = scores.data.filter(({ candidate }) => candidate === c).map(({ sum }) => sum);
  return sad - happy;
});
const best = margins.indexOf(Math.max(...margins));

// The best one at work: a completion that may only be one of the labels.
const completion = await client.post<OpenAI.Completion>("/completions_from_embeds", {
  body: { model, prompt_embeds: candidates[best], prompt_text: text, max_tokens: 1, temperature: 0 },
});

console.log(JSON.stringify({ margins, best, label: completion.choices[0].text, usage: scores.usage }));
