// The tokenizer of a model, from where the model is: tokenizer.json in a folder, or the metadata of a GGUF file.

import { hasExtension } from "../../weights/byte-source.ts";
import { folderAt, readJson } from "../../weights/folder.ts";
import type { GgufMetadata } from "../../weights/gguf-header.ts";
import { createTokenizer, type Tokenizer } from "./tokenizer.ts";

/**
 * Reads tokenizer.json, and tokenizer_config.json if it is there, from a folder in Hugging Face layout; or the metadata of a
 * .gguf file, where they are not given. `place` is a path or a URL.
 * @throws one sentence that names file and field, if something is missing, broken or not computed here.
 */
export async function loadTokenizer(place: string, metadata?: GgufMetadata): Promise<Tokenizer> {
  if (metadata || hasExtension(place, ".gguf")) {
    const { ggufTokenizer } = await import("./from-gguf.ts");
    const { readGgufMetadata } = await import("../../weights/gguf.ts");
    return ggufTokenizer(place, metadata ?? (await readGgufMetadata(place)));
  }
  const folder = folderAt(place);
  const json = await readJson(folder, "tokenizer.json");
  if (!json) throw new Error(`${folder.placeOf("tokenizer.json")} is missing`);
  return createTokenizer(json, await readJson(folder, "tokenizer_config.json"));
}
