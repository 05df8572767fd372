// Tokens that end a turn, known by their text. Files often name only the end of a document as their end (`<|endoftext|>`), while
// the chat template closes each turn with another token: without it a chat would never stop.
// Source: ggml-org/llama.cpp, src/llama-vocab.cpp (special_eog_ids), and the templates of Llama 4, Cohere, DeepSeek-Coder and
// EXAONE; unlike there, a token counts only where the model's own template writes it.

import type { Tokenizer } from "./tokenizer.ts";

export const endOfTurnTexts: ReadonlySet<string> = new Set([
  "<|im_end|>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|eot|>",
  "<|eom|>",
  "<|end|>",
  "<|return|>",
  "<|call|>",
  "<|calls|>",
  "<|flush|>",
  "<end_of_turn>",
  "<turn|>",
  "<|tool_response>",
  "<end_of_utterance>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<|END_OF_TURN_TOKEN|>",
  "[|endofturn|]",
  "<EOT>",
  "_<EOT>",
  "[EOT]",
  "<|EOT|>",
  "<\uff5cend\u2581of\u2581sentence\uff5c>",
  "[e~[",
  "[EOS]",
  "<eos>",
  "</s>",
]);

/**
 * The ids of the tokens that end a turn in what a chat template writes. In the formats that end a message with <|end|> and
 * a turn with <|return|> or <|call|> (or <|flush|> and <|calls|>), <|end|> is none; </s> is none beside <|tool_response>.
 */
export function endOfTurnIds(chatTemplate: string | null, { idOf }: Pick<Tokenizer, "idOf">): number[] {
  if (chatTemplate === null) return [];
  const known = (text: string) => idOf(text) !== undefined;
  const endsMessages =
    (known("<|call|>") || known("<|calls|>")) && (known("<|return|>") || known("<|flush|>")) ? ["<|end|>"] : [];
  const inside = new Set([...endsMessages, ...(known("<|tool_response>") ? ["</s>"] : [])]);
  const written = [...endOfTurnTexts].filter((text) => !inside.has(text) && chatTemplate.includes(text));
  return written.map(idOf).filter((id) => id !== undefined);
}
