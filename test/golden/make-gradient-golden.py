"""Gradients and losses of training by PyTorch, for the checkpoints that make-golden.py made.

    python test/golden/make-gradient-golden.py            # all checkpoints, then training.json
    python test/golden/make-gradient-golden.py gpt2 qwen3 # the gradients of some

For each case, gradients.safetensors: with the ids of prompt1 embedded, and loss = mean of -log p over its last TARGETS ids,
`loss` [1], `inputs` the gradient by the embedded rows, and under each name of the checkpoint the gradient by that tensor.
Matrices keep every STRIDE-th row from FIRST on (all rows in the cases of WHOLE): every tensor is there, the files stay small.
"""

import argparse
import json
from pathlib import Path

from oracle import load, versions, write_json  # first: it sets torch up

import torch
from safetensors.torch import load_file, save_file

from cases import CASES

HERE = Path(__file__).parent
TARGETS = 30
STRIDE, FIRST = 5, 2
WHOLE = ("llama-gqa", "gpt2")
TRAINED = ("llama-tied", "qwen2", "gpt2")
STEPS, BATCHES, BATCH, ROWS = 20, 4, 2, 20


def loss_of(model, embedded, ids):
    """Mean of -log p of the last TARGETS ids. embedded [rows, dModel]"""
    logits = model(inputs_embeds=embedded[None], use_cache=False).logits[0]
    return torch.nn.functional.cross_entropy(logits[-TARGETS - 1 : -1], torch.tensor(ids[-TARGETS:]))


def names_in_file(directory: Path, model) -> dict[str, torch.Tensor]:
    """Gradients under the names that the checkpoint's files have; what has none because it only chooses gets zeros."""
    index = directory / "model.safetensors.index.json"
    files = sorted(set(json.loads(index.read_text())["weight_map"].values())) if index.exists() else ["model.safetensors"]
    stored = {name for file in files for name in load_file(directory / file)}
    found = {}
    for name, parameter in model.named_parameters():
        for candidate, gradient in stored_forms(name, parameter.grad).items():
            assert candidate in stored or candidate.removeprefix("transformer.") in stored, f"{directory.name}: {name} is not in the checkpoint"
            found[candidate if candidate in stored else candidate.removeprefix("transformer.")] = gradient
    for name, buffer in model.named_buffers():
        if name in stored:
            found[name] = torch.zeros_like(buffer)
    return found


def stored_forms(name: str, gradient: torch.Tensor) -> dict[str, torch.Tensor]:
    """A parameter as files have it: the experts of a layer one by one, gate and up apart."""
    if ".experts." not in name:
        return {name: gradient}
    prefix, kind = name.rsplit(".", 1)
    parts = {"gate_up_proj": ("gate_proj", "up_proj"), "down_proj": ("down_proj",)}[kind]
    return {
        f"{prefix}.{i}.{part}.weight": matrix
        for i, expert in enumerate(gradient)
        for part, matrix in zip(parts, expert.chunk(len(parts)))
    }


def gradients(name: str) -> None:
    """Writes HERE/name/gradients.safetensors."""
    directory = HERE / name
    model = load(directory)
    ids = json.loads((directory / "golden.json").read_text())["prompt1"]["ids"]
    embedded = model.get_input_embeddings()(torch.tensor(ids))
    embedded.retain_grad()
    loss = loss_of(model, embedded, ids)
    loss.backward()

    kept = lambda tensor: tensor if name in WHOLE or tensor.dim() < 2 else tensor[FIRST::STRIDE]
    tensors = {"loss": loss.detach()[None], "inputs": kept(embedded.grad).contiguous()}
    for stored, gradient in names_in_file(directory, model).items():
        tensors[stored] = kept(gradient).contiguous()
    save_file(tensors, directory / "gradients.safetensors")
    size = (directory / "gradients.safetensors").stat().st_size
    print(f"{name:28} loss {loss.item():.4f}  {len(tensors)} tensors  {size / 1024:.0f} KiB", flush=True)


def training(name: str) -> dict:
    """Losses of STEPS steps of AdamW from the checkpoint, with warm-up, weight decay on matrices, and clipping."""
    model = load(HERE / name)  # in evaluation mode: no dropout
    settings = {"learningRate": 3e-3, "warmupSteps": 5, "weightDecay": 0.1, "beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "maxNorm": 1.0}
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() != 2]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": settings["weightDecay"]}, {"params": vectors, "weight_decay": 0.0}],
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["eps"],
    )
    generator = torch.Generator().manual_seed(7)
    batches = torch.randint(model.config.vocab_size, (BATCHES, BATCH, ROWS + 1), generator=generator)
    losses, norms = [], []
    for step in range(STEPS):
        ids = batches[step % BATCHES]
        for group in optimizer.param_groups:
            group["lr"] = settings["learningRate"] * min(1, (step + 1) / settings["warmupSteps"])
        logits = model(input_ids=ids[:, :-1], use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), settings["maxNorm"]).item())
        optimizer.step()
        losses.append(loss.item())
    print(f"{name:28} losses {losses[0]:.4f} to {losses[-1]:.4f}", flush=True)
    return {"case": name, **settings, "batches": batches.tolist(), "losses": losses, "norms": norms}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make golden gradients with transformers on PyTorch.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="default all, and training.json")
    names = parser.parse_args().cases
    for name in names or CASES:
        gradients(name)
    if not names:
        write_json(HERE / "training.json", {"versions": versions(), **{name: training(name) for name in TRAINED}})


if __name__ == "__main__":
    main()
