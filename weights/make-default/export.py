"""Writes a checkpoint of a training run in the Hugging Face layout, rounded to bfloat16.

The configuration is written by hand, not by transformers, to keep to the keys that every reader of Llama checkpoints knows.
Usage: python export.py RUN_DIR OUT_DIR
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from train import SHAPE


def main(run, out):
    saved = torch.load(run / "last.pt", weights_only=True)
    tensors = {name: t.to(torch.bfloat16).contiguous() for name, t in saved["model"].items() if name != "lm_head.weight"}  # tied
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": tensors["model.embed_tokens.weight"].shape[0], **SHAPE,
        "hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "torch_dtype": "bfloat16",
    }
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (out / "generation_config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}, indent=2) + "\n")
    print(f"step {saved['state']['step']}, {sum(t.numel() for t in tensors.values()):,} parameters, {(out / 'model.safetensors').stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
