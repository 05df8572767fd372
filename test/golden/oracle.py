"""PyTorch as the oracle: run a `transformers` causal model once and keep every value that our forward shows.

Shared by make-golden.py, check-sensitivity.py and make-smollm2.py. One thread, f32 on the CPU, eager attention, so
that the same machine writes the same bytes each time.
"""

import json
import os
import platform
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # everything is made here; nothing may be fetched

import torch
import transformers

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

GREEDY_STEPS = 32


def load(directory: Path):
    """The checkpoint in `directory` as an f32 model with eager attention, ready for inference."""
    model = transformers.AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager"
    )
    return model.eval()


def routers(model) -> dict[int, torch.nn.Module]:
    """The router of each layer that has experts."""
    layers = enumerate(stages(model)[1])
    return {i: layer.mlp.gate for i, layer in layers if hasattr(getattr(layer, "mlp", None), "experts")}


def choice_gap(router, logits) -> float:
    """The smallest distance between what a router took and what it left, of experts and of groups, in any row."""
    bias = getattr(router, "e_score_correction_bias", None)
    choice = logits.softmax(-1) if bias is None else logits.sigmoid() + bias
    gaps = []
    groups, active = getattr(router, "num_group", None) or 1, getattr(router, "topk_group", None) or 1
    if active < groups:
        grouped = choice.view(len(choice), groups, -1)
        good = grouped.max(-1).values if bias is None else grouped.topk(2, -1).values.sum(-1)
        best = good.topk(active + 1, -1)
        gaps.append((best.values[:, -2] - best.values[:, -1]).min().item())
        open_groups = torch.zeros_like(good).scatter(1, best.indices[:, :-1], 1.0).bool()
        choice = grouped.masked_fill(~open_groups[..., None], -torch.inf).flatten(1)
    if router.top_k < choice.shape[-1]:
        best = choice.topk(router.top_k + 1, -1).values
        gaps.append((best[:, -2] - best[:, -1]).min().item())
    return min(gaps)


def stages(model):
    """(module whose output is the embedding rows, decoder layers, final norm) of a Llama-like or GPT-2 model."""
    if model.config.model_type == "gpt2":
        # `drop` is the identity here; what goes through it is wte + wpe.
        return model.transformer.drop, model.transformer.h, model.transformer.ln_f
    return model.model.embed_tokens, model.model.layers, model.model.norm


@torch.no_grad()
def trace(model, ids: list[int]) -> dict[str, torch.Tensor]:
    """One forward over `ids`: hidden.0 .. hidden.nLayers, norm, logits, attention.0 .. attention.(nLayers - 1); and of
    layers with experts `experts.i` and `expertWeights.i` [rows, active], in order of the experts' numbers.

    hidden.0 are the embedding rows (with GPT-2's positions added), hidden.i the residual stream after layer i, before
    any final norm. Shapes [rows, dModel], [rows, vocabSize] and [nHeads, rows, rows].
    """
    seen: dict[str, torch.Tensor | float] = {}

    def keep(name):
        def hook(_module, _inputs, output):
            seen[name] = (output[0] if isinstance(output, tuple) else output)[0].clone()

        return hook

    def keep_choice(i):
        def hook(router, _inputs, output):
            logits, weights, ids = output
            seen[f"experts.{i}"], order = ids.sort(-1)
            seen[f"expertWeights.{i}"] = weights.gather(-1, order)
            seen["choiceGap"] = min(seen.get("choiceGap", torch.inf), choice_gap(router, logits))

        return hook

    embedding, layers, norm = stages(model)
    hooks = [embedding.register_forward_hook(keep("hidden.0")), norm.register_forward_hook(keep("norm"))]
    hooks += [router.register_forward_hook(keep_choice(i)) for i, router in routers(model).items()]
    hooks += [layer.register_forward_hook(keep(f"hidden.{i + 1}")) for i, layer in enumerate(layers)]
    try:
        output = model(input_ids=torch.tensor([ids]), use_cache=False, output_attentions=True)
    finally:
        for hook in hooks:
            hook.remove()
    seen["logits"] = output.logits[0]
    for i, probs in enumerate(output.attentions):
        seen[f"attention.{i}"] = probs[0]
    return seen


@torch.no_grad()
def greedy(model, ids: list[int], steps: int = GREEDY_STEPS) -> list[int]:
    """The next `steps` ids by argmax, with transformers' own cache; no end token, no penalty."""
    model.generation_config = transformers.GenerationConfig(do_sample=False, num_beams=1, pad_token_id=0)
    output = model.generate(
        torch.tensor([ids]), attention_mask=torch.ones(1, len(ids)), max_new_tokens=steps, use_cache=True
    )
    chosen = output[0, len(ids) :].tolist()
    assert len(chosen) == steps, f"generate stopped after {len(chosen)} of {steps} ids"
    return chosen


def margin(logits: torch.Tensor) -> float:
    """The smallest gap between best and second-best logit of any row, over the largest magnitude of all."""
    best = logits.topk(2, dim=-1).values
    return ((best[:, 0] - best[:, 1]).min() / logits.abs().max()).item()


def versions() -> dict[str, str]:
    """What the numbers were made with."""
    return {"python": platform.python_version(), "torch": torch.__version__, "transformers": transformers.__version__}


def write_json(path: Path, record: dict) -> None:
    """`record` as JSON, one top-level key a line."""
    compact = lambda value: json.dumps(value, ensure_ascii=False)
    lines = [f"  {compact(key)}: {compact(value)}" for key, value in record.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
