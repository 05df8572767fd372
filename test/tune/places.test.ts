// Gradients by what lies at a place: zeros added there have them. PyTorch's gradient by a bias is the sum over rows of the
// gradient by what the bias is added to, so GPT-2, which has biases everywhere, judges nearly every place.

import { expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { loadModel } from "../../src/model/load.ts";
import { decodeF32 } from "../../weights/dtype.ts";
import { openSafetensors } from "../../weights/safetensors.ts";
import { expectClose, tolerance } from "../expect-close.ts";
import { readGolden } from "../golden/golden.ts";
import { collect, kernelSets, logitsOf } from "../model/run.ts";
import { record } from "./record.ts";

const targets = 30; // as in test/golden/make-gradient-golden.py
const golden = await readGolden("gpt2");
const { ids } = golden.prompts[1];

/** PyTorch's gradients by all biases, each under the places that it is added at: [Σ width] */
async function byBiases(nLayers: number): Promise<[places: string[], dBias: Float32Array][]> {
  const file = await openSafetensors(`${golden.directory}/gradients.safetensors`);
  const read = async (name: string) => decodeF32("f32", await file.read(`transformer.${name}.bias`)).slice();
  const found: [string[], Float32Array][] = [[["final"], await read("ln_f")]];
  for (let i = 0; i < nLayers; i++) {
    const at = (...names: string[]) => names.map((name) => `layers.${i}.${name}`);
    found.push(
      [at("attentionNorm"), await read(`h.${i}.ln_1`)],
      [at("q", "k", "v"), await read(`h.${i}.attn.c_attn`)],
      [at("attention"), await read(`h.${i}.attn.c_proj`)],
      [at("feedForwardNorm"), await read(`h.${i}.ln_2`)],
      [at("up"), await read(`h.${i}.mlp.c_fc`)],
      [at("feedForward"), await read(`h.${i}.mlp.c_proj`)],
    );
  }
  await file.close();
  return found;
}

const cases = kernelSets.flatMap((kernels) => [false, true].map((recompute) => [kernels, { recompute }] as const));

test.each(cases)("%s, %o: gradients by places", async (kernels, { recompute }) => {
  const ops = createOps((await selectKernels(kernels)).kernels);
  const { model } = await loadModel(ops, golden.directory);
  const expected = await byBiases(model.config.nLayers);
  const widths = new Map(expected.flatMap(([places, { length }]) => places.map((at) => [at, length / places.length])));
  const zeros = (at: string, width: number) => {
    const rows = at === "final" ? targets : ids.length;
    return { at, leaf: ops.upload(new Float32Array(rows * width), [rows, width]) };
  };
  const leaves = [...widths, ["residual.0", model.config.dModel] as const].map(([at, width]) => zeros(at, width));
  const recorded = record(
    ops,
    model,
    [ids],
    targets,
    leaves.map(({ leaf }) => leaf),
    { recompute, hooks: leaves.map(({ at, leaf }) => ({ at, add: () => leaf })) },
  );
  const gradients = recorded.backward();
  const pending = leaves.map(async ({ at, leaf }) => [at, await ops.read(gradients.get(leaf) as Tensor)] as const);
  recorded.tape.end();
  const found = new Map(await Promise.all(pending));

  for (const [places, dBias] of expected) {
    const sums = places.flatMap((at) => {
      const width = widths.get(at) as number;
      const sum = new Float64Array(width);
      for (const [i, value] of (found.get(at) as Float32Array).entries()) sum[i % width] += value;
      return [...sum];
    });
    expectClose(sums, dBias, tolerance.gradient, places.join(", "));
  }
  const byInput = await openSafetensors(`${golden.directory}/gradients.safetensors`);
  const dX = decodeF32("f32", await byInput.read("inputs")).slice();
  await byInput.close();
  expectClose(found.get("residual.0") ?? [], dX, tolerance.gradient, "residual.0");
  ops.kernels.close();
});

test.each(cases)(
  "%s, %o: what replaces a value has its gradient, and nothing before it has any",
  async (kernels, { recompute }) => {
    const ops = createOps((await selectKernels(kernels)).kernels);
    const { model } = await loadModel(ops, golden.directory);
    const { dModel } = model.config;
    const { place, seen } = collect(ops, model, ["residual.0", "residual.1"]);
    await logitsOf(ops, model, ids, { place });
    const [first, second] = await Promise.all(["residual.0", "residual.1"].map((at) => seen.get(at)?.values));

    /** Loss, and gradients by `residual.0` and by a leaf at `residual.1`. */
    async function gradientsWith(verb: "add" | "replace", values: Float32Array | undefined) {
      const leaves = [first, values].map((given) => ops.upload(given as Float32Array, [ids.length, dModel]));
      const hooks = [
        { at: "residual.0", replace: () => leaves[0] },
        { at: "residual.1", [verb]: () => leaves[1] },
      ];
      const { tape, loss, backward } = record(ops, model, [ids], targets, leaves, { recompute, hooks });
      const gradients = backward();
      const pending = leaves.map((leaf) => ops.read(gradients.get(leaf) as Tensor));
      const found = { loss: await loss(), byFirst: await pending[0], byLeaf: await pending[1] };
      tape.end();
      return found;
    }
    const added = await gradientsWith("add", new Float32Array(ids.length * dModel));
    const replaced = await gradientsWith("replace", second);
    expect(replaced.loss).toBe(added.loss);
    expect(replaced.byLeaf).toEqual(added.byLeaf);
    expect(added.byFirst.some((value) => value !== 0)).toBe(true);
    expect(replaced.byFirst.every((value) => value === 0)).toBe(true);
    ops.kernels.close();
  },
);
