// Every limit that /models states is the one that is checked: each is set to a small value, and a request beyond it is
// refused with that number.

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { load } from "../../src/index.ts";
import type { Limits } from "../../src/server/limits.ts";
import { openSoftPromptStore } from "../../src/server/soft-prompt-store.ts";
import { wireNames } from "../../src/server/wire-names.ts";
import { api, type Refusal } from "./routes/api.ts";
import { servedModel } from "./start.ts";

const { dModel } = (await servedModel()).config;
const softPrompts = await openSoftPromptStore(await mkdtemp(join(tmpdir(), "plainformer-limits-")));
const row = new Array(dModel).fill(0.1);
await softPrompts.put(undefined, "kept", { embeds: Float32Array.from(row), shape: [1, dModel] });

const user = { role: "user", content: "Hi" };
const tool = (name: string) => ({ type: "function", function: { name } });
const nested = (levels: number): unknown => (levels === 0 ? 1 : [nested(levels - 1)]);

/** A request that asks for one more than the limit, which is 2. */
interface Beyond {
  path: string;
  body: object;
  method?: "PUT";
  param: string | null;
  status?: number;
  limit?: number;
}

const beyond: Record<keyof Limits, Beyond[]> = {
  maxBodyBytes: [{ path: "/completions", body: { prompt: "x".repeat(200) }, param: null, status: 413, limit: 100 }],
  maxBodyValues: [{ path: "/completions", body: { prompt: [1, 2, 3, 4] }, param: null, status: 413, limit: 30 }],
  maxBodyDepth: [{ path: "/completions", body: { prompt: nested(2) }, param: null }],
  maxEmbedRows: [
    { path: "/completions_from_embeds", body: { prompt_embeds: [row, row, row] }, param: "prompt_embeds" },
    {
      path: "/chat/completions",
      body: { messages: [{ role: "user", content: [{ type: "embeds", embeds: [row, row, row] }] }] },
      param: "messages[0].content[0].embeds",
    },
    { path: "/token_embeddings", body: { input: [1, 2, 3] }, param: "input" },
    { path: "/soft_prompts/other", method: "PUT", body: { embeds: [row, row, row] }, param: "embeds" },
  ],
  maxPrompts: [
    { path: "/completions", body: { prompt: ["a", "b", "c"] }, param: "prompt" },
    { path: "/token_embeddings", body: { input: ["a", "b", "c"] }, param: "input" },
    { path: "/score", body: { input: "a", targets: ["a", "b", "c"] }, param: "targets" },
    {
      path: "/score",
      body: { input: [{ type: "embeds" }], targets: ["a"], candidates: [[row], [row], [row]] },
      param: "candidates",
    },
    {
      path: "/gradients",
      body: { input: [{ type: "embeds", embeds: [row] }], targets: ["a", "b", "c"] },
      param: "targets",
    },
  ],
  maxSoftPrompts: [{ path: "/soft_prompts/second", method: "PUT", body: { embeds: [row] }, param: "name", limit: 1 }],
  maxN: [
    { path: "/completions", body: { prompt: "a", n: 3 }, param: "n" },
    { path: "/chat/completions", body: { messages: [user], n: 3 }, param: "n" },
  ],
  maxMessages: [{ path: "/chat/completions", body: { messages: [user, user, user] }, param: "messages" }],
  maxStop: [{ path: "/completions", body: { prompt: "a", stop: ["a", "b", "c"] }, param: "stop" }],
  maxTools: [
    { path: "/chat/completions", body: { messages: [user], tools: [tool("a"), tool("b"), tool("c")] }, param: "tools" },
  ],
  maxTopLogprobs: [
    {
      path: "/chat/completions",
      body: { messages: [user], logprobs: true, top_logprobs: 3 },
      param: "top_logprobs",
    },
    { path: "/completions", body: { prompt: "a", logprobs: 3 }, param: "logprobs" },
    { path: "/completions_from_embeds", body: { prompt_embeds: [row], logprobs: 3 }, param: "logprobs" },
  ],
  maxLogitBias: [
    { path: "/completions", body: { prompt: "a", logit_bias: { 1: 0, 2: 0, 3: 0 } }, param: "logit_bias" },
  ],
  maxTokens: [
    { path: "/completions", body: { prompt: "a", max_tokens: 3 }, param: "max_tokens" },
    { path: "/chat/completions", body: { messages: [user], max_tokens: 3 }, param: "max_tokens" },
    {
      path: "/chat/completions",
      body: { messages: [user], max_completion_tokens: 3 },
      param: "max_completion_tokens",
    },
    { path: "/completions_from_embeds", body: { prompt_embeds: [row], max_tokens: 3 }, param: "max_tokens" },
  ],
  maxTokensBeta: [{ path: "/beta/completions", body: { prompt: "a", max_tokens: 3 }, param: "max_tokens" }],
  maxTokensFim: [{ path: "/beta/completions", body: { prompt: "a", suffix: "b", max_tokens: 3 }, param: "max_tokens" }],
};

const cases = Object.entries(beyond).flatMap(([name, requests]) =>
  requests.map((request) => [`${name}: ${request.path}`, name, request] as const),
);

test.each(cases)("%s", async (_, name, { path, body, method = "POST", param, status = 400, limit = 2 }) => {
  const { url } = await api({ limits: { [name]: limit }, softPrompts });
  const stated = (await (await fetch(`${url}/models/plainformer`)).json()) as { limits: object };
  expect(stated.limits).toMatchObject(wireNames({ [name]: limit }));
  const response = await fetch(url + path, {
    method,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "plainformer", ...body }),
  });
  const { error } = (await response.json()) as { error: Refusal };
  expect({ status: response.status, param: error.param }, error.message).toEqual({ status, param });
  expect(error.message).toMatch(new RegExp(`\\b${limit}\\b`));
});

test("where max_tokens is capped, more is cut to the limit and to what the context leaves; less than one is not", async () => {
  const { ask, refused } = await api({
    limits: { maxTokens: 3, maxTokensBeta: 8192, maxTokensFim: 2 },
    capMaxTokens: true,
  });
  const completion = { prompt: "Once upon a time", temperature: 0 };
  const bodies: [string, object][] = [
    ["/completions", { ...completion, max_tokens: 4 }],
    ["/completions_from_embeds", { prompt_embeds: [row], max_tokens: 1e9 }],
    ["/chat/completions", { messages: [user], temperature: 0, max_tokens: 393216 }],
    ["/chat/completions", { messages: [user], temperature: 0, max_completion_tokens: 4096 }],
  ];
  for (const [path, body] of bodies) expect((await ask(path, body)).usage.completion_tokens, path).toBe(3);
  const fim = await ask("/beta/completions", { prompt: "a = (", suffix: ")", temperature: 0, max_tokens: 5000 });
  expect(fim.usage.completion_tokens).toBeLessThanOrEqual(2);
  const model = await load(undefined, { cacheTokens: 256 });
  const small = await api({ model, capMaxTokens: true });
  const long = { prompt: new Array(253).fill(5), max_tokens: 300, temperature: 0, logit_bias: { 5: 100 } };
  expect((await small.ask("/completions", long)).usage.completion_tokens).toBe(4); // the last is not fed back
  await model.close();
  for (const value of [0, -1, 1.5, "4"])
    expect((await refused("/completions", { ...completion, max_tokens: value })).param).toBe("max_tokens");
});

test("a limit above the usual one lets more in", async () => {
  const { ask } = await api({ limits: { maxTools: 200, maxTopLogprobs: 30, maxStop: 40, maxMessages: 5000 } });
  const tools = Array.from({ length: 150 }, (_, i) => tool(`t${i}`));
  const wide = { logprobs: true, top_logprobs: 25, stop: new Array(30).fill("zzz"), max_tokens: 1 };
  const { choices } = await ask("/chat/completions", { messages: [user], tools, tool_choice: "none", ...wide });
  expect(choices[0].logprobs.content[0].top_logprobs).toHaveLength(25);
});

test("without a number of tokens, an answer has no more than the limit", async () => {
  const { ask } = await api({ limits: { maxTokens: 3, maxTokensFim: 2 }, beta: false });
  const { usage } = await ask("/completions", { prompt: "Once upon a time", temperature: 0 });
  expect(usage.completion_tokens).toBe(3);
  const chat = await ask("/chat/completions", { messages: [user], temperature: 0 });
  expect(chat.usage.completion_tokens).toBeLessThanOrEqual(3);
  const fim = await ask("/beta/completions", { prompt: "a = (", suffix: ")", temperature: 0 });
  expect(fim.usage.completion_tokens).toBeLessThanOrEqual(2);
});

test("limits that are none are refused", async () => {
  const options = (limits: object) => ({ limits });
  await expect(api(options({ maxTool: 2 }))).rejects.toThrow("limits.maxTool: unknown option, did you mean maxTools?");
  await expect(api(options({ maxTools: -1 }))).rejects.toThrow("limits.maxTools: got -1, expected a whole number ≥ 0");
  for (const name of [
    "maxTokens",
    "maxTokensBeta",
    "maxTokensFim",
    "maxN",
    "maxPrompts",
    "maxMessages",
    "maxBodyBytes",
  ])
    await expect(api(options({ [name]: 0 }))).rejects.toThrow(`limits.${name}: got 0, expected a whole number ≥ 1`);
  await expect(api(options({ maxTools: 0, maxStop: 0 }))).resolves.toBeDefined();
  await expect(api({ limit: {} } as object)).rejects.toThrow("limit: unknown option, did you mean limits?");
});
