// Control tokens that have no place in an answer are never chosen: in random generations of the model that ships, on every
// way in, and row by row. The long run takes 2,000 generations, the short one 27.

import { expect, test } from "vitest";
import { wantOf } from "../src/decode/decoder.ts";
import { decodingOf } from "../src/decode/parameters.ts";
import type { GenerateEnd, GenerateOptions } from "../src/index.ts";
import { unspokenIds } from "../src/prompt/unspoken.ts";
import { createTokenizer } from "../src/tokenizer/tokenizer.ts";
import { times } from "./long.ts";
import { api } from "./server/routes/api.ts";

const { ask, stream, served } = await api({ beta: true });
const { tokenizer, endIds, config } = served;
const unspoken = unspokenIds(tokenizer);
const texts = tokenizer.addedTokens.map(({ content }) => content);
const idOf = (text: string) => tokenizer.idOf(text) ?? -1;
const [separator, user] = ["<｜tool▁sep｜>", "<｜User｜>"].map(idOf);

async function generated(options: Omit<GenerateOptions, "input">, input: GenerateOptions["input"] = "The") {
  const logprobs: (number | undefined)[] = [];
  let end: GenerateEnd | undefined;
  for await (const event of served.generate({ input, seed: 1, ...options }))
    if (event.type === "end") end = event;
    else if (event.type === "token") logprobs.push(event.logprob);
  return { ids: end?.ids ?? [], text: end?.text ?? "", logprobs };
}

const call = { id: "call_1", type: "function", function: { name: "get_weather", arguments: '{"city":"Rome"}' } };
const tools = [
  {
    type: "function" as const,
    function: {
      name: "get_weather",
      description: "The weather in a city.",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];
const conversations = [
  [{ role: "user", content: "How is the weather in Rome?" }],
  [{ role: "user", content: "Tell me a story." }],
  [
    { role: "user", content: "How is the weather in Rome?" },
    { role: "assistant", content: null, tool_calls: [call] },
    { role: "tool", tool_call_id: "call_1", content: '{"degrees":21}' },
  ],
  [
    { role: "user", content: "Who is there?" },
    { role: "assistant", content: "It is", prefix: true },
  ],
];
const starts = [
  "Once upon a time",
  "function add(",
  "get_weather",
  "",
  "Ann: Hello!\nBen:",
  '{"name":',
  "<｜User｜>Hello",
];

interface Sampling {
  temperature: number;
  seed: number;
  max_tokens: number;
}

/** One random generation: where it is asked for, and all the text that it gives. */
type Way = (n: number, body: Sampling) => Promise<string>;
const choiceText = ({ choices: [{ message }] }: { choices: { message: Record<string, string | null> }[] }) =>
  `${message.content ?? ""}${message.reasoning_content ?? ""}`;
const ways: Record<string, Way> = {
  generate: async (n, { temperature, seed, max_tokens: maxTokens }) => {
    const { ids, text } = await generated({ temperature, seed, maxTokens }, starts[n % starts.length]);
    expect(ids.filter((id) => unspoken.includes(id) && !endIds.includes(id))).toEqual([]);
    return text;
  },
  completions: async (n, body) =>
    (await ask("/completions", { prompt: starts[n % starts.length] || "a", ...body })).choices[0].text,
  "completions with control tokens in the prompt": async (n, body) => {
    const prompt = `<｜User｜>${starts[n % starts.length]}<｜Assistant｜>`;
    return (await ask("/completions", { prompt, parse_special_tokens: true, ...body })).choices[0].text;
  },
  fim: async (n, body) =>
    (await ask("/beta/completions", { prompt: starts[n % starts.length], suffix: "\n}\n", ...body })).choices[0].text,
  chat: async (n, body) => choiceText(await ask("/chat/completions", { messages: conversations[n % 4], ...body })),
  "chat, streamed": async (n, body) => {
    const { chunks } = await stream("/chat/completions", { messages: conversations[n % 4], ...body });
    return chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");
  },
  "chat with tools": async (n, body) =>
    choiceText(await ask("/chat/completions", { messages: conversations[n % 4], tools, ...body })),
  "chat without calls": async (n, body) =>
    choiceText(await ask("/chat/completions", { messages: conversations[n % 4], tools, tool_choice: "none", ...body })),
  embeds: async (_n, body) =>
    (await ask("/completions_from_embeds", { prompt_embeds: noise(3), prompt_text: "It", ...body })).choices[0].text,
};

function noise(rows: number): number[][] {
  return Array.from({ length: rows }, (_, i) =>
    Array.from({ length: config.dModel }, (_, j) => Math.sin(i * 991 + j * 37) / 5),
  );
}

test("no control token is in what any way gives, greedy, warm or hot", async () => {
  const names = Object.keys(ways);
  const count = times(27, 2000);
  const one = async (n: number) => {
    const name = names[n % names.length];
    const body = { temperature: [0, 0.7, 1, 1.5, 2][n % 5], seed: n, max_tokens: times(16, 60) };
    const text = await ways[name](Math.floor(n / names.length), body);
    for (const control of texts) expect(text, `${name}, ${n}`).not.toContain(control);
    return text;
  };
  let written = 0;
  for (let n = 0; n < count; n += 9)
    for (const text of await Promise.all(Array.from({ length: Math.min(9, count - n) }, (_, i) => one(n + i))))
      written += text.length;
  expect(written).toBeGreaterThan(count * 10);
});

/** Where the model says the separator next: behind the first word of a call. */
const likesSeparator = [
  {
    text: "<｜User｜>How is the weather in Rome?<｜Assistant｜><｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function",
    parseSpecialTokens: true,
  },
];

test("what the model likes best is passed over, and told as likely as it was", async () => {
  const free = await generated({ temperature: 0, maxTokens: 1, controlTokens: true, logprobs: 1 }, likesSeparator);
  expect(free.ids).toEqual([separator]);
  for (const logprobs of [undefined, 0, 2]) {
    const held = await generated({ temperature: 0, maxTokens: 1, logprobs }, likesSeparator);
    expect(held.ids).not.toEqual([separator]);
    if (logprobs === undefined) continue;
    expect(held.logprobs[0]).toBeLessThan(Math.log1p(-Math.exp(free.logprobs[0] ?? 0)) + 1e-6);
  }
});

test("who asks for such tokens gets them: by a bias, by specialTokens, by controlTokens; never in a conversation", async () => {
  const bias = { logitBias: { [user]: 100 } };
  expect((await generated({ temperature: 0, maxTokens: 2, ...bias })).ids).toEqual([user, user]);
  const asked = { temperature: 0, maxTokens: 1 };
  expect((await generated({ ...asked, specialTokens: true }, likesSeparator)).ids).toEqual([separator]);
  expect((await generated({ ...asked, specialTokens: true, controlTokens: false }, likesSeparator)).ids).not.toEqual([
    separator,
  ]);
  for await (const event of served.chat({ input: likesSeparator, ...asked }))
    if (event.type === "end") expect(event.message.content).not.toContain("<｜");
});

test("a row is read for its best id alone, whatever is passed over", () => {
  const decoding = decodingOf({ temperature: 0 }, config.vocabSize, 10);
  expect(wantOf(decoding, undefined, unspoken)).toEqual({ except: unspoken });
  expect(wantOf(decoding, undefined, [])).toBe("id");
});

test("roles, gaps and calls have no place; thoughts, elements of HTML, what begins a text and ordinary added tokens have", () => {
  const added = [
    "<s>",
    "<|im_start|>",
    "<tool_call>",
    "<think>",
    "</think>",
    "<table>",
    "</h1>",
    "<unused7>",
    "  ",
    "[X]",
  ];
  const own = createTokenizer(
    {
      model: { type: "BPE", vocab: { a: 0 }, merges: [] },
      added_tokens: added.map((content, i) => ({ id: i + 1, content, special: ["<s>", "[X]"].includes(content) })),
    },
    { bos_token: "<s>" },
  );
  expect(unspokenIds(own).map((id) => own.tokenOf(id))).toEqual(["<|im_start|>", "<tool_call>", "<unused7>", "[X]"]);
});
