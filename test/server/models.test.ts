// GET /models: what a client needs to know of the model, its embedding table's statistics against numpy's.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { embeddingStatistics } from "../../src/server/embedding-statistics.ts";
import { errorOf, servedModel, start } from "./start.ts";

const golden = JSON.parse(readFileSync(new URL("../golden/embedding-statistics.json", import.meta.url), "utf8"));

interface Description {
  id: string;
  embedding: { mean: number; std: number; row_norm: Record<string, number> };
}

test("the model as data: dimensions, limits, capabilities, the table's statistics", async () => {
  const { url, served } = await start();
  const { object, data } = (await (await fetch(`${url}/v1/models`)).json()) as { object: string; data: Description[] };
  expect(object).toBe("list");
  expect(data).toHaveLength(1);
  expect(data[0]).toMatchObject({
    id: "plainformer",
    object: "model",
    aliases: [
      ...["deepseek-chat", "deepseek-coder", "deepseek-reasoner", "deepseek-flash"],
      ...["deepseek-v4-flash", "deepseek-v4-flash-vision-exp", "deepseek-v4-pro"],
    ],
    context_window: 8192,
    hidden_size: 256,
    num_hidden_layers: 6,
    vocab_size: 4096,
    tie_word_embeddings: true,
    fingerprint: served.fingerprint,
    limits: { max_stop: 16, max_tools: 128, max_top_logprobs: 20, max_body_bytes: 8 * 2 ** 20, max_embed_rows: 8192 },
    max_output_tokens: 4096,
    api_capabilities: { completions: true, chat: true, fim: false, prefix: false, caps_max_tokens: false },
  });
  const { mean, std, row_norm } = data[0].embedding;
  expect(mean).toBeCloseTo(golden.mean, 10);
  expect(std).toBeCloseTo(golden.std, 10);
  expect(Object.keys(row_norm)).toEqual(Object.keys(golden.row_norm));
  for (const [name, norm] of Object.entries(row_norm)) expect(norm).toBeCloseTo(golden.row_norm[name], 8);
});

test("one model by its id or another name; any other is a 404", async () => {
  const { url } = await start();
  const [list, one, alias] = await Promise.all(
    ["/models", "/v1/models/plainformer", "/models/deepseek-v4-pro"].map(async (path) =>
      (await fetch(url + path)).json(),
    ),
  );
  expect(one).toEqual((list as { data: unknown[] }).data[0]);
  expect(alias).toEqual(one);
  const missing = await fetch(`${url}/models/gpt-4`);
  expect(missing.status).toBe(404);
  expect(await errorOf(missing)).toMatchObject({
    message: 'The model "gpt-4" does not exist, there is plainformer',
    param: "id",
  });
});

test("what is said of it is true at that base URL: what is a beta feature, how many tokens there may be", async () => {
  const { url } = await start({ limits: { maxTokens: 100, maxTokensBeta: 200 }, capMaxTokens: true });
  const at = async (prefix: string) => (await fetch(`${url}${prefix}/models/plainformer`)).json();
  expect(await at("/v1")).toMatchObject({
    max_output_tokens: 100,
    api_capabilities: { prefix: false, fim: false, caps_max_tokens: true },
  });
  expect(await at("/beta")).toMatchObject({ max_output_tokens: 200, api_capabilities: { prefix: true, fim: true } });
  const beta = await start({ beta: true });
  expect(await (await fetch(`${beta.url}/v1/models/plainformer`)).json()).toMatchObject({
    max_output_tokens: 8191,
    api_capabilities: { prefix: true, fim: true },
  });
});

test("names of one's own take the place of DeepSeek's", async () => {
  const { url } = await start({ aliases: ["mine"] });
  const statusOf = async (name: string) => (await fetch(`${url}/models/${name}`)).status;
  expect([await statusOf("mine"), await statusOf("plainformer"), await statusOf("deepseek-chat")]).toEqual([
    200, 200, 404,
  ]);
});

test("the table is read once, in pieces, and once more after a failure", async () => {
  const served = await servedModel();
  const asked: number[] = [];
  let broken = true;
  const counted = {
    ...served,
    async embed(ids: readonly number[]) {
      asked.push(ids.length);
      if (broken) throw new Error("broken");
      return served.embed(ids);
    },
  };
  await expect(embeddingStatistics(counted)).rejects.toThrow("broken");
  broken = false;
  await Promise.all([embeddingStatistics(counted), embeddingStatistics(counted)]);
  await embeddingStatistics(counted);
  expect(asked).toEqual([2048, 2048, 2048]);
});
