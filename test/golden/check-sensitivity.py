"""Asks of the goldens whether they would notice: breaks the oracle's own model and prints how far its logits move.

    python test/golden/check-sensitivity.py

Each figure is the largest change of a logit of prompt1 over the largest logit. The tests tolerate 1e-4; a fault counts
as seen from 2e-4 on (exact GELU for its tanh form moves nothing by more). Fails unless every fault is seen by some
case, every parameter tensor and every optional key of a rope scaling by its own case, and the rounding of f32 (against
f64) stays below 1e-5.
"""

import json
import sys
from contextlib import contextmanager
from pathlib import Path

from oracle import load, stages

import torch

from cases import CASES

HERE = Path(__file__).parent
SEEN = 2e-4
NOISE = 1e-5


@torch.no_grad()
def logits(model, ids, **inputs) -> torch.Tensor:
    return model(input_ids=torch.tensor([ids]), use_cache=False, **inputs).logits[0].double()


def change(got: torch.Tensor, expected: torch.Tensor) -> float:
    return ((got - expected).abs().max() / expected.abs().max()).item()


@contextmanager
def patched(owner, name, value):
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def code_of(model):
    """The module of `transformers` that holds the model's functions."""
    return sys.modules[type(model).__module__]


def is_gpt2(model) -> bool:
    return model.config.model_type == "gpt2"


# The faults: each takes (model, ids) and returns the logits it then gives, or None where it does not apply.


def epsilon_times_ten(model, ids, only=("",)):
    touched = False
    for name, module in model.named_modules():
        for attribute in ("variance_epsilon", "eps"):
            if hasattr(module, attribute) and any(part in name for part in only):
                setattr(module, attribute, getattr(module, attribute) * 10)
                touched = True
    return logits(model, ids) if touched else None


def epsilon_of_q_and_k_norms(model, ids):
    return epsilon_times_ten(model, ids, only=("q_norm", "k_norm"))


def rope_pairs_neighbors(model, ids):
    if is_gpt2(model):
        return None

    def rotate(x, cos, sin):
        half = cos.shape[-1] // 2
        cos, sin = (t[:, None, :, :half].repeat_interleave(2, -1) for t in (cos, sin))
        turned = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
        return x * cos + turned * sin

    with patched(code_of(model), "apply_rotary_pos_emb", lambda q, k, c, s: (rotate(q, c, s), rotate(k, c, s))):
        return logits(model, ids)


def rope_without_scaling(model, ids):
    if is_gpt2(model) or model.model.rotary_emb.rope_type == "default":
        return None
    rotary = model.model.rotary_emb
    rotary.inv_freq = rotary.compute_default_rope_parameters(model.config)[0]
    return logits(model, ids)


def rope_without_attention_factor(model, ids):
    if is_gpt2(model) or model.model.rotary_emb.attention_scaling == 1:
        return None
    model.model.rotary_emb.attention_scaling = 1.0
    return logits(model, ids)


def rope_without_key(case, key, ids):
    """The logits when one optional key of the scaling is overlooked."""
    model = load(HERE / case)
    del model.config.rope_parameters[key]
    model.model.rotary_emb = type(model.model.rotary_emb)(model.config)
    return logits(model, ids)


def positions_from_one(model, ids):
    # Rotary positions are relative, so only learned ones can show this.
    return logits(model, ids, position_ids=torch.arange(1, len(ids) + 1)[None]) if is_gpt2(model) else None


def mask_lets_one_future_key_in(model, ids):
    rows = len(ids)
    mask = torch.full((rows, rows), torch.finfo(torch.float32).min).triu(2)
    return logits(model, ids, attention_mask=mask[None, None])


def query_heads_on_wrong_kv_head(model, ids):
    config = model.config
    if is_gpt2(model) or config.num_key_value_heads in (1, config.num_attention_heads):
        return None
    with patched(code_of(model), "repeat_kv", lambda x, times: x.repeat(1, times, 1, 1)):
        return logits(model, ids)


def norms_of_layer_swapped(model, ids):
    first, second = ("ln_1", "ln_2") if is_gpt2(model) else ("input_layernorm", "post_attention_layernorm")
    for layer in stages(model)[1]:
        one, two = getattr(layer, first), getattr(layer, second)
        setattr(layer, first, two)
        setattr(layer, second, one)
    return logits(model, ids)


def exact_gelu(model, ids):
    if not is_gpt2(model):
        return None
    for layer in model.transformer.h:
        layer.mlp.act = torch.nn.GELU()
    return logits(model, ids)


OPTIONAL_ROPE_KEYS = ("attention_factor", "mscale", "mscale_all_dim", "beta_fast", "beta_slow", "truncate")
FAULTS = [
    epsilon_times_ten,
    epsilon_of_q_and_k_norms,
    rope_pairs_neighbors,
    rope_without_scaling,
    rope_without_attention_factor,
    positions_from_one,
    mask_lets_one_future_key_in,
    query_heads_on_wrong_kv_head,
    norms_of_layer_swapped,
    exact_gelu,
]


@torch.no_grad()
def weakest_parameter(model, ids, expected) -> tuple[float, str]:
    """(change, name) of the parameter tensor that matters least when each element moves by 5 %, up or down at random.

    At random because Qwen 3 takes the length out of q and k: a common factor in their weights never shows.
    """
    generator = torch.Generator().manual_seed(0)
    changes = []
    for name, parameter in model.named_parameters():
        before = parameter.clone()
        parameter.mul_(1 + 0.05 * torch.randn(parameter.shape, generator=generator).sign())
        changes.append((change(logits(model, ids), expected), name))
        parameter.copy_(before)
    return min(changes)


def main() -> None:
    seen_by = {fault.__name__: [] for fault in FAULTS}
    failures = []
    for case in CASES:
        directory = HERE / case
        ids = json.loads((directory / "golden.json").read_text())["prompt1"]["ids"]
        expected = logits(load(directory), ids)
        print(case)

        noise = change(logits(load(directory).double(), ids), expected)
        print(f"  {'f32 against f64':32} {noise:.1e}")
        if noise > NOISE:
            failures.append(f"{case}: rounding {noise:.1e}")

        size, name = weakest_parameter(load(directory), ids, expected)
        print(f"  {'weakest parameter, +- 5 %':32} {size:.1e}  {name}")
        if size < SEEN:
            failures.append(f"{case}: {name} hardly matters")

        for fault in FAULTS:
            got = fault(load(directory), ids)
            if got is None:
                continue
            size = change(got, expected)
            print(f"  {fault.__name__:32} {size:.1e}{'' if size >= SEEN else '  not seen'}")
            if size >= SEEN:
                seen_by[fault.__name__].append(case)
        rope = getattr(load(directory).config, "rope_parameters", {})
        for key in (key for key in OPTIONAL_ROPE_KEYS if key in rope):
            size = change(rope_without_key(case, key, ids), expected)
            print(f"  {'rope without ' + key:32} {size:.1e}")
            if size < SEEN:
                failures.append(f"{case}: {key} hardly matters")
    failures += [f"no case sees {fault}" for fault, cases in seen_by.items() if not cases]
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
