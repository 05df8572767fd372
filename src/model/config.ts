// Every dimension of a model, under the names that code and shape comments use, each with its Hugging Face name. Families
// make this record from config.json; nothing else reads that file.

import type { RouteRule } from "../../kernels/kernels.ts";

export interface ModelConfig {
  /** `model_type`: for people to read, never to branch on. */
  modelType: string;
  /** Width of the residual stream. `hidden_size`, GPT-2 `n_embd` */
  dModel: number;
  /** Width inside the feed-forward. `intermediate_size`, GPT-2 `n_inner` (4 · n_embd if absent) */
  dFf: number;
  /** Number of blocks. `num_hidden_layers`, GPT-2 `n_layer` */
  nLayers: number;
  /** Query heads. `num_attention_heads`, GPT-2 `n_head` */
  nHeads: number;
  /** Key and value heads; each serves nHeads / nKvHeads query heads. `num_key_value_heads` (nHeads if absent) */
  nKvHeads: number;
  /** Width of one head. `head_dim` (dModel / nHeads if absent) */
  headDim: number;
  /** Rows of the embedding table and of the logits. `vocab_size` */
  vocabSize: number;
  /** Positions that the model takes, prompt and continuation together. `max_position_embeddings`, GPT-2 `n_positions` */
  maxSeqLen: number;
  /** Added to the variance in norms. `rms_norm_eps`, GPT-2 `layer_norm_epsilon` */
  normEps: number;
  /** Rotary positions; null: the model adds a learned table to its input instead. `rope_theta` and `rope_scaling`, newer files `rope_parameters` */
  rope: RopeConfig | null;
  /** Sliding window of each layer: the number of positions a row sees, its own and those before it; 0: all. Absent: all layers see all. `sliding_window`, `layer_types` */
  windows?: readonly number[];
  /** Rotary positions of layers with a window, where they have their own. `rope_local_base_freq`, `rope_parameters.sliding_attention` */
  windowRope?: RopeConfig;
  /** Latent attention: keys and values of all heads are made of one compressed vector, and that is what the cache holds. */
  latent?: LatentConfig;
  /** Experts in the feed-forward of some layers. */
  experts?: ExpertsConfig;
  /** What rows of the embedding table are multiplied by before they enter; absent: 1. Gemma: √dModel */
  embeddingScale?: number;
  /** Whether logits use the embedding table. `tie_word_embeddings` */
  tiedHead: boolean;
}

export interface LatentConfig {
  /** Width of the compressed query; 0: queries are not compressed. `q_lora_rank` */
  qRank: number;
  /** Width of the compressed vector. `kv_lora_rank` */
  kvRank: number;
  /** Values of each query and key head that are not turned; rope.ropeDim more are. `qk_nope_head_dim` */
  nopeDim: number;
  /** Width of a value head. `v_head_dim` */
  vHeadDim: number;
}

export interface ExpertsConfig {
  /** How many there are, how many a row goes to, and how it is decided. */
  rule: RouteRule;
  /** Width of one expert. `moe_intermediate_size` */
  expertFf: number;
  /** Experts that every row goes to, as one feed-forward of their widths together. `n_shared_experts` */
  nSharedExperts: number;
  /** Layers that have experts; the others have one feed-forward, dFf wide. `first_k_dense_replace`, `decoder_sparse_step`, `mlp_only_layers` */
  layers: readonly number[];
}

export interface RopeConfig {
  /** Base of the frequencies. `rope_theta` */
  ropeTheta: number;
  /** Values of each head that are turned, an even number. `head_dim` · `partial_rotary_factor` */
  ropeDim: number;
  scaling: RopeScaling;
}

/** `rope_scaling.rope_type` (`type` in older files) and its parameters. */
export type RopeScaling =
  | { type: "none" }
  | { type: "linear"; factor: number }
  /** Each frequency divided by a number of its own, [ropeDim/2]: how GGUF files state Llama 3's scaling. */
  | { type: "factors"; factors: readonly number[] }
  | {
      type: "llama3";
      factor: number;
      /** `low_freq_factor` */
      lowFreqFactor: number;
      /** `high_freq_factor` */
      highFreqFactor: number;
      /** `original_max_position_embeddings` */
      originalMaxSeqLen: number;
    }
  | {
      type: "yarn";
      factor: number;
      /** Multiplies cos and sin. `attention_factor`, or made from `mscale` and `mscale_all_dim` */
      attentionFactor: number;
      /** `beta_fast` */
      betaFast: number;
      /** `beta_slow` */
      betaSlow: number;
      /** `original_max_position_embeddings` */
      originalMaxSeqLen: number;
      /** Whether the range of blended frequencies is rounded to whole pairs. */
      truncate: boolean;
      /** Where given, latent attention multiplies scores by yarnMagnitude(factor, mscaleAllDim)². `mscale_all_dim` */
      mscaleAllDim?: number;
    };
