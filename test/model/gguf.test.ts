// Models in GGUF files: every golden checkpoint, written as one and read again, is the same model; and what is not computed
// here is refused by name. check-llama-cpp.py runs the same files in llama.cpp, against the same goldens of PyTorch.

import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { sizeOf } from "../../kernels/tensor.ts";
import { convertToGguf } from "../../src/export/gguf.ts";
import { load } from "../../src/index.ts";
import { loadModel, type WeightDType } from "../../src/model/load.ts";
import { type Model, tensorsOf } from "../../src/model/model.ts";
import { encodeF32 } from "../../weights/dtype.ts";
import { openGguf } from "../../weights/gguf.ts";
import { GgufError, type GgufField, type GgufTensorType } from "../../weights/gguf-header.ts";
import { writeGguf } from "../../weights/gguf-write.ts";
import { openSafetensors, readF32, writeSafetensors } from "../../weights/safetensors.ts";
import { expectClose, tolerance } from "../expect-close.ts";
import { type Golden, goldenCases, readGolden } from "../golden/golden.ts";
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

// YaRN without whole pairs is what GGUF has no key for.
const cases = goldenCases().filter((name) => name !== "rope-yarn-no-truncate");

describe.each(cases)("%s", (name) => {
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
async function wideCheckpoint(modelType: "llama" | "gpt2"): Promise<string> {
  const directory = join(folder, `wide-${modelType}`);
  await mkdir(directory, { recursive: true });
  const [dModel, dFf, heads, vocab] = [64, 96, 4, 40];
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

describe("what is refused", () => {
  const word = (value: string): GgufField => ({ type: "string", value });
  const count = (value: number): GgufField => ({ type: "u32", value });

  /** The file of llama-gqa, with some metadata and tensors otherwise. */
  async function changed(
    metadata: Record<string, GgufField | undefined>,
    tensors: Record<string, { dtype: GgufTensorType; shape: readonly number[]; bytes: number } | undefined> = {},
  ): Promise<string> {
    const file = await openGguf(await converted(await readGolden("llama-gqa")));
    const pairs = new Map(file.metadata);
    for (const [key, field] of Object.entries(metadata)) {
      if (field) pairs.set(key, field);
      else pairs.delete(key);
    }
    const kept = [...file.tensors.values()]
      .filter(({ name }) => !(name in tensors))
      .map((entry) => ({ ...entry, data: () => file.read(entry.name) }));
    const others = Object.entries(tensors).flatMap(([name, tensor]) =>
      tensor ? [{ name, dtype: tensor.dtype, shape: tensor.shape, data: new Uint8Array(tensor.bytes) }] : [],
    );
    const path = join(folder, "changed.gguf");
    await writeGguf(path, pairs, [...kept, ...others]);
    await file.close();
    return path;
  }

  test.each<[what: string, metadata: Record<string, GgufField | undefined>, message: string]>([
    ["no architecture", { "general.architecture": undefined }, "missing, expected one of llama, qwen2, qwen3, gpt2"],
    ["an unknown one", { "general.architecture": word("mamba") }, '"mamba", expected one of llama'],
    ["a part of a file", { "split.count": { type: "u16", value: 3 } }, "one of 3 parts"],
    ["experts", { "llama.expert_count": count(8) }, "8, expected 0"],
    ["a scale on logits", { "llama.logit_scale": { type: "f32", value: 0.5 } }, "0.5, expected 0"],
    ["no number of layers", { "llama.block_count": undefined }, "missing, expected a number"],
    ["a width as text", { "llama.embedding_length": word("wide") }, "wide, expected one number"],
    [
      "heads by layer",
      { "llama.attention.head_count_kv": { type: "array", of: "u32", value: [1, 2] } },
      "an array of 2",
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
    const file = await openGguf(await converted(await readGolden("llama-gqa")));
    const [rows] = file.tensors.get("blk.0.ffn_up.weight")?.shape ?? [];
    await file.close();
    const path = await changed({}, { "blk.0.ffn_up.weight": { dtype: "Q5_0", shape: [rows, 32], bytes: rows * 22 } });
    await expect(loadModel(ops, path)).rejects.toThrow(
      /dtype Q5_0, expected F64, F32, BF16, F16, Q8_0, Q4_0, Q4_1, Q4_K, Q6_K/,
    );
  });

  test("a tensor too many, one too few, and one of another shape", async () => {
    const extra = { dtype: "F32", shape: [3], bytes: 12 } as const;
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
