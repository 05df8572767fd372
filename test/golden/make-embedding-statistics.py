"""Mean, deviation and row norms of the default model's embedding table, by numpy in f64.

    python test/golden/make-embedding-statistics.py

Writes embedding-statistics.json beside this file; test/server/models.test.ts reads it.
"""

import json
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

root = Path(__file__).resolve().parents[2]
weights = load_file(root / "weights/default/model.safetensors")
table = weights["model.embed_tokens.weight"].to(torch.float64).numpy()
norms = np.linalg.norm(table, axis=1)
percentiles = {f"p{p}": float(np.percentile(norms, p, method="inverted_cdf")) for p in (1, 5, 25, 50, 75, 95, 99)}
statistics = {
    "mean": float(table.mean()),
    "std": float(table.std()),
    "row_norm": {"min": float(norms.min()), **percentiles, "max": float(norms.max())},
}
(Path(__file__).parent / "embedding-statistics.json").write_text(json.dumps(statistics, indent=2) + "\n")
