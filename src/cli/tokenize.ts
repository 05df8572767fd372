// plainformer tokenize: text → token ids.

import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { defaultModel } from "../plainformer.ts";
import { loadTokenizer } from "../tokenizer/load-tokenizer.ts";
import { readStdin } from "./options.ts";

interface Options {
  model: string;
  file?: string;
  special: boolean;
  parseSpecial?: true;
  json?: true;
}

export function addTokenize(program: Command): void {
  program
    .command("tokenize")
    .description("Token ids of a text, read from a file or standard input.")
    .option("--model <path>", "directory with tokenizer.json or .gguf file, or its URL", defaultModel)
    .option("--file <path>", "UTF-8 text; standard input when absent")
    .option("--no-special", "without the tokens that begin or end a sequence")
    .option("--parse-special", "take the text of special tokens for those tokens")
    .option("--json", "the array of ids alone")
    .action(tokenize);
}

async function tokenize({ model, file, special, parseSpecial, json }: Options): Promise<void> {
  const tokenizer = await loadTokenizer(model);
  const text = file === undefined ? await readStdin() : await readFile(file, "utf8");
  const ids = tokenizer.encode(text, { addSpecialTokens: special, parseSpecialTokens: parseSpecial });
  if (json) console.log(JSON.stringify(ids));
  else for (const id of ids) console.log(`${String(id).padStart(7)}  ${JSON.stringify(tokenizer.tokenOf(id))}`);
}
