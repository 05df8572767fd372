// The pre-tokenizers that GGUF knows by a name (`tokenizer.ggml.pre`) instead of describing them: the patterns of each, as
// the tokenizer.json of its models has them. Text is cut by the first, every part by the second, and so on. Data only.
// Names: ggml-org/llama.cpp, src/llama-vocab.cpp, whose own patterns are rewritings of these for its engine. Left out are
// names whose rewriting there means something else than the original (gpt-4o, tekken), and those of other architectures.

export interface NamedPreTokenizer {
  readonly names: readonly string[];
  readonly patterns: readonly string[];
  /** Where patterns cannot say it: the steps of tokenizer.json. */
  readonly steps?: readonly unknown[];
  /** Text is brought to NFC first; llama.cpp leaves that out, the models were trained with it. */
  readonly nfc?: true;
  /** A piece that is a token is that token, whatever its merges. */
  readonly ignoreMerges?: true;
  /** A beginning-of-sequence token comes first where `tokenizer.ggml.add_bos_token` says nothing. */
  readonly addBos?: true;
}

/** GPT-2's words: Radford et al. 2019, openai/gpt-2 src/encoder.py. */
const gpt2Words = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** GPT-4's words, with so many digits to a piece. */
const gpt4Words = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

// Written as escapes because an editor that normalizes text would turn the Kelvin sign, which begins a range, into a K.
const casedLetters =
  "A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af" +
  "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5" +
  "\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba" +
  "\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45" +
  "\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe" +
  "\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102" +
  "\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139" +
  "\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3" +
  "\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06" +
  "\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}" +
  "\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}";

const ideographs = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+";

export const namedPreTokenizers: readonly NamedPreTokenizer[] = [
  {
    names: ["gpt-2", "phi-2", "mpt", "olmo", "jais", "gigachat", "a.x-4.0", "mellum", "exaone4"],
    patterns: [gpt2Words],
  },
  {
    names: ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"],
    patterns: ["\\p{N}", gpt2Words],
  },
  {
    names: ["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
    patterns: [gpt4Words("\\p{N}{1,3}")],
    ignoreMerges: true,
    addBos: true,
  },
  { names: ["dbrx", "smaug-bpe"], patterns: [gpt4Words("\\p{N}{1,3}")] },
  { names: ["qwen2"], patterns: [gpt4Words("\\p{N}")], nfc: true },
  { names: ["deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez"], patterns: [gpt4Words("\\p{N}")] },
  {
    names: ["deepseek-llm"],
    patterns: [
      "[\\r\\n]",
      `\\s?[${casedLetters}]+`,
      "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
      "\\s+$",
      ideographs,
      "\\p{N}+",
    ],
  },
  {
    names: ["deepseek-coder"],
    patterns: ["[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", ideographs, "\\p{N}"],
  },
  {
    names: ["deepseek-v3", "hunyuan-dense"],
    patterns: [
      "\\p{N}{1,3}",
      "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
    ],
  },
  {
    // llama.cpp's patterns leave out that digits are found among the characters that bytes are written as, so that a byte
    // 0xB2 (written \u00b2) is one.
    names: ["falcon"],
    patterns: [],
    steps: [
      { type: "Punctuation", behavior: "Contiguous" },
      { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      { type: "Digits", individual_digits: false },
      split("[0-9][0-9][0-9]"),
    ],
  },
  {
    // What llama.cpp cuts by where a file has no name.
    names: ["default"],
    patterns: ["[\\p{P}\\$\\+<=>\\^~\\|]+", gpt2Words, "\\p{N}+", "[0-9][0-9][0-9]"],
  },
];

/** By `general.architecture`, for files without a name: families that have one tokenizer for all their models. */
export const preTokenizersOfArchitectures: Readonly<Record<string, NamedPreTokenizer | undefined>> = {
  falcon: namedPreTokenizers.find(({ names }) => names.includes("falcon")),
  gptneox: { names: [], patterns: [gpt2Words], nfc: true },
};

/** The component of tokenizer.json that a name stands for. */
export function preTokenizerOf({ patterns, steps }: NamedPreTokenizer): unknown {
  const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  return { type: "Sequence", pretokenizers: steps ?? [...patterns.map(split), bytes] };
}

function split(Regex: string): unknown {
  return { type: "Split", pattern: { Regex }, behavior: "Isolated", invert: false };
}
