// plainformer convert: a model as one GGUF file, weights and tokenizer, which runs here and in llama.cpp.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Command, Option } from "commander";
import { readGgufMetadata } from "../../weights/gguf.ts";
import type { GgufField, GgufMetadata } from "../../weights/gguf-header.ts";
import type { Json } from "../model/families/config-json.ts";
import { convertToGguf } from "../model/families/to-gguf.ts";
import { readJson, type WeightDType, weightDTypes } from "../model/load.ts";
import { defaultModel } from "../plainformer.ts";
import { tokenizerToGguf } from "../tokenizer/to-gguf.ts";
import { progressBar } from "./progress.ts";

interface Options {
  model: string;
  out: string;
  dtype?: WeightDType;
}

export function addConvert(program: Command): void {
  program
    .command("convert")
    .description("Write a model as one GGUF file, with its tokenizer. Prints the file's name.")
    .option("--model <path>", "directory in Hugging Face layout, or .gguf file", defaultModel)
    .requiredOption("--out <file>", "the .gguf file to write")
    .addOption(new Option("--dtype <dtype>", "dtype of the matrices (default: as in the model)").choices(weightDTypes))
    .action(convert);
}

async function convert({ model, out, dtype }: Options): Promise<void> {
  const bar = progressBar();
  try {
    await convertToGguf(model, out, {
      dtype,
      tokenizer: (vocabSize, endIds) => tokenizerMetadata(model, vocabSize, endIds),
      onProgress: (loaded, total) => bar.update({ loaded, total }),
    });
  } finally {
    bar.stop();
  }
  console.log(out);
}

/** The tokenizer of a model: from a .gguf file as it stands there, else made of the tokenizer's files. */
async function tokenizerMetadata(model: string, vocabSize: number, endIds: readonly number[]): Promise<GgufMetadata> {
  if (model.endsWith(".gguf"))
    return new Map([...(await readGgufMetadata(model))].filter(([key]) => key.startsWith("tokenizer.")));
  const tokenizerJson = await readJson(join(model, "tokenizer.json"));
  if (!tokenizerJson) throw new Error(`${model}: tokenizer.json is missing, and a GGUF file carries its tokenizer`);
  const tokenizerConfig: Json = (await readJson(join(model, "tokenizer_config.json"))) ?? {};
  // Newer directories have the chat template in a file of its own.
  tokenizerConfig.chat_template ??= await readFile(join(model, "chat_template.jinja"), "utf8").catch((error) => {
    if (error.code !== "ENOENT") throw error;
  });
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
