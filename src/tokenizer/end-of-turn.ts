// Texts that end a turn wherever they are control tokens. Files often name only the end of a document as their end
// (`<|endoftext|>`), or mark none of them as a control token. Which of them a model's own turns end with, its chat template
// says (prompt/end-of-turn.ts).
// Source: ggml-org/llama.cpp, src/llama-vocab.cpp (special_eog_ids), and the templates of Llama 4, Cohere, DeepSeek-Coder,
// Gemma 4 and EXAONE.

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
