"""Makes kernels.safetensors and kernels.json: one small case table for ops of kernels/kernels.ts; attention.safetensors and
attention.json: attention with a window, sinks or a soft cap, and its gradients; and experts.safetensors and experts.json:
the ops of routers, experts and latent attention.

    python test/golden/make-kernel-golden.py            # all three tables; names as arguments make only those

Each case has inputs (f32, or i32 for indices), integers, and the output that PyTorch computes in f64 from them, stored
as f32. Sizes are odd on purpose: one row, one column, more rows than a page, heads in groups, positions beyond the
first page, pages out of order, sequences of different lengths in one call, and the layout of latent attention (one
cache head, values a prefix of the keys).

Routers are those of DeepSeek-V2 and V3 and Qwen3-MoE in `transformers`; what they leave open, the order of the chosen and
of equal scores, is ours: the largest first, of equal ones the lower.

The second table's formula is held against the attention of Gemma 2 and of gpt-oss in `transformers` before it is used; its
gradients are autograd's, of the sum of dOut * out.
"""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

from oracle import versions  # first: it sets torch up

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from transformers.models.gemma2.modeling_gemma2 import eager_attention_forward as gemma2_attention
from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2TopkRouter
from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter
from transformers.models.qwen3_moe.modeling_qwen3_moe import Qwen3MoeTopKRouter
from transformers.models.gpt_oss.modeling_gpt_oss import eager_attention_forward as gpt_oss_attention

HERE = Path(__file__).parent
PAGE = 64
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


def column_cases() -> None:
    x, y, z = normal(5, 7), normal(5, 1), normal(5, 4)
    for name, begin, width in (("first", 0, 3), ("middle", 2, 4), ("one", 6, 1), ("all", 0, 7)):
        add_case("columns", name, {"x": x}, x[:, begin : begin + width], begin=begin, width=width)
    add_case("joinColumns", "three", {"x": x, "y": y, "z": z}, torch.cat([x, y, z], -1))
    a, b = normal(3, 5), normal(3, 5)
    add_case("multiply", "odd", {"a": a, "b": b}, a.double() * b.double())
    add_case("scale", "odd", {"x": a}, a.double() * 25.25, factor=25.25)


def router_cases() -> None:
    """`family` is whose router it is; V2's and Qwen's scores are softmax, V3's are sigmoid with a bias and normalized."""
    table = {
        "greedy": dict(family="v2", rows=5, experts=9, active=3, scale=16.0),
        "one": dict(family="v2", rows=1, experts=2, active=1, scale=1.0),
        "best-group": dict(family="v2", rows=40, experts=12, active=3, groups=4, active_groups=2, scale=16.0),
        "best-two": dict(family="v3", rows=40, experts=12, active=3, groups=3, active_groups=2, scale=2.5),
        "below-zero": dict(family="v3", rows=40, experts=12, active=5, groups=3, active_groups=2, scale=2.5, low=-3.0),
        "not-normalized": dict(family="v3", rows=5, experts=8, active=2, groups=1, active_groups=1, scale=2.5, normalize=False),
        "tiny": dict(family="v3", rows=3, experts=8, active=4, groups=2, active_groups=1, scale=2.5, size=0.0, low=-75.0),
        "many": dict(family="v3", rows=3, experts=256, active=8, groups=8, active_groups=4, scale=2.5),
        "normalized": dict(family="qwen", rows=5, experts=8, active=3, scale=1.0),
        "as-they-are": dict(family="qwen", rows=5, experts=8, active=3, scale=1.0, normalize=False),
    }
    for name, case in table.items():
        router_case(name, **case)
    # Equal scores, which the models leave to chance: groups 2 and 0, 0 and 1, 0 and 1.
    logits = torch.tensor([[1, 3, 3, 1, 3, 3.0], [0, 0, 0, 0, 0, 0], [2, 1, 2, 1, 2, 1]])
    rule = dict(nActive=3, softmax=1, nGroups=3, nActiveGroups=2, bestTwo=1, normalize=0, scale=1.0)
    add_case("route", "ties", {"logits": logits}, torch.tensor([[1, 4, 5], [0, 1, 2], [0, 2, 1]], dtype=torch.int32), **rule)


def router_case(name, family, rows, experts, active, scale, groups=1, active_groups=1, normalize=None, size=1.0, low=0.0) -> None:
    """`low` is added to logits of sigmoid scores and, where it is small, to the bias: scores that are 0 but for rounding, choices below 0."""
    softmax = family != "v3"
    normalize = family != "v2" if normalize is None else normalize
    config = SimpleNamespace(
        num_experts_per_tok=active, num_experts=experts, num_local_experts=experts, hidden_size=experts,
        routed_scaling_factor=scale, topk_method="greedy" if groups == 1 else "group_limited_greedy",
        n_group=groups, topk_group=active_groups, norm_topk_prob=normalize,
    )
    router = {"v2": DeepseekV2TopkRouter, "v3": DeepseekV3TopkRouter, "qwen": Qwen3MoeTopKRouter}[family](config)
    router.weight.data = torch.eye(experts)  # so that its logits are what it is given
    logits, bias = normal(rows, experts) * size * 2, normal(experts) * 0.4
    if low < -60:
        logits, bias = logits + low, bias * 0 + torch.arange(experts)
    elif low:
        bias = bias + low
    if not softmax:
        router.e_score_correction_bias = bias
    with torch.no_grad():
        _, weights, ids = router(logits)
    scores = logits.double().softmax(-1) if softmax else logits.double().sigmoid()
    choice = scores if softmax else scores + bias.double()
    order = torch.gather(choice, 1, ids.long()).argsort(-1, descending=True)
    ids, weights = torch.gather(ids, 1, order).int(), torch.gather(weights, 1, order)
    exact = torch.gather(scores, 1, ids.long())
    exact = scale * (exact / (exact.sum(-1, keepdim=True) + 1e-20) if normalize else exact)
    torch.testing.assert_close(exact.float(), weights, rtol=1e-4, atol=1e-20)
    rule = dict(nActive=active, softmax=int(softmax), nGroups=groups, nActiveGroups=active_groups, bestTwo=int(not softmax))
    rule |= dict(normalize=int(normalize), scale=scale)
    add_case("route", name, {"logits": logits} if softmax else {"logits": logits, "bias": bias}, ids, **rule)
    add_case("routeWeights", name, {"logits": logits, "ids": ids}, exact, **rule)


def expert_cases() -> None:
    for name, given, per_row, n, in_dim, out_dim in (
        ("one", 1, 1, 1, 1, 1), ("row", 1, 3, 4, 24, 33), ("rows", 7, 2, 5, 9, 7), ("heads", 12, 1, 4, 16, 6), ("tall", 90, 3, 3, 8, 5),
    ):
        x, w = normal(given, in_dim), normal(n, out_dim, in_dim)
        ids = torch.randint(n, (given * per_row,), dtype=torch.int32)
        if name == "heads":
            ids = torch.arange(given, dtype=torch.int32) % n
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            if dtype != torch.float32 and name != "rows":
                continue
            stored = w.to(dtype)
            wide = x.double().repeat_interleave(per_row, 0)
            out = torch.einsum("ri,roi->ro", wide, stored.double()[ids.long()])
            case = name if dtype == torch.float32 else str(dtype).split(".")[1]
            add_case("expertLinear", case, {"x": x, "ids": ids, "w": stored}, out)
    for name, rows, n, dim in (("one", 1, 1, 1), ("rows", 5, 3, 11)):
        x, weights = normal(rows * n, dim), normal(rows, n)
        out = torch.einsum("rj,rji->ri", weights.double(), x.double().reshape(rows, n, dim))
        add_case("weightedSum", name, {"x": x, "weights": weights}, out)


def save(name: str) -> None:
    """Writes the cases so far, and begins a new table."""
    save_file(tensors, HERE / f"{name}.safetensors")
    rows = ",\n".join(json.dumps(case) for case in cases)
    (HERE / f"{name}.json").write_text(f'{{"versions": {json.dumps(versions())},\n"cases": [\n{rows}\n]}}\n')
    cases.clear(), tensors.clear()


def main() -> None:
    tables = {
        "kernels": (20, (linear_cases, row_cases, norm_cases, feed_forward_cases, rope_cases, attention_cases)),
        "attention": (21, (check_formula, softmax_cases)),
        "experts": (22, (column_cases, router_cases, expert_cases)),
    }
    for name in sys.argv[1:] or tables:
        seed, makers = tables[name]
        torch.manual_seed(seed)
        for make in makers:
            make()
        save(name)


if __name__ == "__main__":
    main()
