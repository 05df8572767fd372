// plainformer fim: what belongs between a prefix and a suffix, or at a mark in a file.

import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import type { DecodeParameters } from "../decode/parameters.ts";
import { FieldError } from "../field-error.ts";
import { list, loadFrom, type ModelOptions, modelApart, number, readStdin, seed, withModel } from "./options.ts";

type Options = ModelOptions & DecodeParameters & { prefix?: string; suffix?: string; mark: string; json?: true };

export function addFim(program: Command): void {
  const command = program
    .command("fim")
    .description("Fill in the middle. Prints the middle alone.")
    .argument("[file]", "UTF-8 text with a mark where something is missing; standard input when nothing is given");
  withModel(command)
    .option("--prefix <text>", "what stands before the gap")
    .option("--suffix <text>", "what stands after it")
    .option("--mark <text>", "what marks the gap in a file", "<FILL>")
    .option("--max-tokens <n>", "most tokens to generate", number)
    .option("--temperature <t>", "0: always the most likely token (default: 1)", number)
    .option("--top-p <p>", "keep the most likely tokens up to this sum of probabilities", number)
    .option("--seed <n>", "seed of the random choice, an integer of 64 bits", seed)
    .option("--stop <text>", "end before this text; may be given several times", list)
    .option("--json", "one object with text, finish_reason and usage")
    .action(fim);
}

async function fim(file: string | undefined, options: Options): Promise<void> {
  const { source, rest } = modelApart(options);
  const { prefix, suffix, mark, json, ...decode } = rest;
  const [before, after] = await gapOf(file, prefix, suffix, mark);
  const loaded = await loadFrom(source);
  for await (const event of loaded.fim({ ...decode, prefix: before, suffix: after })) {
    if (event.type === "token" && !json) process.stdout.write(event.text);
    else if (event.type === "end" && !json) process.stdout.write("\n");
    else if (event.type === "end")
      console.log(
        JSON.stringify({
          text: event.text,
          finish_reason: event.finishReason,
          usage: {
            prompt_tokens: event.usage.promptTokens,
            completion_tokens: event.usage.completionTokens,
            total_tokens: event.usage.totalTokens,
          },
        }),
      );
  }
  await loaded.close();
}

/** What stands before and after the gap. */
async function gapOf(
  file: string | undefined,
  prefix: string | undefined,
  suffix: string | undefined,
  mark: string,
): Promise<[string, string]> {
  if (prefix !== undefined || suffix !== undefined) {
    if (file !== undefined)
      throw new FieldError("file", "there is --prefix or --suffix too, expected one or the other");
    return [prefix ?? "", suffix ?? ""];
  }
  const text = file === undefined ? await readStdin() : await readFile(file, "utf8");
  const parts = text.split(mark);
  if (parts.length !== 2)
    throw new FieldError(
      "mark",
      `${file ?? "standard input"}: got ${parts.length - 1} marks ${mark}, expected exactly one`,
    );
  return [parts[0], parts[1]];
}
