"""Makes trainer.json and bpe.json: what training the default model is held against. Layout: README.md.

    python test/golden/make-training-golden.py

trainer.json: losses and final weights of 6 steps of the trainer's twin (weights/make-default/twin.py) on the tiny checkpoint
llama-tied, in float32, with batches that both sides make by the same formula; and PyTorch's Newton-Schulz of three matrices.
bpe.json: words with their counts, and the merges that huggingface/tokenizers learns from them.
"""

import json
import random
import sys
from pathlib import Path

from oracle import versions  # first: it sets torch up

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "weights" / "make-default"))

from twin import Llama, Optimizers, loss_of, orthogonal  # noqa: E402

STEPS, SEQUENCES, POSITIONS = 6, 3, 40
RATES = {"matrix": 0.02, "matrixDecay": 0.1, "momentum": 0.95, "rest": 0.005, "betas": [0.9, 0.95], "eps": 1e-8, "clip": 1.0}


def batch(step, vocab):
    """ids and what counts: the same formula as in test/tune/trainer.test.ts."""
    i = np.arange(SEQUENCES * POSITIONS).reshape(SEQUENCES, POSITIONS)
    return torch.from_numpy((i * i + 7 * i + 13 * step) % vocab), torch.from_numpy((i % 3 != 0).astype(np.int64))


def training():
    config = json.loads((HERE / "llama-tied" / "config.json").read_text())
    shape = {**config, "rope_theta": config["rope_parameters"]["rope_theta"]}
    model = Llama(shape)
    start = load_file(HERE / "llama-tied" / "model.safetensors")
    model.load_state_dict({name: t.float() for name, t in start.items() if name != "lm_head.weight"})
    optimizers, losses = Optimizers(model, RATES, torch.float32), []
    for step in range(STEPS):
        ids, learned = batch(step, shape["vocab_size"])
        loss = loss_of(model, model, ids, learned, learned[:, 1:].sum())
        model.zero_grad()
        loss.backward()
        optimizers.step(1 / (step + 1))
        losses.append(loss.item())
    weights = {name: p.detach().flatten()[::29].tolist() for name, p in model.named_parameters()}
    torch.manual_seed(7)
    matrices = [{"rows": r, "columns": c, "values": (g := torch.randn(r, c)).flatten().tolist(), "orthogonal": orthogonal(g[None], torch.float32).flatten().tolist()} for r, c in ((5, 9), (9, 5), (6, 6))]
    return {"versions": versions(), "rates": RATES, "sequences": SEQUENCES, "positions": POSITIONS, "losses": losses, "weights": weights, "stride": 29, "matrices": matrices}


def bpe():
    rng = random.Random(3)
    counts = {}
    for _ in range(400):  # runs of one letter and words outside ASCII too
        word = rng.choice(["", " "]) + "".join(rng.choice(["ba", "na", "a", "aa", "lo", "é", "漢", "x", "th", "the", "ing"]) for _ in range(rng.randint(1, 5)))
        counts[word] = counts.get(word, 0) + rng.randint(1, 9)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split("|", "removed"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    trainer = trainers.BpeTrainer(vocab_size=420, special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(("|".join([word] * count) for word, count in counts.items()), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return {"versions": versions(), "words": counts, "vocab": model["vocab"], "merges": model["merges"]}


if __name__ == "__main__":
    (HERE / "trainer.json").write_text(json.dumps(training()) + "\n")
    (HERE / "bpe.json").write_text(json.dumps(bpe(), ensure_ascii=False) + "\n")
