// GPT-2: layer norm with bias, learned positions, as many key/value heads as query heads, GELU. Its checkpoints store
// projections as [inDim, outDim] (TensorFlow's way) and q, k, v as one.
// Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"; transformers: models/gpt2

import type { Layer } from "../model.ts";
import { expectText } from "./config-json.ts";
import type { Family } from "./family.ts";

export const gpt2: Family = {
  modelTypes: ["gpt2"],
  names: { roots: ["transformer.", ""], embedding: "wte.weight", layers: "h." },

  config(fields) {
    expectText(fields, "activation_function", ["gelu_new", "gelu_pytorch_tanh"]);
    for (const [name, expected] of [
      ["scale_attn_weights", true],
      ["scale_attn_by_inverse_layer_idx", false],
    ] as const)
      if (fields.flag(name, expected) !== expected)
        throw new Error(
          `${fields.where}: ${name} is ${!expected}, expected ${expected} (other scales are not computed)`,
        );
    const dModel = fields.count("n_embd");
    const nHeads = fields.count("n_head");
    if (dModel % nHeads !== 0)
      throw new Error(`${fields.where}: n_embd ${dModel} is not a multiple of n_head ${nHeads}`);
    return {
      modelType: "gpt2",
      dModel,
      dFf: fields.count("n_inner", 4 * dModel),
      nLayers: fields.count("n_layer"),
      nHeads,
      nKvHeads: nHeads,
      headDim: dModel / nHeads,
      vocabSize: fields.count("vocab_size"),
      maxSeqLen: fields.count("n_positions"),
      normEps: fields.positive("layer_norm_epsilon", 1e-5),
      rope: null,
      tiedHead: fields.flag("tie_word_embeddings", true),
    };
  },

  async model(config, _fields, weights) {
    const { dModel, dFf, headDim, vocabSize, maxSeqLen } = config;
    // The first published files name tensors "wte.weight", later ones "transformer.wte.weight".
    const root = weights.has("transformer.wte.weight") ? "transformer." : "";
    const norm = async (name: string) => ({
      weight: await weights.take(`${root}${name}.weight`, [dModel]),
      bias: await weights.take(`${root}${name}.bias`, [dModel]),
    });

    const embedding = await weights.take(`${root}wte.weight`, [vocabSize, dModel]);
    const positionTable = await weights.take(`${root}wpe.weight`, [maxSeqLen, dModel]);
    const layers: Layer[] = [];
    for (let i = 0; i < config.nLayers; i++) {
      const attnNorm = await norm(`h.${i}.ln_1`);
      const [q, k, v] = await weights.transposed(`${root}h.${i}.attn.c_attn`, dModel, 3 * dModel, 3);
      const [o] = await weights.transposed(`${root}h.${i}.attn.c_proj`, dModel, dModel, 1);
      const ffNorm = await norm(`h.${i}.ln_2`);
      const [up] = await weights.transposed(`${root}h.${i}.mlp.c_fc`, dModel, dFf, 1);
      const [down] = await weights.transposed(`${root}h.${i}.mlp.c_proj`, dFf, dModel, 1);
      layers.push({
        attnNorm,
        attn: { kind: "grouped-query", scale: 1 / Math.sqrt(headDim), q, k, v, o },
        ffNorm,
        ff: { kind: "gelu", up, down },
      });
    }
    const finalNorm = await norm("ln_f");
    const head = config.tiedHead ? { weight: embedding } : await weights.linear("lm_head", vocabSize, dModel, false);
    return { config, embedding, positionTable, layers, finalNorm, head };
  },

  // The causal mask as tensors, in old files; and a tied head stored a second time.
  ignores: (name) => /(^|\.)h\.\d+\.attn\.(bias|masked_bias)$/.test(name) || name === "lm_head.weight",
};
