// The real loop with random weights, which want nothing: at temperature 1.5, several requests at a time, under each of a
// hundred schemas; JSON.parse and ajv judge. In the long run twenty texts for each schema (2,000 in all)
// instead of two for every second one.

import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import ajvFormats from "ajv-formats";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { GenerateEnd } from "../../../src/engine/generate.ts";
import { defaultModel, load, type Plainformer } from "../../../src/plainformer.ts";
import { writeSafetensors } from "../../../weights/safetensors.ts";
import { sampled, times } from "../../long.ts";
import { noise, noiseSource } from "./generate.ts";
import { schemas } from "./schemas.ts";

const rounds = times(2, 20);
const tried = sampled(
  schemas.map((schema, i) => [i, JSON.stringify(schema).slice(0, 80), schema] as const),
  2,
);
const addFormats = ajvFormats as unknown as (ajv: Ajv2020) => void;

const [width, inner, vocabulary] = [32, 64, 2560];
const config = {
  ...{ architectures: ["LlamaForCausalLM"], model_type: "llama", hidden_act: "silu", rms_norm_eps: 1e-5 },
  ...{ hidden_size: width, intermediate_size: inner, vocab_size: vocabulary, max_position_embeddings: 1024 },
  ...{ num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1, rope_theta: 10000 },
  ...{ bos_token_id: 0, eos_token_id: 1, tie_word_embeddings: true, torch_dtype: "float32" },
};

/** A checkpoint of normally distributed numbers with the tokenizer of the model that ships. */
async function writeRandomModel(directory: string): Promise<void> {
  const layer = (i: number): [string, number[]][] => [
    [`model.layers.${i}.self_attn.q_proj`, [width, width]],
    [`model.layers.${i}.self_attn.k_proj`, [width / 2, width]],
    [`model.layers.${i}.self_attn.v_proj`, [width / 2, width]],
    [`model.layers.${i}.self_attn.o_proj`, [width, width]],
    [`model.layers.${i}.mlp.gate_proj`, [inner, width]],
    [`model.layers.${i}.mlp.up_proj`, [inner, width]],
    [`model.layers.${i}.mlp.down_proj`, [width, inner]],
    [`model.layers.${i}.input_layernorm`, [width]],
    [`model.layers.${i}.post_attention_layernorm`, [width]],
  ];
  const shapes: [string, number[]][] = [
    ["model.embed_tokens", [vocabulary, width]],
    ["model.norm", [width]],
    ...layer(0),
    ...layer(1),
  ];
  const random = noiseSource(11);
  const tensors = shapes.map(([name, shape]) => ({
    ...{ name: `${name}.weight`, dtype: "F32" as const, shape },
    data: () => {
      const size = shape.reduce((a, b) => a * b, 1);
      const scale = shape.length === 1 ? 0.1 : 1 / Math.sqrt(width);
      const values = Float32Array.from({ length: size }, () => noise(random) * scale + (shape.length === 1 ? 1 : 0));
      return new Uint8Array(values.buffer);
    },
  }));
  await writeSafetensors(join(directory, "model.safetensors"), tensors);
  await writeFile(join(directory, "config.json"), JSON.stringify(config));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    await copyFile(join(defaultModel, file), join(directory, file));
}

let directory: string;
let model: Plainformer;
let stopped = 0;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "plainformer-random-"));
  await writeRandomModel(directory);
  model = await load(directory);
});
afterAll(async () => {
  await model.close();
  await rm(directory, { recursive: true });
});

async function end(schema: unknown, seed: number): Promise<GenerateEnd> {
  const grammar = { kind: "json_schema", schema } as const;
  for await (const event of model.generate({ input: "JSON:", temperature: 1.5, seed, maxTokens: 200, grammar }))
    if (event.type === "end") return event;
  throw new Error("generate ended without an end");
}

describe("what random weights write is valid", () => {
  test.each(tried)(
    "%i %s",
    async (i, _, schema) => {
      const ajv = new Ajv2020({ strict: false });
      addFormats(ajv);
      const isValid = ajv.compile(schema);
      const ends = await Promise.all(Array.from({ length: rounds }, (_, round) => end(schema, i * 100 + round)));
      for (const { text, finishReason } of ends) {
        if (finishReason === "length") continue;
        stopped++;
        expect(isValid(JSON.parse(text)), `${text}: ${JSON.stringify(isValid.errors)}`).toBe(true);
      }
    },
    600_000,
  );

  test("most texts came to their end", () => {
    expect(stopped).toBeGreaterThan(0.7 * rounds * tried.length);
  });
});
