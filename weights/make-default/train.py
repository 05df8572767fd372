"""Trains the default model: a Llama of 1.5 million parameters, with PyTorch on a CPU.

The first steps see 256 positions, later ones 512 and 2,048, and the last ones 8,192, the whole length the configuration promises.
Batches depend on the step number alone, so a run that was stopped goes on as if it had not been.
Usage: python train.py TOKENIZER_DIR RUN_DIR [--threads N]; `export.py` makes a checkpoint of what is in RUN_DIR.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import LlamaConfig, LlamaForCausalLM

from corpus import documents
from muon import Muon

SHAPE = dict(hidden_size=128, intermediate_size=384, num_hidden_layers=6, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
             tie_word_embeddings=True, max_position_embeddings=8192, rope_theta=10000.0, rms_norm_eps=1e-5,
             bos_token_id=0, eos_token_id=1, pad_token_id=2)
PHASES = [(1800, 16, 256), (900, 8, 512), (500, 2, 2048), (60, 1, 8192)]  # (steps, sequences, positions)
STEPS = sum(steps for steps, _, _ in PHASES)
TRAIN_TOKENS, HELD_OUT_TOKENS = 24_000_000, 200_000
MATRIX_RATE, REST_RATE, LAST, WARM_UP, CLIP = 2e-2, 5e-3, 0.03, 100, 1.0
SEED = 20


def ids_of(tok, seed, count):
    """The first `count` ids of the documents of a seed; each starts with the start token and ends with the end token."""
    out, filled, stream = np.empty(count, np.uint16), 0, documents(seed)
    while filled < count:
        for encoding in tok.encode_batch([next(stream) for _ in range(500)]):
            ids = encoding.ids if encoding.ids[-1] == 1 else encoding.ids + [1]
            take = min(len(ids), count - filled)
            out[filled:filled + take] = ids[:take]
            filled += take
    return out


def batch(data, step):
    """The ids of one step, [sequences, positions]: slices at places drawn from the step number."""
    at = 0
    for steps, sequences, positions in PHASES:
        at += steps
        if step < at:
            break
    starts = np.random.default_rng([SEED, step]).integers(0, len(data) - positions, sequences)
    return torch.from_numpy(np.stack([data[i:i + positions] for i in starts]).astype(np.int64))


def rate(step):
    """Share of the full learning rate: a line up, then a cosine down to LAST."""
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / (STEPS - WARM_UP)))


def loss_of(model, ids):
    """Mean −log p of ids [sequences, positions], each from those before it; matrix products in bfloat16."""
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(ids[:, :-1], use_cache=False).last_hidden_state
        logits = model.lm_head(hidden)
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), ids[:, 1:].flatten())


def new_model(vocab_size):
    torch.manual_seed(SEED)
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocab_size, initializer_range=0.02, **SHAPE))


def main():
    args = argparse.ArgumentParser()
    args.add_argument("tokenizer"), args.add_argument("run"), args.add_argument("--threads", type=int, default=1)
    args = args.parse_args()
    run = Path(args.run)
    run.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(args.threads)
    tok = Tokenizer.from_file(str(Path(args.tokenizer) / "tokenizer.json"))
    for name, seed, count in (("train", "train", TRAIN_TOKENS), ("held-out", "held-out", HELD_OUT_TOKENS)):
        if not (run / f"{name}.npy").exists():
            np.save(run / f"{name}.npy", ids_of(tok, seed, count))
    data, held_out = np.load(run / "train.npy", mmap_mode="r"), np.load(run / "held-out.npy")

    model = new_model(tok.get_vocab_size())
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
    rest = [p for name, p in model.named_parameters() if p.dim() == 1 or "embed" in name]
    optimizers = [(Muon(matrices, MATRIX_RATE), MATRIX_RATE), (torch.optim.AdamW(rest, REST_RATE, betas=(0.9, 0.95), weight_decay=0.0), REST_RATE)]
    compiled_loss = torch.compile(loss_of, dynamic=False)
    state = {"step": 0, "seconds": 0.0, "log": []}
    if (run / "last.pt").exists():
        saved = torch.load(run / "last.pt", weights_only=True)
        model.load_state_dict(saved["model"])
        for (optimizer, _), old in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(old)
        state = saved["state"]
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {STEPS} steps from {state['step']}", flush=True)

    def save():
        torch.save({"model": model.state_dict(), "optimizers": [optimizer.state_dict() for optimizer, _ in optimizers], "state": state}, run / "next.pt")
        os.replace(run / "next.pt", run / "last.pt")

    started, saved_at, losses = time.time(), time.time(), []
    before = state["seconds"]
    for step in range(state["step"], STEPS):
        loss = compiled_loss(model, batch(data, step))
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(rest, CLIP)
        for optimizer, full in optimizers:
            optimizer.param_groups[0]["lr"] = full * rate(step)
            optimizer.step()
        losses.append(loss.item())
        state["step"], state["seconds"] = step + 1, before + time.time() - started
        if (step + 1) % 50 == 0 or step + 1 == STEPS:
            line = {"step": step + 1, "loss": round(sum(losses) / len(losses), 4), "minutes": round(state["seconds"] / 60, 1)}
            losses = []
            if (step + 1) % 500 == 0 or step + 1 == STEPS:
                with torch.no_grad():
                    parts = [loss_of(model, torch.from_numpy(held_out[i:i + 512].astype(np.int64))[None]).item() for i in range(0, 40 * 512, 512)]
                line["held_out"] = round(sum(parts) / len(parts), 4)
            state["log"].append(line)
            print(json.dumps(line), flush=True)
        if time.time() - saved_at > 150 or step + 1 == STEPS:
            save()
            saved_at = time.time()


if __name__ == "__main__":
    main()
