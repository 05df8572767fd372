"""Makes the tiny random checkpoints of cases.py and what PyTorch computes from them. Layout: README.md.

    python test/golden/make-golden.py            # all cases
    python test/golden/make-golden.py qwen3 gpt2 # some

Each checkpoint is saved first and loaded again by `transformers`, so the goldens are those of the files as they lie.
Seeds count up from 0 until no argmax of any row or greedy step is close, so that equal ids can be demanded.
"""

import argparse
import json
import shutil
from itertools import count
from pathlib import Path

from oracle import greedy, load, margin, stages, trace, versions, write_json  # first: it sets torch up

import torch
import transformers
from safetensors.torch import load_file, save_file

from cases import CASES, Case

HERE = Path(__file__).parent
SHORT_PROMPT = 9  # rows of prompt0
LONG_PROMPT = 72  # rows of prompt1: more than one page of 64
LAST_QUERIES = 4  # rows of attention kept for the long prompt
MIN_MARGIN = 2e-3  # twenty times the tolerance of logits
MIN_CHOICE_GAP = 2e-5  # of routers, whose choices must be equal too
MIN_DISTINCT = 8  # different ids among the greedy ones of each prompt


def main() -> None:
    parser = argparse.ArgumentParser(description="Make golden checkpoints and values with transformers on PyTorch.")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"default all: {' '.join(CASES)}")
    names = parser.parse_args().cases or list(CASES)
    for name in names:
        if name not in CASES:
            parser.error(f"unknown case {name}; known: {' '.join(CASES)}")
    for name in names:
        make(name, CASES[name])


def make(name: str, case: Case) -> None:
    """Writes HERE/name: the checkpoint, golden.safetensors and golden.json."""
    directory = HERE / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    config_text = json.dumps(case.config, indent=2) + "\n"
    (directory / "config.json").write_text(config_text)

    seed, model = first_clear_seed(case, transformers.AutoConfig.from_pretrained(directory))
    save(case, model, directory, config_text)

    saved = load(directory)
    for parameter, tensor in model.float().state_dict().items():
        assert torch.equal(saved.state_dict()[parameter], tensor), f"{name}: {parameter} changed by saving"

    tensors: dict[str, torch.Tensor] = {}
    record = {"case": name, "note": case.note, "seed": seed, "dtype": case.dtype, "versions": versions()}
    for key, ids in prompts(case, seed).items():
        values = trace(saved, ids)
        chosen = greedy(saved, ids)
        whole = trace(saved, ids + chosen)["logits"]
        assert whole[len(ids) - 1 : -1].argmax(-1).tolist() == chosen, f"{name}: cached and uncached ids differ"
        record[key] = {"ids": ids, "greedy": chosen, "margin": round(margin(whole), 5)}
        last_layer = len(stages(saved)[1]) - 1
        for part, tensor in values.items():
            if part.startswith("attention."):
                if part not in ("attention.0", f"attention.{last_layer}"):
                    continue
                if key == "prompt1":
                    tensor = tensor[:, -LAST_QUERIES:]
            if part != "choiceGap":
                tensors[f"{key}.{part}"] = tensor.float().contiguous()
    if "score" in case.extras:
        record["score"] = score(saved, seed)
    if "embeds" in case.extras:
        tensors |= embeds(saved, seed)

    save_file(tensors, directory / "golden.safetensors")
    write_json(directory / "golden.json", record)
    size = sum(file.stat().st_size for file in directory.iterdir())
    margins = ", ".join(f"{record[key]['margin']:.4f}" for key in ("prompt0", "prompt1"))
    print(f"{name:28} seed {seed:3}  margins {margins}  {size / 1024:.0f} KiB", flush=True)


def first_clear_seed(case: Case, config):
    """(seed, model): the first seed whose logits leave no argmax in doubt and whose greedy text is not one loop."""
    for seed in count():
        model = transformers.AutoModelForCausalLM.from_config(
            config, dtype=torch.float32, attn_implementation="eager"
        ).eval()
        randomize(model, case, seed)
        if is_clear(model, case, seed):
            return seed, model


def is_clear(model, case: Case, seed: int) -> bool:
    for ids in prompts(case, seed).values():
        if not clear(trace(model, ids)):
            return False
        chosen = greedy(model, ids)
        if len(set(chosen)) < MIN_DISTINCT or not clear(trace(model, ids + chosen)):
            return False
    return True


def clear(values: dict[str, torch.Tensor]) -> bool:
    gap = values.get("choiceGap", torch.inf)
    return margin(values["logits"]) >= MIN_MARGIN and gap >= MIN_CHOICE_GAP


@torch.no_grad()
def randomize(model, case: Case, seed: int) -> None:
    """Weights large enough that every parameter shows in the logits: no norm is one, no bias zero."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(model.named_parameters()):
        if parameter.dim() >= 2:
            is_embedding = any(table in name for table in ("embed_tokens", "wte", "wpe"))
            std = case.embedding_std if is_embedding else 0.25
            values = torch.randn(parameter.shape, generator=generator) * std
        elif name.endswith(".bias"):
            values = torch.randn(parameter.shape, generator=generator) * 0.3
        else:
            values = torch.rand(parameter.shape, generator=generator) + 0.5  # a norm's weight
        parameter.copy_(values.to(getattr(torch, case.dtype)))
    for name, buffer in sorted(model.named_buffers()):
        if name.endswith("e_score_correction_bias"):
            buffer.copy_((torch.randn(buffer.shape, generator=generator) * 0.3).to(getattr(torch, case.dtype)))


def prompts(case: Case, seed: int) -> dict[str, list[int]]:
    """A prompt shorter than a page and one that crosses into the second page."""
    generator = torch.Generator().manual_seed(seed + 1_000_000)
    draw = lambda rows: torch.randint(case.config["vocab_size"], (rows,), generator=generator).tolist()
    return {"prompt0": draw(SHORT_PROMPT), "prompt1": draw(LONG_PROMPT)}


def save(case: Case, model, directory: Path, config_text: str) -> None:
    """The checkpoint in Hugging Face layout, in the case's dtype, layout, sharding and tensor names."""
    sharding = {"max_shard_size": case.shard_size} if case.shard_size else {}
    model.to(getattr(torch, case.dtype)).save_pretrained(directory, **sharding)
    (directory / "generation_config.json").unlink()
    if case.layout == "hub":
        (directory / "config.json").write_text(config_text)
    if "gpt2-hub-names" in case.extras:
        rename_as_first_published(directory / "model.safetensors", case.config)


def rename_as_first_published(file: Path, config: dict) -> None:
    """GPT-2's first files: no `transformer.` prefix, and the causal mask saved as if it were a weight."""
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in load_file(file).items()}
    rows = config["n_positions"]
    for layer in range(config["n_layer"]):
        mask = torch.ones(rows, rows, dtype=torch.uint8).tril()
        tensors[f"h.{layer}.attn.bias"] = mask.view(1, 1, rows, rows)
        tensors[f"h.{layer}.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(tensors, file, metadata={"format": "pt"})


@torch.no_grad()
def score(model, seed: int) -> dict:
    """log p of each token of a continuation, log_softmax in f64 over the f32 logits."""
    generator = torch.Generator().manual_seed(seed + 2_000_000)
    ids = torch.randint(model.config.vocab_size, (20,), generator=generator).tolist()
    input_ids, targets = ids[:8], ids[8:]
    logprobs = trace(model, ids)["logits"].double().log_softmax(-1)
    values = [logprobs[len(input_ids) - 1 + i, target].item() for i, target in enumerate(targets)]
    return {"ids": input_ids, "targets": targets, "logprobs": values}


@torch.no_grad()
def embeds(model, seed: int) -> dict[str, torch.Tensor]:
    """Logits from rows that are in no embedding table (GPT-2 adds its positions to them itself)."""
    generator = torch.Generator().manual_seed(seed + 3_000_000)
    rows = torch.randn(12, model.config.hidden_size, generator=generator) * 0.3
    logits = model(inputs_embeds=rows[None], use_cache=False).logits[0]
    return {"embeds.input": rows, "embeds.logits": logits.contiguous()}


if __name__ == "__main__":
    main()
