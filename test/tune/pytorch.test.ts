// Gradients and training against PyTorch: every tiny checkpoint, by its embedded rows and by all of its weights.

import { copyFile, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import { loadModel } from "../../src/model/load.ts";
import { tensorsOf } from "../../src/model/model.ts";
import { embed } from "../../src/model/project.ts";
import { adamStep, clipGradients, createAdamState, warmup } from "../../src/tune/adam.ts";
import { decodeF32 } from "../../weights/dtype.ts";
import { openSafetensors, writeSafetensors } from "../../weights/safetensors.ts";
import { expectClose, tolerance } from "../expect-close.ts";
import { goldenCases, readGolden } from "../golden/golden.ts";
import { kernelSets } from "../model/run.ts";
import { record } from "./record.ts";

const targets = 30;
const [stride, first] = [5, 2];
const goldens = new URL("../golden/", import.meta.url).pathname;

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "plainformer-gradients-"));
});
afterAll(() => rm(scratch, { recursive: true }));

test("there are gradients for every checkpoint", async () => {
  for (const name of goldenCases()) expect(await readGradients(name)).toBeDefined();
});

describe.each(kernelSets)("%s", (kernels) => {
  test.each(goldenCases())("%s: loss, gradients by embedded rows and by every weight", async (name) => {
    const golden = await readGolden(name);
    const expected = await readGradients(name);
    const ops = createOps((await selectKernels(kernels)).kernels);
    const { model } = await loadModel(ops, golden.directory);
    const { ids } = golden.prompts[1];
    const rows = await ops.read(embed(ops, model, ops.upload(Int32Array.from(ids))));
    ops.endStep();

    // By the rows alone, as prompt tuning does.
    const leaf = ops.upload(rows, [ids.length, model.config.dModel]);
    const byRows = record(ops, model, [ids], targets, [leaf], { embedded: leaf });
    const dX = ops.read(byRows.backward().get(leaf) as never);
    expectClose([await byRows.loss()], expected.tensor("loss"), tolerance.gradient, "loss");
    byRows.tape.end();
    expectClose(sampled(await dX, model.config.dModel, expected.tensor("inputs")), expected.tensor("inputs"), tolerance.gradient, "inputs"); // biome-ignore format: one check a line

    // By all weights, as a trainer does.
    const weights = tensorsOf(model);
    const byWeights = record(ops, model, [ids], targets, [...weights.values()]);
    const gradients = byWeights.backward();
    const pending = [...weights].map(async ([path, t]) => [path, await ops.read(gradients.get(t) as never)] as const);
    byWeights.tape.end();
    const found = new Map(await Promise.all(pending));
    const wanted = await expected.asModel();
    expect([...found.keys()]).toEqual([...wanted.keys()]);
    for (const path of wanted.keys()) {
      // Without rotation a bias on keys shifts all scores alike: its gradient is rounding. GPT-2's file has it in one tensor
      // with those of q and v, and so it is measured here.
      const paths = model.config.rope
        ? [path]
        : ["q", "k", "v"].map((part) => path.replace(/\.k\.bias$/, `.${part}.bias`));
      const all = (of: Map<string, Float32Array>) => paths.flatMap((p) => [...(of.get(p) as Float32Array)]);
      const [actual, expected] = [all(found), all(wanted)];
      const kept = expected.map((_, i) => i).filter((i) => !Number.isNaN(expected[i]));
      expect(kept.length, path).toBeGreaterThan(0);
      const pick = (all: number[]) => kept.map((i) => all[i]);
      expectClose(pick(actual), pick(expected), tolerance.gradient, path);
    }
    ops.kernels.close();
  });

  test.each(["llama-tied", "qwen2", "gpt2"])("%s: 20 steps of Adam from the same start", async (name) => {
    const golden = JSON.parse(await readFile(`${goldens}training.json`, "utf8"))[name];
    const ops = createOps((await selectKernels(kernels)).kernels);
    const { model } = await loadModel(ops, goldens + name);
    const weights = tensorsOf(model);
    const parameters = new Map(
      await Promise.all([...weights].map(async ([path, t]) => [path, await ops.read(t)] as const)),
    );
    const state = createAdamState(parameters);
    const weightDecay = (path: string) => (weights.get(path)?.shape.length === 2 ? golden.weightDecay : 0);
    const losses: number[] = [];
    for (let step = 0; step < golden.losses.length; step++) {
      const sequences: number[][] = golden.batches[step % golden.batches.length];
      const { tape, loss, backward } = record(ops, model, sequences, sequences[0].length - 1, [...weights.values()]);
      const found = backward();
      losses.push(await loss());
      const pending = [...weights].map(async ([path, t]) => [path, await ops.read(found.get(t) as never)] as const);
      tape.end();
      const gradients = new Map(await Promise.all(pending));
      expectClose([clipGradients(gradients, golden.maxNorm)], [golden.norms[step]], 1e-3, `norm of step ${step}`);
      adamStep(state, parameters, gradients, warmup(golden.learningRate, step + 1, golden.warmupSteps), { beta1: golden.beta1, beta2: golden.beta2, eps: golden.eps, weightDecay }); // biome-ignore format: one step a line
      for (const [path, t] of weights) ops.derivatives().write(t, parameters.get(path) as Float32Array);
    }
    expectClose(losses, golden.losses, tolerance.gradient, "losses");
    ops.kernels.close();
  });
});

/** The rows that the golden kept: of a matrix, all or every `stride`-th. */
function sampled(values: Float32Array, width: number, kept: Float32Array): Float32Array {
  if (kept.length === values.length) return values;
  return Float32Array.from(kept, (_, i) => values[(first + stride * Math.floor(i / width)) * width + (i % width)]);
}

async function readGradients(name: string) {
  const directory = goldens + name;
  const file = await openSafetensors(`${directory}/gradients.safetensors`);
  const tensors = new Map<string, Float32Array>();
  for (const entry of file.tensors.keys()) tensors.set(entry, decodeF32("f32", await file.read(entry)).slice());
  await file.close();
  return {
    tensor: (tensor: string) => tensors.get(tensor) as Float32Array,
    /**
     * The gradients in the model's own layout: they are put into a checkpoint of the same names and shapes, with NaN where
     * the golden has left rows out, and the family reads it like any other.
     */
    async asModel(): Promise<Map<string, Float32Array>> {
      const checkpoint = await openSafetensors(directory);
      const full = [...checkpoint.tensors.values()].flatMap(({ name, shape }) => {
        const kept = tensors.get(name);
        if (!kept) return []; // a buffer that is no weight
        const width = shape[shape.length - 1];
        const values = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(Number.NaN);
        if (kept.length === values.length) values.set(kept);
        else
          for (let i = 0; i < kept.length; i += width)
            values.set(kept.subarray(i, i + width), (first + (stride * i) / width) * width);
        return [{ name, shape, dtype: "F32" as const, data: new Uint8Array(values.buffer) }];
      });
      await checkpoint.close();
      const out = await mkdtemp(join(scratch, "as-model-"));
      await copyFile(`${directory}/config.json`, join(out, "config.json"));
      await writeSafetensors(join(out, "model.safetensors"), full as never);
      const ops = createOps((await selectKernels("reference")).kernels);
      const { model } = await loadModel(ops, out);
      // Norms of 1 + weight are read with the 1 added.
      const plusOne = (path: string) => model.config.modelType === "gemma3_text" && /norm\.weight$/i.test(path);
      return new Map(
        await Promise.all(
          [...tensorsOf(model)].map(async ([path, t]) => {
            const values = await ops.read(t);
            return [path, plusOne(path) ? values.map((value) => value - 1) : values] as const;
          }),
        ),
      );
    },
  };
}
