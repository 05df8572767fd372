// How GGUF says what config.json and Hugging Face checkpoints say: the architectures that both sides know, their metadata
// keys and tensor names. Data only, used in both directions: from-gguf.ts reads, export/gguf.ts writes.
// Source: ggml-org/llama.cpp, gguf-py/gguf/constants.py and tensor_mapping.py, convert_hf_to_gguf.py.

export interface GgufArchitecture {
  /** `general.architecture`. */
  readonly name: string;
  /** What config.json calls it, where not the same: `model_type`. */
  readonly modelTypes?: readonly string[];
  /** Metadata keys, less the architecture's name in front, and the fields of config.json that they stand for. */
  readonly fields: readonly Field[];
  /** Names of modules, less ".weight" or ".bias", or of tensors; `#` is the number of a layer. */
  readonly modules: readonly (readonly [gguf: string, huggingFace: string])[];
  /** q and k have the two halves of each rotated pair in neighboring rows, elsewhere they are half a head apart. */
  readonly neighborPairs: boolean;
  /** Modules (Hugging Face names) whose matrix is [inDim, outDim] there and [outDim, inDim] in GGUF. */
  readonly turned: readonly string[];
  /** Norms have the 1 added that the family's multiply by beside their weight. */
  readonly plusOne?: boolean;
  /** Keys that change the forward pass of this architecture alone, and are read. */
  readonly reads?: readonly string[];
}

export interface Field {
  readonly gguf: string;
  /** In config.json. */
  readonly huggingFace: string;
  /** In our own record of it. */
  readonly config: "nLayers" | "maxSeqLen" | "dModel" | "dFf" | "nHeads" | "normEps";
}

const decoderFields: readonly Field[] = [
  { gguf: "block_count", huggingFace: "num_hidden_layers", config: "nLayers" },
  { gguf: "context_length", huggingFace: "max_position_embeddings", config: "maxSeqLen" },
  { gguf: "embedding_length", huggingFace: "hidden_size", config: "dModel" },
  { gguf: "feed_forward_length", huggingFace: "intermediate_size", config: "dFf" },
  { gguf: "attention.head_count", huggingFace: "num_attention_heads", config: "nHeads" },
  { gguf: "attention.layer_norm_rms_epsilon", huggingFace: "rms_norm_eps", config: "normEps" },
];

const decoderModules = [
  ["token_embd", "model.embed_tokens"],
  ["output_norm", "model.norm"],
  ["output", "lm_head"],
  ["blk.#.attn_norm", "model.layers.#.input_layernorm"],
  ["blk.#.attn_q", "model.layers.#.self_attn.q_proj"],
  ["blk.#.attn_k", "model.layers.#.self_attn.k_proj"],
  ["blk.#.attn_v", "model.layers.#.self_attn.v_proj"],
  ["blk.#.attn_output", "model.layers.#.self_attn.o_proj"],
  ["blk.#.attn_q_norm", "model.layers.#.self_attn.q_norm"],
  ["blk.#.attn_k_norm", "model.layers.#.self_attn.k_norm"],
  ["blk.#.ffn_norm", "model.layers.#.post_attention_layernorm"],
  ["blk.#.ffn_gate", "model.layers.#.mlp.gate_proj"],
  ["blk.#.ffn_up", "model.layers.#.mlp.up_proj"],
  ["blk.#.ffn_down", "model.layers.#.mlp.down_proj"],
] as const;

const decoder = { fields: decoderFields, modules: decoderModules, neighborPairs: false, turned: [] };

const expertModules = [
  ["blk.#.ffn_gate_inp", "model.layers.#.mlp.gate"],
  ["blk.#.ffn_gate_exps", "model.layers.#.mlp.experts.gate_proj"],
  ["blk.#.ffn_up_exps", "model.layers.#.mlp.experts.up_proj"],
  ["blk.#.ffn_down_exps", "model.layers.#.mlp.experts.down_proj"],
] as const;

const latentModules = [
  ["blk.#.attn_q_a", "model.layers.#.self_attn.q_a_proj"],
  ["blk.#.attn_q_a_norm", "model.layers.#.self_attn.q_a_layernorm"],
  ["blk.#.attn_q_b", "model.layers.#.self_attn.q_b_proj"],
  ["blk.#.attn_kv_a_mqa", "model.layers.#.self_attn.kv_a_proj_with_mqa"],
  ["blk.#.attn_kv_a_norm", "model.layers.#.self_attn.kv_a_layernorm"],
  // Older files have both in one, as Hugging Face; newer ones apart, the first turned round.
  ["blk.#.attn_kv_b", "model.layers.#.self_attn.kv_b_proj"],
  ["blk.#.attn_k_b", "model.layers.#.self_attn.k_b_proj"],
  ["blk.#.attn_v_b", "model.layers.#.self_attn.v_b_proj"],
] as const;

const sharedModules = [
  ["blk.#.exp_probs_b.bias", "model.layers.#.mlp.gate.e_score_correction_bias"],
  ["blk.#.ffn_gate_shexp", "model.layers.#.mlp.shared_experts.gate_proj"],
  ["blk.#.ffn_up_shexp", "model.layers.#.mlp.shared_experts.up_proj"],
  ["blk.#.ffn_down_shexp", "model.layers.#.mlp.shared_experts.down_proj"],
] as const;

const gemmaModules = [
  ["blk.#.post_attention_norm", "model.layers.#.post_attention_layernorm"],
  ["blk.#.ffn_norm", "model.layers.#.pre_feedforward_layernorm"],
  ["blk.#.post_ffw_norm", "model.layers.#.post_feedforward_layernorm"],
  ...decoderModules.filter(([gguf]) => gguf !== "blk.#.ffn_norm"),
] as const;

export const ggufArchitectures: readonly GgufArchitecture[] = [
  { ...decoder, name: "llama", neighborPairs: true },
  { ...decoder, name: "qwen2" },
  { ...decoder, name: "qwen3" },
  {
    ...decoder,
    name: "qwen3moe",
    modelTypes: ["qwen3_moe"],
    modules: [...decoderModules, ...expertModules],
    reads: ["expert_count"],
  },
  {
    ...decoder,
    name: "gemma3",
    modelTypes: ["gemma3_text"],
    modules: gemmaModules,
    plusOne: true,
    reads: ["attention.sliding_window"],
  },
  {
    ...decoder,
    name: "deepseek2",
    modelTypes: ["deepseek_v2", "deepseek_v3"],
    modules: [...decoderModules, ...expertModules, ...latentModules, ...sharedModules],
    reads: ["expert_count", "rope.scaling.yarn_log_multiplier"],
  },
  {
    name: "gpt2",
    neighborPairs: false,
    turned: ["h.#.attn.c_attn", "h.#.attn.c_proj", "h.#.mlp.c_fc", "h.#.mlp.c_proj"],
    fields: [
      { gguf: "block_count", huggingFace: "n_layer", config: "nLayers" },
      { gguf: "context_length", huggingFace: "n_positions", config: "maxSeqLen" },
      { gguf: "embedding_length", huggingFace: "n_embd", config: "dModel" },
      { gguf: "feed_forward_length", huggingFace: "n_inner", config: "dFf" },
      { gguf: "attention.head_count", huggingFace: "n_head", config: "nHeads" },
      { gguf: "attention.layer_norm_epsilon", huggingFace: "layer_norm_epsilon", config: "normEps" },
    ],
    modules: [
      ["token_embd", "wte"],
      ["position_embd", "wpe"],
      ["output_norm", "ln_f"],
      ["output", "lm_head"],
      ["blk.#.attn_norm", "h.#.ln_1"],
      ["blk.#.attn_qkv", "h.#.attn.c_attn"],
      ["blk.#.attn_output", "h.#.attn.c_proj"],
      ["blk.#.ffn_norm", "h.#.ln_2"],
      ["blk.#.ffn_up", "h.#.mlp.c_fc"],
      ["blk.#.ffn_down", "h.#.mlp.c_proj"],
    ],
  },
];

/**
 * A tensor's name taken apart: its module with `#` for the layer, the layer's number, and ".weight" or ".bias". Later files
 * of GPT-2 have "transformer." in front, which is left off.
 */
export function partsOf(name: string): { module: string; layer: string; suffix: string } {
  const [, path, suffix] = /^(?:transformer\.)?(.*)(\.(?:weight|bias))$/.exec(name) ?? [name, name, ""];
  const layer = /\.(\d+)\./.exec(path)?.[1] ?? "";
  return { module: path.replace(/\.\d+\./, ".#."), layer, suffix };
}

/** The tensor's name on the other side, or undefined where the architecture has no such module. */
export function translate(name: string, { modules }: GgufArchitecture, to: "gguf" | "huggingFace"): string | undefined {
  const { module, layer, suffix } = partsOf(name);
  const [from, other] = to === "gguf" ? [1, 0] : [0, 1];
  const whole = modules.find((candidate) => candidate[from] === module + suffix);
  const pair = modules.find((candidate) => candidate[from] === module);
  return whole ? whole[other].replace("#", layer) : pair && pair[other].replace("#", layer) + suffix;
}

/**
 * The order in which rows of q or k of one side are found on the other: row r of each head of `headDim` rows.
 * Halves to neighbors (as GGUF has them): pairs (i, i + headDim/2) become (2i, 2i + 1).
 */
export function rowInHuggingFace(row: number, headDim: number): number {
  const inHead = row % headDim;
  return row - inHead + (inHead % 2) * (headDim / 2) + Math.floor(inHead / 2);
}
