// Holds our prompt tuning against a run of PEFT's (test/golden/make-peft.py): the same model, first rows, order of examples,
// rate and clipping. Prints losses side by side, then what each library makes of the other's file.
//
//   tsx test/conformance/peft.ts MODEL TRAIN.jsonl HELD_OUT.jsonl OUT PYTHON
//
// OUT is what make-peft.py wrote there; PYTHON an interpreter that has peft. Exit 1 where they disagree.

import { execFileSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { load } from "../../src/plainformer.ts";
import { readSoftPrompt } from "../../src/prompt/soft-prompt-file.ts";
import type { SoftPrompt } from "../../src/prompt/soft-prompts.ts";
import { parseExamples } from "../../src/tune/prompt-tuning/examples.ts";
import { writeAdapter } from "../../src/tune/prompt-tuning/peft-adapter.ts";
import { type TuneState, tunePrompt } from "../../src/tune/prompt-tuning/tune-prompt.ts";

const [source, trainFile, heldOutFile, out, python] = process.argv.slice(2);
interface Run {
  steps: number;
  rate: number;
  warmup: number;
  before: number;
  after: number;
  text: string;
  order: number[][];
  losses: number[];
}
const peft = JSON.parse(await readFile(join(out, "peft.json"), "utf8")) as Run;
const model = await load(source);
const { dModel, vocabSize } = model.config;
const examplesOf = async (file: string) => parseExamples(await readFile(file, "utf8"), file);

const start = await readSoftPrompt(join(out, "start"));
const began = performance.now();
let end: TuneState | undefined;
const tuned = await tunePrompt(model, {
  train: await examplesOf(trainFile),
  heldOut: await examplesOf(heldOutFile),
  tokens: start.shape[0],
  start: { rows: start.embeds },
  order: peft.order,
  rate: peft.rate,
  warmupSteps: peft.warmup,
  evaluateEvery: peft.steps,
  onState: async (state) => {
    end = state;
  },
});
const seconds = (performance.now() - began) / 1000;

const ours = tuned.log.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
console.log("  step      peft      ours  difference");
for (const [i, theirs] of peft.losses.entries())
  if (i < 10 || (i + 1) % 20 === 0)
    console.log(
      `${String(i + 1).padStart(6)}${theirs.toFixed(5).padStart(10)}${ours[i].toFixed(5).padStart(10)}${(ours[i] - theirs).toExponential(1).padStart(12)}`,
    );
const after = tuned.log[tuned.log.length - 1].heldOut?.accuracy as number;
console.log(
  `held out, right: before ${peft.before} and ${tuned.before.accuracy}, after ${peft.after} (peft) and ${after} (ours)`,
);
console.log(`${peft.steps} steps and two looks at the held-out examples in ${seconds.toFixed(1)} s`);

/** Log-probabilities of some tokens after the text, here. */
const ids = Array.from({ length: 16 }, (_, i) => Math.floor((i * vocabSize) / 16));
async function here({ embeds, shape }: SoftPrompt): Promise<number[]> {
  const input = [{ embeds, shape }, { ids: [] }, { text: peft.text }];
  return (await model.score({ input, targets: ids.map((id) => [id]) })).map(({ sum }) => sum);
}
/** The same in PEFT, which gives logits. */
function there(adapter: string): { kind: string; logprobs: number[] } {
  const script = fileURLToPath(new URL("../golden/make-peft.py", import.meta.url));
  const args = [script, source, "--logits", adapter, peft.text];
  const { kind, logits } = JSON.parse(
    execFileSync(python, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }),
  );
  const most = Math.max(...logits);
  const sum = Math.log((logits as number[]).reduce((total, logit) => total + Math.exp(logit - most), 0)) + most;
  return { kind, logprobs: ids.map((id) => logits[id] - sum) };
}
const distance = (a: number[], b: number[]) => Math.max(...a.map((value, i) => Math.abs(value - b[i])));

const trained = join(out, "trained");
const faults = [
  `peft's file here: ${distance(await here(await readSoftPrompt(trained)), there(trained).logprobs).toExponential(1)}`,
];
const mine: SoftPrompt = { ...tuned, embeds: end?.parameters.get("prompt_embeddings") as Float32Array };
for (const encoderHidden of [undefined, dModel]) {
  const adapter = join(out, encoderHidden ? "ours-p-tuning" : "ours");
  await writeAdapter(adapter, mine, { config: model.config, base: source, encoderHidden });
  const { kind, logprobs } = there(adapter);
  faults.push(`our file in peft (${kind}): ${distance(await here(mine), logprobs).toExponential(1)}`);
}
for (const line of faults) console.log(`largest difference of log-probabilities, ${line}`);
await model.close();
if (after < peft.after - 0.02 || faults.some((line) => Number(line.split(": ")[1]) > 1e-3)) process.exitCode = 1;
