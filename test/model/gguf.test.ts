// Models in GGUF files: every golden checkpoint, written as one and read again, is the same model; and what is not computed
// here is refused by name. check-llama-cpp.py runs the same files in llama.cpp, against the same goldens of PyTorch.

import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { sizeOf, type Tensor } from "../../kernels/tensor.ts";
import { convertToGguf } from "../../src/export/gguf.ts";
import { load } from "../../src/index.ts";
import type { LatentConfig } from "../../src/model/config.ts";
import { floatDTypes } from "../../src/model/families/take-weights.ts";
import { loadModel, type WeightDType } from "../../src/model/load.ts";
import { type GroupedQuery, type Latent, type Model, tensorsOf } from "../../src/model/model.ts";
import { encodeF32 } from "../../weights/dtype.ts";
import { openGguf } from "../../weights/gguf.ts";
import { GgufError, type GgufField, type GgufTensorType, ggufBlock } from "../../weights/gguf-header.ts";
import { writeGguf } from "../../weights/gguf-write.ts";
import { openSafetensors, readF32, writeSafetensors } from "../../weights/safetensors.ts";
import { type UnpackedType, unpackings } from "../../weights/unpack.ts";
import { expectClose, tolerance } from "../expect-close.ts";
import { type Golden, goldenCases, readGolden } from "../golden/golden.ts";
import { sampled } from "../long.ts";
import { smollm2, smollm2Gguf } from "../outside-data.ts";
import { logitsOf } from "./run.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gguf-model-"));
});
afterAll(() => rm(folder, { recursive: true }));

const ops = createOps(referenceKernels());
/** With GGUF_TEST_OUT, the files stay there for check-llama-cpp.py. */
const pathOf = (name: string) => join(process.env.GGUF_TEST_OUT ?? folder, `${name}.gguf`);
/** What llama.cpp calls having no tokenizer. */
const tokenizer = () => new Map<string, GgufField>([["tokenizer.ggml.model", { type: "string", value: "none" }]]);

async function converted(golden: Golden, dtype?: WeightDType): Promise<string> {
  const path = pathOf(dtype ? `${golden.name}-${dtype}` : golden.name);
  await convertToGguf(golden.directory, path, { dtype, tokenizer });
  return path;
}

async function expectSameTensors(actual: Model, expected: Model): Promise<void> {
  const tensors = tensorsOf(actual);
  expect([...tensors.keys()]).toEqual([...tensorsOf(expected).keys()]);
  for (const [name, tensor] of tensorsOf(expected)) {
    expect(tensors.get(name)).toMatchObject({ dtype: tensor.dtype, shape: tensor.shape });
    const [ours, theirs] = await Promise.all([ops.read(tensors.get(name) ?? tensor), ops.read(tensor)]);
    if (ours.some((value, i) => !Object.is(value, theirs[i]))) expect.fail(`${name} differs`);
  }
}

// What GGUF has no key for.
const unwritten: Record<string, string> = {
  "rope-yarn-no-truncate": "rope_scaling.truncate is false, which GGUF has no key for",
  "qwen3-window": "sliding_window: some layers see a part of the context, which GGUF has no key for",
  mistral:
    'model_type is "mistral", GGUF is written for llama, qwen2, qwen3, qwen3_moe, gemma3_text, deepseek_v2, deepseek_v3, gpt2',
  gemma3: "query_pre_attn_scalar: 20 is not the width of a head, which GGUF has no key for",
  "deepseek-v2": "rope_scaling.mscale: mscale is not mscale_all_dim, which GGUF has no key for",
  "deepseek-v3-hub": "rope_interleave: false, which GGUF has no key for",
  "qwen3-moe": "norm_topk_prob: weights of experts are not normalized, which GGUF has no key for",
};
const cases = goldenCases().filter((name) => !(name in unwritten));

test.each(Object.entries(unwritten))("%s is not written", async (name, problem) => {
  await expect(converted(await readGolden(name))).rejects.toThrow(problem);
});

test("deepseek2 with one head in the cache, and its halves apart: the same model", async () => {
  const golden = await readGolden("deepseek-v3");
  const original = await converted(golden);
  const { model } = await loadModel(ops, original);
  const { nHeads, headDim, nLayers, rope } = model.config;
  const { kvRank, nopeDim, vHeadDim } = model.config.latent as LatentConfig;
  const tensors: Parameters<typeof changed>[1] = {};
  for (let i = 0; i < nLayers; i++) {
    const { headK, headV } = model.layers[i].attn as Latent;
    const data = async (t: Tensor) => encodeF32("f32", await ops.read(t));
    tensors[`blk.${i}.attn_kv_b.weight`] = undefined;
    tensors[`blk.${i}.attn_k_b.weight`] = { dtype: "F32", shape: [nHeads, kvRank, nopeDim], data: await data(headK) };
    tensors[`blk.${i}.attn_v_b.weight`] = { dtype: "F32", shape: [nHeads, vHeadDim, kvRank], data: await data(headV) };
  }
  const number = (value: number): GgufField => ({ type: "u32", value });
  const metadata = {
    "deepseek2.attention.head_count_kv": number(1),
    "deepseek2.attention.key_length": number(kvRank + (rope?.ropeDim ?? 0)),
    "deepseek2.attention.value_length": number(kvRank),
    "deepseek2.attention.key_length_mla": number(headDim),
    "deepseek2.attention.value_length_mla": number(vHeadDim),
  };
  const newer = await loadModel(ops, await changed(metadata, tensors, original));
  await expectSameTensors(newer.model, model);
  expect(newer.model.config).toEqual(model.config);
});

test("deepseek2 with softmax and groups: V2's rule", async () => {
  const golden = await readGolden("deepseek-v2");
  const directory = join(folder, "v2");
  await cp(golden.directory, directory, { recursive: true });
  const config = JSON.parse(await readFile(join(directory, "config.json"), "utf8"));
  config.rope_parameters.mscale = config.rope_parameters.mscale_all_dim;
  await writeFile(join(directory, "config.json"), JSON.stringify(config));
  const { model: original } = await loadModel(ops, directory);
  const { model } = await loadModel(ops, await converted({ ...golden, directory }));
  await expectSameTensors(model, original);
  expect(model.config.experts).toEqual(original.config.experts);
  expect(model.layers[1].attn.scale).toBeCloseTo(original.layers[1].attn.scale, 6);
});

describe.each(sampled(cases, 2))("%s", (name) => {
  test("as a GGUF file it is the same model, and PyTorch's", async () => {
    const golden = await readGolden(name);
    const path = await converted(golden);
    const { model } = await loadModel(ops, path);
    const { model: original } = await loadModel(ops, golden.directory);
    await expectSameTensors(model, original);
    const { rope, normEps, ...config } = model.config;
    const { rope: originalRope, normEps: originalEps, ...originalConfig } = original.config;
    expect(config).toEqual(originalConfig);
    expect(normEps).toBe(Math.fround(originalEps));
    if (rope?.scaling.type !== "factors") expect(rope?.scaling.type).toBe(originalRope?.scaling.type);
    else expect(originalRope?.scaling.type).toBe("llama3");

    // In f32, because llama.cpp rounds what it multiplies with 16-bit weights to 16 bits too.
    if (process.env.GGUF_TEST_OUT) await converted(golden, "f32");

    for (const [p, { ids }] of golden.prompts.entries()) {
      const logits = await logitsOf(ops, model, ids);
      expectClose(logits, golden.tensor(`prompt${p}.logits`).values, tolerance.forward, `prompt ${p}`);
    }
  });
});

test("a GGUF file as a GGUF file: nothing changes", async () => {
  for (const name of ["llama-gqa", "gpt2"]) {
    const golden = await readGolden(name);
    const first = await converted(golden);
    const second = pathOf(`${name}-again`);
    await convertToGguf(first, second, { tokenizer });
    const [a, b] = await Promise.all([loadModel(ops, first), loadModel(ops, second)]);
    await expectSameTensors(b.model, a.model);
    expect(b.model.config).toEqual(a.model.config);
  }
});

test.each([
  ["llama-gqa", "q_proj", "attn_q"],
  ["llama-gqa", "k_proj", "attn_k"],
  ["llama-bias", "q_proj", "attn_q"],
  ["llama-gqa", "v_proj", "attn_v"],
  ["qwen2", "q_proj", "attn_q"],
])("%s: the rows of %s lie in the file as llama.cpp's converter has them", async (name, ours, theirs) => {
  const golden = await readGolden(name);
  const { model } = await loadModel(ops, golden.directory);
  const file = await openGguf(await converted(golden, "f32"));
  const checkpoint = await openSafetensors(golden.directory);
  const stored = await file.read(`blk.1.${theirs}.weight`);
  const rows = await readF32(checkpoint, `model.layers.1.self_attn.${ours}.weight`);
  const { headDim, dModel } = model.config;
  const expected = new Float32Array(rows.length);
  // reshape(heads, 2, headDim / 2).swapaxes(1, 2), for q and k of architecture llama
  const moves = name.startsWith("llama") && ours !== "v_proj";
  for (let row = 0; row < rows.length / dModel; row++) {
    const [head, half, i] = [Math.floor(row / headDim), row % headDim < headDim / 2 ? 0 : 1, row % (headDim / 2)];
    expected.set(
      rows.subarray(row * dModel, (row + 1) * dModel),
      dModel * (moves ? head * headDim + 2 * i + half : row),
    );
  }
  expect(Buffer.compare(stored, encodeF32("f32", expected))).toBe(0);
  await Promise.all([file.close(), checkpoint.close()]);
});

/** A random checkpoint whose rows are whole blocks of 32, those of the goldens being smaller. */
async function wideCheckpoint(modelType: "llama" | "gpt2", dModel = 64): Promise<string> {
  const directory = join(folder, `wide-${modelType}-${dModel}`);
  await mkdir(directory, { recursive: true });
  const [dFf, heads, vocab] = [96, 4, 40];
  const common = { model_type: modelType, vocab_size: vocab };
  const config =
    modelType === "llama"
      ? { hidden_size: dModel, intermediate_size: dFf, num_hidden_layers: 1, num_attention_heads: heads }
      : { n_embd: dModel, n_inner: dFf, n_layer: 1, n_head: heads, n_positions: 32 };
  const rest = modelType === "llama" ? { num_key_value_heads: 2, max_position_embeddings: 64 } : {};
  await writeFile(join(directory, "config.json"), JSON.stringify({ ...common, ...config, ...rest }));
  const shapes: Record<string, number[]> =
    modelType === "llama"
      ? {
          "model.embed_tokens.weight": [vocab, dModel],
          "model.norm.weight": [dModel],
          "lm_head.weight": [vocab, dModel],
          "model.layers.0.input_layernorm.weight": [dModel],
          "model.layers.0.post_attention_layernorm.weight": [dModel],
          "model.layers.0.self_attn.q_proj.weight": [dModel, dModel],
          "model.layers.0.self_attn.k_proj.weight": [dModel / 2, dModel],
          "model.layers.0.self_attn.v_proj.weight": [dModel / 2, dModel],
          "model.layers.0.self_attn.o_proj.weight": [dModel, dModel],
          "model.layers.0.mlp.gate_proj.weight": [dFf, dModel],
          "model.layers.0.mlp.up_proj.weight": [dFf, dModel],
          "model.layers.0.mlp.down_proj.weight": [dModel, dFf],
        }
      : {
          "transformer.wte.weight": [vocab, dModel],
          "transformer.wpe.weight": [32, dModel],
          ...Object.fromEntries(
            ["h.0.ln_1", "h.0.ln_2", "ln_f"].flatMap((name) => [
              [`transformer.${name}.weight`, [dModel]],
              [`transformer.${name}.bias`, [dModel]],
            ]),
          ),
          ...Object.fromEntries(
            [
              ["attn.c_attn", dModel, 3 * dModel],
              ["attn.c_proj", dModel, dModel],
              ["mlp.c_fc", dModel, dFf],
              ["mlp.c_proj", dFf, dModel],
            ].flatMap(([name, inDim, outDim]) => [
              [`transformer.h.0.${name}.weight`, [inDim, outDim]],
              [`transformer.h.0.${name}.bias`, [outDim]],
            ]),
          ),
        };
  let state = 1;
  const random = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647 - 0.5;
  };
  const tensors = Object.entries(shapes).map(([name, shape]) => ({
    name,
    dtype: "F32" as const,
    shape,
    data: encodeF32("f32", Float32Array.from({ length: sizeOf(shape) }, random)),
  }));
  await writeSafetensors(join(directory, "model.safetensors"), tensors);
  return directory;
}

describe.each(["q8_0", "q4_0", "q4_1", "bf16"] as const)("in %s", (dtype) => {
  test.each(["llama", "gpt2"] as const)("%s: written so or turned so at load, it is the same", async (modelType) => {
    const directory = await wideCheckpoint(modelType);
    const path = pathOf(`wide-${modelType}-${dtype}`);
    await convertToGguf(directory, path, { dtype, tokenizer });
    const { model } = await loadModel(ops, path);
    const { model: atLoad } = await loadModel(ops, directory, { dtype });
    const matrices = [...tensorsOf(model).values()].filter((tensor) => tensor.dtype === dtype);
    expect(matrices).toHaveLength(modelType === "llama" ? 9 : 7);
    // llama.cpp wants positions in f32: of them the file has more than asked for.
    const same = modelType === "llama" ? atLoad : { ...atLoad, positionTable: model.positionTable };
    await expectSameTensors(model, same);
    if (modelType === "gpt2") expect(model.positionTable?.dtype).toBe("f32");
  });
});

/** A file, that of llama-gqa if none is given, with some metadata and tensors otherwise. */
async function changed(
  metadata: Record<string, GgufField | undefined>,
  tensors: Record<string, { dtype: GgufTensorType; shape: readonly number[]; data: Uint8Array } | undefined> = {},
  original?: string,
): Promise<string> {
  const file = await openGguf(original ?? (await converted(await readGolden("llama-gqa"))));
  const pairs = new Map(file.metadata);
  for (const [key, field] of Object.entries(metadata)) {
    if (field) pairs.set(key, field);
    else pairs.delete(key);
  }
  const kept = [...file.tensors.values()]
    .filter(({ name }) => !(name in tensors))
    .map((entry) => ({ ...entry, data: () => file.read(entry.name) }));
  const others = Object.entries(tensors).flatMap(([name, tensor]) =>
    tensor ? [{ name, dtype: tensor.dtype, shape: tensor.shape, data: tensor.data }] : [],
  );
  const path = join(folder, "changed.gguf");
  await writeGguf(path, pairs, [...kept, ...others]);
  await file.close();
  return path;
}

describe("block types that are unpacked as they are read", () => {
  test.each(Object.keys(unpackings) as UnpackedType[])("%s: the model of the same values in f32", async (type) => {
    const golden = await openSafetensors(
      fileURLToPath(new URL("../weights/golden/unpack.safetensors", import.meta.url)),
    );
    const { elements, bytes } = ggufBlock(type);
    const block = (await golden.read(`${type}.blocks`)).subarray(8 * bytes, 20 * bytes); // after the extremes
    const values = (await readF32(golden, `${type}.values`)).subarray(8 * elements, 20 * elements);
    await golden.close();

    // Rows of 256, so that they are whole blocks of every type; of q and k (whose rows move), v, and a feed-forward.
    const original = pathOf("widest");
    if (!existsSync(original)) await convertToGguf(await wideCheckpoint("llama", 256), original, { tokenizer });
    const tensors = (dtype: GgufTensorType, source: Uint8Array) =>
      Object.fromEntries(
        ["attn_q", "attn_k", "attn_v", "ffn_up"].map((module, m) => {
          const rows = { attn_q: 256, attn_k: 128, attn_v: 128, ffn_up: 96 }[module] as number;
          const length = (source.length / values.length) * rows * 256;
          const data = Uint8Array.from({ length }, (_, i) => source[(i + m * (length / rows)) % source.length]);
          return [`blk.0.${module}.weight`, { dtype, shape: [rows, 256], data }];
        }),
      );
    const plain = await loadModel(ops, await changed({}, tensors("F32", encodeF32("f32", values)), original));
    const path = await changed({}, tensors(type, block), original);
    const packed = await loadModel(ops, path);
    const { to } = unpackings[type];
    expect(packed.notes).toEqual([`4 tensors are ${type} in the file, held as ${to} with the same values`]);
    expect(plain.notes).toEqual([]);
    expect(packed.model.layers[0].attn.q.weight.dtype).toBe(floatDTypes[to]);
    const others = tensorsOf(plain.model);
    for (const [name, tensor] of tensorsOf(packed.model))
      expect(await ops.read(tensor), name).toEqual(await ops.read(others.get(name) ?? tensor));

    // Where the kernels do not read the block type, and written again.
    const fewer = createOps({ ...referenceKernels(), name: "fewer", weightDTypes: ["f32"] });
    expect((await loadModel(fewer, path)).model.layers[0].attn.q.weight.dtype).toBe("f32");
    await convertToGguf(path, pathOf("widest-again"), { tokenizer });
    await expectSameTensors((await loadModel(ops, pathOf("widest-again"))).model, packed.model);
  });
});

describe("what llama.cpp reads too", () => {
  const list = (...value: number[]): GgufField => ({ type: "array", of: "u32", value });

  test("numbers by layer, where all are equal", async () => {
    const golden = await readGolden("llama-gqa");
    const { config } = (await loadModel(ops, await converted(golden))).model;
    const { nHeads, nKvHeads, dFf, nLayers } = config;
    const each = (value: number) => list(...new Array(nLayers).fill(value));
    const path = await changed({
      "llama.attention.head_count": each(nHeads),
      "llama.attention.head_count_kv": each(nKvHeads),
      "llama.feed_forward_length": each(dFf),
    });
    expect((await loadModel(ops, path)).model.config).toEqual(config);
  });

  test("64-bit numbers", async () => {
    const { config } = (await loadModel(ops, await changed({}))).model;
    const wide = (value: number): GgufField => ({ type: "u64", value: BigInt(value) });
    const path = await changed({
      "llama.block_count": wide(config.nLayers),
      "llama.attention.head_count_kv": wide(config.nKvHeads),
      "tokenizer.ggml.eos_token_id": wide(7),
    });
    const loaded = await loadModel(ops, path);
    expect(loaded.model.config).toEqual(config);
    expect(loaded.endIds).toEqual([7]);
  });

  test("an end of text that is none", async () => {
    for (const none of [
      { type: "u32", value: 0xffffffff },
      { type: "i32", value: -1 },
      { type: "u64", value: 0xffffffffffffffffn },
    ] as const) {
      const path = await changed({
        "tokenizer.ggml.eos_token_id": none,
        "tokenizer.ggml.eot_token_id": { type: "u32", value: 3 },
      });
      expect((await loadModel(ops, path)).endIds).toEqual([3]);
    }
  });

  test("biases of q, k and v without one of the output", async () => {
    const golden = await readGolden("llama-bias");
    const original = await converted(golden);
    const without: Record<string, undefined> = {};
    for (let i = 0; i < 8; i++) without[`blk.${i}.attn_output.bias`] = undefined;
    const { model } = await loadModel(ops, await changed({}, without, original));
    for (const { attn } of model.layers as readonly { attn: GroupedQuery }[]) {
      expect([attn.q, attn.k, attn.v].every(({ bias }) => bias)).toBe(true);
      expect(attn.o.bias).toBeUndefined();
    }
    const full = await loadModel(ops, original);
    expect(await ops.read(model.layers[0].attn.q.bias as Tensor)).toEqual(
      await ops.read(full.model.layers[0].attn.q.bias as Tensor),
    );
    // In one layer only it is a fault.
    await expect(loadModel(ops, await changed({}, { "blk.1.attn_output.bias": undefined }, original))).rejects.toThrow(
      "tensor blk.1.attn_output.bias is missing",
    );
  });
});

describe("what is refused", () => {
  const word = (value: string): GgufField => ({ type: "string", value });
  const count = (value: number): GgufField => ({ type: "u32", value });

  test.each<[what: string, metadata: Record<string, GgufField | undefined>, message: string]>([
    [
      "no architecture",
      { "general.architecture": undefined },
      "missing, expected one of llama, qwen2, qwen3, qwen3moe, gemma3, deepseek2, gpt2",
    ],
    ["an unknown one", { "general.architecture": word("mamba") }, '"mamba", expected one of llama'],
    ["a part of a file", { "split.count": { type: "u16", value: 3 } }, "one of 3 parts"],
    ["experts", { "llama.expert_count": count(8) }, "8, expected 0"],
    ["a scale on logits", { "llama.logit_scale": { type: "f32", value: 0.5 } }, "0.5, expected 0"],
    ["no number of layers", { "llama.block_count": undefined }, "missing, expected a number"],
    ["a width as text", { "llama.embedding_length": word("wide") }, "wide, expected one number"],
    [
      "heads by layer",
      { "llama.attention.head_count_kv": { type: "array", of: "u32", value: [1, 2] } },
      "1 in one layer, 2 in another, expected the same in all",
    ],
    [
      "heads for other layers",
      { "llama.attention.head_count": { type: "array", of: "u32", value: [4] } },
      "an array of 1",
    ],
    [
      "heads as text",
      { "llama.attention.head_count": { type: "array", of: "string", value: ["a", "a"] } },
      "NaN in one",
    ],
    [
      "layers by layer",
      { "llama.block_count": { type: "array", of: "u32", value: [2, 2] } },
      "an array of 2, expected one",
    ],
    ["values of another width", { "llama.attention.value_length": count(7) }, "7, expected"],
    ["half a head turned", { "llama.rope.dimension_count": count(4) }, "4, expected"],
    [
      "an unknown scaling",
      { "llama.rope.scaling.type": word("longrope") },
      '"longrope", expected none, linear or yarn',
    ],
  ])("%s", async (_, metadata, message) => {
    const path = await changed(metadata);
    const error = await loadModel(ops, path).catch((error) => error);
    expect(error).toBeInstanceOf(GgufError);
    expect(error).toMatchObject({ file: path, subject: Object.keys(metadata)[0] });
    expect(error.message).toContain(message);
  });

  test("a quantization that we do not compute with, named with those we do", async () => {
    const original = pathOf("widest");
    await convertToGguf(await wideCheckpoint("llama", 256), original, { tokenizer });
    const tensor = { dtype: "IQ2_XXS", shape: [96, 256], data: new Uint8Array(96 * 66) } as const;
    const path = await changed({}, { "blk.0.ffn_up.weight": tensor }, original);
    await expect(loadModel(ops, path)).rejects.toThrow(
      /dtype IQ2_XXS, expected F64, F32, BF16, F16, Q8_0, Q4_0, Q4_1, Q4_K, Q6_K, Q5_0, IQ4_NL, Q3_K, Q5_1, Q2_K/,
    );
  });

  test("a tensor too many, one too few, and one of another shape", async () => {
    const extra = { dtype: "F32", shape: [3], data: new Uint8Array(12) } as const;
    const load = async (tensors: Parameters<typeof changed>[1]) => loadModel(ops, await changed({}, tensors));
    await expect(load({ "blk.0.surprise.weight": { ...extra, shape: [3] } })).rejects.toThrow("blk.0.surprise.weight");
    await expect(load({ "blk.0.ffn_up.weight": undefined })).rejects.toThrow("tensor blk.0.ffn_up.weight is missing");
    await expect(load({ "output_norm.weight": { ...extra, shape: [3] } })).rejects.toThrow("has shape [3], expected");
    await expect(load({ "rope_freqs.weight": { ...extra, shape: [3] } })).rejects.toThrow(
      "rope_freqs.weight is F32 [3]",
    );
    const linear = { "llama.rope.scaling.factor": { type: "f32", value: 2 } } as const;
    const both = await changed(linear, { "rope_freqs.weight": extra });
    await expect(loadModel(ops, both)).rejects.toThrow("both rope_freqs.weight and rope.scaling.type linear");
  });

  test("a number that no model has is named as config.json names it", async () => {
    const path = await changed({ "llama.block_count": count(0) });
    await expect(loadModel(ops, path)).rejects.toThrow("(as config.json): num_hidden_layers is 0, expected a whole");
  });

  test("rows that are not whole blocks, at load and in a file", async () => {
    const { directory } = await readGolden("gpt2");
    const message = /cannot be q4_0: its rows of \d+ are not whole blocks of 32/;
    await expect(loadModel(ops, directory, { dtype: "q4_0" })).rejects.toThrow(message);
    await expect(convertToGguf(directory, pathOf("none"), { dtype: "q4_0", tokenizer })).rejects.toThrow(message);
    expect(existsSync(pathOf("none"))).toBe(false);
  });

  test("a dtype that the kernels do not read", async () => {
    const { directory } = await readGolden("llama-gqa");
    const fewer = createOps({ ...referenceKernels(), name: "fewer", weightDTypes: ["f32", "bf16"] });
    await expect(loadModel(fewer, directory, { dtype: "q8_0" })).rejects.toThrow(
      "dtype: the fewer kernels do not read q8_0, expected f32, bf16",
    );
  });

  test("writing a scaling that GGUF has no key for", async () => {
    const golden = await readGolden("rope-yarn-no-truncate");
    await expect(converted(golden)).rejects.toThrow("rope_scaling.truncate is false, which GGUF has no key for");
  });
});

describe("SmolLM2-135M-Instruct's own file, Q4_1 and Q8_0", { timeout: 900_000 }, () => {
  const missing = smollm2Gguf.missing;
  const realFile = smollm2Gguf.directory;

  test("decodes to the weights that transformers makes of it, bit by bit", async (context) => {
    if (missing || smollm2.missing) return context.skip(missing ?? smollm2.missing);
    const [{ model }, { model: expected }] = [await loadModel(ops, realFile), await loadModel(ops, smollm2.directory)];
    const theirs = tensorsOf(expected);
    expect(tensorsOf(model).size).toBe(272);
    for (const [name, tensor] of tensorsOf(model)) {
      const [a, b] = await Promise.all([ops.read(tensor), ops.read(theirs.get(name) ?? tensor)]);
      if (a.some((value, i) => value !== b[i])) expect.fail(`${name} differs`);
    }
  });

  test("32 greedy ids of a prompt, from its text", async (context) => {
    if (missing || smollm2.missing) return context.skip(missing ?? smollm2.missing);
    const { prompts } = await readGolden("smollm2", smollm2.directory);
    const { text = "", ids, greedy } = prompts[0];
    const model = await load(realFile, { kernels: "reference" });
    expect(model.tokenizer.encode(text, { parseSpecialTokens: true })).toEqual(ids);
    expect(model.endIds).toEqual([2]);
    const chosen: number[] = [];
    for await (const event of model.generate({ input: [{ ids }], maxTokens: 32, temperature: 0, ignoreEnd: true }))
      if (event.type === "token") chosen.push(event.id);
    expect(chosen).toEqual(greedy.slice(0, 32));
    model.close();
  });
});
