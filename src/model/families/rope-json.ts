// Rotary positions in config.json, in both layouts: `rope_theta` beside `rope_scaling` (older files), or both together in
// `rope_parameters`; and the tensor that GGUF files have for Llama 3's scaling. Defaults as in transformers:
// modeling_rope_utils.py.

import { decodeF32 } from "../../../weights/dtype.ts";
import type { TensorSource } from "../../../weights/tensor-source.ts";
import type { ModelConfig, RopeConfig, RopeScaling } from "../config.ts";
import { yarnMagnitude } from "../rope.ts";
import type { Fields } from "./config-json.ts";

/** @throws on a scaling that we do not compute; the error lists those that we do. */
export function ropeOf(config: Fields, headDim: number, given?: Fields): RopeConfig {
  const scaling = given ?? config.object("rope_parameters") ?? config.object("rope_scaling");
  const ropeTheta = scaling?.has("rope_theta") ? scaling.positive("rope_theta") : config.positive("rope_theta", 10000);
  const partial = scaling?.has("partial_rotary_factor") ? scaling : config;
  const ropeDim = Math.floor(headDim * partial.positive("partial_rotary_factor", 1));
  if (ropeDim % 2 !== 0 || ropeDim > headDim)
    throw new Error(`${config.where}: ${ropeDim} of ${headDim} values of a head cannot be turned in pairs`);
  return { ropeTheta, ropeDim, scaling: scaling ? scalingOf(scaling, config) : { type: "none" } };
}

function scalingOf(fields: Fields, config: Fields): RopeScaling {
  const type = fields.text(fields.has("rope_type") ? "rope_type" : "type", "default");
  const originalMaxSeqLen = () =>
    config.has("original_max_position_embeddings")
      ? config.count("original_max_position_embeddings")
      : fields.count("original_max_position_embeddings", config.count("max_position_embeddings"));
  switch (type) {
    case "default":
      return { type: "none" };
    case "linear":
      return { type, factor: fields.positive("factor") };
    case "llama3":
      return {
        type,
        factor: fields.positive("factor"),
        lowFreqFactor: fields.positive("low_freq_factor"),
        highFreqFactor: fields.positive("high_freq_factor"),
        originalMaxSeqLen: originalMaxSeqLen(),
      };
    case "yarn": {
      const factor = fields.has("factor")
        ? fields.positive("factor")
        : config.count("max_position_embeddings") / originalMaxSeqLen();
      // 0 stands for none.
      const given = (name: string) =>
        fields.value(name) === 0 ? undefined : fields.has(name) && fields.positive(name);
      const [mscale, mscaleAllDim] = [given("mscale"), given("mscale_all_dim")];
      const attentionFactor =
        mscale && mscaleAllDim
          ? yarnMagnitude(factor, mscale) / yarnMagnitude(factor, mscaleAllDim)
          : yarnMagnitude(factor);
      return {
        type,
        factor,
        attentionFactor: fields.positive("attention_factor", attentionFactor),
        betaFast: fields.positive("beta_fast", 32),
        betaSlow: fields.positive("beta_slow", 1),
        originalMaxSeqLen: originalMaxSeqLen(),
        truncate: fields.flag("truncate", true),
        ...(mscaleAllDim ? { mscaleAllDim } : {}),
      };
    }
    default:
      throw new Error(`${fields.where}: rope_type is "${type}", expected default, linear, llama3 or yarn`);
  }
}

/** Name of the tensor with one divisor for each rotary frequency, in files of models with Llama 3's scaling. */
export const ropeFactorsName = "rope_freqs.weight";

/** The config with the divisors [ropeDim/2] that the checkpoint has as a tensor. @throws if they are not what they should be. */
export async function withRopeFactors(config: ModelConfig, source: TensorSource): Promise<ModelConfig> {
  const entry = source.tensors.get(ropeFactorsName);
  if (!entry || !config.rope) return config;
  if (config.rope.scaling.type !== "none")
    throw new Error(
      `${entry.file}: both ${ropeFactorsName} and rope.scaling.type ${config.rope.scaling.type}, expected one`,
    );
  const half = config.rope.ropeDim / 2;
  if (entry.dtype !== "F32" || entry.shape.length !== 1 || entry.shape[0] !== half)
    throw new Error(
      `${entry.file}: tensor ${ropeFactorsName} is ${entry.dtype} [${entry.shape}], expected F32 [${half}]`,
    );
  const factors = [...decodeF32("f32", await source.read(ropeFactorsName))];
  return { ...config, rope: { ...config.rope, scaling: { type: "factors", factors } } };
}
