// A tuned prompt as PEFT keeps one: a directory with adapter_config.json and adapter_model.safetensors, which PEFT loads as
// its own. Only the rows are kept, so whether an encoder made them is a matter of record.
// Source: huggingface/peft, src/peft/config.py, src/peft/tuners/prompt_tuning/config.py, src/peft/tuners/p_tuning/config.py.

import { join, makeDirectory, writeFile } from "#platform";
import type { ModelConfig } from "../../model/config.ts";
import { adapterFile, writeSoftPrompt } from "../../prompt/soft-prompt-file.ts";
import type { SoftPrompt } from "../../prompt/soft-prompts.ts";

/** Writes the two files. @throws one sentence that names the file; each appears whole or not at all. */
export async function writeAdapter(
  directory: string,
  softPrompt: SoftPrompt,
  { config, base, encoderHidden }: { config: ModelConfig; base: string; encoderHidden?: number },
): Promise<void> {
  await makeDirectory(directory);
  const [tokens, width] = softPrompt.shape;
  const kind =
    encoderHidden === undefined
      ? { peft_type: "PROMPT_TUNING", prompt_tuning_init: "RANDOM" }
      : { peft_type: "P_TUNING", encoder_reparameterization_type: "MLP", encoder_hidden_size: encoderHidden };
  const adapter = {
    ...kind,
    task_type: "CAUSAL_LM",
    base_model_name_or_path: base,
    inference_mode: true,
    num_virtual_tokens: tokens,
    token_dim: width,
    num_transformer_submodules: 1,
    num_attention_heads: config.nHeads,
    num_layers: config.nLayers,
  };
  await writeSoftPrompt(join(directory, adapterFile), softPrompt);
  const text = `${JSON.stringify(adapter, null, 2)}\n`;
  await writeFile(join(directory, "adapter_config.json"), [new TextEncoder().encode(text)]);
}
