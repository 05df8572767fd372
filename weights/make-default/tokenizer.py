"""Trains the default model's tokenizer: byte-level BPE, DeepSeek-V3's pre-tokenizer and special tokens.

Writes tokenizer.json and tokenizer_config.json. Unlike DeepSeek-V3's file, which leaves the start token
to its Python class, the post-processor in tokenizer.json adds it, so that every reader of the file does.
Usage: python tokenizer.py OUT_DIR
"""

import json
import re
import sys
from itertools import islice
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from corpus import documents

VOCAB_SIZE = 2560
BOS, EOS, PAD = FIRST = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
# In DeepSeek-V3's order, with its flags: only <|EOT|> is marked special.
LAST = ["<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>", "<｜User｜>", "<｜Assistant｜>", "<|EOT|>",
        "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>",
        "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>", "<｜tool▁sep｜>"]
DIGITS = r"\p{N}{1,3}"
CJK = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
WORDS = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"


def train(texts):
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.Sequence([])
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in (DIGITS, CJK, WORDS)]
    tok.pre_tokenizer = pre_tokenizers.Sequence(splits + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    first = [AddedToken(t, special=True, normalized=False) for t in FIRST]
    tok.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - len(LAST), special_tokens=first, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    for content in LAST:
        tok.add_tokens([AddedToken(content, special=content == "<|EOT|>", normalized=True)])
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=f"{BOS} $A", pair=f"{BOS} $A {BOS}:1 $B:1", special_tokens=[(BOS, 0)])])
    return tok


def config():
    return {
        "add_bos_token": True, "add_eos_token": False, "bos_token": BOS, "eos_token": EOS, "pad_token": PAD, "unk_token": None,
        "clean_up_tokenization_spaces": False, "model_max_length": 8192, "tokenizer_class": "PreTrainedTokenizerFast",
        "chat_template": Path(__file__).with_name("chat-template.jinja").read_text(),
    }


if __name__ == "__main__":
    out = Path(sys.argv[1])
    tok = train(re.sub(r"<｜[^｜]*｜>", "\n", text) for text in islice(documents("tokenizer"), 40_000))
    assert tok.get_vocab_size() == VOCAB_SIZE, f"{tok.get_vocab_size()} tokens learned: the corpus is too small for {VOCAB_SIZE}"
    out.mkdir(parents=True, exist_ok=True)
    tok.save(str(out / "tokenizer.json"))
    (out / "tokenizer_config.json").write_text(json.dumps(config(), ensure_ascii=False, indent=2) + "\n")
    sample = "".join(islice((t for t in documents("sample")), 500))
    print(f"{tok.get_vocab_size()} tokens, {len(sample) / len(tok.encode(sample).ids):.2f} characters a token")
