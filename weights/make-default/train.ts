// Trains the default model with this repository's own backward pass, from the plan in plan.ts. Stop it when you like: the
// next run goes on from the last checkpoint, exactly as if it had not been stopped.
// Usage: npm run train -- [--run DIR] [--from MODEL_DIR] [--steps N] [--kernels NAME] [--threads N] [--every SECONDS]
// DIR holds tokenizer, start, checkpoint and losses.jsonl; export.ts makes a model of the checkpoint.
// --from takes tokenizer and weights of a finished model, such as weights/default, at the end of the plan. With --steps
// beyond the plan its last phase goes on at the last rate.

import { appendFile, copyFile, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import { loadModel } from "../../src/model/load.ts";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";
import { createTrainer } from "../../src/tune/trainer.ts";
import { randomWeights, stepOf, tokenizerFiles, weightsIn, writeModel } from "./export.ts";
import { batchAt, rateAt, rates, steps } from "./plan.ts";
import { stepsBar } from "./steps-bar.ts";
import { writeTokenizer } from "./tokenizer.ts";

const { values: options } = parseArgs({
  options: {
    run: { type: "string", default: "train-default" },
    from: { type: "string" },
    steps: { type: "string" },
    kernels: { type: "string" },
    threads: { type: "string" },
    every: { type: "string", default: "120" },
  },
});
const { run, from } = options;
const exists = (name: string) =>
  stat(join(run, name)).then(
    () => true,
    () => false,
  );

await mkdir(run, { recursive: true });
const start = join(run, "start");
if (!(await exists("start/config.json"))) {
  if (from) for (const name of tokenizerFiles) await copyFile(join(from, name), join(run, name));
  else if (!(await exists("tokenizer.json"))) await writeTokenizer(run);
  const { vocabSize } = await loadTokenizer(run);
  await writeModel(
    start,
    vocabSize,
    "F32",
    from ? await weightsIn(from) : randomWeights(vocabSize),
    from ? await stepOf(from) : 0,
  );
}
const tokenizer = await loadTokenizer(run);
const first = await stepOf(start); // of the plan; the trainer counts its own steps
const last = Number(options.steps ?? steps);
const { kernels, why } = await selectKernels(options.kernels, {
  threads: options.threads ? Number(options.threads) : undefined,
});
const ops = createOps(kernels);
const { model } = await loadModel(ops, start);
const trainer = await createTrainer(ops, model, {
  muon: { momentum: rates.momentum, decay: rates.matrixDecay },
  adam: { beta1: rates.betas[0], beta2: rates.betas[1], eps: rates.eps },
  clip: rates.clip,
});
const checkpoint = join(run, "checkpoint.safetensors");
if (await exists("checkpoint.safetensors")) await trainer.restore(checkpoint);
process.stderr.write(`${kernels.about} (${why}); step ${first + trainer.steps} of ${last}\n`);

const bar = stepsBar(last, first + trainer.steps);
let saved = performance.now();
let mean = Number.NaN;
while (first + trainer.steps < last) {
  const step = first + trainer.steps;
  const share = rateAt(step);
  const loss = await trainer.step(batchAt(step, tokenizer), { muon: rates.matrix * share, adam: rates.rest * share });
  mean = Number.isNaN(mean) ? loss : 0.95 * mean + 0.05 * loss;
  await appendFile(join(run, "losses.jsonl"), `${JSON.stringify({ step: step + 1, loss: Number(loss.toFixed(6)) })}\n`);
  bar.update(step + 1, `loss ${mean.toFixed(3)}`);
  if (performance.now() - saved > 1000 * Number(options.every) || step + 1 === last) {
    await trainer.save(checkpoint);
    saved = performance.now();
  }
}
bar.stop();
kernels.close();
