// What checkpoints of experts and latent attention have beside their weights: 8-bit floats with scales, modules that predict
// further tokens; what they may lack; and the mistakes that others made with them, each put in and seen.

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { reshape, type Tensor } from "../../kernels/tensor.ts";
import { fieldsOf } from "../../src/model/families/config-json.ts";
import { ropeOf } from "../../src/model/families/rope-json.ts";
import { loadModel } from "../../src/model/load.ts";
import type { Experts, Latent, Model } from "../../src/model/model.ts";
import { tensorsOf } from "../../src/model/model.ts";
import { yarnMagnitude } from "../../src/model/rope.ts";
import { decodeF32, encodeF32 } from "../../weights/dtype.ts";
import { decodeFp8, withoutFp8 } from "../../weights/fp8.ts";
import { openSafetensors, writeSafetensors } from "../../weights/safetensors.ts";
import { expectClose, expectSameBits, tolerance } from "../expect-close.ts";
import { type Golden, readGolden } from "../golden/golden.ts";
import { logitsOf } from "./run.ts";

const ops = createOps(referenceKernels());

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "plainformer-"));
});
afterEach(() => rm(directory, { recursive: true }));

type Stored = { name: string; dtype: string; shape: readonly number[]; data: Uint8Array };

/** A golden's checkpoint in `directory`, with other tensors and fields. */
async function changed(name: string, edit: (tensors: Map<string, Stored>) => void, fields: object = {}): Promise<void> {
  await cp((await readGolden(name)).directory, directory, { recursive: true });
  const config = join(directory, "config.json");
  await writeFile(config, JSON.stringify({ ...JSON.parse(await readFile(config, "utf8")), ...fields }));
  const path = join(directory, "model.safetensors");
  const file = await openSafetensors(path);
  const tensors = new Map<string, Stored>();
  for (const [name, { dtype, shape }] of file.tensors)
    tensors.set(name, { name, dtype, shape, data: await file.read(name) });
  await file.close();
  edit(tensors);
  await writeSafetensors(path, tensors.values() as Parameters<typeof writeSafetensors>[1]);
}

const put = (tensors: Map<string, Stored>, name: string, dtype: string, shape: number[], data: Uint8Array) =>
  tensors.set(name, { name, dtype, shape, data });

describe("8-bit floats", () => {
  const config = { quantization_config: { quant_method: "fp8", fmt: "e4m3", weight_block_size: [16, 16] } };

  test("all patterns, and blocks that are not whole: PyTorch's bits", async () => {
    const file = await openSafetensors(fileURLToPath(new URL("../golden/fp8.safetensors", import.meta.url)));
    const { source } = withoutFp8(file);
    for (const name of ["tall", "wide"]) {
      const ours = decodeF32("f32", await source.read(`${name}.weight`));
      const theirs = decodeF32("f32", await file.read(`${name}.expected`));
      expect(ours.map((value) => (Number.isNaN(value) ? 1 : 0))).toEqual(theirs.map((v) => (Number.isNaN(v) ? 1 : 0)));
      const numbers = (all: Float32Array) => all.map((value) => (Number.isNaN(value) ? 0 : value));
      expectSameBits(numbers(ours), numbers(theirs), name);
    }
    expect(source.tensors.has("wide.weight_scale_inv")).toBe(false);
    await file.close();
  });

  /** Every projection of attention in 8 bits. → their values */
  function inEight(tensors: Map<string, Stored>): Map<string, Float32Array> {
    const values = new Map<string, Float32Array>();
    for (const { name, shape } of [...tensors.values()]) {
      if (!/self_attn\..*_proj.*weight$/.test(name) || /norm/.test(name)) continue;
      const [rows, columns] = shape;
      const data = Uint8Array.from({ length: rows * columns }, (_, i) => (i * 37 + rows) % 127);
      const scales = Float32Array.from(
        { length: Math.ceil(rows / 16) * Math.ceil(columns / 16) },
        (_, i) => 2e-3 / (i + 1),
      );
      put(tensors, name, "F8_E4M3", [rows, columns], data);
      const shapeOfScales = [Math.ceil(rows / 16), Math.ceil(columns / 16)];
      put(tensors, `${name}_scale_inv`, "F32", shapeOfScales, new Uint8Array(scales.buffer));
      values.set(name, decodeFp8(data, scales, columns, [16, 16]));
    }
    return values;
  }

  test("a checkpoint with some is the one with their values in bf16, or in what is asked for; a note says so", async () => {
    let values = new Map<string, Float32Array>();
    const edit = (tensors: Map<string, Stored>) => {
      values = inEight(tensors);
    };
    await changed("deepseek-v3", edit, config);
    const loaded = await loadModel(ops, directory);
    const inF32 = await loadModel(ops, directory, { dtype: "f32" });
    expect(loaded.notes).toEqual([
      "15 tensors are e4m3 in blocks of 16 × 16 with a scale each in the files, held as bf16 where nothing else is asked for",
    ]);
    const { o } = loaded.model.layers[2].attn;
    expect(o.weight.dtype).toBe("bf16");
    const expected = values.get("model.layers.2.self_attn.o_proj.weight") as Float32Array;
    expectSameBits(await ops.read(inF32.model.layers[2].attn.o.weight), expected, "f32");
    expectSameBits(await ops.read(o.weight), decodeF32("bf16", encodeF32("bf16", expected)), "bf16");
    for (const [path, tensor] of tensorsOf(loaded.model)) {
      const other = (await ops.read(tensorsOf(inF32.model).get(path) as Tensor)) as Float32Array<ArrayBuffer>;
      expectSameBits(await ops.read(tensor), tensor.dtype === "bf16" ? decodeF32("bf16", encodeF32("bf16", other)) : other, path); // biome-ignore format: one line
    }
  });

  test.each([
    ["a scale for each block of another size", (t: Map<string, Stored>, name: string) => put(t, name, "F32", [1, 1], new Uint8Array(4)), "F32 [1,1], expected F32 [2,3]: one for each 16 × 16 numbers of [32,40]"],
    ["none", (t: Map<string, Stored>, name: string) => t.delete(name), "missing, expected the scales of model.layers.1.self_attn.o_proj.weight"],
  ])("%s: one sentence", async (_, edit, problem) => {
    const name = "model.layers.1.self_attn.o_proj.weight_scale_inv";
    const both = (tensors: Map<string, Stored>) => {
      inEight(tensors);
      edit(tensors, name);
    };
    await changed("deepseek-v3", both, config);
    await expect(loadModel(ops, directory)).rejects.toThrow(`tensor ${name} is ${problem}`);
  }); // biome-ignore format: a table

  test("numbers kept in another way are refused", async () => {
    await changed("deepseek-v3", () => {}, { quantization_config: { quant_method: "awq" } });
    await expect(loadModel(ops, directory)).rejects.toThrow(
      'quantization_config: {"quant_method":"awq"}, expected fp8',
    );
  });
});

describe("tensors", () => {
  const float = (shape: number[]) => new Uint8Array(shape.reduce((a, b) => a * b, 4));

  test("modules that predict further tokens are left out, by their layer", async () => {
    const next = (tensors: Map<string, Stored>) => {
      for (const [name, shape] of [["eh_proj", [32, 64]], ["enorm", [32]], ["self_attn.o_proj", [32, 40]]] as const)
        put(tensors, `model.layers.3.${name}.weight`, "F32", [...shape], float([...shape])); // biome-ignore format: a table
    };
    await changed("deepseek-v3", next, { num_nextn_predict_layers: 1 });
    const golden = await readGolden("deepseek-v3");
    const { model } = await loadModel(ops, directory);
    const { ids } = golden.prompts[0];
    expectClose(await logitsOf(ops, model, ids), golden.tensor("prompt0.logits").values, tolerance.forward, "logits");
    await changed("deepseek-v3", next, { num_nextn_predict_layers: 0 });
    await expect(loadModel(ops, directory)).rejects.toThrow("3 tensors have no place in a deepseek_v3 model");
  });

  test.each([
    ["an expert is missing", "deepseek-v3", (t: Map<string, Stored>) => t.delete("model.layers.2.mlp.experts.7.up_proj.weight"), "tensor model.layers.2.mlp.experts.7.up_proj.weight is missing, expected shape [12,32]"],
    ["one expert too many", "qwen3-moe", (t: Map<string, Stored>) => put(t, "model.layers.2.mlp.experts.8.up_proj.weight", "F32", [12, 32], float([12, 32])), "1 tensors have no place in a qwen3_moe model: model.layers.2.mlp.experts.8.up_proj.weight"],
    ["a bias without a router", "deepseek-v3", (t: Map<string, Stored>) => t.delete("model.layers.1.mlp.gate.weight"), "tensor model.layers.1.mlp.gate.weight is missing, expected shape [8,32]"],
    ["a bias where the family has none", "deepseek-v2", (t: Map<string, Stored>) => put(t, "model.layers.1.mlp.gate.e_score_correction_bias", "F32", [8], float([8])), "no place in a deepseek_v2 model: model.layers.1.mlp.gate.e_score_correction_bias"],
  ])("%s: one sentence", async (_, name, edit, problem) => {
    await changed(name, edit);
    await expect(loadModel(ops, directory)).rejects.toThrow(problem);
  }); // biome-ignore format: a table
});

test("the absorbed form is the plain one: keys and values of each head, made of the compressed vector", async () => {
  const { model } = await loadModel(ops, (await readGolden("deepseek-v2")).directory);
  const { headK, headV } = model.layers[1].attn as Latent;
  const [nHeads, kvRank, nopeDim] = headK.shape;
  const vHeadDim = headV.shape[1];
  const positions = 7;
  const c = await ops.read(ops.gather(reshape(headV, [nHeads * vHeadDim, kvRank]), ops.upload(Int32Array.from({ length: positions }, (_, t) => 3 * t)))); // biome-ignore format: [positions, kvRank]
  const [k, v] = [await ops.read(headK), await ops.read(headV)];
  const at = (values: Float32Array, ...index: [size: number, i: number][]) =>
    values[index.reduce((sum, [size, i]) => sum * size + i, 0)];
  const sum = (n: number, term: (i: number) => number) =>
    Array.from({ length: n }, (_, i) => term(i)).reduce((a, b) => a + b, 0);
  for (let h = 0; h < nHeads; h++) {
    const q = Array.from({ length: nopeDim }, (_, i) => Math.sin(h + 2 * i));
    const p = Array.from({ length: positions }, (_, t) => 1 / (t + 2));
    const absorbed = ops.expertLinear(
      ops.upload(Float32Array.from(q), [1, nopeDim]),
      ops.upload(Int32Array.of(h)),
      headK,
    );
    const wide = await ops.read(absorbed);
    const scores = p.map((_, t) => sum(kvRank, (j) => wide[j] * at(c, [positions, t], [kvRank, j])));
    const key = (t: number, i: number) =>
      sum(kvRank, (j) => at(k, [nHeads, h], [kvRank, j], [nopeDim, i]) * at(c, [positions, t], [kvRank, j]));
    expectClose(
      scores,
      p.map((_, t) => sum(nopeDim, (i) => q[i] * key(t, i))),
      tolerance.forward,
      "scores",
    );
    const mixed = Float32Array.from({ length: kvRank }, (_, j) =>
      sum(positions, (t) => p[t] * at(c, [positions, t], [kvRank, j])),
    );
    const values = await ops.read(
      ops.expertLinear(ops.upload(mixed, [1, kvRank]), ops.upload(Int32Array.of(h)), headV),
    );
    const value = (t: number, o: number) =>
      sum(kvRank, (j) => at(v, [nHeads, h], [vHeadDim, o], [kvRank, j]) * at(c, [positions, t], [kvRank, j]));
    expectClose(
      values,
      Array.from({ length: vHeadDim }, (_, o) => sum(positions, (t) => p[t] * value(t, o))),
      tolerance.forward,
      "values",
    );
  }
});

/** A layer's attention, or its experts, changed. */
const withAttention = (model: Model, change: (attn: Latent) => Latent): Model => ({
  ...model,
  layers: model.layers.map((layer) => ({ ...layer, attn: change(layer.attn as Latent) })),
});
const withRule = (model: Model, change: Partial<Experts["rule"]>): Model => ({
  ...model,
  layers: model.layers.map((layer) =>
    layer.ff.kind === "experts" ? { ...layer, ff: { ...layer.ff, rule: { ...layer.ff.rule, ...change } } } : layer,
  ),
});
const yarn = (model: Model) => {
  const scaling = model.config.rope?.scaling;
  if (scaling?.type !== "yarn") throw new Error("no YaRN");
  return scaling;
};

// Each is a mistake that an engine has made. The goldens must tell it from what is right, by the long prompt, which is longer
// than what YaRN's 32 positions were trained on.
const faults: [what: string, golden: string, fault: (model: Model) => Model | Promise<Model>][] = [
  ["groups as good as their best expert", "deepseek-v3", (m) => withRule(m, { groupScore: "best" })],
  ["no groups", "deepseek-v3", (m) => withRule(m, { nGroups: 1, nActiveGroups: 1 })],
  ["no groups, V2", "deepseek-v2", (m) => withRule(m, { nGroups: 1, nActiveGroups: 1 })],
  ["weights not normalized", "deepseek-v3", (m) => withRule(m, { normalize: false })],
  ["weights normalized, V2", "deepseek-v2", (m) => withRule(m, { normalize: true })],
  ["softmax for sigmoid", "deepseek-v3", (m) => withRule(m, { score: "softmax" })],
  ["no scale of weights", "deepseek-v2", (m) => withRule(m, { scale: 1 })],
  [
    "no bias in the choice",
    "deepseek-v3",
    (m) => ({
      ...m,
      layers: m.layers.map((layer) =>
        layer.ff.kind === "experts" ? { ...layer, ff: { ...layer.ff, choiceBias: undefined } } : layer,
      ),
    }),
  ],
  [
    "YaRN's factor on scores left out",
    "deepseek-v3",
    (m) => withAttention(m, (a) => ({ ...a, scale: m.config.headDim ** -0.5 })),
  ],
  [
    "that factor once instead of squared",
    "deepseek-v3",
    (m) => withAttention(m, (a) => ({ ...a, scale: a.scale / yarnMagnitude(yarn(m).factor, yarn(m).mscaleAllDim) })),
  ],
  [
    "mscale for mscale_all_dim",
    "deepseek-v2",
    (m) =>
      withAttention(m, (a) => ({ ...a, scale: yarnMagnitude(yarn(m).factor, 1) ** 2 / Math.sqrt(m.config.headDim) })),
  ],
  [
    "cos and sin without the ratio of both",
    "deepseek-v2",
    (m) => ({
      ...m,
      config: { ...m.config, rope: m.config.rope && { ...m.config.rope, scaling: { ...yarn(m), attentionFactor: 1 } } },
    }),
  ],
  [
    "cos and sin with mscale where both are 1",
    "deepseek-v3",
    (m) => ({
      ...m,
      config: {
        ...m.config,
        rope: m.config.rope && { ...m.config.rope, scaling: { ...yarn(m), attentionFactor: yarnMagnitude(4) } },
      },
    }),
  ],
  [
    "norms of compressed vectors with rms_norm_eps",
    "deepseek-v2",
    (m) => withAttention(m, (a) => ({ ...a, kvNorm: { weight: a.kvNorm.weight } })),
  ],
];

describe("faults are seen", () => {
  test.each(faults)("%s (%s)", async (_, name, fault) => {
    const golden = await readGolden(name);
    const { model } = await loadModel(ops, golden.directory);
    expect(await difference(golden, await fault(model))).toBeGreaterThan(2 * tolerance.forward);
  });

  test.each([
    ["deepseek-v3", false, "pairs of halves for pairs of neighbors"],
    ["deepseek-v3-hub", true, "neighbors for halves"],
  ])("%s: rope_interleave %s: %s", async (name, rope_interleave) => {
    const golden = await readGolden(name);
    await changed(name, () => {}, { rope_interleave });
    expect(await difference(golden, (await loadModel(ops, directory)).model)).toBeGreaterThan(2 * tolerance.forward);
  });

  test("a mask of 0 for −∞ chooses experts of other groups where choices are below 0; a bias in the weights weighs others", async () => {
    const golden = await readGolden("deepseek-v3");
    const { model } = await loadModel(ops, golden.directory);
    const { rule } = model.layers[1].ff as Experts;
    const bias = ops.upload(Float32Array.of(-3, -3.1, -2.9, -3.2, -3, -3, -2.8, -3));
    const logits = ops.upload(Float32Array.of(1, 2, 0.5, -1, 0.3, 2, 1.5, -2), [1, 8]);
    const wide = { ...rule, nActive: 4 };
    const ids = ops.route(logits, bias, wide);
    const chosen = [...(await ops.read(ids))];
    const groups = new Set(chosen.map((id) => Math.floor(id / 2)));
    expect([...groups].length).toBe(2); // with 0 for what is masked, all four would be of the other two
    const weights = await ops.read(ops.routeWeights(logits, ids, wide));
    const scores = chosen.map((id) => 1 / (1 + Math.exp(-[1, 2, 0.5, -1, 0.3, 2, 1.5, -2][id])));
    const total = scores.reduce((a, b) => a + b, 0);
    expectClose(
      weights,
      scores.map((score) => (2.5 * score) / total),
      tolerance.forward,
      "weights",
    );
  });

  test("mscale of 0 is none", () => {
    const scaling = { type: "yarn", factor: 4, original_max_position_embeddings: 32, mscale: 1, mscale_all_dim: 0 };
    const { scaling: found } = ropeOf(
      fieldsOf({ rope_scaling: scaling, max_position_embeddings: 128 }, "config.json"),
      8,
    );
    expect(found).toMatchObject({ attentionFactor: yarnMagnitude(4) });
    expect(found).not.toHaveProperty("mscaleAllDim");
  });
});

/** The largest difference of a logit of the long prompt, over the largest logit. */
async function difference(golden: Golden, model: Model): Promise<number> {
  const logits = await logitsOf(ops, model, golden.prompts[1].ids);
  const { values } = golden.tensor("prompt1.logits");
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return logits.reduce((most, value, i) => Math.max(most, Math.abs(value - values[i])), 0) / largest;
}
