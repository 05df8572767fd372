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
    aliases: ["deepseek-chat", "deepseek-coder", "deepseek-reasoner"],
    context_window: 8192,
    hidden_size: 256,
    num_hidden_layers: 6,
    vocab_size: 4096,
    tie_word_embeddings: true,
    fingerprint: served.fingerprint,
    limits: { max_stop: 16, max_tools: 128, max_top_logprobs: 20, max_body_bytes: 8 * 2 ** 20, max_embed_rows: 8192 },
    api_capabilities: { completions: true, chat: true, fim: true },
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
    ["/models", "/beta/models/plainformer", "/models/deepseek-chat"].map(async (path) =>
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
