// plainformer tokenize: text → token ids.

import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { FieldError } from "../field-error.ts";
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
    .description("Token ids of a text, given here, read from a file or from standard input.")
    .argument("[text]", "the text; from --file or standard input when absent")
    .option("--model <path>", "directory with tokenizer.json or .gguf file, or its URL", defaultModel)
    .option("--file <path>", "UTF-8 text; standard input when absent")
    .option("--no-special", "without the tokens that begin or end a sequence")
    .option("--parse-special", "take the text of special tokens for those tokens")
    .option("--json", "the array of ids alone")
    .action(tokenize);
}

async function tokenize(given: string | undefined, options: Options): Promise<void> {
  const { model, file, special, parseSpecial, json } = options;
  if (given !== undefined && file !== undefined)
    throw new FieldError("text", "there is --file too, expected one of them");
  const tokenizer = await loadTokenizer(model);
  const text = given ?? (file === undefined ? await readStdin() : await readFile(file, "utf8"));
  const ids = tokenizer.encode(text, { addSpecialTokens: special, parseSpecialTokens: parseSpecial });
  if (json) console.log(JSON.stringify(ids));
  else for (const id of ids) console.log(`${String(id).padStart(7)}  ${JSON.stringify(tokenizer.tokenOf(id))}`);
}
