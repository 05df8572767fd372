// Options that several commands share, and how their values are read.

import { readFile } from "node:fs/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type KvDType, kvDTypes } from "../model/kv-cache.ts";
import { type WeightDType, weightDTypes } from "../model/load.ts";
import { defaultModel, load, type Plainformer } from "../plainformer.ts";
import { readSoftPrompt } from "../prompt/soft-prompt-file.ts";
import type { ServedModel } from "../served-model.ts";
import { withSoftPrompt } from "../with-soft-prompt.ts";
import { progressBar } from "./progress.ts";

export interface ModelOptions {
  model: string;
  kernels: string;
  threads?: number;
  dtype?: WeightDType;
  exact?: true;
  kv?: KvDType;
}

/** Which model, and how it is computed: --model, --kernels, --threads, --dtype, --exact, --kv. */
export function withModel(command: Command): Command {
  return command
    .option(
      "--model <path>",
      "directory in Hugging Face layout or .gguf file, or its URL, or hf:owner/name@revision",
      defaultModel,
    )
    .option("--kernels <set>", "kernel set: auto, or the name of one", "auto")
    .option("--threads <n>", "threads to compute on (default: all cores)", number)
    .addOption(
      new Option("--dtype <dtype>", "dtype of the weights in memory (default: as in the file)").choices(weightDTypes),
    )
    .option("--exact", "multiply quantized weights with activations as they are, not rounded to 8 bits: slower")
    .addOption(new Option("--kv <dtype>", "dtype of cached keys and values (default: f32)").choices(kvDTypes));
}

/** Loads what the options name, with a bar where it takes long. */
export async function loadFrom({ model, kernels, threads, dtype, exact, kv }: ModelOptions): Promise<Plainformer> {
  const bar = progressBar();
  try {
    return await load(model, { kernels, threads, dtype, exact, kv, onProgress: bar.update });
  } finally {
    bar.stop();
  }
}

/** --soft-prompt, for commands that say something of a text. */
export function withSoftPromptOption(command: Command): Command {
  return command.option(
    "--soft-prompt <path>",
    "rows that stand before everything: a directory that tune or PEFT wrote, or its safetensors file",
  );
}

/** The model with the soft prompt at a path before everything, if one is given; closed if that fails. */
export async function softPrompted<Model extends ServedModel>(model: Model, path: string | undefined) {
  if (path === undefined) return model;
  try {
    return withSoftPrompt(model, await readSoftPrompt(path));
  } catch (error) {
    await model.close();
    throw error;
  }
}

/** What the options say of the model, and what they say of the command. */
export function modelApart<Options extends ModelOptions>(options: Options) {
  const { model, kernels, threads, dtype, exact, kv, ...rest } = options;
  return { source: { model, kernels, threads, dtype, exact, kv }, rest };
}

/** Reads a number; whether it is in range is for the library to say. */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value)) throw new InvalidArgumentError("Expected a number.");
  return value;
}

/** Reads a seed to its last digit. */
export function seed(text: string): number | bigint {
  const value = number(text);
  return /^-?\d+$/.test(text) && !Number.isSafeInteger(value) ? BigInt(text) : value;
}

/** Collects an option that may be given several times. */
export function list(text: string, before: string[] = []): string[] {
  return [...before, text];
}

/** All of standard input as UTF-8 text. */
export async function readStdin(): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString("utf8");
}

/** The value in a JSON file. @throws an Error that names the file if it is not JSON. */
export async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, "utf8");
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${(error as Error).message}`);
  }
}
