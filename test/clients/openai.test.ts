// The official openai client against the server: every route it knows, both stream styles, and the fields it lets through.
// Its types are what the answers are read with.

import OpenAI from "openai";
import { expect, test } from "vitest";
import { api } from "../server/routes/api.ts";

const { url, served } = await api();
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 });
const beta = new OpenAI({ baseURL: `${url}/beta`, apiKey: "any", maxRetries: 0 });
const model = "deepseek-chat";
const messages = [{ role: "user" as const, content: "Tell me a short story." }];
const greedy = { model, messages, temperature: 0, max_tokens: 24 };

/** Fields that the client's types do not know are sent all the same. */
function also<Body extends object>(body: Body, more: object): Body {
  return { ...body, ...more };
}

async function collected<Chunk>(stream: AsyncIterable<Chunk>): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}

test("chat: an answer, and the same answer in pieces", async () => {
  const whole = await client.chat.completions.create(greedy);
  const [choice] = whole.choices;
  expect(whole.object).toBe("chat.completion");
  expect(whole.model).toBe("plainformer");
  expect(choice.message.role).toBe("assistant");
  expect(choice.message.content?.length).toBeGreaterThan(20);
  expect(choice.finish_reason).toBe("length");
  expect(whole.usage?.completion_tokens).toBe(24);
  expect(whole.usage?.total_tokens).toBe((whole.usage?.prompt_tokens ?? 0) + 24);

  const chunks = await collected(await client.chat.completions.create({ ...greedy, stream: true }));
  expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1);
  expect(chunks[0].choices[0].delta.role).toBe("assistant");
  expect(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("")).toBe(choice.message.content);
  expect(chunks.map((chunk) => chunk.choices[0].finish_reason).filter(Boolean)).toEqual(["length"]);
  expect(chunks.filter((chunk) => chunk.usage != null)).toEqual([chunks.at(-1)]);
});

test("chat: usage as DeepSeek streams it, and as OpenAI does", async () => {
  const deepSeek = await collected(
    await client.chat.completions.create({ ...greedy, stream: true, stream_options: { include_usage: true } }),
  );
  expect(deepSeek.at(-1)?.choices[0].finish_reason).toBe("length");
  expect(deepSeek.at(-1)?.usage?.completion_tokens).toBe(24);
  expect(deepSeek.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
  const openAi = await collected(
    await client.chat.completions.create({
      ...greedy,
      stream: true,
      stream_options: also({ include_usage: true }, { usage_chunk: true }),
    }),
  );
  expect(openAi.at(-2)?.choices[0].finish_reason).toBe("length");
  expect(openAi.at(-1)?.choices).toEqual([]);
  expect(openAi.at(-1)?.usage?.completion_tokens).toBe(24);
});

test("chat: the client's own accumulation of a stream is the whole answer", async () => {
  const runner = client.chat.completions.stream(also({ ...greedy, n: 2, seed: 5, temperature: 1 }, {}));
  const final = await runner.finalChatCompletion();
  const whole = await client.chat.completions.create({ ...greedy, n: 2, seed: 5, temperature: 1 });
  expect(final.choices.map((choice) => choice.message.content)).toEqual(
    whole.choices.map((choice) => choice.message.content),
  );
  expect(final.choices[0].message.content).not.toBe(final.choices[1].message.content);
  expect(await runner.totalUsage()).toMatchObject({ completion_tokens: whole.usage?.completion_tokens });
});

test("chat: log-probabilities cover the content", async () => {
  const { choices } = await client.chat.completions.create({ ...greedy, logprobs: true, top_logprobs: 4 });
  const tokens = choices[0].logprobs?.content ?? [];
  expect(tokens.map(({ token }) => token).join("")).toBe(choices[0].message.content);
  for (const { token, logprob, bytes, top_logprobs } of tokens) {
    expect(top_logprobs).toHaveLength(4);
    expect(top_logprobs[0]).toMatchObject({ token, logprob });
    expect(Buffer.from(bytes ?? []).toString()).toBe(token);
  }
  const stop = tokens
    .slice(7, 10)
    .map(({ token }) => token)
    .join("");
  const stopped = (await client.chat.completions.create({ ...greedy, logprobs: true, stop })).choices[0];
  expect(stopped.finish_reason).toBe("stop");
  expect(stopped.message.content).toBe(
    tokens
      .slice(0, 7)
      .map(({ token }) => token)
      .join(""),
  );
  expect(stopped.logprobs?.content?.map(({ token }) => token)).toEqual(tokens.slice(0, 7).map(({ token }) => token));
  const chunks = await collected(
    await client.chat.completions.create({ ...greedy, logprobs: true, top_logprobs: 4, stream: true }),
  );
  expect(chunks.flatMap((chunk) => chunk.choices[0].logprobs?.content ?? [])).toEqual(tokens);
});

test("chat: parts of text are one text; a name, a system message and a null are no trouble", async () => {
  const parts = [
    { type: "text" as const, text: "Tell me a " },
    { type: "text" as const, text: "short story." },
  ];
  const whole = await client.chat.completions.create(greedy);
  const same = await client.chat.completions.create({
    ...greedy,
    messages: [{ role: "user", content: parts }],
    stop: null,
    top_p: null,
    frequency_penalty: null,
    max_completion_tokens: 24,
  });
  expect(same.choices[0].message.content).toBe(whole.choices[0].message.content);
  const system = await client.chat.completions.create({
    ...greedy,
    messages: [
      { role: "system", content: "Be brief." },
      { role: "user", content: "Hello!", name: "anna" },
    ],
  });
  expect(system.choices[0].message.role).toBe("assistant");
});

test("chat: a prefix is continued to the character, and only the continuation comes back", async () => {
  const whole = await client.chat.completions.create(greedy);
  const text = whole.choices[0].message.content as string;
  const cut = 17; // inside a word
  const continued = (more: object) => ({
    ...greedy,
    messages: [...messages, also({ role: "assistant" as const, content: text.slice(0, cut) }, more)],
  });
  const { choices } = await beta.chat.completions.create(continued({ prefix: true }));
  expect(choices[0].message.content?.startsWith(text.slice(cut, 40))).toBe(true);
  const alias = await beta.chat.completions.create(also(continued({}), { continue_final_message: true }));
  expect(alias.choices[0].message.content).toBe(choices[0].message.content);
  await expect(client.chat.completions.create(continued({ prefix: true }))).rejects.toMatchObject({
    status: 400,
    param: "messages[1].prefix",
  });
});

test("chat: a tool call is parsed, and its result is understood", async () => {
  const tools: OpenAI.ChatCompletionTool[] = [
    {
      type: "function",
      function: {
        name: "get_weather",
        description: "Get the weather of a place",
        parameters: { type: "object", properties: { location: { type: "string" } }, required: ["location"] },
      },
    },
  ];
  const question = { role: "user" as const, content: "What is the weather in Paris?" };
  const asked = { model, temperature: 0, tools, max_tokens: 100, messages: [question] };
  const { choices } = await client.chat.completions.create(asked);
  expect(choices[0].finish_reason).toBe("tool_calls");
  const [call] = choices[0].message.tool_calls ?? [];
  if (call?.type !== "function") throw new Error("no function was called");
  expect(call.function.name).toBe("get_weather");
  expect(Object.keys(JSON.parse(call.function.arguments))).toEqual(["location"]);
  expect(choices[0].message.content ?? "").not.toMatch(/tool|```/);

  const runner = client.chat.completions.stream(asked);
  const streamed = (await runner.finalChatCompletion()).choices[0];
  expect(streamed.finish_reason).toBe("tool_calls");
  const [same] = streamed.message.tool_calls ?? [];
  expect(same.type === "function" && same.function).toMatchObject(call.function);

  const answer = await client.chat.completions.create({
    ...asked,
    messages: [question, choices[0].message, { role: "tool", tool_call_id: call.id, content: "Sunny, 25 degrees" }],
  });
  expect(answer.choices[0].message.content?.length).toBeGreaterThan(0);
  const none = await client.chat.completions.create({ ...asked, tool_choice: "none" });
  expect(none.choices[0].message.tool_calls).toBeUndefined();
});

test("chat: embeddings as the whole prompt, and as a part of a message", async () => {
  const whole = await client.chat.completions.create(greedy);
  const ids = served.tokenizer.encode("short story", { addSpecialTokens: false });
  const flat = await served.embed(ids);
  const embeds = ids.map((_, i) => Array.from(flat.subarray(i * served.config.dModel, (i + 1) * served.config.dModel)));
  const part = { type: "embeds", embeds } as never;
  const { usage } = await client.chat.completions.create({
    ...greedy,
    messages: [{ role: "user", content: [{ type: "text", text: "Tell me a " }, part, { type: "text", text: "." }] }],
  });
  expect(usage?.prompt_tokens_details).toMatchObject({ embed_tokens: ids.length });
  expect(usage?.prompt_tokens).toBeGreaterThan(ids.length);
  const alone = await client.chat.completions.create(also(greedy, { input_embeds: embeds }));
  expect(alone.usage?.prompt_tokens).toBe(ids.length);
  expect(alone.choices[0].message.content).not.toBe(whole.choices[0].message.content);
});

test("completions: text, FIM at /beta, streams", async () => {
  const body = { model, prompt: "Once upon a time", max_tokens: 16, temperature: 0 };
  const whole = await client.completions.create({ ...body, logprobs: 2, echo: true });
  expect(whole.choices[0].text).toMatch(/^Once upon a time, there /);
  expect(whole.choices[0].logprobs?.tokens).toHaveLength(whole.choices[0].logprobs?.token_logprobs?.length ?? -1);
  const chunks = await collected(await client.completions.create({ ...body, echo: true, stream: true }));
  expect(chunks.map((chunk) => chunk.choices[0].text).join("")).toBe(whole.choices[0].text);
  const fim = await beta.completions.create({
    model,
    prompt: "def add(a, b):\n",
    suffix: "\n",
    max_tokens: 32,
    temperature: 0,
  });
  expect(fim.choices[0].text).toMatch(/return/);
  expect(fim.choices[0].text).not.toMatch(/<｜/);
  for (const prompt of ["", "def f():"]) {
    const empty = await beta.completions.create({ model, prompt, suffix: "", max_tokens: 4 });
    expect(empty.choices[0].finish_reason).toMatch(/stop|length/);
  }
});

test("errors are the client's own, with status, param and message", async () => {
  const refusal = client.chat.completions.create({ ...greedy, max_tokens: 9999 });
  await expect(refusal).rejects.toBeInstanceOf(OpenAI.BadRequestError);
  await expect(refusal).rejects.toMatchObject({
    status: 400,
    param: "max_tokens",
    code: "invalid_request_error",
    message: expect.stringContaining("Invalid max_tokens value, the valid range of max_tokens is [1, 4096]"),
  });
  await expect(client.chat.completions.create({ ...greedy, model: "gpt-4" })).rejects.toMatchObject({ param: "model" });
});

test("models are listed as the client reads them", async () => {
  const models = await collected(await client.models.list());
  expect(models.map((one) => one.id)).toContain("plainformer");
});
