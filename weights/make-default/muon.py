"""Muon: momentum, made orthogonal, for the weight matrices of the blocks.

The embedding table and the norms stay with AdamW.
After Keller Jordan, "Muon: An optimizer for hidden layers in neural networks" (2024).
"""

import torch


def orthogonal(g):
    """Five Newton-Schulz steps: brings the singular values of a stack of matrices [n, rows, columns] near one."""
    x = g / (g.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """w ← (1 − lr·decay)·w − lr·√max(1, rows/columns)·orthogonal(g + momentum·m), with m ← momentum·m + g."""

    def __init__(self, params, lr, momentum=0.95, decay=0.1):
        super().__init__(list(params), {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            lr, momentum = group["lr"], group["momentum"]
            by_shape = {}
            for p in group["params"]:
                by_shape.setdefault(p.shape, []).append(p)
            for shape, params in by_shape.items():
                for p in params:
                    m = self.state[p].setdefault("momentum", torch.zeros_like(p))
                    m.mul_(momentum).add_(p.grad)
                updates = orthogonal(torch.stack([p.grad + momentum * self.state[p]["momentum"] for p in params]))
                for p, update in zip(params, updates):
                    p.mul_(1 - lr * group["decay"]).add_(update, alpha=-lr * max(1, shape[0] / shape[1]) ** 0.5)
