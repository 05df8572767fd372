// What must not depend on how the work is cut: cached or not, chunked or whole, alone or among others, text or embeddings.
// All equal to the bit.

import { describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { loadModel } from "../../src/model/load.ts";
import { embed } from "../../src/model/project.ts";
import { readGolden } from "../golden/golden.ts";
import { long } from "../long.ts";
import { kernelSets, kernelsNamed, logitsOf } from "./run.ts";

// Learned positions, grouped heads with rotary ones, norms on q and k, latent attention, experts, sliding windows.
const cases = kernelSets.flatMap((kernels) => [
  ...["gpt2", "llama-gqa", "qwen3"].map((name) => [kernels, name, "f32"] as const),
  ...(long
    ? ["deepseek-v2", "deepseek-v3", "qwen3-moe", "gemma3"]
    : kernels === "simd"
      ? ["deepseek-v3", "gemma3"]
      : []
  ).map((name) => [kernels, name, "f32"] as const),
  ...(long ? ["llama-gqa", "deepseek-v2"] : ["llama-gqa"]).map((name) => [kernels, name, "f16"] as const),
]);

describe.each(cases)("%s: %s, keys and values in %s", (kernels, name, kv) => {
  async function open() {
    const golden = await readGolden(name);
    const ops = createOps(await kernelsNamed(kernels));
    const { model } = await loadModel(ops, golden.directory);
    return { golden, ops, model, ids: golden.prompts[1].ids };
  }

  test.each([1, 7, 64, 65])("prefill in chunks of %i rows = whole", async (chunk) => {
    const { ops, model, ids } = await open();
    expect(ids.length).toBeGreaterThan(65);
    const whole = await logitsOf(ops, model, ids, { kv });
    expect(bits(await logitsOf(ops, model, ids, { chunk, kv }))).toEqual(bits(whole));
  });

  test("rows of the embedding table sent as embeddings = the same ids", async () => {
    const { ops, model, ids } = await open();
    const embeds = await ops.read(embed(ops, model, ops.upload(Int32Array.from(ids))));
    ops.endStep();
    const asEmbeds = await logitsOf(ops, model, { embeds, rows: ids.length }, { kv });
    expect(bits(asEmbeds)).toEqual(bits(await logitsOf(ops, model, ids, { kv })));
  });

  test("many sequences in one engine = each alone", async () => {
    const { golden, ops, model } = await open();
    const [short, long] = golden.prompts.map((prompt) => prompt.ids);
    const inputs = [
      long,
      short,
      long.slice(3),
      short.slice(2),
      long.slice(0, 33),
      [5],
      short.slice(0, 4),
      long.slice(7, 40),
    ];
    const alone: Uint32Array[] = [];
    for (const ids of inputs) {
      const engine = createEngine(ops, model, { cacheTokens: 256, kv });
      alone.push(await continued(engine, ids));
    }
    // Steps of 50 rows: prompts are cut, and decoding rows mix with prompt rows. 5 pages: some have to wait.
    const shared = createEngine(ops, model, { cacheTokens: 320, stepRows: 50, kv });
    const together = await Promise.all(inputs.map((ids) => continued(shared, ids)));
    for (const [i, logits] of together.entries()) expect(logits, `sequence ${i}`).toEqual(alone[i]);
    expect(shared.load()).toMatchObject({ freePages: 5, pages: 5, running: 0, waiting: 0 });
  });

  test("cached = uncached: each generated token's logits = those of the whole text at once", async () => {
    const { golden, ops, model } = await open();
    const { ids, greedy } = golden.prompts[1];
    const engine = createEngine(ops, model, { cacheTokens: 256, kv });
    const cached = await continued(engine, ids, greedy);
    const whole = await logitsOf(ops, model, [...ids, ...greedy.slice(0, -1)], { kv });
    expect(cached).toEqual(bits(whole.subarray((ids.length - 1) * model.config.vocabSize)));
  });
});

/** Feeds `ids`, then `next` (or ten fixed ids) one by one; the bits of the logits after each. */
async function continued(
  engine: ReturnType<typeof createEngine>,
  ids: readonly number[],
  next: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
): Promise<Uint32Array> {
  const rows: Float32Array[] = [];
  await engine.run({
    runs: [{ ids }],
    maxRows: ids.length + next.length - 1,
    firstOutput: ids.length - 1,
    wants: "logits",
    accept({ outputs }) {
      rows.push(...outputs.map((logits) => logits.slice()));
      return rows.length < next.length ? [next[rows.length - 1]] : [];
    },
  });
  const all = new Float32Array(rows.length * rows[0].length);
  for (const [i, row] of rows.entries()) all.set(row, i * row.length);
  return bits(all);
}

/** Comparing bits tells −0 from 0 and one NaN from another. */
function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.slice().buffer);
}
