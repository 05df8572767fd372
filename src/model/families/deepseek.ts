// DeepSeek-V2, V2-Lite, Coder-V2, and V3, R1, V3.1: latent attention, dense layers first, then experts beside shared ones.
// DeepSeek-AI 2024, arXiv 2405.04434, 2406.11931, 2412.19437; transformers: models/deepseek_v2, models/deepseek_v3
//
// Pairs of rotated values are neighbors in these checkpoints: their rows are put half of ropeDim apart, as `rope` has them.

import { FieldError } from "../../field-error.ts";
import type { ExpertsConfig, LatentConfig, ModelConfig } from "../config.ts";
import type { Attention, FeedForward, Gated, Layer } from "../model.ts";
import { yarnMagnitude } from "../rope.ts";
import { expectText, expectValue, type Fields } from "./config-json.ts";
import type { Family, Weights } from "./family.ts";
import { decoderNames, ignores, maxSeqLenOf } from "./llama.ts";
import { ropeOf } from "./rope-json.ts";
import { takeExperts, takeGated } from "./take-feed-forward.ts";

/** Norms of compressed vectors have this one whatever rms_norm_eps is. */
const compressedEps = 1e-6;

export const deepseekV2: Family = family("deepseek_v2", {
  topk_method: ["greedy", "group_limited_greedy"],
  scoring_func: ["softmax"],
  norm_topk_prob: [false],
});

export const deepseekV3: Family = family("deepseek_v3", { topk_method: ["noaux_tc"], scoring_func: ["sigmoid"] });

function family(modelType: "deepseek_v2" | "deepseek_v3", known: Readonly<Record<string, readonly unknown[]>>): Family {
  const isV3 = modelType === "deepseek_v3";
  return {
    modelTypes: [modelType],
    names: decoderNames,
    config(fields) {
      for (const [name, values] of Object.entries(known)) expectValue(fields, name, values);
      expectValue(fields, "moe_layer_freq", [1]);
      expectValue(fields, "mlp_bias", [false]);
      return configOf(fields, modelType, isV3 ? v3Rule(fields) : v2Rule(fields));
    },
    async model(config, fields, weights) {
      const { dModel, vocabSize, nLayers } = config;
      const norm = async (name: string) => ({ weight: await weights.take(`${name}.weight`, [dModel]) });
      const pairs = !isV3 || fields.flag("rope_interleave", true);
      const embedding = await weights.take("model.embed_tokens.weight", [vocabSize, dModel]);
      const layers: Layer[] = [];
      for (let i = 0; i < nLayers; i++) {
        const block = `model.layers.${i}`;
        layers.push({
          attnNorm: await norm(`${block}.input_layernorm`),
          attn: await latent(config, weights, `${block}.self_attn`, fields.flag("attention_bias", false), pairs),
          ffNorm: await norm(`${block}.post_attention_layernorm`),
          ff: await feedForward(config, weights, i, isV3),
        });
      }
      const finalNorm = await norm("model.norm");
      const head = config.tiedHead ? { weight: embedding } : await weights.linear("lm_head", vocabSize, dModel, false);
      return { config, embedding, positionTable: null, layers, finalNorm, head };
    },
    // Modules that predict the token after the next stand behind the last layer.
    ignores(name, fields) {
      const layer = Number(/^model\.layers\.(\d+)\./.exec(name)?.[1] ?? -1);
      const nLayers = fields.count("num_hidden_layers");
      const next = isV3 ? whole(fields, "num_nextn_predict_layers", whole(fields, "num_mtp_layers", 1)) : 0;
      return ignores(name) || (layer >= nLayers && layer < nLayers + next);
    },
  };
}

/** A whole number ≥ 0. */
function whole(fields: Fields, name: string, fallback: number): number {
  return fields.value(name) === 0 ? 0 : fields.count(name, fallback);
}

type Rule = ExpertsConfig["rule"];

/** Softmax; groups are as good as their best expert. */
function v2Rule(fields: Fields): Rule {
  const grouped = fields.text("topk_method", "greedy") === "group_limited_greedy";
  return {
    nExperts: fields.count("n_routed_experts", 64),
    nActive: fields.count("num_experts_per_tok"),
    score: "softmax",
    nGroups: grouped ? fields.count("n_group") : 1,
    nActiveGroups: grouped ? fields.count("topk_group") : 1,
    groupScore: "best",
    normalize: false,
    scale: fields.positive("routed_scaling_factor", 1),
  };
}

/** Sigmoid with a bias for the choice; groups are as good as their best two. */
function v3Rule(fields: Fields): Rule {
  return {
    nExperts: fields.count("n_routed_experts", 256),
    nActive: fields.count("num_experts_per_tok", 8),
    score: "sigmoid",
    nGroups: fields.count("n_group", 8),
    nActiveGroups: fields.count("topk_group", 4),
    groupScore: "best two",
    normalize: fields.flag("norm_topk_prob", true),
    scale: fields.positive("routed_scaling_factor", 2.5),
  };
}

function configOf(fields: Fields, modelType: string, rule: Rule): ModelConfig {
  expectText(fields, "hidden_act", ["silu"]);
  checkRule(rule, fields);
  const nLayers = fields.count("num_hidden_layers");
  const nHeads = fields.count("num_attention_heads");
  const nopeDim = fields.count("qk_nope_head_dim", 128);
  const ropeDim = fields.count("qk_rope_head_dim", 64);
  const rope = ropeOf(fields, ropeDim);
  const dense = Math.min(nLayers, whole(fields, "first_k_dense_replace", modelType === "deepseek_v3" ? 3 : 0));
  return {
    modelType,
    dModel: fields.count("hidden_size"),
    dFf: fields.count("intermediate_size"),
    nLayers,
    nHeads,
    nKvHeads: nHeads,
    headDim: nopeDim + ropeDim,
    vocabSize: fields.count("vocab_size"),
    maxSeqLen: maxSeqLenOf(fields, rope),
    normEps: fields.positive("rms_norm_eps", 1e-6),
    rope,
    latent: {
      qRank: fields.has("q_lora_rank") ? fields.count("q_lora_rank") : 0,
      kvRank: fields.count("kv_lora_rank", 512),
      nopeDim,
      vHeadDim: fields.count("v_head_dim", 128),
    },
    experts: {
      rule,
      expertFf: fields.count("moe_intermediate_size"),
      nSharedExperts: whole(fields, "n_shared_experts", 0),
      layers: Array.from({ length: nLayers - dense }, (_, i) => dense + i),
    },
    tiedHead: fields.flag("tie_word_embeddings", false),
  };
}

function checkRule({ nExperts, nActive, nGroups, nActiveGroups }: Rule, { where }: Fields): void {
  if (nExperts % nGroups !== 0)
    throw new FieldError("n_group", `${nGroups} in ${where}, expected a divisor of n_routed_experts ${nExperts}`);
  if (nActiveGroups > nGroups)
    throw new FieldError("topk_group", `${nActiveGroups} in ${where}, expected at most n_group ${nGroups}`);
  const open = (nExperts / nGroups) * nActiveGroups;
  if (nActive > open)
    throw new FieldError(
      "num_experts_per_tok",
      `${nActive} in ${where}, expected at most ${open}: the experts of ${nActiveGroups} of ${nGroups} groups`,
    );
}

async function latent(
  config: ModelConfig,
  weights: Weights,
  attn: string,
  bias: boolean,
  pairs: boolean,
): Promise<Attention> {
  const { dModel, nHeads, headDim, rope } = config;
  const { qRank, kvRank, nopeDim, vHeadDim } = config.latent as LatentConfig;
  const ropeDim = headDim - nopeDim;
  const compresses = weights.has(`${attn}.q_a_proj.weight`);
  if (compresses !== qRank > 0)
    throw new FieldError(
      "q_lora_rank",
      `${qRank || "null"}, but ${attn} has ${compresses ? "a" : "no"} q_a_proj, expected ${compresses ? "a number" : "null"}`,
    );
  const turned = (begin: number, width: number) => (pairs ? { order: halves(begin, ropeDim, width) } : {});
  const norm = async (name: string, dim: number) => ({
    weight: await weights.take(`${attn}.${name}.weight`, [dim]),
    eps: compressedEps,
  });
  const magnitude =
    rope?.scaling.type === "yarn" && rope.scaling.mscaleAllDim
      ? yarnMagnitude(rope.scaling.factor, rope.scaling.mscaleAllDim)
      : 1;
  const query = qRank > 0 ? "q_b_proj" : "q_proj";
  const qDown = qRank > 0 ? await weights.linear(`${attn}.q_a_proj`, qRank, dModel, bias) : undefined;
  const qNorm = qRank > 0 ? await norm("q_a_layernorm", qRank) : undefined;
  const q = await weights.linear(
    `${attn}.${query}`,
    nHeads * headDim,
    qRank || dModel,
    false,
    turned(nopeDim, headDim),
  );
  const width = kvRank + ropeDim;
  const kv = await weights.linear(`${attn}.kv_a_proj_with_mqa`, width, dModel, bias, turned(kvRank, width));
  const kvNorm = await norm("kv_a_layernorm", kvRank);
  // GGUF files of the newer form have the two parts, the first turned round already.
  const [headK, headV] = weights.has(`${attn}.k_b_proj.weight`)
    ? [
        await weights.take(`${attn}.k_b_proj.weight`, [nHeads, kvRank, nopeDim], { asStored: true }),
        await weights.take(`${attn}.v_b_proj.weight`, [nHeads, vHeadDim, kvRank]),
      ]
    : await weights.headParts(`${attn}.kv_b_proj.weight`, nHeads, nopeDim, vHeadDim, kvRank);
  const o = await weights.linear(`${attn}.o_proj`, dModel, nHeads * vHeadDim, bias);
  return { kind: "latent", scale: magnitude ** 2 / Math.sqrt(headDim), qDown, qNorm, q, kv, kvNorm, headK, headV, o };
}

/** Where row r is found in the file: in every `width` rows, the ropeDim from `begin` on are pairs of neighbors there and of halves here. */
function halves(begin: number, ropeDim: number, width: number): (row: number) => number {
  const half = ropeDim / 2;
  return (row) => {
    const i = (row % width) - begin;
    if (i < 0 || i >= ropeDim) return row;
    return row - i + (i < half ? 2 * i : 2 * (i - half) + 1);
  };
}

async function feedForward(config: ModelConfig, weights: Weights, i: number, isV3: boolean): Promise<FeedForward> {
  const { dFf, dModel } = config;
  const { expertFf, nSharedExperts, layers, rule } = config.experts as ExpertsConfig;
  const mlp = `model.layers.${i}.mlp`;
  if (!layers.includes(i)) return takeGated(weights, mlp, "swiglu", dFf, dModel, false);
  const sharedFf = nSharedExperts * expertFf;
  const shared: Gated | undefined = nSharedExperts
    ? await takeGated(weights, `${mlp}.shared_experts`, "swiglu", sharedFf, dModel, false)
    : undefined;
  const choiceBias = isV3 ? await weights.take(`${mlp}.gate.e_score_correction_bias`, [rule.nExperts]) : undefined;
  return { ...(await takeExperts(weights, mlp, rule, expertFf, dModel)), choiceBias, shared };
}
