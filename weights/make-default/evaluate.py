"""Measures a default model as it ships: bfloat16 weights, computed in float32 by transformers.

The inputs are drawn with a seed that training never used, from the same generators; one row asks about
names that no generator knows. Prints the tables of the model card, stories to read, and the greedy ids.
Usage: python evaluate.py MODEL_DIR [--count N] [--ids-only]
"""

import argparse
import json
import random
import re

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from chat import ASSISTANT, EOS, json_chat, passage_chat, tool_chat
from corpus import documents
from functions import fim, function, hole
from stories import BOYS, GIRLS

SEED = "evaluation"
UNKNOWN = "Agatha Boris Cecily Dmitri Edith Fergus Greta Howard Ingrid Jasper Katrin Lorenzo Mabel Norbert Petra Rupert Sigrid Tobias".split()
BUCKETS = [(0, 256), (256, 512), (512, 1024), (1024, 2048), (2048, 4096), (4096, 6144), (6144, 8191)]


def complete(model, tok, prompt, max_tokens, **sampling):
    """The ids that follow a prompt; greedy unless told to sample."""
    ids = tok(prompt, return_tensors="pt").input_ids
    options = sampling or {"do_sample": False}
    return model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_tokens, **options)[0, ids.shape[1]:].tolist()


def text_of(tok, ids):
    return tok.decode(ids[:-1] if ids and ids[-1] == tok.eos_token_id else ids, skip_special_tokens=False)


def losses_by_position(model, tok, sequences):
    """Mean −log p in nats for each bucket of positions, over held-out documents laid end to end."""
    stream, ids = documents(SEED), []
    while len(ids) < sequences * 8192:
        text = next(stream)
        ids += tok(text).input_ids + ([] if text.endswith(EOS) else [tok.eos_token_id])
    totals = torch.zeros(8191)
    for i in range(sequences):
        row = torch.tensor(ids[i * 8192:(i + 1) * 8192])[None]
        totals += torch.nn.functional.cross_entropy(model(row[:, :-1]).logits[0], row[0, 1:], reduction="none")
    return {f"{a}-{b}": totals[a:b].mean().item() / sequences for a, b in BUCKETS}, totals.mean().item() / sequences


def first_turn(document):
    prompt, rest = document.split(ASSISTANT, 1)
    return prompt + ASSISTANT, rest.split(EOS, 1)[0]


def renamed(rng, document):
    """The same document with every known name replaced by one that training has never seen."""
    known = re.compile(r"\b(" + "|".join(GIRLS + BOYS) + r")\b")
    other = dict(zip(dict.fromkeys(known.findall(document)), rng.sample(UNKNOWN, len(UNKNOWN))))
    return known.sub(lambda m: other[m.group()], document)


def parsed(text):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None


def call_of(text):
    match = re.fullmatch(r"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>(\w+)\n```json\n(.*)\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", text, re.S)
    return match and (match.group(1), parsed(match.group(2)))


def exactness(model, tok, count):
    """Share of greedy answers that are exactly right, for each task."""
    def fim_pair(rng):
        prefix, suffix, middle = hole(rng, function(rng))
        return fim(prefix, suffix), middle

    tasks = {
        "passage: the answer, word for word": (lambda rng: first_turn(passage_chat(rng)), lambda text: text),
        "the same with names never seen": (lambda rng: first_turn(renamed(rng, passage_chat(rng))), lambda text: text),
        "JSON: both fields": (lambda rng: first_turn(json_chat(rng)), parsed),
        "tool call: name and arguments": (lambda rng: first_turn(tool_chat(rng)), call_of),
        "middle of a function, to the letter": (fim_pair, lambda text: text),
    }
    scores = {}
    for name, (draw, read) in tasks.items():
        rng, right = random.Random(SEED + name), 0
        for _ in range(count):
            prompt, expected = draw(rng)
            right += read(text_of(tok, complete(model, tok, prompt, 160))) == read(expected)
        scores[name] = right / count
    return scores


def main():
    args = argparse.ArgumentParser()
    args.add_argument("model"), args.add_argument("--count", type=int, default=200), args.add_argument("--ids-only", action="store_true")
    args = args.parse_args()
    torch.set_num_threads(1)
    tok = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    with torch.no_grad():
        greedy = complete(model, tok, "Once upon a time", 64)
        print("prompt ids:", tok("Once upon a time").input_ids, "\n64 greedy ids:", greedy, "\n" + tok.decode(greedy))
        if args.ids_only:
            return
        for prompt in ("Once upon a time", "One day", "<｜User｜>Tell me a story about a fox.<｜Assistant｜>"):
            print(f"\n--- greedy: {prompt}\n" + text_of(tok, complete(model, tok, prompt, 500)))
        for seed in range(5):
            torch.manual_seed(seed)
            print(f"\n--- temperature 0.8, seed {seed}: Once upon a time" + text_of(tok, complete(model, tok, "Once upon a time", 500, do_sample=True, temperature=0.8, top_k=0)))
        buckets, mean = losses_by_position(model, tok, 12)
        print("\nheld-out loss", round(mean, 4), {k: round(v, 3) for k, v in buckets.items()})
        for name, score in exactness(model, tok, args.count).items():
            print(f"| {name} | {score:.1%} |")


if __name__ == "__main__":
    main()
