// Trained models, against what others computed with them.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { exactKernels } from "../kernels/exact.ts";
import { createOps } from "../kernels/ops.ts";
import { selectKernels } from "../kernels/select.ts";
import { argmax } from "../src/decode/sampler.ts";
import { createEngine } from "../src/engine/engine.ts";
import { type GenerateEnd, load } from "../src/index.ts";
import { loadModel } from "../src/model/load.ts";
import { expectClose, tolerance } from "./expect-close.ts";
import { readGolden } from "./golden/golden.ts";
import { collect, logitsOf } from "./model/run.ts";
import { gemma3, smollm2, stories260k } from "./outside-data.ts";

test("stories260k: 200 greedy tokens = llama2.c's, byte for byte", async (context) => {
  if (stories260k.missing) return context.skip(stories260k.missing);
  const model = await load(stories260k.directory);
  let end: GenerateEnd | undefined;
  for await (const event of model.generate({ input: [{ ids: [1] }], maxTokens: 200, temperature: 0 }))
    if (event.type === "end") end = event;
  const golden = readFileSync(`${stories260k.directory}/greedy-200.txt`);
  expect(Buffer.from(end?.text ?? "")).toEqual(golden);
  expect(end?.ids).toHaveLength(200);
});

test("SmolLM2-135M-Instruct: residual stream and logits of 5 prompts against PyTorch", {
  timeout: 900_000,
}, async (context) => {
  if (smollm2.missing) return context.skip(smollm2.missing);
  const { golden, ops, model } = await open();
  expect(golden.prompts).toHaveLength(5);
  for (const [p, { ids }] of golden.prompts.entries()) {
    const { place, seen } = collect(ops, model, ["residual.*"]);
    const logits = await logitsOf(ops, model, ids, { place });
    const expected = golden.tensor(`prompt${p}.logits`); // of the last rows
    const { vocabSize, dModel, nLayers } = model.config;
    const last = logits.subarray(logits.length - expected.values.length);
    expectClose(last, expected.values, tolerance.forward, `prompt ${p}, logits`);
    for (let at = 0; at < last.length; at += vocabSize)
      expect(argmax(last.subarray(at, at + vocabSize))).toBe(argmax(expected.values.subarray(at, at + vocabSize)));
    for (let i = 0; i <= nLayers && golden.has(`prompt${p}.hidden.${i}`); i++) {
      const row = golden.tensor(`prompt${p}.hidden.${i}`).values; // of the last position
      const all = (await seen.get(`residual.${i}`)?.values) ?? new Float32Array();
      expectClose(all.subarray(all.length - dModel), row, tolerance.forward, `prompt ${p}, residual ${i}`);
    }
  }
});

test("SmolLM2-135M-Instruct: 64 greedy ids of 5 prompts, from their text", { timeout: 900_000 }, async (context) => {
  if (smollm2.missing) return context.skip(smollm2.missing);
  const golden = await readGolden("smollm2", smollm2.directory);
  const model = await load(smollm2.directory);
  await Promise.all(
    golden.prompts.map(async ({ ids, greedy, text }) => {
      expect(model.tokenizer.encode(text ?? "", { parseSpecialTokens: true })).toEqual(ids);
      const generated: number[] = [];
      const options = { maxTokens: greedy.length, temperature: 0, ignoreEnd: true };
      for await (const event of model.generate({ input: [{ ids }], ...options }))
        if (event.type === "token") generated.push(event.id);
      expect(generated).toEqual(greedy);
    }),
  );
});

test("Gemma 3 270M: logits and 64 greedy ids of 5 prompts, one longer than its window", {
  timeout: 900_000,
}, async (context) => {
  if (gemma3.missing) return context.skip(gemma3.missing);
  const golden = await readGolden("gemma3", gemma3.directory);
  const { kernels } = await selectKernels();
  const ops = createOps(exactKernels(kernels)); // PyTorch multiplies by what the blocks stand for
  const { model } = await loadModel(ops, `${gemma3.directory}/gemma-3-270m.gguf`);
  const engine = createEngine(ops, model, { cacheTokens: 4096 });
  expect(golden.prompts).toHaveLength(5);
  expect(golden.prompts[4].ids.length).toBeGreaterThan(Math.max(...(model.config.windows ?? [])));
  for (const [p, { ids, greedy }] of golden.prompts.entries()) {
    const { values, shape } = golden.tensor(`prompt${p}.logits`); // of the last rows
    const logits: Float32Array[] = [];
    const chosen: number[] = [];
    await engine.run({
      runs: [{ ids }],
      maxRows: ids.length + 1,
      firstOutput: ids.length - shape[0],
      wants: "logits",
      accept({ outputs }) {
        logits.push(...outputs.map((row) => row.slice()));
        return [];
      },
    });
    for (const [r, row] of logits.entries())
      expectClose(row, values.subarray(r * shape[1], (r + 1) * shape[1]), tolerance.forward, `prompt ${p}, logits`);
    await engine.run({
      runs: [{ ids }],
      maxRows: ids.length + greedy.length,
      firstOutput: ids.length - 1,
      wants: "id",
      accept({ outputs }) {
        chosen.push(...outputs);
        return chosen.length < greedy.length ? chosen.slice(-1) : [];
      },
    });
    expect(chosen).toEqual(greedy);
  }
});

async function open() {
  const golden = await readGolden("smollm2", smollm2.directory);
  const ops = createOps((await selectKernels()).kernels);
  const { model } = await loadModel(ops, smollm2.directory);
  return { golden, ops, model };
}
