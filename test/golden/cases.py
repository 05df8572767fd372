"""The table of tiny checkpoints: one entry for every family, rope scaling, config layout and dtype.

Only data. `config` is the config.json that the checkpoint starts from. A case with `layout="hub"` keeps it to the
byte, in the form in which such models were published (top-level rope_theta and rope_scaling); any other case gets the
config.json that the installed `transformers` writes (`rope_parameters`). make-golden.py turns entries into files.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """One checkpoint to make: its config.json, how it is saved, and which goldens it gets besides the usual ones."""

    note: str
    config: dict
    layout: str = "transformers"  # or "hub": `config` is written as it stands
    dtype: str = "float32"  # of the saved tensors; goldens are computed in f32 from the rounded weights
    embedding_std: float = 0.3
    shard_size: str | None = None
    extras: tuple[str, ...] = field(default=())  # "score", "embeds", "gpt2-hub-names"


def llama(**changes) -> dict:
    """A Llama config: 2 layers, 4 query heads on 2 key/value heads, and an epsilon large enough to be seen."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": 96,
        "hidden_size": 32,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-3,
        "hidden_act": "silu",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": False,
    } | changes


def plain_rope(theta: float) -> dict:
    """Rotary positions without scaling, in the layout of transformers 5."""
    return {"rope_type": "default", "rope_theta": theta}


def scaled(**changes) -> dict:
    """A small tied Llama for the rope scalings: heads of 16, trained (as it were) on 32 positions."""
    return llama(num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True) | changes


def qwen2(**changes) -> dict:
    """A Qwen 2 config: Llama's shape; the biases of q, k and v come with the family."""
    return llama() | {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"} | changes


def qwen3(**changes) -> dict:
    """A Qwen 3 config: norms on q and k, and heads wider than hidden_size / heads."""
    return llama() | {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "head_dim": 16} | changes


def qwen3_moe(**changes) -> dict:
    """A Qwen 3 config with experts."""
    experts = {"num_experts": 8, "num_experts_per_tok": 3, "moe_intermediate_size": 12, "decoder_sparse_step": 1}
    return qwen3(architectures=["Qwen3MoeForCausalLM"], model_type="qwen3_moe") | experts | changes


def gemma3(**changes) -> dict:
    """A Gemma 3 config: heads of 16, and a window of 16 where a layer has one."""
    own = {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "head_dim": 16,
        "query_pre_attn_scalar": 20,
        "sliding_window": 16,
        "tie_word_embeddings": True,
        "hidden_activation": "gelu_pytorch_tanh",
    }
    config = llama() | own
    del config["hidden_act"]
    return config | changes


def deepseek(**changes) -> dict:
    """A DeepSeek-V2 config: 3 layers, the first dense; 8 experts, 3 of them active, beside a shared one."""
    own = {
        "architectures": ["DeepseekV2ForCausalLM"],
        "model_type": "deepseek_v2",
        "num_hidden_layers": 3,
        "num_key_value_heads": 4,
        "first_k_dense_replace": 1,
        "kv_lora_rank": 20,
        "qk_nope_head_dim": 8,
        "qk_rope_head_dim": 12,
        "v_head_dim": 10,
        "n_routed_experts": 8,
        "num_experts_per_tok": 3,
        "n_shared_experts": 1,
        "moe_intermediate_size": 12,
    }
    return llama() | own | changes


def deepseek_v3(**changes) -> dict:
    """A DeepSeek-V3 config: two of four groups."""
    own = {
        "architectures": ["DeepseekV3ForCausalLM"],
        "model_type": "deepseek_v3",
        "q_lora_rank": 12,
        "n_group": 4,
        "topk_group": 2,
        "routed_scaling_factor": 2.5,
        "num_nextn_predict_layers": 0,
    }
    return deepseek() | own | changes


def gpt2(**changes) -> dict:
    """A GPT-2 config: learned positions, LayerNorm, one tied table."""
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": 96,
        "n_positions": 112,
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "n_inner": None,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-3,
        "bos_token_id": 95,
        "eos_token_id": 95,
    } | changes


LLAMA3_SCALING = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
    "rope_type": "llama3",
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "rope_theta": 10000.0}

# What Qwen's published configs carry although no window is used.
QWEN_WINDOW_OFF = {"use_sliding_window": False, "sliding_window": 16, "max_window_layers": 1}

# 32 positions stretched to 128, with ends of the ramp that leave pairs of each kind.
DEEPSEEK_YARN = {
    "rope_type": "yarn",
    "factor": 4.0,
    "original_max_position_embeddings": 32,
    "beta_fast": 4,
    "beta_slow": 0.5,
}

CASES: dict[str, Case] = {
    # Llama: shapes, biases, tying.
    "llama2": Case(
        "multi-head attention, plain rope, 3 layers",
        llama(num_hidden_layers=3, num_key_value_heads=4, rope_parameters=plain_rope(10000.0)),
        embedding_std=0.1,
    ),
    "llama-gqa": Case(
        "2 query heads share a key/value head, rope_theta 500000; also score and embeds goldens",
        llama(rope_parameters=plain_rope(500000.0)),
        extras=("score", "embeds"),
    ),
    "llama-bias": Case(
        "attention_bias and mlp_bias",
        llama(attention_bias=True, mlp_bias=True, intermediate_size=40, rope_parameters=plain_rope(10000.0)),
    ),
    "llama-head-dim": Case(
        "head_dim 12 although hidden_size / heads is 8",
        llama(head_dim=12, rope_parameters=plain_rope(10000.0)),
    ),
    "llama-tied": Case(
        "the embedding table is the output head; no lm_head.weight in the file",
        llama(tie_word_embeddings=True, rope_parameters=plain_rope(10000.0)),
    ),
    "llama-sharded": Case(
        "several safetensors files and model.safetensors.index.json",
        llama(rope_parameters=plain_rope(10000.0)),
        shard_size="30KB",
    ),
    "llama-bf16": Case(
        "saved as bf16, as published Llama checkpoints are; config.json in their layout",
        llama(rope_theta=10000.0, rope_scaling=None, rms_norm_eps=1e-5, torch_dtype="bfloat16"),
        layout="hub",
        dtype="bfloat16",
    ),
    "llama-f16": Case(
        "saved as f16",
        llama(rope_parameters=plain_rope(10000.0)),
        dtype="float16",
    ),
    # Rotary scalings: 72 rows where 32 positions were trained. Pairs with -hub are the same model in the old layout.
    "rope-linear": Case(
        "linear scaling by 4",
        scaled(rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}),
    ),
    "rope-llama3": Case(
        "Llama 3 scaling: all three frequency bands occur",
        scaled(rope_parameters=LLAMA3_SCALING | {"rope_theta": 10000.0}),
    ),
    "rope-llama3-hub": Case(
        "rope-llama3 with top-level rope_theta and rope_scaling.rope_type",
        scaled(rope_theta=10000.0, rope_scaling=LLAMA3_SCALING),
        layout="hub",
    ),
    "rope-yarn": Case(
        "YaRN with its defaults: the attention factor follows from the factor",
        scaled(rope_parameters=YARN),
    ),
    "rope-yarn-hub": Case(
        "rope-yarn with top-level rope_theta and rope_scaling.type",
        scaled(
            rope_theta=10000.0,
            rope_scaling={"factor": 4.0, "original_max_position_embeddings": 32, "type": "yarn"},
        ),
        layout="hub",
    ),
    "rope-yarn-attention-factor": Case(
        "YaRN with attention_factor given",
        scaled(rope_parameters=YARN | {"attention_factor": 0.75}),
    ),
    "rope-yarn-mscale": Case(
        "YaRN with mscale and mscale_all_dim, the keys of DeepSeek; here they scale cos and sin only",
        scaled(rope_parameters=YARN | {"mscale": 1.0, "mscale_all_dim": 0.5}),
    ),
    "rope-yarn-betas": Case(
        "YaRN with a wide ramp: beta_fast 2, beta_slow 0.1",
        scaled(rope_parameters=YARN | {"rope_theta": 500.0, "beta_fast": 2.0, "beta_slow": 0.1}),
    ),
    "rope-yarn-no-truncate": Case(
        "YaRN with truncate false: the ends of the ramp are not rounded",
        scaled(rope_parameters=YARN | {"rope_theta": 500.0, "beta_fast": 2.0, "beta_slow": 0.1, "truncate": False}),
    ),
    # DeepSeek's dense models as published: Llama by model_type.
    "deepseek-llm": Case(
        "the config.json of DeepSeek-LLM 7B with small numbers",
        llama(
            bos_token_id=94,
            eos_token_id=95,
            initializer_range=0.02,
            num_key_value_heads=4,
            pretraining_tp=1,
            rms_norm_eps=1e-6,
            rope_scaling=None,
            rope_theta=10000.0,
            torch_dtype="bfloat16",
            transformers_version="4.33.1",
            use_cache=True,
        ),
        layout="hub",
        dtype="bfloat16",
    ),
    "deepseek-coder": Case(
        "the config.json of DeepSeek-Coder 6.7B with small numbers: linear scaling as {factor, type}",
        llama(
            bos_token_id=94,
            eos_token_id=95,
            initializer_range=0.02,
            num_attention_heads=2,
            num_key_value_heads=2,
            pretraining_tp=1,
            rms_norm_eps=1e-6,
            rope_scaling={"factor": 4.0, "type": "linear"},
            rope_theta=100000,
            torch_dtype="bfloat16",
            transformers_version="4.33.1",
            use_cache=True,
        ),
        layout="hub",
        dtype="bfloat16",
    ),
    # Qwen.
    "qwen2": Case(
        "biases on q, k and v; untied",
        qwen2(rope_parameters=plain_rope(1000000.0)),
    ),
    "qwen2-tied": Case(
        "tied, config.json as Qwen 2 was published",
        qwen2(tie_word_embeddings=True, rope_theta=1000000.0, torch_dtype="float32", **QWEN_WINDOW_OFF),
        layout="hub",
    ),
    "qwen2.5-yarn": Case(
        "the published Qwen 2.5 form: a window that is switched off, YaRN past max_position_embeddings by rope_scaling",
        qwen2(
            max_position_embeddings=32,
            num_attention_heads=2,
            num_key_value_heads=1,
            rope_theta=1000000.0,
            rope_scaling={"factor": 4.0, "original_max_position_embeddings": 32, "type": "yarn"},
            torch_dtype="bfloat16",
            **QWEN_WINDOW_OFF,
        ),
        layout="hub",
        dtype="bfloat16",
    ),
    "qwen3": Case(
        "norms on q and k, head_dim 16 although hidden_size / heads is 8; untied",
        qwen3(rope_parameters=plain_rope(1000000.0)),
    ),
    "qwen3-tied": Case(
        "tied, config.json as Qwen 3 was published",
        qwen3(
            attention_bias=False,
            rms_norm_eps=1e-6,
            rope_scaling=None,
            rope_theta=1000000,
            tie_word_embeddings=True,
            torch_dtype="bfloat16",
            **QWEN_WINDOW_OFF | {"sliding_window": None},
        ),
        layout="hub",
        dtype="bfloat16",
    ),
    # Sliding windows, all shorter than the long prompt; with the greedy ids they pass the end of a page too.
    "qwen3-window": Case(
        "the first layer sees all, the others 16 positions",
        qwen3(use_sliding_window=True, sliding_window=16, max_window_layers=1, rope_parameters=plain_rope(1000000.0)),
    ),
    "mistral": Case(
        "a window of 16 on all layers, config.json as Mistral 7B was published",
        llama(
            architectures=["MistralForCausalLM"],
            model_type="mistral",
            rms_norm_eps=1e-5,
            rope_theta=10000.0,
            sliding_window=16,
            torch_dtype="bfloat16",
        ),
        layout="hub",
        dtype="bfloat16",
    ),
    "gemma3": Case(
        "norms of 1 + weight before and after, embeddings times the root of their width, two thetas, every third layer sees all",
        gemma3(num_hidden_layers=4, sliding_window_pattern=3),
    ),
    "gemma3-hub": Case(
        "as published: rope_theta and rope_local_base_freq, and the scaling of the longer contexts",
        gemma3(
            num_hidden_layers=3,
            query_pre_attn_scalar=16,
            rope_theta=1000000,
            rope_local_base_freq=10000,
            rope_scaling={"rope_type": "linear", "factor": 8.0},
            sliding_window_pattern=2,
            final_logit_softcapping=None,
            attn_logit_softcapping=None,
            torch_dtype="bfloat16",
        ),
        layout="hub",
        dtype="bfloat16",
    ),
    # Experts.
    "qwen3-moe": Case(
        "3 of 8 experts, softmax, weights as they are; the second layer has none",
        qwen3_moe(num_hidden_layers=3, mlp_only_layers=[1], norm_topk_prob=False, rope_parameters=plain_rope(1000000.0)),
    ),
    "qwen3-moe-hub": Case(
        "as published: weights normalized, experts in both layers",
        qwen3_moe(rope_theta=1000000.0, rope_scaling=None, norm_topk_prob=True, torch_dtype="bfloat16"),
        layout="hub",
        dtype="bfloat16",
    ),
    # Latent attention. 32 positions were trained, as it were.
    "deepseek-v2": Case(
        "queries compressed too, group_limited_greedy, weights times 16; mscale and mscale_all_dim differ",
        deepseek(
            q_lora_rank=12,
            topk_method="group_limited_greedy",
            n_group=4,
            topk_group=2,
            routed_scaling_factor=16.0,
            rope_parameters=DEEPSEEK_YARN | {"mscale": 1.0, "mscale_all_dim": 0.707, "rope_theta": 10000.0},
        ),
    ),
    "deepseek-v2-lite": Case(
        "the config.json of DeepSeek-V2-Lite with small numbers",
        deepseek(
            q_lora_rank=None,
            topk_method="greedy",
            n_group=1,
            topk_group=1,
            routed_scaling_factor=1.0,
            n_shared_experts=2,
            rope_theta=10000,
            rope_scaling={key: value for key, value in DEEPSEEK_YARN.items() if key != "rope_type"}
            | {"type": "yarn", "mscale": 0.707, "mscale_all_dim": 0.707},
            aux_loss_alpha=0.001,
            ep_size=1,
            moe_layer_freq=1,
            norm_topk_prob=False,
            pretraining_tp=1,
            scoring_func="softmax",
            seq_aux=True,
            torch_dtype="bfloat16",
        ),
        layout="hub",
        dtype="bfloat16",
    ),
    "deepseek-v3": Case(
        "sigmoid with a bias for the choice, the best two of each group, weights normalized and times 2.5",
        deepseek_v3(rope_parameters=DEEPSEEK_YARN | {"mscale": 1.0, "mscale_all_dim": 1.0, "rope_theta": 10000.0}),
    ),
    "deepseek-v3-hub": Case(
        "the config.json of DeepSeek-V3 with small numbers, biases of attention, halves for pairs, no scaling",
        deepseek_v3(
            attention_bias=True,
            rope_interleave=False,
            rope_theta=10000,
            rope_scaling=None,
            ep_size=1,
            moe_layer_freq=1,
            norm_topk_prob=True,
            pretraining_tp=1,
            scoring_func="sigmoid",
            topk_method="noaux_tc",
            torch_dtype="bfloat16",
        ),
        layout="hub",
        dtype="bfloat16",
    ),
    # GPT-2.
    "gpt2": Case(
        "tensor names with the prefix `transformer.`, n_inner given; also an embeds golden",
        gpt2(n_inner=48),
        embedding_std=0.1,
        extras=("embeds",),
    ),
    "gpt2-hub": Case(
        "as first published: n_inner null, names without prefix, unused mask buffers h.N.attn.bias and masked_bias",
        gpt2(
            attn_pdrop=0.1,
            embd_pdrop=0.1,
            initializer_range=0.02,
            layer_norm_epsilon=1e-5,
            n_ctx=112,
            resid_pdrop=0.1,
            summary_activation=None,
            summary_first_dropout=0.1,
            summary_proj_to_labels=True,
            summary_type="cls_index",
            summary_use_proj=True,
            task_specific_params={"text-generation": {"do_sample": True, "max_length": 50}},
        ),
        layout="hub",
        extras=("gpt2-hub-names",),
    ),
}
