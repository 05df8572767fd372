// What Jinja makes of conversations by chat templates (make-templates.py), and a tokenizer for a template of which nobody
// has the vocabulary: bytes, and every text in the template that looks like a control token.

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { ChatRequest } from "../../src/prompt/chat-format.ts";
import { charOfByte } from "../../src/tokenizer/byte-level.ts";
import { createTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";

export type Rendering = { readonly text: string } | { readonly error: string };

export interface GoldenTemplate {
  readonly name: string;
  readonly source: string;
  /** By conversation, then by the way in which calls are given; or why the template cannot be read. */
  readonly renderings: Readonly<Record<string, Readonly<Record<string, Rendering>>>> | { readonly error: string };
}

export interface TemplateGoldens {
  readonly versions: { readonly jinja2: string };
  readonly now: string;
  /** Pieces of templates, and what they write with `data`, a text of JSON, as `v`. */
  readonly expressions: { readonly data: string; readonly written: Readonly<Record<string, Rendering>> };
  readonly dates: { readonly format: string; readonly written: Readonly<Record<string, string>> };
  readonly conversations: Readonly<Record<string, ChatRequest>>;
  readonly templates: readonly GoldenTemplate[];
}

export function readGoldens(path: string | URL): TemplateGoldens {
  return JSON.parse(gunzipSync(readFileSync(path)).toString());
}

const marks = [
  /<[|｜][^<>|｜\s'"{}]+[|｜]>/g,
  /\[\/?[A-Z][A-Z_]+\]/g,
  /<\/?(?:start_of_turn|end_of_turn|turn|think|tool_call|tool_response|arg_key|arg_value|seed:\w+|channel)>/g,
  /<[|](?:turn|tool_call|tool_response|tool|channel|"[|])>|<(?:turn|tool_call|tool_response|tool|channel)[|]>/g,
];

/** A tokenizer of single bytes and the control tokens that a template names, `<|bos|>` and `<|eos|>` among them. */
export function tokenizerOf(source: string, more: readonly string[] = []): Tokenizer {
  const found = [...new Set(["<|bos|>", "<|eos|>", ...more, ...marks.flatMap((mark) => source.match(mark) ?? [])])];
  const bytes = charOfByte;
  return createTokenizer(
    {
      model: { type: "BPE", vocab: Object.fromEntries(bytes.map((text, id) => [text, id])), merges: [] },
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: false },
      decoder: { type: "ByteLevel" },
      added_tokens: found.map((content, i) => ({ id: bytes.length + i, content, special: true, normalized: false })),
    },
    { bos_token: "<|bos|>", eos_token: "<|eos|>" },
  );
}
