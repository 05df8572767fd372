"""Makes sampler.json: from logits and settings to the distribution that a token is drawn from. Layout: README.md.

    python test/golden/make-sampler-golden.py

Temperature, top-k, top-p, min-p and repetition penalty are those of `transformers`, in the order of its
GenerationMixin._get_logits_processor, run in f64. `transformers` has no frequency penalty, presence penalty or logit
bias; these follow OpenAI's API reference by a formula in numpy:

    logit[i] += bias[i] - count(i) * frequency - (count(i) > 0) * presence      count over generated ids only
"""

import json
from pathlib import Path

from oracle import versions  # first: it sets torch up

import numpy as np
import torch
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

N = 50
NEAR = 1e-6  # a threshold this close to a probability would test rounding, not rules

# Ids repeat within and across both lists: penalties that count, and those that do not.
PROMPT_IDS = [0, 3, 3, 7, 11]
GENERATED_IDS = [3, 5, 5, 5, 8, 49]

TRANSFORMERS_SETTINGS = [
    {},
    *({"temperature": t} for t in (0.1, 0.7, 1.5, 10.0)),
    *({"topK": k} for k in (1, 5, 40, 50, 100)),
    *({"topP": p} for p in (1e-6, 0.1, 0.5, 0.9, 0.99, 1.0)),
    *({"minP": p} for p in (0.05, 0.3, 1.0)),
    *({"repetitionPenalty": r} for r in (0.8, 1.1, 2.0)),
    {"temperature": 0.7, "topK": 10},
    {"temperature": 1.5, "topP": 0.8},
    {"temperature": 2.0, "minP": 0.1},
    {"topK": 10, "topP": 0.6},
    {"topP": 0.9, "minP": 0.1},
    {"repetitionPenalty": 1.3, "temperature": 0.8, "topK": 20, "topP": 0.9},
    {"repetitionPenalty": 1.3, "temperature": 1.2, "topK": 30, "topP": 0.95, "minP": 0.02},
]
OPENAI_SETTINGS = [
    {"frequencyPenalty": 0.5},
    {"frequencyPenalty": -2.0},
    {"presencePenalty": 1.5},
    {"frequencyPenalty": 0.7, "presencePenalty": -0.4},
    {"logitBias": {"2": 5.0, "3": -100.0}},
    {"logitBias": {"49": 100.0}},
    {"frequencyPenalty": 1.0, "presencePenalty": 0.6, "logitBias": {"5": 2.0}, "temperature": 0.7, "topP": 0.9},
]


def logit_vectors() -> dict[str, np.ndarray]:
    """Vectors of N logits, all exact in f32 (most are multiples of 1/1024) so that JSON carries them unchanged."""
    random = np.random.default_rng(0)
    grid = lambda values: np.round(values * 1024) / 1024
    vectors = {f"normal{i}": grid(random.normal(0, 2, N)) for i in range(3)}
    vectors["negative"] = grid(random.normal(-30, 3, N))
    vectors["peaked"] = np.where(np.arange(N) == 17, 40.0, grid(random.normal(0, 1, N)))
    vectors["ties"] = random.integers(-3, 4, N).astype(float)
    vectors["equal"] = np.zeros(N)
    vectors["extreme"] = grid(random.normal(0, 2, N))
    vectors["extreme"][[4, 21]] = 1e4, -1e4
    vectors["huge"] = grid(random.normal(0, 2, N))
    vectors["huge"][[3, 30]] = 2.0**100, -(2.0**100)
    return vectors


def openai_penalties(logits: np.ndarray, settings: dict) -> np.ndarray:
    count = np.bincount(GENERATED_IDS, minlength=N)
    bias = np.zeros(N)
    for token, value in settings.get("logitBias", {}).items():
        bias[int(token)] = value
    frequency, presence = settings.get("frequencyPenalty", 0.0), settings.get("presencePenalty", 0.0)
    return logits + bias - count * frequency - (count > 0) * presence


def probabilities(logits: np.ndarray, settings: dict) -> np.ndarray | None:
    """The final distribution, or None where the rule leaves it open: a cut between equal logits, a near tie."""
    ids = torch.tensor([PROMPT_IDS + GENERATED_IDS])
    scores = torch.tensor(openai_penalties(logits, settings), dtype=torch.float64)[None]
    if "repetitionPenalty" in settings:
        scores = RepetitionPenaltyLogitsProcessor(settings["repetitionPenalty"])(ids, scores)
    if "temperature" in settings:
        scores = TemperatureLogitsWarper(settings["temperature"])(ids, scores)
    if "topK" in settings:
        scores = TopKLogitsWarper(settings["topK"])(ids, scores)
    if settings.get("topP", 1.0) < 1.0:  # generate leaves the warper out at 1
        before, scores = scores, TopPLogitsWarper(settings["topP"])(ids, scores)
        if top_p_is_open(before[0], scores[0], settings["topP"]):
            return None
    if "minP" in settings:
        probs = scores.softmax(-1)
        threshold = settings["minP"] * probs.max()
        if ((probs - threshold).abs() < NEAR * threshold)[probs < probs.max()].any():
            return None
        scores = MinPLogitsWarper(settings["minP"])(ids, scores)
    return scores.softmax(-1)[0].numpy()


def top_p_is_open(before: torch.Tensor, after: torch.Tensor, top_p: float) -> bool:
    """Whether top-p kept one of two equal logits and dropped the other, or a cumulative sum lies at the threshold."""
    kept = after > -torch.inf
    cut_in_tie = bool(torch.isin(before[kept], before[~kept]).any())
    tail = before.sort().values.softmax(-1).cumsum(-1)[:-1]
    return cut_in_tie or bool(((tail - (1 - top_p)).abs() < NEAR * top_p).any())


def main() -> None:
    vectors = logit_vectors()
    cases = []
    for name, logits in vectors.items():
        assert np.array_equal(logits, logits.astype(np.float32)), name
        for settings in TRANSFORMERS_SETTINGS + OPENAI_SETTINGS:
            probs = probabilities(logits, settings)
            if probs is None:
                print(f"left out, open by the rule: {name} {settings}")
                continue
            rounded = [float(f"{p:.12g}") for p in probs]
            short = [int(p) if p in (0, 1) else p for p in rounded]
            cases.append({"logits": name, "settings": settings, "probs": short})
    head = {
        "versions": versions() | {"numpy": np.__version__},
        "promptIds": PROMPT_IDS,
        "generatedIds": GENERATED_IDS,
        "logits": {name: logits.tolist() for name, logits in vectors.items()},
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    lines.append('"cases": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]")
    (Path(__file__).parent / "sampler.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    main()
