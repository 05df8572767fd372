// Qwen 2, 2.5 and 3: Llama with biases on q, k and v (2, 2.5), or with norms on each head of q and k (3); and Qwen 3 with
// experts. Some layers may have a sliding window.
// Qwen Team 2024 and 2025, arXiv 2407.10671, 2412.15115 and 2505.09388; transformers: models/qwen2, qwen3, qwen3_moe

import { FieldError } from "../../field-error.ts";
import type { ExpertsConfig, ModelConfig } from "../config.ts";
import type { Model } from "../model.ts";
import type { Fields } from "./config-json.ts";
import type { Family, Weights } from "./family.ts";
import { decoderModel, decoderNames, ignores, siluConfig } from "./llama.ts";
import { windowsOf } from "./windows-json.ts";

export const qwen2: Family = {
  modelTypes: ["qwen2"],
  names: decoderNames,
  config: (fields) => qwenConfig(fields, {}),
  model: (config, _fields, weights) =>
    decoderModel(config, weights, { qkvBias: true, outputBias: false, feedForwardBias: false, headNorms: false }),
  ignores,
};

export const qwen3: Family = {
  modelTypes: ["qwen3"],
  names: decoderNames,
  config: (fields) => qwenConfig(fields, { headDim: 128 }),
  model: qwen3Model,
  ignores,
};

export const qwen3Moe: Family = {
  modelTypes: ["qwen3_moe"],
  names: decoderNames,
  config(fields) {
    // Here head_dim is hidden_size / num_attention_heads where the file has none, and a window is on all layers or none.
    const config = siluConfig(fields, {});
    const windows = fields.flag("use_sliding_window", false)
      ? windowsOf(fields, config.nLayers, () => true)
      : undefined;
    return { ...config, windows, experts: expertsOf(fields, config.nLayers) };
  },
  model: qwen3Model,
  ignores,
};

function qwen3Model(config: ModelConfig, fields: Fields, weights: Weights): Promise<Model> {
  const bias = fields.flag("attention_bias", false);
  const outputBias = fields.flag("attention_output_bias", bias);
  return decoderModel(config, weights, { qkvBias: bias, outputBias, feedForwardBias: false, headNorms: true });
}

/** The first max_window_layers layers see all. */
function qwenConfig(fields: Fields, defaults: { headDim?: number }): ModelConfig {
  const config = siluConfig(fields, defaults);
  if (!fields.flag("use_sliding_window", false)) return config;
  const first = fields.value("max_window_layers") === 0 ? 0 : fields.count("max_window_layers", 28);
  return { ...config, windows: windowsOf(fields, config.nLayers, (i) => i >= first) };
}

function expertsOf(fields: Fields, nLayers: number): ExpertsConfig {
  const nExperts = fields.count(
    "num_experts",
    fields.has("num_local_experts") ? fields.count("num_local_experts") : 128,
  );
  const nActive = fields.count("num_experts_per_tok", 8);
  if (nActive > nExperts)
    throw new FieldError("num_experts_per_tok", `${nActive} in ${fields.where}, expected at most ${nExperts}`);
  const every = fields.count("decoder_sparse_step", 1);
  const dense = fields.value("mlp_only_layers") ?? [];
  if (!Array.isArray(dense)) throw new Error(`${fields.where}: mlp_only_layers is no list`);
  const layers = Array.from({ length: nLayers }, (_, i) => i).filter(
    (i) => !dense.includes(i) && (i + 1) % every === 0,
  );
  return {
    rule: {
      nExperts,
      nActive,
      score: "softmax",
      nGroups: 1,
      nActiveGroups: 1,
      groupScore: "best",
      normalize: fields.flag("norm_topk_prob", false),
      scale: 1,
    },
    expertFf: fields.count("moe_intermediate_size"),
    nSharedExperts: 0,
    layers,
  };
}
