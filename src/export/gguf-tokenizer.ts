// The tokenizer of a model as the metadata of a GGUF file, with the ids that end a text. How a tokenizer is said in GGUF's
// words is tokenizer/to-gguf.ts's.

import { hasExtension } from "../../weights/byte-source.ts";
import { folderAt, type Json, readJson, readText } from "../../weights/folder.ts";
import { readGgufMetadata } from "../../weights/gguf.ts";
import type { GgufField, GgufMetadata } from "../../weights/gguf-header.ts";
import { tokenizerToGguf } from "../tokenizer/to-gguf.ts";

/** The tokenizer of a model: from a .gguf file as it stands there, else made of the tokenizer's files. */
export async function tokenizerMetadata(
  model: string,
  vocabSize: number,
  endIds: readonly number[],
): Promise<GgufMetadata> {
  if (hasExtension(model, ".gguf"))
    return new Map([...(await readGgufMetadata(model))].filter(([key]) => key.startsWith("tokenizer.")));
  const folder = folderAt(model);
  const tokenizerJson = await readJson(folder, "tokenizer.json");
  if (!tokenizerJson) throw new Error(`${model}: tokenizer.json is missing, and a GGUF file carries its tokenizer`);
  const tokenizerConfig: Json = (await readJson(folder, "tokenizer_config.json")) ?? {};
  // Newer folders have the chat template in a file of its own.
  tokenizerConfig.chat_template ??= await readText(folder, "chat_template.jinja");
  const metadata = tokenizerToGguf({ tokenizerJson, tokenizerConfig }, vocabSize);
  return new Map([...metadata, ...endFields(metadata, endIds)]);
}

/** The ids that end a text, under the three names that GGUF has for them. */
function endFields(metadata: GgufMetadata, endIds: readonly number[]): [string, GgufField][] {
  const eos = metadata.get("tokenizer.ggml.eos_token_id")?.value as number | undefined;
  const ids = eos !== undefined && endIds.includes(eos) ? [eos, ...endIds.filter((id) => id !== eos)] : [...endIds];
  if (ids.length > 3)
    throw new Error(`${ids.length} ids end a text, expected at most 3 (GGUF has names for eos, eot, eom)`);
  return ids.map((value, i) => [`tokenizer.ggml.${["eos", "eot", "eom"][i]}_token_id`, { type: "u32", value }]);
}
