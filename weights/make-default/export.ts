// Writes trained weights as the default model: Hugging Face layout, rounded to bf16, with the tokenizer beside them.
// Usage: tsx weights/make-default/export.ts CHECKPOINT TOKENIZER_DIR OUT_DIR
// CHECKPOINT is what the trainer or its twin saves.

import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { encodeF32 } from "../dtype.ts";
import { openSafetensors, readF32, writeSafetensors } from "../safetensors.ts";
import { shape } from "./plan.ts";
import { startWeights, weightShapes } from "./start.ts";

/** Where the model's record has a weight, given its Hugging Face name. */
export function placeOf(name: string): string {
  const [, layer, rest] = /^model\.layers\.(\d+)\.(.+)$/.exec(name) ?? [];
  if (layer === undefined) return name === "model.norm.weight" ? "finalNorm.weight" : "embedding";
  const inside = rest
    .replace("input_layernorm", "attnNorm")
    .replace("post_attention_layernorm", "ffNorm")
    .replace(/self_attn\.(.)_proj/, "attn.$1")
    .replace(/mlp\.(\w+)_proj/, "ff.$1");
  return `layers.${layer}.${inside}`;
}

/** config.json of a model with this vocabulary. */
export function configOf(vocabSize: number): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: vocabSize,
    ...shape,
    hidden_act: "silu",
    attention_bias: false,
    mlp_bias: false,
    torch_dtype: "bfloat16",
  };
}

/** The values of a weight, given its Hugging Face name. */
type Weights = (name: string) => Promise<Float32Array>;

function valuesIn(weights: ReadonlyMap<string, Float32Array>): Weights {
  return async (name) => {
    const values = weights.get(name);
    if (values === undefined) throw new Error(`the weight ${name} is missing`);
    return values;
  };
}

/** What training starts from. */
export function randomWeights(vocabSize: number): Weights {
  return valuesIn(new Map(startWeights(vocabSize).map(({ name, values }) => [name, values])));
}

/** What a model's directory holds. */
export async function weightsIn(directory: string): Promise<Weights> {
  const checkpoint = await openSafetensors(join(directory, "model.safetensors"));
  const weights = new Map<string, Float32Array>();
  for (const name of checkpoint.tensors.keys()) weights.set(name, await readF32(checkpoint, name));
  await checkpoint.close();
  return valuesIn(weights);
}

/** The steps of the plan that a written model has behind it. */
export async function stepOf(directory: string): Promise<number> {
  const checkpoint = await openSafetensors(join(directory, "model.safetensors"));
  await checkpoint.close();
  return Number(checkpoint.metadata.step ?? 0);
}

export const tokenizerFiles = ["tokenizer.json", "tokenizer_config.json"] as const;

/** Writes config.json, generation_config.json and model.safetensors; `dtype` F32 to train from, BF16 to ship. */
export async function writeModel(
  out: string,
  vocabSize: number,
  dtype: "F32" | "BF16",
  valuesOf: Weights,
  step: number,
): Promise<void> {
  await mkdir(out, { recursive: true });
  const tensors = Object.entries(weightShapes(vocabSize)).map(([name, shape]) => ({
    name,
    dtype,
    shape,
    data: async () => encodeF32(dtype === "F32" ? "f32" : "bf16", await valuesOf(name)),
  }));
  await writeSafetensors(join(out, "model.safetensors"), tensors, { format: "pt", step: String(step) });
  await writeFile(join(out, "config.json"), `${JSON.stringify(configOf(vocabSize), null, 2)}\n`);
  await writeFile(
    join(out, "generation_config.json"),
    `${JSON.stringify({ bos_token_id: 0, eos_token_id: 1, pad_token_id: 2 }, null, 2)}\n`,
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const [file, tokenizer, out] = process.argv.slice(2);
  const checkpoint = await openSafetensors(file);
  const vocabSize = (checkpoint.tensors.get("weights/embedding")?.shape[0] ?? 0) / shape.hidden_size;
  const { steps } = checkpoint.metadata;
  await writeModel(out, vocabSize, "BF16", (name) => readF32(checkpoint, `weights/${placeOf(name)}`), Number(steps));
  await checkpoint.close();
  for (const name of tokenizerFiles) await copyFile(join(tokenizer, name), join(out, name));
  process.stdout.write(`${out}: step ${steps}\n`);
}
