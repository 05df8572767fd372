// Fill in the middle: what stands before a gap and after it → a prompt whose continuation is the middle, with a family's
// own tokens. Which family is read off the vocabulary. Source: Bavarian et al. 2022 (arXiv:2207.14255); each form's at it.

import { FieldError } from "../field-error.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { Segment } from "./segments.ts";

/** The tokens of one family: begin prefix hole suffix end, and the middle follows. */
export interface FimForm {
  readonly begin: string;
  readonly hole: string;
  readonly end: string;
  /** Tokens that end a middle beside the model's own end of text. */
  readonly stops: readonly string[];
  /** The suffix is encoded as the inside of a text, without the space that the tokenizer puts before one. */
  readonly suffixIsInside?: boolean;
}

const forms: readonly FimForm[] = [
  // deepseek-ai/DeepSeek-Coder, README.md (DeepSeek-V3's vocabulary has the same)
  { begin: "<｜fim▁begin｜>", hole: "<｜fim▁hole｜>", end: "<｜fim▁end｜>", stops: ["<|EOT|>"] },
  // QwenLM/Qwen3-Coder, README.md; google/codegemma, model card
  {
    begin: "<|fim_prefix|>",
    hole: "<|fim_suffix|>",
    end: "<|fim_middle|>",
    stops: ["<|endoftext|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|file_separator|>"],
  },
  // bigcode/starcoder and starcoder2, model cards
  {
    begin: "<fim_prefix>",
    hole: "<fim_suffix>",
    end: "<fim_middle>",
    stops: ["<|endoftext|>", "<fim_pad>", "<file_sep>", "<filename>", "<repo_name>"],
  },
  // bigcode/santacoder, model card
  { begin: "<fim-prefix>", hole: "<fim-suffix>", end: "<fim-middle>", stops: ["<|endoftext|>", "<fim-pad>"] },
  // meta-llama/codellama, llama/generation.py (infilling_prompt_tokens)
  { begin: "▁<PRE>", hole: "▁<SUF>", end: "▁<MID>", stops: ["▁<EOT>"], suffixIsInside: true },
];

export interface FimRequest {
  readonly prefix: string;
  readonly suffix: string;
  /** Most tokens that the prompt may have; what is farthest from the gap is left out. */
  readonly room: number;
}

export interface FimFormat {
  readonly form: FimForm;
  /** Ids that end a middle, beside the model's own: its stops, and a second begin, hole or end. */
  readonly endIds: readonly number[];
  /** The prompt; no text in it becomes a control token. @throws FieldError if not even the form's tokens fit the room. */
  prompt(request: FimRequest): readonly Segment[];
}

/** The form that a vocabulary has the tokens for; null if it has none. */
export function fimFormat(tokenizer: Tokenizer): FimFormat | null {
  const form = forms.find(({ begin, hole, end }) =>
    [begin, hole, end].every((token) => tokenizer.idOf(token) !== undefined),
  );
  if (!form) return null;
  const ids = (tokens: readonly string[]) =>
    tokens.map((token) => tokenizer.idOf(token)).filter((id) => id !== undefined);
  const [begin, hole, end] = ids([form.begin, form.hole, form.end]);
  const start = tokenizer.encode(""); // what the tokenizer itself puts before a text
  const encode = (text: string) => tokenizer.encode(text, { addSpecialTokens: false });
  const outside = "\u263a"; // a character that no token joins to what follows

  return {
    form,
    endIds: [...new Set([begin, hole, end, ...ids(form.stops)])],
    prompt({ prefix, suffix, room }) {
      const left = room - start.length - 3;
      if (left < 0)
        throw new FieldError(
          "room",
          `the context leaves room for ${room} tokens, expected at least ${start.length + 3}`,
        );
      const before = encode(prefix);
      const after = form.suffixIsInside ? encode(outside + suffix).slice(encode(outside).length) : encode(suffix);
      // Each may have half of the room, and what the other leaves.
      const half = Math.floor(left / 2);
      const beforeCount = Math.min(before.length, Math.max(left - half, left - after.length));
      const afterCount = Math.min(after.length, left - beforeCount);
      return [
        { ids: [...start, begin] },
        { ids: before.slice(before.length - beforeCount) },
        { ids: [hole] },
        { ids: after.slice(0, afterCount) },
        { ids: [end] },
      ];
    },
  };
}
