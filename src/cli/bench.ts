// `plainformer bench`: how fast a model reads and writes on this machine. Beside other engines: see bench/ in the repository.

import { randomUUID } from "node:crypto";
import type { Command } from "commander";
import { FieldError } from "../field-error.ts";
import type { Plainformer } from "../plainformer.ts";
import { loadFrom, type ModelOptions, number, withModel } from "./options.ts";

interface Options extends ModelOptions {
  prompt: number;
  decode: number;
  rounds: number;
  json?: boolean;
}

export function addBench(program: Command): void {
  withModel(program.command("bench"))
    .description(
      "Measure tokens per second: a prompt read at once, and tokens written one by one. Medians of several rounds.",
    )
    .option("--prompt <n>", "tokens of the prompt", number, 512)
    .option("--decode <n>", "tokens to write, at least 2", number, 64)
    .option("--rounds <n>", "rounds, after one that is not counted", number, 5)
    .option("--json", "print one object")
    .action(bench);
}

async function bench({ prompt, decode, rounds, json, ...options }: Options): Promise<void> {
  for (const [name, value, least] of [
    ["prompt", prompt, 1],
    ["decode", decode, 2],
    ["rounds", rounds, 1],
  ] as const)
    if (!Number.isSafeInteger(value) || value < least)
      throw new FieldError(name, `got ${value}, expected a whole number ≥ ${least}`);
  const model = await loadFrom(options);
  const runs: { prefill: number; decode: number }[] = [];
  for (let round = 0; round <= rounds; round++) {
    const run = await measure(model, prompt, decode);
    if (round > 0) runs.push(run);
  }
  const [prefillRate, decodeRate] = [median(runs.map((run) => run.prefill)), median(runs.map((run) => run.decode))];
  const { name, about } = model.kernels;
  await model.close();
  if (json) {
    console.log(
      JSON.stringify({
        kernels: name,
        about,
        prompt,
        decode,
        rounds,
        prefill_tokens_per_second: prefillRate,
        decode_tokens_per_second: decodeRate,
      }),
    );
    return;
  }
  console.log(`${name}: ${about}`);
  console.log(`prefill ${prefillRate.toFixed(1)} tokens/s (${prompt} at once)`);
  console.log(`decode  ${decodeRate.toFixed(1)} tokens/s (${decode} one by one)`);
}

/** Tokens per second of one request that shares nothing with earlier ones. */
async function measure(
  model: Plainformer,
  prompt: number,
  decode: number,
): Promise<{ prefill: number; decode: number }> {
  const ids = Array.from({ length: prompt }, (_, i) => (i * 7919) % model.config.vocabSize);
  const request = { input: [{ ids }], maxTokens: decode, temperature: 0, ignoreEnd: true, tenant: randomUUID() };
  for await (const event of model.generate(request))
    if (event.type === "end") {
      const { firstTokenMs, decodeMs } = event.timings;
      return { prefill: (1000 * prompt) / firstTokenMs, decode: (1000 * (decode - 1)) / decodeMs };
    }
  throw new Error("generate ended without an end");
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1];
}
