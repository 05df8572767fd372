// Llama and all that is built like it: Llama 2 and 3, DeepSeek-LLM, DeepSeek-Coder, SmolLM. RMS norm, rotary positions,
// grouped heads, SwiGLU. Touvron et al. 2023, arXiv 2302.13971 and 2307.09288; transformers: models/llama

import type { ModelConfig, RopeConfig } from "../config.ts";
import type { Gated, Layer, Model } from "../model.ts";
import { expectText, type Fields } from "./config-json.ts";
import type { Family, TensorNames, Weights } from "./family.ts";
import { ropeOf } from "./rope-json.ts";
import { takeExperts, takeGated } from "./take-feed-forward.ts";

export const decoderNames: TensorNames = { roots: ["model."], embedding: "embed_tokens.weight", layers: "layers." };

export const llama: Family = {
  modelTypes: ["llama"],
  names: decoderNames,
  config: (fields) => siluConfig(fields, {}),
  model: (config, fields, weights) =>
    decoderModel(config, weights, {
      qkvBias: fields.flag("attention_bias", false),
      // Not in config.json, where one field says both: GGUF files may have the one without the other.
      outputBias: fields.flag("attention_output_bias", fields.flag("attention_bias", false)),
      feedForwardBias: fields.flag("mlp_bias", false),
      headNorms: false,
    }),
  ignores,
};

/** Where the Hugging Face names of a Llama-like family differ: which biases and norms its checkpoints have. */
export interface Extras {
  qkvBias: boolean;
  outputBias: boolean;
  feedForwardBias: boolean;
  /** Norms on each head of q and k. */
  headNorms: boolean;
  /** Norms of what attention and feed-forward add, under Gemma's names. */
  afterNorms?: boolean;
  /** All norms multiply by 1 + weight. */
  plusOne?: boolean;
  /** What q·k is multiplied by, where it is not 1/√headDim. */
  scale?: number;
  /** The gate's function: silu where not given. */
  gated?: Gated["kind"];
}

/** config.json of a Llama-like decoder. `defaults` are the family's own, where a file leaves a field out. */
export function decoderConfig(fields: Fields, defaults: { headDim?: number; rope?: Fields }): ModelConfig {
  const dModel = fields.count("hidden_size");
  const nHeads = fields.count("num_attention_heads");
  const nKvHeads = fields.count("num_key_value_heads", nHeads);
  const headDim = fields.count("head_dim", defaults.headDim ?? dModel / nHeads);
  if (!Number.isInteger(headDim))
    throw new Error(`${fields.where}: hidden_size ${dModel} is not a multiple of num_attention_heads ${nHeads}`);
  if (nHeads % nKvHeads !== 0)
    throw new Error(
      `${fields.where}: num_attention_heads ${nHeads} is not a multiple of num_key_value_heads ${nKvHeads}`,
    );
  const rope = ropeOf(fields, headDim, defaults.rope);
  return {
    modelType: fields.text("model_type", ""),
    dModel,
    dFf: fields.count("intermediate_size"),
    nLayers: fields.count("num_hidden_layers"),
    nHeads,
    nKvHeads,
    headDim,
    vocabSize: fields.count("vocab_size"),
    maxSeqLen: maxSeqLenOf(fields, rope),
    normEps: fields.positive("rms_norm_eps", 1e-6),
    rope,
    tiedHead: fields.flag("tie_word_embeddings", false),
  };
}

/** The same for families whose gate is silu. */
export function siluConfig(fields: Fields, defaults: { headDim?: number }): ModelConfig {
  expectText(fields, "hidden_act", ["silu"]);
  return decoderConfig(fields, defaults);
}

/** YaRN files state the context before stretching or after it; the others after it. */
export function maxSeqLenOf(fields: Fields, rope: RopeConfig): number {
  const stated = fields.count("max_position_embeddings");
  if (rope.scaling.type !== "yarn") return stated;
  return Math.max(stated, Math.floor(rope.scaling.originalMaxSeqLen * rope.scaling.factor));
}

/** The tensors of a Llama-like decoder. */
export async function decoderModel(config: ModelConfig, weights: Weights, extras: Extras): Promise<Model> {
  const { dModel, dFf, nHeads, nKvHeads, headDim, vocabSize } = config;
  const { plusOne, afterNorms, experts } = { ...extras, experts: config.experts };
  const norm = async (name: string, dim: number) => ({
    weight: await weights.take(`${name}.weight`, [dim], { plusOne }),
  });

  const embedding = await weights.take("model.embed_tokens.weight", [vocabSize, dModel]);
  const layers: Layer[] = [];
  for (let i = 0; i < config.nLayers; i++) {
    const block = `model.layers.${i}`;
    const attn = `${block}.self_attn`;
    const mlp = `${block}.mlp`;
    layers.push({
      attnNorm: await norm(`${block}.input_layernorm`, dModel),
      attn: {
        kind: "grouped-query",
        scale: extras.scale ?? 1 / Math.sqrt(headDim),
        q: await weights.linear(`${attn}.q_proj`, nHeads * headDim, dModel, extras.qkvBias),
        k: await weights.linear(`${attn}.k_proj`, nKvHeads * headDim, dModel, extras.qkvBias),
        v: await weights.linear(`${attn}.v_proj`, nKvHeads * headDim, dModel, extras.qkvBias),
        o: await weights.linear(`${attn}.o_proj`, dModel, nHeads * headDim, extras.outputBias),
        qNorm: extras.headNorms ? await norm(`${attn}.q_norm`, headDim) : undefined,
        kNorm: extras.headNorms ? await norm(`${attn}.k_norm`, headDim) : undefined,
      },
      attnAfterNorm: afterNorms ? await norm(`${block}.post_attention_layernorm`, dModel) : undefined,
      ffNorm: await norm(`${block}.${afterNorms ? "pre_feedforward" : "post_attention"}_layernorm`, dModel),
      ff: experts?.layers.includes(i)
        ? await takeExperts(weights, mlp, experts.rule, experts.expertFf, dModel)
        : await takeGated(weights, mlp, extras.gated ?? "swiglu", dFf, dModel, extras.feedForwardBias),
      ffAfterNorm: afterNorms ? await norm(`${block}.post_feedforward_layernorm`, dModel) : undefined,
    });
  }
  const finalNorm = await norm("model.norm", dModel);
  const head = config.tiedHead ? { weight: embedding } : await weights.linear("lm_head", vocabSize, dModel, false);
  return { config, embedding, positionTable: null, layers, finalNorm, head };
}

/** Old files store the rotary frequencies, and some tied ones the head a second time. */
export function ignores(name: string): boolean {
  return name.endsWith(".rotary_emb.inv_freq") || name === "lm_head.weight";
}
