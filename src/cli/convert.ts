// plainformer convert: a model as one GGUF file, weights and tokenizer, which runs here and in llama.cpp.

import { type Command, Option } from "commander";
import { convertToGguf } from "../export/gguf.ts";
import { type WeightDType, weightDTypes } from "../model/load.ts";
import { defaultModel } from "../plainformer.ts";
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
    .option("--model <path>", "directory in Hugging Face layout or .gguf file, or its URL", defaultModel)
    .requiredOption("--out <file>", "the .gguf file to write")
    .addOption(new Option("--dtype <dtype>", "dtype of the matrices (default: as in the model)").choices(weightDTypes))
    .action(convert);
}

async function convert({ model, out, dtype }: Options): Promise<void> {
  const bar = progressBar();
  try {
    await convertToGguf(model, out, {
      dtype,
      onProgress: (loaded, total) => bar.update({ loaded, total }),
    });
  } finally {
    bar.stop();
  }
  console.log(out);
}
