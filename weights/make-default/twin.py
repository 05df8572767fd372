"""The trainer's twin in PyTorch: the same start, batches, order and hyper-parameters, from the files that data.ts writes.

It is an oracle for src/tune/trainer.ts, and it made the weights that ship (in bfloat16 on two CPU cores); nothing else needs it.
Usage: python twin.py DATA_DIR RUN_DIR [--steps N] [--f32] [--workers N]; an interrupted run goes on.
Each worker is a process of one thread that takes its share of a batch's rows; gradients are summed before each step.
RUN_DIR/losses.jsonl gets one line a step; RUN_DIR/checkpoint.safetensors is a checkpoint as src/tune/trainer.ts writes it: either of
the two goes on from the other's.
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import multiprocessing, nn
from torch.nn import functional as F


def linear(rows, columns):
    return nn.Linear(columns, rows, bias=False)


class Attention(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.heads, self.kv_heads, self.width = s["num_attention_heads"], s["num_key_value_heads"], s["head_dim"]
        self.q_proj, self.o_proj = linear(self.heads * self.width, s["hidden_size"]), linear(s["hidden_size"], self.heads * self.width)
        self.k_proj, self.v_proj = linear(self.kv_heads * self.width, s["hidden_size"]), linear(self.kv_heads * self.width, s["hidden_size"])

    def forward(self, x, cos, sin):
        def heads(y, count):
            return y.view(*y.shape[:2], count, self.width).transpose(1, 2)

        def turned(y):
            a, b = y.chunk(2, -1)
            return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)

        q, k, v = turned(heads(self.q_proj(x), self.heads)), turned(heads(self.k_proj(x), self.kv_heads)), heads(self.v_proj(x), self.kv_heads)
        times = self.heads // self.kv_heads
        out = F.scaled_dot_product_attention(q, k.repeat_interleave(times, 1), v.repeat_interleave(times, 1), is_causal=True)
        return self.o_proj(out.transpose(1, 2).reshape(*x.shape[:2], -1))


class FeedForward(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.gate_proj, self.up_proj = linear(s["intermediate_size"], s["hidden_size"]), linear(s["intermediate_size"], s["hidden_size"])
        self.down_proj = linear(s["hidden_size"], s["intermediate_size"])

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Block(nn.Module):
    def __init__(self, s):
        super().__init__()
        self.self_attn, self.mlp = Attention(s), FeedForward(s)
        self.input_layernorm = nn.RMSNorm(s["hidden_size"], s["rms_norm_eps"])
        self.post_attention_layernorm = nn.RMSNorm(s["hidden_size"], s["rms_norm_eps"])

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Llama(nn.Module):
    """ids [sequences, positions] → normed rows; parameters named as in a Hugging Face checkpoint."""

    def __init__(self, s):
        super().__init__()
        self.model = nn.ModuleDict({
            "embed_tokens": nn.Embedding(s["vocab_size"], s["hidden_size"]),
            "layers": nn.ModuleList(Block(s) for _ in range(s["num_hidden_layers"])),
            "norm": nn.RMSNorm(s["hidden_size"], s["rms_norm_eps"]),
        })
        half = s["head_dim"] // 2
        self.frequencies = s["rope_theta"] ** (-torch.arange(half, dtype=torch.float64) / half)

    def forward(self, ids):
        angles = torch.arange(ids.shape[1], dtype=torch.float64)[:, None] * self.frequencies
        cos, sin = angles.cos().float(), angles.sin().float()
        x = self.model["embed_tokens"](ids)
        for block in self.model["layers"]:
            x = block(x, cos, sin)
        return self.model["norm"](x)


def orthogonal(g, dtype):
    """Five Newton-Schulz steps: brings the singular values of a stack of matrices [n, rows, columns] near one."""
    x = (g / (g.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(dtype)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return (x.mT if tall else x).float()


class Muon:
    """w ← (1 − lr·decay)·w − lr·√max(1, rows/columns)·orthogonal(g + momentum·m), with m ← momentum·m + g. Jordan 2024."""

    def __init__(self, params, momentum, decay, dtype):
        self.params, self.momentum, self.decay, self.dtype = list(params), momentum, decay, dtype
        self.m = [torch.zeros_like(p) for p in self.params]

    @torch.no_grad()
    def step(self, rate):
        by_shape = {}
        for p, m in zip(self.params, self.m):
            m.mul_(self.momentum).add_(p.grad)
            by_shape.setdefault(p.shape, []).append((p, p.grad + self.momentum * m))
        for (rows, columns), pairs in by_shape.items():
            updates = orthogonal(torch.stack([g for _, g in pairs]), self.dtype)
            for (p, _), update in zip(pairs, updates):
                p.mul_(1 - rate * self.decay).add_(update, alpha=-rate * max(1, rows / columns) ** 0.5)


class Optimizers:
    """Muon for the matrices of the blocks, AdamW for the embedding table and the norms."""

    def __init__(self, model, rates, dtype):
        self.rates = rates
        self.rest = [p for name, p in model.named_parameters() if p.dim() == 1 or "embed" in name]
        self.muon = Muon((p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name), rates["momentum"], rates["matrixDecay"], dtype)
        self.adam = torch.optim.AdamW(self.rest, rates["rest"], betas=rates["betas"], eps=rates["eps"], weight_decay=0.0)

    def step(self, share):
        torch.nn.utils.clip_grad_norm_(self.rest, self.rates["clip"])
        self.adam.param_groups[0]["lr"] = self.rates["rest"] * share
        self.adam.step()
        self.muon.step(self.rates["matrix"] * share)


def place_of(name):
    """Where our trainer keeps a weight that Hugging Face calls so; placeOf in export.ts is the same."""
    if not name.startswith("model.layers."):
        return "finalNorm.weight" if name == "model.norm.weight" else "embedding"
    for theirs, ours in (("model.layers.", "layers."), ("input_layernorm", "attnNorm"), ("post_attention_layernorm", "ffNorm"), ("self_attn.", "attn."), ("mlp.", "ff."), ("_proj", "")):
        name = name.replace(theirs, ours)
    return name


def state_of(model, optimizers):
    """All that is needed to go on, under the names of a checkpoint: tensors that share memory with model and optimizers."""
    state = {}
    for name, p in model.named_parameters():
        place = place_of(name)
        state[f"weights/{place}"] = p.data
        moments = [m for q, m in zip(optimizers.muon.params, optimizers.muon.m) if q is p]
        if moments:
            state[f"momentum/{place}"] = moments[0]
            continue
        adam = optimizers.adam.state[p]
        adam.setdefault("step", torch.zeros(()))
        state[f"adam.m/{place}"] = adam.setdefault("exp_avg", torch.zeros_like(p.data))
        state[f"adam.v/{place}"] = adam.setdefault("exp_avg_sq", torch.zeros_like(p.data))
    return state


def loss_of(model, rows_of, ids, learned, total):
    """−log p of the tokens that count, each from those before it, over their number in the whole batch."""
    counted = learned[:, 1:].flatten().nonzero()[:, 0]
    logits = F.linear(rows_of(ids)[:, :-1].flatten(0, 1)[counted], model.model["embed_tokens"].weight)
    return F.cross_entropy(logits.float(), ids[:, 1:].flatten()[counted], reduction="sum") / total


def train(rank, args):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{args.run.resolve()}/meeting-{os.getppid()}", rank=rank, world_size=args.workers)
    plan = json.loads((args.data / "plan.json").read_text())
    model = Llama(plan["shape"])
    model.load_state_dict(load_file(args.data / "start.safetensors"))
    params = list(model.parameters())
    optimizers = Optimizers(model, plan["rates"], torch.float32 if args.f32 else torch.bfloat16)
    rows_of = torch.compile(model, dynamic=False)

    state, step = state_of(model, optimizers), 0
    checkpoint = args.run / "checkpoint.safetensors"
    if checkpoint.exists():
        with safe_open(checkpoint, "pt") as saved:
            step = int(saved.metadata()["steps"])
            for name, tensor in state.items():
                tensor.copy_(saved.get_tensor(name).view_as(tensor))
        for adam in optimizers.adam.state.values():
            adam["step"].fill_(step)
    last = min(args.steps or len(plan["rate"]), plan["to"])

    def save():
        flat = {name: tensor.flatten().contiguous() for name, tensor in state.items()}
        save_file(flat, args.run / "next.safetensors", metadata={"steps": str(step)})
        os.replace(args.run / "next.safetensors", checkpoint)

    shapes = [(p["sequences"], p["positions"]) for p in plan["phases"] for _ in range(p["steps"])]
    with open(args.data / "batches.bin", "rb") as batches, open(args.run / "losses.jsonl", "a") as log:
        batches.seek(2 * sum(a * b for a, b in shapes[plan["from"]:step]))
        saved_at = time.time()
        while step < last:
            sequences, positions = shapes[step]
            packed = torch.from_numpy(np.frombuffer(batches.read(2 * sequences * positions), np.uint16).astype(np.int64)).view(sequences, positions)
            total = (packed[:, 1:] >> 15).sum()
            mine = packed[rank * sequences // args.workers:(rank + 1) * sequences // args.workers]
            with torch.autocast("cpu", torch.bfloat16, enabled=not args.f32):
                loss = loss_of(model, rows_of, mine & 0x7FFF, mine >> 15, total)
            model.zero_grad()
            loss.backward()
            flat = torch.cat([p.grad.flatten() for p in params] + [loss.detach()[None]])
            if args.workers > 1:
                dist.all_reduce(flat)
            for p, g in zip(params, flat[:-1].split([p.numel() for p in params])):
                p.grad = g.view_as(p)
            optimizers.step(plan["rate"][step])
            step += 1
            if rank > 0:
                continue
            log.write(json.dumps({"step": step, "loss": round(flat[-1].item(), 6)}) + "\n")
            log.flush()
            if time.time() - saved_at > 120 or step == last:
                save()
                saved_at = time.time()
    dist.destroy_process_group()


def main():
    args = argparse.ArgumentParser()
    args.add_argument("data", type=Path), args.add_argument("run", type=Path)
    args.add_argument("--steps", type=int), args.add_argument("--workers", type=int, default=2), args.add_argument("--f32", action="store_true")
    args = args.parse_args()
    args.run.mkdir(parents=True, exist_ok=True)
    multiprocessing.spawn(train, (args,), args.workers)


if __name__ == "__main__":
    main()
