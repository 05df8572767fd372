// Qwen 2, 2.5 and 3: Llama with biases on q, k and v (2, 2.5), or with norms on each head of q and k (3).
// Qwen Team 2024 and 2025, arXiv 2407.10671, 2412.15115 and 2505.09388; transformers: models/qwen2, models/qwen3

import type { Fields } from "./config-json.ts";
import type { Family } from "./family.ts";
import { decoderConfig, decoderModel, decoderNames, ignores } from "./llama.ts";

export const qwen2: Family = {
  modelTypes: ["qwen2"],
  names: decoderNames,
  config(fields) {
    refuseSlidingWindow(fields);
    return decoderConfig(fields, {});
  },
  model: (config, _fields, weights) =>
    decoderModel(config, weights, { qkvBias: true, outputBias: false, feedForwardBias: false, headNorms: false }),
  ignores,
};

export const qwen3: Family = {
  modelTypes: ["qwen3"],
  names: decoderNames,
  config(fields) {
    refuseSlidingWindow(fields);
    return decoderConfig(fields, { headDim: 128 });
  },
  model(config, fields, weights) {
    const bias = fields.flag("attention_bias", false);
    const outputBias = fields.flag("attention_output_bias", bias);
    return decoderModel(config, weights, { qkvBias: bias, outputBias, feedForwardBias: false, headNorms: true });
  },
  ignores,
};

/** Attention here always sees the whole context. */
function refuseSlidingWindow(fields: Fields): void {
  if (fields.flag("use_sliding_window", false))
    throw new Error(
      `${fields.where}: use_sliding_window is true, expected false (sliding-window attention is not computed)`,
    );
}
