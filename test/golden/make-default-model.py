"""Makes default-model.json: what transformers generates with the model that ships. Layout: README.md.

    python test/golden/make-default-model.py

64 greedy ids after a prompt, from weights/default as it is (bfloat16), computed in float32.
"""

import json
from pathlib import Path

from oracle import load, versions  # first: it sets torch up

from transformers import AutoTokenizer

HERE = Path(__file__).parent
PROMPT = "Once upon a time"

if __name__ == "__main__":
    directory = HERE.parent.parent / "weights" / "default"
    tokenizer, model = AutoTokenizer.from_pretrained(directory), load(directory)
    ids = tokenizer(PROMPT, return_tensors="pt").input_ids
    greedy = model.generate(ids, do_sample=False, min_new_tokens=64, max_new_tokens=64)[0, ids.shape[1]:]
    out = {"versions": versions(), "prompt": PROMPT, "ids": ids[0].tolist(), "greedy": greedy.tolist()}
    (HERE / "default-model.json").write_text(json.dumps(out) + "\n")
