// Broken and unknown checkpoints: one sentence each that names file, tensor or field. Each starts from a good one.

import { cp, mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import { type LoadOptions, loadModel } from "../../src/model/load.ts";
import { tensorsOf } from "../../src/model/model.ts";
import { openSafetensors, writeSafetensors } from "../../weights/safetensors.ts";
import { expectClose } from "../expect-close.ts";
import { readGolden } from "../golden/golden.ts";
import { logitsOf } from "./run.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "plainformer-"));
});
afterEach(() => rm(directory, { recursive: true }));

const loadIt = async (options?: LoadOptions) =>
  loadModel(createOps((await selectKernels()).kernels), directory, options);
const use = async (name: string) => cp((await readGolden(name)).directory, directory, { recursive: true });

async function editConfig(changes: object): Promise<void> {
  const path = join(directory, "config.json");
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, "utf8")), ...changes }));
}

type Tensors = Map<string, { name: string; dtype: never; shape: readonly number[]; data: Uint8Array }>;
async function editTensors(edit: (tensors: Tensors) => void): Promise<void> {
  const path = join(directory, "model.safetensors");
  const file = await openSafetensors(path);
  const tensors: Tensors = new Map();
  for (const [name, { dtype, shape }] of file.tensors)
    tensors.set(name, { name, dtype: dtype as never, shape, data: await file.read(name) });
  await file.close();
  edit(tensors);
  await writeSafetensors(path, tensors.values());
}

describe("tensors", () => {
  beforeEach(() => use("llama-gqa"));

  test("a missing one", async () => {
    await editTensors((tensors) => tensors.delete("model.layers.1.mlp.up_proj.weight"));
    await expect(loadIt()).rejects.toThrow(
      `${directory}/model.safetensors: tensor model.layers.1.mlp.up_proj.weight is missing, expected shape [`,
    );
  });

  test("one too many", async () => {
    await editTensors((tensors) => {
      tensors.set("model.layers.0.mystery", {
        name: "model.layers.0.mystery",
        dtype: "F32" as never,
        shape: [1],
        data: new Uint8Array(4),
      });
    });
    await expect(loadIt()).rejects.toThrow(
      `${directory}: 1 tensors have no place in a llama model: model.layers.0.mystery`,
    );
  });

  test("another shape", async () => {
    await editTensors((tensors) => {
      const norm = tensors.get("model.norm.weight");
      if (norm) tensors.set(norm.name, { ...norm, shape: [2, norm.shape[0] / 2] });
    });
    await expect(loadIt()).rejects.toThrow(
      /model\.safetensors: tensor model\.norm\.weight has shape \[2,\d+\], expected \[\d+\]$/,
    );
  });

  test("another dtype", async () => {
    await editTensors((tensors) => {
      const norm = tensors.get("model.norm.weight");
      if (norm) tensors.set(norm.name, { ...norm, dtype: "I32" as never });
    });
    await expect(loadIt()).rejects.toThrow("tensor model.norm.weight has dtype I32, expected F64, F32, BF16, F16");
  });

  test("more than the kernels can hold, before anything is read", async () => {
    const { kernels } = await selectKernels();
    const load = () => expect.unreachable();
    const small = { ...kernels, maxBytes: 2 ** 15, load };
    await expect(loadModel(createOps(small), directory)).rejects.toThrow(
      /^.*: the weights need 0\.1 MiB of memory, the simd kernels hold 0\.0 MiB \(dtype q8_0 or q4_0 makes them smaller\)$/,
    );
  });

  test("a file that was cut off", async () => {
    await truncate(join(directory, "model.safetensors"), 50_000);
    await expect(loadIt()).rejects.toThrow("model.safetensors");
  });

  test("no file at all", async () => {
    await rm(join(directory, "model.safetensors"));
    await expect(loadIt()).rejects.toThrow(directory);
  });

  test("a download that did not finish", async () => {
    const manifest = {
      repository: "a/b",
      commit: "0".repeat(40),
      include: [],
      complete: false,
      files: [],
      outdated: [],
    };
    await writeFile(join(directory, ".plainformer.json"), JSON.stringify(manifest));
    await expect(loadIt()).rejects.toThrow(`${directory} holds an unfinished download; pull a/b@`);
  });
});

describe("config.json", () => {
  test.each<[string, string, object, string]>([
    [
      "an unknown family",
      "llama2",
      { model_type: "mamba" },
      'config.json: model_type is "mamba", expected one of llama, qwen2, qwen3, qwen3_moe, mistral, gemma3_text, gpt2, deepseek_v2, deepseek_v3',
    ],
    ["no family", "llama2", { model_type: undefined }, "config.json: model_type is undefined, expected one of"],
    [
      "a missing field",
      "llama2",
      { hidden_size: undefined },
      "config.json: hidden_size is missing, expected a whole number ≥ 1",
    ],
    [
      "a field of another type",
      "llama2",
      { num_hidden_layers: "2" },
      'config.json: num_hidden_layers is "2", expected a whole number ≥ 1',
    ],
    ["a negative field", "llama2", { vocab_size: -5 }, "config.json: vocab_size is -5, expected a whole number ≥ 1"],
    ["another activation", "llama2", { hidden_act: "relu" }, 'config.json: hidden_act is "relu", expected silu'],
    [
      "heads that do not divide",
      "llama2",
      { num_attention_heads: 5, num_key_value_heads: 5, head_dim: undefined },
      "is not a multiple of num_attention_heads 5",
    ],
    ["groups that do not divide", "llama2", { num_key_value_heads: 3 }, "is not a multiple of num_key_value_heads 3"],
    ["another vocabulary", "llama2", { vocab_size: 97 }, "tensor model.embed_tokens.weight has shape [96,"],
    [
      "a scaling that is not computed",
      "llama2",
      { rope_parameters: { rope_type: "dynamic", rope_theta: 10000, factor: 2 } },
      'config.json: rope_parameters: rope_type is "dynamic", expected default, linear, llama3 or yarn',
    ],
    [
      "a scaling without its factor",
      "llama2",
      { rope_parameters: undefined, rope_scaling: { type: "linear" } },
      "config.json: rope_scaling: factor is missing, expected a number > 0",
    ],
    [
      "layer types of another number",
      "qwen2",
      { use_sliding_window: true, sliding_window: 16, layer_types: ["full_attention"] },
      'config.json: layer_types is ["full_attention"], expected 2 of sliding_attention and full_attention',
    ],
    ["a choice by other rules", "deepseek-v2-lite", { topk_method: "noaux_tc" }, 'topk_method: "noaux_tc" in '],
    ["another one", "deepseek-v3-hub", { topk_method: "greedy" }, 'topk_method: "greedy" in '],
    ["other scores", "deepseek-v3-hub", { scoring_func: "softmax" }, 'scoring_func: "softmax" in '],
    ["V2 with normalized weights", "deepseek-v2-lite", { norm_topk_prob: true }, "norm_topk_prob: true in "],
    ["experts in every second layer", "deepseek-v2-lite", { moe_layer_freq: 2 }, "moe_layer_freq: 2 in "],
    ["groups that do not go in", "deepseek-v3", { n_group: 3 }, "n_group: 3 in "],
    ["more groups than there are", "deepseek-v3", { topk_group: 5 }, "topk_group: 5 in "],
    ["more experts than the groups have", "deepseek-v3", { num_experts_per_tok: 5 }, "num_experts_per_tok: 5 in "],
    ["more experts than there are", "qwen3-moe", { num_experts_per_tok: 9 }, "num_experts_per_tok: 9 in "],
    [
      "a query that is not compressed in the file",
      "deepseek-v2-lite",
      { q_lora_rank: 12 },
      "q_lora_rank: 12, but model.layers.0.self_attn has no q_a_proj, expected null",
    ],
    [
      "a query that is",
      "deepseek-v2",
      { q_lora_rank: null },
      "q_lora_rank: null, but model.layers.0.self_attn has a q_a_proj, expected a number",
    ],
    [
      "more experts than the file has",
      "deepseek-v3",
      { n_routed_experts: 12 },
      "model.safetensors: tensor model.layers.1.mlp.gate.e_score_correction_bias has shape [8], expected [12]",
    ],
    ["V3.2", "deepseek-v3", { model_type: "deepseek_v32" }, 'model_type: "deepseek_v32" in '],
    ["V4", "deepseek-v3", { model_type: "deepseek_v4" }, "its first experts are chosen by token id"],
    ["V4.1", "deepseek-v3", { model_type: "deepseek_v41" }, "it looks up n-grams by token id"],
    ["Gemma with capped logits", "gemma3", { final_logit_softcapping: 30 }, "final_logit_softcapping: 30 in "],
    [
      "another attention scale",
      "gpt2",
      { scale_attn_by_inverse_layer_idx: true },
      "config.json: scale_attn_by_inverse_layer_idx is true, expected false",
    ],
    [
      "another GELU",
      "gpt2",
      { activation_function: "gelu" },
      'config.json: activation_function is "gelu", expected gelu_new',
    ],
  ])("%s", async (_, name, changes, message) => {
    await use(name);
    await editConfig(changes);
    await expect(loadIt()).rejects.toThrow(message);
  });

  test("is missing", async () => {
    await expect(loadIt()).rejects.toThrow(
      `${directory}: config.json is missing, expected a model in Hugging Face layout`,
    );
  });

  test("is no JSON", async () => {
    await writeFile(join(directory, "config.json"), "{");
    await expect(loadIt()).rejects.toThrow(`${directory}/config.json: not valid JSON`);
  });

  test.each(["[]", "null", '"llama"'])("is %s", async (text) => {
    await writeFile(join(directory, "config.json"), text);
    await expect(loadIt()).rejects.toThrow(`${directory}/config.json: expected an object`);
  });
});

test("end-of-text ids: generation_config.json before config.json, one or many", async () => {
  await use("llama2");
  await editConfig({ eos_token_id: 7 });
  expect((await loadIt()).endIds).toEqual([7]);
  await writeFile(join(directory, "generation_config.json"), '{"eos_token_id": [8, 9]}');
  expect((await loadIt()).endIds).toEqual([8, 9]);
});

test("matrices keep the dtype of the file unless another is asked for; vectors are f32", async () => {
  await use("llama-bf16");
  const dtypes = async (options?: LoadOptions) => {
    const { model } = await loadIt(options);
    return new Set(
      [...tensorsOf(model).values()].map(({ dtype, shape }) => `${shape.length === 1 ? "vector" : "matrix"} ${dtype}`),
    );
  };
  expect(await dtypes()).toEqual(new Set(["matrix bf16", "vector f32"]));
  expect(await dtypes({ dtype: "f16" })).toEqual(new Set(["matrix f16", "vector f32"]));
  expect(await dtypes({ dtype: "f32" })).toEqual(new Set(["matrix f32", "vector f32"]));

  // bf16 widens exactly: where both are summed in one order, the same logits to the bit.
  const ops = createOps((await selectKernels("reference")).kernels);
  const ids = [1, 2, 3, 4];
  const kept = await logitsOf(ops, (await loadModel(ops, directory)).model, ids);
  const widened = await logitsOf(ops, (await loadModel(ops, directory, { dtype: "f32" })).model, ids);
  expectClose(widened, kept, 0, "logits");
});

test("progress reaches the total", async () => {
  await use("llama-sharded");
  const seen: [number, number][] = [];
  await loadIt({ onProgress: (loaded, total) => seen.push([loaded, total]) });
  const [loaded, total] = seen[seen.length - 1];
  expect(loaded).toBe(total);
  expect(seen.length).toBeGreaterThan(10);
});
