// The trainer against its twin in PyTorch (weights/make-default/twin.py): losses and weights of 6 steps, Newton-Schulz; and
// that a run that was stopped goes on as if it had not been.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import { loadModel } from "../../src/model/load.ts";
import { orthogonal } from "../../src/tune/muon.ts";
import { createTrainer, type TrainingBatch } from "../../src/tune/trainer.ts";
import { placeOf } from "../../weights/make-default/export.ts";
import { expectClose, tolerance } from "../expect-close.ts";
import { kernelSets } from "../model/run.ts";

const goldens = new URL("../golden/", import.meta.url).pathname;
const golden = JSON.parse(await readFile(join(goldens, "trainer.json"), "utf8"));
const vocabSize = 96;

let scratch: string;
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), "plainformer-trainer-"));
});
afterAll(() => rm(scratch, { recursive: true }));

/** The same formula as in make-training-golden.py. */
function batch(step: number): TrainingBatch {
  const { sequences, positions } = golden;
  const at = Array.from({ length: sequences * positions }, (_, i) => i);
  return {
    sequences,
    positions,
    ids: Uint16Array.from(at, (i) => (i * i + 7 * i + 13 * step) % vocabSize),
    learned: Uint8Array.from(at, (i) => (i % 3 === 0 ? 0 : 1)),
  };
}

const ratesAt = (step: number) => ({ muon: golden.rates.matrix / (step + 1), adam: golden.rates.rest / (step + 1) });

async function tinyTrainer(kernels: string, stepRows?: number) {
  const ops = createOps((await selectKernels(kernels)).kernels);
  const { model } = await loadModel(ops, join(goldens, "llama-tied"));
  const [beta1, beta2] = golden.rates.betas;
  const trainer = await createTrainer(ops, model, {
    muon: { momentum: golden.rates.momentum, decay: golden.rates.matrixDecay },
    adam: { beta1, beta2, eps: golden.rates.eps },
    clip: golden.rates.clip,
    stepRows,
  });
  return { trainer, close: () => ops.kernels.close() };
}

describe.each(kernelSets)("%s", (kernels) => {
  test("6 steps: losses and weights as in PyTorch", async () => {
    const { trainer, close } = await tinyTrainer(kernels);
    const losses: number[] = [];
    for (let step = 0; step < golden.losses.length; step++) losses.push(await trainer.step(batch(step), ratesAt(step)));
    expectClose(losses, golden.losses, tolerance.gradient, "losses");
    for (const [name, expected] of Object.entries<number[]>(golden.weights)) {
      const values = trainer.weights.get(placeOf(name)) as Float32Array;
      const sampled = values.filter((_, i) => i % golden.stride === 0);
      expectClose(sampled, expected, 10 * tolerance.gradient, name); // six steps of rounding
    }
    close();
  });

  test("Newton-Schulz as in PyTorch, for wide, tall and square matrices", async () => {
    const ops = createOps((await selectKernels(kernels)).kernels);
    for (const { rows, columns, values, orthogonal: expected } of golden.matrices) {
      const found = await orthogonal(ops, { values: Float32Array.from(values), rows, columns });
      expectClose(found, expected, tolerance.gradient, `${rows} × ${columns}`);
    }
    ops.kernels.close();
  });
});

describe("checkpoints", () => {
  test("a run that was stopped goes on to the bit", async () => {
    const file = join(scratch, "checkpoint.safetensors");
    const whole = await tinyTrainer("reference");
    const losses: number[] = [];
    for (let step = 0; step < 5; step++) {
      losses.push(await whole.trainer.step(batch(step), ratesAt(step)));
      if (step === 2) await whole.trainer.save(file);
    }
    const rest = await tinyTrainer("reference");
    await rest.trainer.restore(file);
    expect(rest.trainer.steps).toBe(3);
    for (let step = 3; step < 5; step++) expect(await rest.trainer.step(batch(step), ratesAt(step))).toBe(losses[step]);
    expect(rest.trainer.weights).toEqual(whole.trainer.weights);
    whole.close();
    rest.close();
  });

  test("rows in several recorded steps give the same loss", async () => {
    const [one, many] = [await tinyTrainer("reference", 1024), await tinyTrainer("reference", 40)];
    const losses = [await one.trainer.step(batch(0), ratesAt(0)), await many.trainer.step(batch(0), ratesAt(0))];
    expectClose([losses[1]], [losses[0]], 1e-6, "loss");
    expectClose(many.trainer.weights.get("embedding") as Float32Array, one.trainer.weights.get("embedding") as Float32Array, tolerance.gradient, "embedding"); // biome-ignore format: one check a line
    one.close();
    many.close();
  });

  test("another model's file changes nothing", async () => {
    const { trainer, close } = await tinyTrainer("reference");
    const before = structuredClone(trainer.weights);
    await expect(trainer.restore(join(goldens, "llama-tied", "model.safetensors"))).rejects.toThrow(
      /weights\/embedding/,
    );
    const empty = join(scratch, "empty.safetensors");
    await writeFile(empty, "");
    await expect(trainer.restore(empty)).rejects.toThrow(/empty\.safetensors/);
    expect(trainer.weights).toEqual(before);
    expect(trainer.steps).toBe(0);
    close();
  });

  test("a batch in which nothing counts is refused", async () => {
    const { trainer, close } = await tinyTrainer("reference");
    const one = batch(0);
    await expect(trainer.step({ ...one, learned: one.learned.fill(0) }, ratesAt(0))).rejects.toThrow(
      /no token of the batch counts/,
    );
    close();
  });
});
