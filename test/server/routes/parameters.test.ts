// Every sampling parameter reaches the library under its own name, from every route that generates, and null is nothing.

import { expect, test } from "vitest";
import type { GenerateEvent, GenerateOptions } from "../../../src/engine/generate.ts";
import { servedModel } from "../start.ts";
import { api, type Json } from "./api.ts";

const model = await servedModel();
const asked: GenerateOptions[] = [];
const prompts: Extract<GenerateEvent, { type: "prompt" }>[] = [];
const { ask, send } = await api({
  beta: true,
  model: {
    ...model,
    async *generate(options: GenerateOptions) {
      asked.push(options);
      for await (const event of model.generate(options)) {
        if (event.type === "prompt") prompts.push(event);
        yield event;
      }
    },
  },
});

const routes: [string, object][] = [
  ["/chat/completions", { messages: [{ role: "user", content: "Hi" }] }],
  ["/completions", { prompt: "Once" }],
  ["/completions", { prompt: "Once", suffix: "end" }],
  ["/completions_from_embeds", { prompt_embeds: [new Array(model.config.dModel).fill(0)] }],
];

const wire = {
  max_tokens: 3,
  temperature: 0.7,
  top_p: 0.9,
  top_k: 50,
  min_p: 0.01,
  frequency_penalty: 0.5,
  presence_penalty: -0.5,
  repetition_penalty: 1.1,
  logit_bias: { "5": -1.5 },
  seed: 11,
  stop: ["zzz", "qqq"],
  stop_repeats: true,
};

const inside = {
  maxTokens: 3,
  temperature: 0.7,
  topP: 0.9,
  topK: 50,
  minP: 0.01,
  frequencyPenalty: 0.5,
  presencePenalty: -0.5,
  repetitionPenalty: 1.1,
  logitBias: { "5": -1.5 },
  seed: 11,
  stop: ["zzz", "qqq"],
  stopRepeats: true,
};

test.each(routes)("%s %o", async (path, body) => {
  await ask(path, { ...body, ...wire });
  expect(asked.at(-1)).toMatchObject(inside);
  const nothing = Object.fromEntries(Object.keys(wire).map((name) => [name, null]));
  await ask(path, { ...body, ...nothing, logit_bias: { [model.endIds[0]]: 100 } });
  const { seed, logitBias, input, signal, ...rest } = asked.at(-1) as GenerateOptions;
  expect(seed).toEqual(expect.any(Number));
  for (const name of Object.keys(inside)) expect((rest as Record<string, unknown>)[name], name).toBeUndefined();
});

test("max_completion_tokens is max_tokens; logprobs of chat are counted from top_logprobs", async () => {
  const messages = [{ role: "user", content: "Hi" }];
  await ask("/chat/completions", { messages, max_completion_tokens: 2, logprobs: true, top_logprobs: 3 });
  expect(asked.at(-1)).toMatchObject({ maxTokens: 2, logprobs: 3 });
  await ask("/chat/completions", { messages, max_tokens: 2, logprobs: true });
  expect(asked.at(-1)).toMatchObject({ maxTokens: 2, logprobs: 0 });
  await ask("/chat/completions", { messages, max_tokens: 2 });
  expect(asked.at(-1)?.logprobs).toBeUndefined();
});

test("continuations have seeds of their own, the first the caller's; the prompt is computed once", async () => {
  asked.length = 0;
  prompts.length = 0;
  await ask("/completions", { prompt: `${"A prompt of its own. ".repeat(30)}`, n: 4, seed: 5, max_tokens: 2 });
  const seeds = asked.map(({ seed }) => seed);
  expect(seeds[0]).toBe(5);
  expect(new Set(seeds).size).toBe(4);
  for (const seed of seeds) expect(Number.isSafeInteger(seed)).toBe(true);
  expect(prompts.map(({ cachedTokens }) => cachedTokens >= 64)).toEqual([false, true, true, true]);
});

test("user_id and user name one tenant, neither of them another", async () => {
  await ask("/completions", { prompt: "a", user_id: "x", max_tokens: 1 });
  await ask("/completions", { prompt: "a", user: "x", max_tokens: 1 });
  await ask("/completions", { prompt: "a", max_tokens: 1 });
  await ask("/completions", { prompt: "a", user_id: "y", max_tokens: 1 });
  const [first, second, third, fourth] = asked.slice(-4).map(({ tenant }) => tenant);
  expect(first).toBe(second);
  expect(new Set([first, third, fourth]).size).toBe(3);
});

test("seeds are read to the last digit, from the text of the body", async () => {
  const seedOf = async (fields: string) => {
    const response = await send("/completions", `{"model":"plainformer","prompt":"Once","max_tokens":1,${fields}}`);
    expect(response.status).toBe(200);
    return asked.at(-1)?.seed;
  };
  for (const seed of [-1n, 2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 63n - 2n])
    expect(BigInt((await seedOf(`"seed":${seed}`)) ?? 0)).toBe(seed);
  expect(await seedOf('"seed":5')).toBe(5);
  // The last of several counts, whatever its name is spelled like; what has that name elsewhere does not.
  const [first, last] = ["9007199254740993", "9007199254740995"];
  expect(await seedOf(`"seed":${first},"s\\u0065ed" : ${last}`)).toBe(BigInt(last));
  expect(await seedOf(`"seed":${last},"user":"\\"seed\\":1","metadata":{"seed":${first}}`)).toBe(BigInt(last));
});

test("two seeds that a double does not tell apart give two answers, each always the same", async () => {
  const answer = async (seed: string) => {
    const body = `{"model":"plainformer","prompt":"Once","max_tokens":12,"temperature":1.5,"seed":${seed}}`;
    return ((await (await send("/completions", body)).json()) as Json).choices[0].text;
  };
  const seeds = ["9223372036854775806", "9223372036854775807", "-1", "1"];
  const texts = await Promise.all(seeds.map(answer));
  expect(new Set(texts).size).toBe(4);
  expect(await Promise.all(seeds.map(answer))).toEqual(texts);
});
