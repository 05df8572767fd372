"""Makes kernels.safetensors and kernels.json: one small case table for every op of kernels/kernels.ts; and
attention.safetensors and attention.json: attention with a window, sinks or a soft cap, and its gradients.

    python test/golden/make-kernel-golden.py

Each case has inputs (f32, or i32 for indices), integers, and the output that PyTorch computes in f64 from them, stored
as f32. Sizes are odd on purpose: one row, one column, more rows than a page, heads in groups, positions beyond the
first page, pages out of order, sequences of different lengths in one call, and the layout of latent attention (one
cache head, values a prefix of the keys).

The second table's formula is held against the attention of Gemma 2 and of gpt-oss in `transformers` before it is used; its
gradients are autograd's, of the sum of dOut * out.
"""

import json
from pathlib import Path

from oracle import versions  # first: it sets torch up

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers.models.gemma2.modeling_gemma2 import eager_attention_forward as gemma2_attention
from transformers.models.gpt_oss.modeling_gpt_oss import eager_attention_forward as gpt_oss_attention

HERE = Path(__file__).parent
PAGE = 64
torch.manual_seed(20)

cases: list[dict] = []
tensors: dict[str, torch.Tensor] = {}


def add_case(op: str, name: str, inputs: dict[str, torch.Tensor], output: torch.Tensor, **numbers) -> None:
    case = f"{op}.{name}"
    for key, value in {**inputs, "out": output}.items():
        kept = value.dtype in (torch.int32, torch.bfloat16, torch.float16)
        tensors[f"{case}.{key}"] = (value if kept else value.float()).contiguous().clone()  # no sharing
    cases.append({"case": case, "op": op, "inputs": list(inputs), "numbers": numbers})


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape).float()


def linear_cases() -> None:
    sizes = {"one": (1, 1, 1), "row": (1, 37, 65), "rows": (5, 33, 7), "tall": (67, 3, 2), "block": (16, 64, 32)}
    for name, (rows, in_dim, out_dim) in sizes.items():
        x, w, bias = normal(rows, in_dim), normal(out_dim, in_dim), normal(out_dim)
        add_case("linear", name, {"x": x, "w": w}, F.linear(x.double(), w.double()))
        add_case("linear", f"{name}-bias", {"x": x, "w": w, "bias": bias}, F.linear(x.double(), w.double(), bias.double()))
    for dtype in (torch.bfloat16, torch.float16):
        x, w = normal(3, 41), normal(19, 41).to(dtype)
        add_case("linear", str(dtype).split(".")[1], {"x": x, "w": w}, F.linear(x.double(), w.double()))


def row_cases() -> None:
    ids = torch.tensor([4, 0, 4, 10, 1], dtype=torch.int32)
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        table = normal(11, 9).to(dtype)
        add_case("gather", str(dtype).split(".")[1], {"table": table, "ids": ids}, table.double()[ids.long()])
    a, b, c = normal(3, 5), normal(1, 5), normal(4, 5)
    add_case("concat", "three", {"a": a, "b": b, "c": c}, torch.cat([a, b, c]))
    add_case("add", "odd", {"a": a, "b": normal(3, 5) * 1e3}, torch.zeros(3, 5))
    tensors["add.odd.out"] = (a.double() + tensors["add.odd.b"].double()).float()


def norm_cases() -> None:
    for name, rows, dim, size, eps in (("row", 1, 17, 1, 1e-5), ("rows", 6, 33, 1, 1e-6), ("small", 3, 8, 1e-3, 1e-5), ("large", 2, 64, 1e3, 1e-5)):
        x, weight, bias = normal(rows, dim) * size, normal(dim), normal(dim)
        double = x.double()
        rms = double * torch.rsqrt(double.pow(2).mean(-1, keepdim=True) + eps) * weight.double()
        add_case("rmsNorm", name, {"x": x, "weight": weight}, rms, eps=eps)
        layer = F.layer_norm(double, [dim], weight.double(), bias.double(), eps)
        add_case("layerNorm", name, {"x": x, "weight": weight, "bias": bias}, layer, eps=eps)


def feed_forward_cases() -> None:
    for name, x in (("normal", normal(5, 7)), ("extreme", torch.tensor([[-1e4, -90, -30, -1e-4, 0, 1e-4, 30, 90, 1e4]]))):
        up = normal(*x.shape)
        add_case("swiglu", name, {"gate": x, "up": up}, F.silu(x.double()) * up.double())
        add_case("gelu", name, {"x": x}, F.gelu(x.double(), approximate="tanh"))


def rope_cases() -> None:
    """The turned part as complex numbers: (a + ib) · e^(i·angle)."""
    for name, rows, heads, head_dim, rope_dim, offset in (("whole", 3, 2, 6, 6, 0), ("part", 2, 3, 10, 4, 0), ("end", 4, 1, 12, 4, 8)):
        x, angles = normal(rows, heads, head_dim), normal(rows, rope_dim // 2) * 3
        cos, sin = angles.double().cos().float(), angles.double().sin().float()
        a, b = x.double()[..., offset : offset + rope_dim].chunk(2, dim=-1)
        turned = torch.complex(a, b) * torch.complex(cos.double(), sin.double())[:, None]
        out = x.double().clone()
        out[..., offset : offset + rope_dim] = torch.cat([turned.real, turned.imag], -1)
        flat = [rows, heads * head_dim]
        add_case("rope", name, {"x": x.reshape(flat), "cos": cos, "sin": sin}, out.reshape(flat), headDim=head_dim, offset=offset)


def attention_cases() -> None:
    """`parts`: (positions already in the cache, new rows) of each sequence of the call."""
    table = {
        "one": dict(heads=1, cache_heads=1, k_dim=4, v_dim=4, parts=[(0, 1)]),
        "prefill": dict(heads=4, cache_heads=2, k_dim=5, v_dim=5, parts=[(0, 9)]),
        "decode": dict(heads=6, cache_heads=2, k_dim=8, v_dim=8, parts=[(63, 1), (64, 1), (130, 1), (0, 1)]),
        "mixed": dict(heads=3, cache_heads=3, k_dim=7, v_dim=3, parts=[(60, 10), (0, 2), (127, 1)]),
        "latent": dict(heads=4, cache_heads=1, k_dim=10, v_dim=6, parts=[(5, 3), (70, 2)], shared=True),
    }
    for name, case in table.items():
        attention_case(name, **case)


def softmax_cases() -> None:
    """Attention with what changes its softmax."""
    heads = dict(heads=4, cache_heads=2, k_dim=5, v_dim=3)
    far = [(0, 9), (130, 3), (63, 2)]
    table = {
        "window-1": dict(window=1, parts=[(0, 5), (64, 1)], **heads),
        "window-4": dict(window=4, parts=far, **heads),
        "window-page": dict(window=70, parts=[(60, 12), (0, 2), (191, 3)], **heads),
        "sinks": dict(sinks=True, parts=far, **heads),
        "soft-cap": dict(soft_cap=1.5, parts=far, **heads),
        "all": dict(window=66, sinks=True, soft_cap=2.5, parts=far, **heads),
        "all-latent": dict(window=3, sinks=True, soft_cap=0.7, heads=3, cache_heads=1, k_dim=6, v_dim=4, parts=[(5, 4), (0, 2)], shared=True),
    }
    for name, case in table.items():
        attention_case(name, gradients=True, **case)


def probabilities(q, k, scale, past, window, sinks, soft_cap) -> torch.Tensor:
    """q [new, heads, k_dim], k [past + new, heads, k_dim] -> [new, heads, past + new]"""
    new = len(q)
    scores = torch.einsum("rhd,thd->rht", q, k) * scale
    if soft_cap:
        scores = soft_cap * torch.tanh(scores / soft_cap)
    distance = past + torch.arange(new)[:, None] - torch.arange(past + new)[None, :]
    unseen = (distance < 0) | (distance >= window if window else False)
    scores = scores.masked_fill(unseen[:, None], -torch.inf)
    if sinks is None:
        return scores.softmax(-1)
    return torch.cat([scores, sinks.expand(new, -1)[..., None]], -1).softmax(-1)[..., :-1]


def check_formula() -> None:
    """The formula above against the functions that Gemma 2 and gpt-oss compute attention with."""
    new, past, heads, groups, dim, window, scale = 5, 7, 4, 2, 6, 4, 0.4
    q, k, v = normal(new, heads, dim), normal(past + new, heads // groups, dim), normal(past + new, heads // groups, dim)
    distance = past + torch.arange(new)[:, None] - torch.arange(past + new)[None, :]
    mask = torch.zeros(new, past + new).masked_fill((distance < 0) | (distance >= window), -torch.inf)[None, None]
    layer = torch.nn.Module()
    layer.num_key_value_groups, layer.sinks = groups, normal(heads)
    batch = [x.transpose(0, 1)[None] for x in (q, k, v)]
    wide = [x.repeat_interleave(groups, 1) for x in (k, v)]
    for theirs, sinks, soft_cap in (
        (gemma2_attention(layer, *batch, mask, scaling=scale, softcap=1.5), None, 1.5),
        (gpt_oss_attention(layer, *batch, mask, scaling=scale), layer.sinks, 0),
    ):
        ours = torch.einsum("rht,thd->rhd", probabilities(q, wide[0], scale, past, window, sinks, soft_cap), wide[1])
        torch.testing.assert_close(ours, theirs[0][0])


def attention_case(name, heads, cache_heads, k_dim, v_dim, parts, shared=False, window=0, sinks=False, soft_cap=0, gradients=False) -> None:
    scale = 0.37
    sink = normal(heads) if sinks else None
    needed = [-(-(past + new) // PAGE) for past, new in parts]
    n_pages, max_pages = sum(needed) + 1, max(needed)
    free = torch.randperm(n_pages).tolist()
    page_table = torch.zeros(len(parts), max_pages, dtype=torch.int32)
    k_pages = normal(n_pages, PAGE, cache_heads, k_dim)  # noise wherever nothing was stored
    v_pages = normal(n_pages, PAGE, cache_heads, v_dim)
    qs, ks, vs, outs, probs, sequences, positions = [], [], [], [], [], [], []
    d_outs, d_qs, d_ks, d_vs = [], [], [], []
    for s, (past, new) in enumerate(parts):
        pages = [free.pop() for _ in range(needed[s])]
        page_table[s, : len(pages)] = torch.tensor(pages)
        k, q = normal(past + new, cache_heads, k_dim), normal(new, heads, k_dim)
        v = k[..., :v_dim] if shared else normal(past + new, cache_heads, v_dim)
        for t in range(past):
            k_pages[pages[t // PAGE], t % PAGE] = k[t]
            v_pages[pages[t // PAGE], t % PAGE] = v[t]
        group = heads // cache_heads
        q_leaf, k_leaf = q.double().requires_grad_(), k.double().requires_grad_()
        v_leaf = k_leaf[..., :v_dim] if shared else v.double().requires_grad_()
        kd, vd = k_leaf.repeat_interleave(group, 1), v_leaf.repeat_interleave(group, 1)
        p = probabilities(q_leaf, kd, scale, past, window, None if sink is None else sink.double(), soft_cap)
        padded = torch.zeros(new, heads, max_pages * PAGE, dtype=torch.float64)
        padded[..., : past + new] = p.detach()
        probs.append(padded)
        out = torch.einsum("rht,thd->rhd", p, vd)
        outs.append(out.detach())
        if gradients:
            d_outs.append(normal(new, heads, v_dim))
            (d_outs[-1].double() * out).sum().backward()
            d_qs.append(q_leaf.grad), d_ks.append(k_leaf.grad[past:])
            if not shared:
                d_vs.append(v_leaf.grad[past:])
        qs.append(q), ks.append(k[past:]), vs.append(v[past:])
        sequences += [s] * new
        positions += range(past, past + new)
    rows = len(positions)
    inputs = {
        "q": torch.cat(qs).reshape(rows, -1),
        "k": torch.cat(ks).reshape(rows, -1),
        "kPages": k_pages,
        "sequences": torch.tensor(sequences, dtype=torch.int32),
        "positions": torch.tensor(positions, dtype=torch.int32),
        "pageTable": page_table,
    }
    if not shared:
        inputs |= {"v": torch.cat(vs).reshape(rows, -1), "vPages": v_pages}
    if sinks:
        inputs["sinks"] = sink
    tensors[f"attention.{name}.probs"] = torch.cat(probs).float()
    for key, parts_of in {"dOut": d_outs, "dQ": d_qs, "dK": d_ks, "dV": d_vs}.items():
        if parts_of:
            tensors[f"attention.{name}.{key}"] = torch.cat(parts_of).reshape(rows, -1).float()
    numbers = dict(nHeads=heads, nCacheHeads=cache_heads, kDim=k_dim, vDim=v_dim, scale=scale)
    if window:
        numbers["window"] = window
    if soft_cap:
        numbers["softCap"] = soft_cap
    add_case("attention", name, inputs, torch.cat(outs).reshape(rows, -1), **numbers)


def save(name: str) -> None:
    """Writes the cases so far, and begins a new table."""
    save_file(tensors, HERE / f"{name}.safetensors")
    rows = ",\n".join(json.dumps(case) for case in cases)
    (HERE / f"{name}.json").write_text(f'{{"versions": {json.dumps(versions())},\n"cases": [\n{rows}\n]}}\n')
    cases.clear(), tensors.clear()


for make in (linear_cases, row_cases, norm_cases, feed_forward_cases, rope_cases, attention_cases):
    make()
save("kernels")
torch.manual_seed(21)
check_formula()
softmax_cases()
save("attention")
