// What GGUF says of experts, latent attention and sliding windows, and how config.json says it; read by from-gguf.ts, written
// by export/gguf.ts.
// Source: ggml-org/llama.cpp, src/llama-model.cpp (load_hparams), convert_hf_to_gguf.py.

import type { Json } from "../../../weights/folder.ts";
import { FieldError } from "../../field-error.ts";
import type { ModelConfig } from "../config.ts";

/** The number under a key, less the architecture's name in front; undefined where there is none. */
type Read = (name: string) => number | undefined;
type Put = (name: string, type: "u32" | "f32" | "bool", value: number | boolean) => void;

/** `expert_gating_func` */
const gating = { softmax: 1, sigmoid: 2 } as const;

/** config.json's fields for an architecture; `flag` reads a key that is true or false. @throws (through `need`) if a key is missing. */
export function extraFields(
  architecture: string,
  read: Read,
  need: (name: string) => number,
  flag: (name: string) => boolean | undefined,
): Json {
  switch (architecture) {
    case "qwen3moe":
      return {
        num_experts: need("expert_count"),
        num_experts_per_tok: need("expert_used_count"),
        moe_intermediate_size: need("expert_feed_forward_length"),
        norm_topk_prob: true,
      };
    case "gemma3": {
      const [headDim, window] = [need("attention.key_length"), read("attention.sliding_window")];
      // The largest one has the scale of heads of 168, which are 128 wide; llama.cpp knows it by its layers.
      const isLargest = read("block_count") === 62;
      return {
        hidden_activation: "gelu_pytorch_tanh",
        query_pre_attn_scalar: isLargest ? need("embedding_length") / need("attention.head_count") : headDim,
        sliding_window: window || null,
        sliding_window_pattern: read("attention.sliding_window_pattern") ?? 6,
        rope_theta: read("rope.freq_base") ?? 1000000,
        rope_local_base_freq: read("rope.freq_base_swa") ?? 10000,
      };
    }
    case "deepseek2": {
      const sigmoid = read("expert_gating_func") === gating.sigmoid;
      const ropeDim = need("rope.dimension_count");
      const groups = read("expert_group_count") ?? 1;
      const multiplier = read("rope.scaling.yarn_log_multiplier");
      return {
        model_type: sigmoid ? "deepseek_v3" : "deepseek_v2",
        q_lora_rank: read("attention.q_lora_rank") ?? null,
        kv_lora_rank: need("attention.kv_lora_rank"),
        // Newer files have the widths of the one head that the cache holds where the older have those of each head.
        qk_nope_head_dim: (read("attention.key_length_mla") ?? need("attention.key_length")) - ropeDim,
        qk_rope_head_dim: ropeDim,
        v_head_dim: read("attention.value_length_mla") ?? need("attention.value_length"),
        first_k_dense_replace: read("leading_dense_block_count") ?? 0,
        n_routed_experts: need("expert_count"),
        num_experts_per_tok: need("expert_used_count"),
        n_shared_experts: read("expert_shared_count") ?? 0,
        moe_intermediate_size: need("expert_feed_forward_length"),
        routed_scaling_factor: read("expert_weights_scale") || 1,
        norm_topk_prob: flag("expert_weights_norm") ?? false,
        topk_method: sigmoid ? "noaux_tc" : groups > 1 ? "group_limited_greedy" : "greedy",
        n_group: groups,
        topk_group: read("expert_group_used_count") ?? groups,
        num_nextn_predict_layers: 0,
        // 0.1 · mscale_all_dim, which mscale is equal to: cos and sin keep their size.
        ...(multiplier ? { mscale: multiplier * 10 } : {}),
      };
    }
    default:
      return {};
  }
}

/** Writes the keys that `extraFields` reads. @throws FieldError, if GGUF has no key for what the model does. */
export function putExtras(architecture: string, config: ModelConfig, scale: number, put: Put): void {
  const { experts, latent, windows, headDim, rope, nLayers } = config;
  const refuse = (field: string, problem: string) => {
    throw new FieldError(field, `${problem}, which GGUF has no key for`, "unsupported");
  };
  if (windows && architecture !== "gemma3") refuse("sliding_window", "some layers see a part of the context");
  if (experts) {
    const { rule, expertFf, nSharedExperts } = experts;
    put("expert_count", "u32", rule.nExperts);
    put("expert_used_count", "u32", rule.nActive);
    put("expert_feed_forward_length", "u32", expertFf);
    if (!latent) {
      if (!rule.normalize) refuse("norm_topk_prob", "weights of experts are not normalized");
      if (experts.layers.length < nLayers) refuse("mlp_only_layers", "some layers have no experts");
      return;
    }
    put("leading_dense_block_count", "u32", nLayers - experts.layers.length);
    put("expert_shared_count", "u32", nSharedExperts);
    put("expert_weights_scale", "f32", rule.scale);
    put("expert_weights_norm", "bool", rule.normalize);
    put("expert_gating_func", "u32", gating[rule.score]);
    put("expert_group_count", "u32", rule.nGroups);
    put("expert_group_used_count", "u32", rule.nActiveGroups);
  }
  if (latent) {
    if (latent.qRank > 0) put("attention.q_lora_rank", "u32", latent.qRank);
    put("attention.kv_lora_rank", "u32", latent.kvRank);
    const scaling = rope?.scaling;
    if (scaling?.type === "yarn" && scaling.attentionFactor !== 1)
      refuse("rope_scaling.mscale", "mscale is not mscale_all_dim");
    if (scaling?.type === "yarn") put("rope.scaling.yarn_log_multiplier", "f32", 0.1 * (scaling.mscaleAllDim ?? 0));
  }
  if (architecture === "gemma3") {
    const expected = nLayers === 62 ? config.dModel / config.nHeads : headDim;
    if (Math.abs(scale - expected ** -0.5) > 1e-6)
      refuse("query_pre_attn_scalar", `${Math.round(scale ** -2)} is not the width of a head`);
    const every = (windows ?? []).indexOf(0) + 1 || nLayers + 1;
    if (windows?.some((window, i) => (window === 0) !== ((i + 1) % every === 0)))
      refuse("layer_types", "layers that see all are not every so many");
    put("attention.sliding_window", "u32", windows?.[0] ?? 0);
    put("attention.sliding_window_pattern", "u32", every);
    put("rope.freq_base_swa", "f32", config.windowRope?.ropeTheta ?? 10000);
  }
}
