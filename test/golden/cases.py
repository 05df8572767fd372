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
