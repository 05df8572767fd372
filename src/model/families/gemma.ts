// Gemma 3, its text models: GEGLU, norms before and after each branch that multiply by 1 + weight, embeddings times √dModel,
// and five layers with a window and slower angles for each that sees all.
// Gemma Team 2025, arXiv 2503.19786; transformers: models/gemma3

import { expectText, expectValue } from "./config-json.ts";
import type { Family } from "./family.ts";
import { decoderConfig, decoderModel, decoderNames, ignores } from "./llama.ts";
import { windowsOf } from "./windows-json.ts";

export const gemma3: Family = {
  modelTypes: ["gemma3_text"],
  names: decoderNames,
  config(fields) {
    expectText(fields, "hidden_activation", ["gelu_pytorch_tanh"]);
    expectValue(fields, "final_logit_softcapping", [0]);
    expectValue(fields, "attn_logit_softcapping", [0]);
    expectValue(fields, "use_bidirectional_attention", [false]);
    const ropes = fields.object("rope_parameters");
    const config = decoderConfig(fields, { headDim: 256, rope: ropes?.object("full_attention") });
    const { ropeDim } = config.rope ?? { ropeDim: config.headDim };
    const theta = ropes?.object("sliding_attention")?.positive("rope_theta", 10000);
    const every = fields.count("sliding_window_pattern", 6);
    return {
      ...config,
      rope:
        config.rope && (ropes ? config.rope : { ...config.rope, ropeTheta: fields.positive("rope_theta", 1000000) }),
      windowRope: {
        ropeTheta: theta ?? fields.positive("rope_local_base_freq", 10000),
        ropeDim,
        scaling: { type: "none" },
      },
      windows: windowsOf(fields, config.nLayers, (i) => (i + 1) % every !== 0),
      embeddingScale: Math.fround(Math.sqrt(config.dModel)),
      tiedHead: fields.flag("tie_word_embeddings", true),
    };
  },
  model(config, fields, weights) {
    const bias = fields.flag("attention_bias", false);
    return decoderModel(config, weights, {
      qkvBias: bias,
      outputBias: bias,
      feedForwardBias: false,
      headNorms: true,
      afterNorms: true,
      plusOne: true,
      scale: fields.positive("query_pre_attn_scalar", 256) ** -0.5,
      gated: "geglu",
    });
  },
  ignores,
};
