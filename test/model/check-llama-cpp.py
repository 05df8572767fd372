"""Do our GGUF files mean to llama.cpp what they mean here? Its logits of the files that gguf.test.ts wrote, against the
goldens that PyTorch made of the checkpoints they were written from.

    GGUF_TEST_OUT=DIR npm test -- test/model/gguf.test.ts    writes DIR/CASE-f32.gguf
    python test/model/check-llama-cpp.py DIR                 one line a case; fails if logits are off or an argmax differs

Written for llama_cpp_python 0.3.36.
"""

import json
import sys
from pathlib import Path

import numpy as np
from llama_cpp import Llama
from safetensors.numpy import load_file

goldens = Path(__file__).parent.parent / "golden"
# Of the largest logit. llama.cpp has GELU as a table of f16 numbers.
LIMIT = 1e-4
LIMIT_GPT2 = 1e-3
OPTIONS = {"n_ctx": 128, "n_threads": 1, "type_k": 0, "type_v": 0, "logits_all": True, "verbose": False}  # f32 cache


def betas(directory):
    """YaRN's, which this version reads from a file for other architectures only."""
    config = json.loads((directory / "config.json").read_text())
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return {"yarn_beta_fast": float(rope.get("beta_fast", 32)), "yarn_beta_slow": float(rope.get("beta_slow", 1))}


def main():
    failed = []
    for directory in sorted(goldens.iterdir()):
        path = Path(sys.argv[1]) / f"{directory.name}-f32.gguf"
        if not path.exists():
            continue
        golden = json.loads((directory / "golden.json").read_text())
        tensors = load_file(directory / "golden.safetensors")
        worst, same = 0.0, True
        for prompt in ("prompt0", "prompt1"):
            model = Llama(model_path=str(path), **betas(directory), **OPTIONS)
            model.eval(golden[prompt]["ids"])
            expected = tensors[f"{prompt}.logits"]
            logits = model.scores[: len(expected)]
            worst = max(worst, float(np.abs(logits - expected).max() / np.abs(expected).max()))
            same = same and (logits.argmax(-1) == expected.argmax(-1)).all()
        print(f"{directory.name}: largest error {worst:.1e}, argmax {'equal' if same else 'DIFFERS'}", flush=True)
        if worst > (LIMIT_GPT2 if "gpt2" in directory.name else LIMIT) or not same:
            failed.append(directory.name)
    sys.exit(f"failed: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
