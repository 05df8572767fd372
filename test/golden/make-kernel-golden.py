"""Makes kernels.safetensors and kernels.json: one small case table for every op of kernels/kernels.ts.

    python test/golden/make-kernel-golden.py

Each case has inputs (f32, or i32 for indices), integers, and the output that PyTorch computes in f64 from them, stored
as f32. Sizes are odd on purpose: one row, one column, more rows than a page, heads in groups, positions beyond the
first page, pages out of order, sequences of different lengths in one call, and the layout of latent attention (one
cache head, values a prefix of the keys).
"""

import json
from pathlib import Path

from oracle import versions  # first: it sets torch up

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

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


def attention_case(name, heads, cache_heads, k_dim, v_dim, parts, shared=False) -> None:
    scale = 0.37
    needed = [-(-(past + new) // PAGE) for past, new in parts]
    n_pages, max_pages = sum(needed) + 1, max(needed)
    free = torch.randperm(n_pages).tolist()
    page_table = torch.zeros(len(parts), max_pages, dtype=torch.int32)
    k_pages = normal(n_pages, PAGE, cache_heads, k_dim)  # noise wherever nothing was stored
    v_pages = normal(n_pages, PAGE, cache_heads, v_dim)
    qs, ks, vs, outs, probs, sequences, positions = [], [], [], [], [], [], []
    for s, (past, new) in enumerate(parts):
        pages = [free.pop() for _ in range(needed[s])]
        page_table[s, : len(pages)] = torch.tensor(pages)
        k, q = normal(past + new, cache_heads, k_dim), normal(new, heads, k_dim)
        v = k[..., :v_dim] if shared else normal(past + new, cache_heads, v_dim)
        for t in range(past):
            k_pages[pages[t // PAGE], t % PAGE] = k[t]
            v_pages[pages[t // PAGE], t % PAGE] = v[t]
        group = heads // cache_heads
        kd, vd = k.double().repeat_interleave(group, 1), v.double().repeat_interleave(group, 1)
        scores = torch.einsum("rhd,thd->rht", q.double(), kd) * scale
        later = torch.arange(past + new)[None, :] > past + torch.arange(new)[:, None]
        p = scores.masked_fill(later[:, None], -torch.inf).softmax(-1)
        padded = torch.zeros(new, heads, max_pages * PAGE, dtype=torch.float64)
        padded[..., : past + new] = p
        probs.append(padded)
        outs.append(torch.einsum("rht,thd->rhd", p, vd))
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
    tensors[f"attention.{name}.probs"] = torch.cat(probs).float()
    add_case("attention", name, inputs, torch.cat(outs).reshape(rows, -1), nHeads=heads, nCacheHeads=cache_heads, kDim=k_dim, vDim=v_dim, scale=scale)


for make in (linear_cases, row_cases, norm_cases, feed_forward_cases, rope_cases, attention_cases):
    make()
save_file(tensors, HERE / "kernels.safetensors")
rows = ",\n".join(json.dumps(case) for case in cases)
(HERE / "kernels.json").write_text(f'{{"versions": {json.dumps(versions())},\n"cases": [\n{rows}\n]}}\n')
