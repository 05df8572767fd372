// Writes a checkpoint of DeepSeek-Coder-1.3B's shape with random weights: as large and as slow as the real one, with nothing
// to download. Sizes: huggingface.co/deepseek-ai/deepseek-coder-1.3b-base, config.json.
//
//   npx tsx bench/random-model.ts DIRECTORY
//
// The tokenizer is the default model's; rows of the embedding beyond it have no text. The numbers depend on nothing but
// this file, so two people measure the same model.

import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { defaultModel } from "../src/index.ts";
import { writeSafetensors } from "../weights/safetensors.ts";

const [directory] = process.argv.slice(2);
if (!directory) throw new Error("bench/random-model.ts: no directory given, expected where to write the model");

const config = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_size: 2048,
  intermediate_size: 5504,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  num_key_value_heads: 16,
  vocab_size: 32256,
  max_position_embeddings: 16384,
  rms_norm_eps: 1e-6,
  rope_theta: 100000,
  rope_scaling: { type: "linear", factor: 4 },
  hidden_act: "silu",
  attention_bias: false,
  mlp_bias: false,
  tie_word_embeddings: false,
  bos_token_id: 0,
  eos_token_id: 1,
  torch_dtype: "bfloat16",
};
const { hidden_size: width, intermediate_size: inner, vocab_size: vocabulary } = config;

/** bf16 numbers of either sign between about 1/4 and 2 times `scale`: the upper halves of f32 numbers, of a xorshift generator. */
function noise(length: number, scale: number, seed: number): Uint8Array {
  const exponent = 127 + Math.round(Math.log2(scale));
  const out = new Uint16Array(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const [sign, lower, fraction] = [state & 0x8000, (state >>> 16) & 3, state & 0x7f];
    out[i] = sign | ((exponent - (lower === 3 ? 2 : lower)) << 7) | fraction;
  }
  return new Uint8Array(out.buffer);
}

const matrices: [name: string, shape: [number, number]][] = [
  ["model.embed_tokens", [vocabulary, width]],
  ["lm_head", [vocabulary, width]],
];
const norms = ["model.norm"];
for (let i = 0; i < config.num_hidden_layers; i++) {
  const layer = `model.layers.${i}`;
  for (const name of ["q", "k", "v", "o"]) matrices.push([`${layer}.self_attn.${name}_proj`, [width, width]]);
  for (const name of ["gate", "up"]) matrices.push([`${layer}.mlp.${name}_proj`, [inner, width]]);
  matrices.push([`${layer}.mlp.down_proj`, [width, inner]]);
  norms.push(`${layer}.input_layernorm`, `${layer}.post_attention_layernorm`);
}

await mkdir(directory, { recursive: true });
await writeSafetensors(join(directory, "model.safetensors"), [
  ...matrices.map(([name, shape], i) => ({
    name: `${name}.weight`,
    dtype: "BF16" as const,
    shape,
    data: () => noise(shape[0] * shape[1], 1 / Math.sqrt(shape[1]), i + 1),
  })),
  ...norms.map((name) => ({
    name: `${name}.weight`,
    dtype: "BF16" as const,
    shape: [width],
    data: () => new Uint8Array(new Uint16Array(width).fill(0x3f80).buffer), // ones
  })),
]);
await writeFile(join(directory, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
for (const file of ["tokenizer.json", "tokenizer_config.json"])
  await copyFile(join(defaultModel, file), join(directory, file));
console.log(directory);
