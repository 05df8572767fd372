"""Writes golden-more.json.gz beside this file: what the Rust `tokenizers` library makes of the strings of golden.json.gz with
Falcon's and GPT-NeoX's tokenizers and with llama.cpp's default cutting; and what transformers 4 puts round a text.

    python test/tokenizer/make-more-golden.py        needs `tokenizers`, `transformers` 4 and golden.json.gz

Each model is a byte-level one of make-golden.py, so that the components are those of the real files and the file is small.
"""

import gzip
import importlib.util
import itertools
import json
import os
import pathlib
import tempfile

import tokenizers
import transformers
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

HERE = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("make_golden", HERE / "make-golden.py")
base = importlib.util.module_from_spec(spec)
spec.loader.exec_module(base)

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
WORDS = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def families(model):
    plain = {"normalizer": None, "post_processor": None, "decoder": BYTES, "model": model}
    end = {"content": "<|endoftext|>", "special": True}
    spaces = [{"content": " " * n, "normalized": True} for n in range(24, 1, -1)]
    split = base.isolated
    return {
        # tiiuae/falcon-7b, -40b, -rw
        "falcon": {
            **plain,
            "added_tokens": base.added_to(model["vocab"], end, {"content": ">>QUESTION<<", "special": True}),
            "pre_tokenizer": base.sequence(
                {"type": "Punctuation", "behavior": "Contiguous"},
                BYTES,
                {"type": "Digits", "individual_digits": False},
                split("[0-9][0-9][0-9]"),
            ),
        },
        # EleutherAI/gpt-neox-20b, pythia
        "gpt-neox": {
            **plain,
            "normalizer": {"type": "NFC"},
            "added_tokens": base.added_to(model["vocab"], end, {"content": "<|padding|>", "special": True}, *spaces),
            "pre_tokenizer": BYTES,
            "post_processor": BYTES,
        },
        # llama.cpp's LLAMA_VOCAB_PRE_TYPE_DEFAULT
        "default": {
            **plain,
            "added_tokens": base.added_to(model["vocab"], end),
            "pre_tokenizer": base.sequence(
                split(r"[\p{P}\$\+<=>\^~\|]+"), split(WORDS), split(r"\p{N}+"), split("[0-9][0-9][0-9]"),
                {**BYTES, "use_regex": False},
            ),
        },
        # Every behavior of Punctuation, two byte alphabets, and cuts in the middle of characters.
        "cut bytes": {
            **plain,
            "added_tokens": base.added_to(model["vocab"], end),
            "pre_tokenizer": base.sequence(
                {"type": "Punctuation"},
                {"type": "Punctuation", "behavior": "MergedWithNext"},
                {**BYTES, "add_prefix_space": True},
                split("\u013c|[\u00c2\u00e3]"),
                {"type": "Punctuation", "behavior": "Removed"},
            ),
        },
    }


def frames():
    """The ids of "a" by class, post-processor, add_bos_token and add_eos_token, in a directory that transformers opens."""
    vocab = {char: i for i, char in enumerate(sorted(ByteLevel.alphabet()))}
    added = [
        {"id": 256 + i, "content": text, "special": True, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        for i, text in enumerate(["<s>", "</s>"])
    ]
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
        "pre_tokenizer": BYTES, "decoder": BYTES, "model": {"type": "BPE", "vocab": vocab, "merges": []},
    }  # fmt: skip
    template = {**base.template(256), "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}]}
    posts = [None, BYTES, template, {"type": "Sequence", "processors": [BYTES, template]}]
    classes = ["LlamaTokenizerFast", "LlamaTokenizer", "PreTrainedTokenizerFast", "GPT2Tokenizer", "Qwen2Tokenizer", "CodeLlamaTokenizerFast", "GemmaTokenizerFast", "CohereTokenizerFast", "GPTNeoXTokenizerFast"]
    cases = []
    for cls, post, bos, eos in itertools.product(classes, range(len(posts)), (None, True, False), (None, True)):
        config = {"tokenizer_class": cls, "bos_token": "<s>", "eos_token": "</s>"}
        config |= {name: value for name, value in (("add_bos_token", bos), ("add_eos_token", eos)) if value is not None}
        with tempfile.TemporaryDirectory() as folder:
            for name, value in ("tokenizer.json", {**tokenizer, "post_processor": posts[post]}), ("tokenizer_config.json", config), ("config.json", {"model_type": "llama"}):
                pathlib.Path(folder, name).write_text(json.dumps(value))
            cases.append({"config": config, "post": post, "ids": transformers.AutoTokenizer.from_pretrained(folder)("a").input_ids})
    return {"transformers": transformers.__version__, "tokenizer": tokenizer, "posts": posts, "cases": cases}


def main():
    golden = json.loads(gzip.decompress((HERE / "golden.json.gz").read_bytes()))
    strings = golden["strings"]
    made = families(golden["families"]["qwen2"]["json"]["model"])
    more = {
        "versions": {"tokenizers": tokenizers.__version__},
        "families": {
            name: {"json": made[name], **base.expectations(Tokenizer.from_str(json.dumps(made[name])), strings)} for name in made
        },
        "frames": frames(),
    }
    text = json.dumps(more, ensure_ascii=False, separators=(",", ":"))
    (HERE / "golden-more.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    os.environ["TRANSFORMERS_VERBOSITY"] = "error"
    main()
