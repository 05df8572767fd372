// plainformer tune --data FILE.jsonl --out DIR: trains a soft prompt on examples and saves it as PEFT does.

import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { SingleBar } from "cli-progress";
import { type Command, Option } from "commander";
import { writeFile } from "#platform";
import { sha256 } from "../../weights/sha256.ts";
import type { Plainformer } from "../plainformer.ts";
import { createChatFormat } from "../prompt/chat-format.ts";
import {
  type Conversations,
  defaultTemplate,
  parseExamples,
  splitExamples,
  type TuneExample,
} from "../tune/prompt-tuning/examples.ts";
import { lossCurve } from "../tune/prompt-tuning/loss-curve.ts";
import { writeAdapter } from "../tune/prompt-tuning/peft-adapter.ts";
import { nearestTokens, type StartRows } from "../tune/prompt-tuning/table.ts";
import { type TunedPrompt, type TuneProgress, tunePrompt } from "../tune/prompt-tuning/tune-prompt.ts";
import { readTuneState, type TuneSettings, writeTuneState } from "../tune/prompt-tuning/tune-state-file.ts";
import { loadFrom, type ModelOptions, number, withModel } from "./options.ts";

interface Options extends ModelOptions {
  data: string;
  heldOut?: string;
  holdOut: number;
  template: string;
  out: string;
  tokens: number;
  start?: string;
  encoder?: "mlp";
  encoderHidden?: number;
  specialTokens?: true;
  steps: number;
  batch: number;
  rate?: number;
  warmup: number;
  weightDecay: number;
  clip: number;
  evaluateEvery: number;
  patience: number;
  seed: number;
  json?: true;
}

export function addTune(program: Command): void {
  const command = program
    .command("tune")
    .description(
      'Train a soft prompt on JSON lines {"prompt","completion"}, {"text","label"} or {"messages"} (the last is the answer), and save it as PEFT does. A run that was stopped goes on with the same command.',
    )
    .requiredOption("--data <file>", "the examples, JSONL")
    .requiredOption("--out <directory>", "where adapter, log, loss curve and state are written")
    .option("--held-out <file>", "examples to judge by, JSONL (default: a share of --data)")
    .option("--hold-out <share>", "the share of --data to judge by", number, 0.1)
    .option("--template <text>", "what a line's text becomes; the label follows after a space", defaultTemplate)
    .option("--tokens <n>", "virtual tokens, which stand before every prompt", number, 20)
    .option("--start <how>", "first rows: random, vocabulary, or the text that they begin as (default: vocabulary)")
    .addOption(new Option("--encoder <kind>", "make the rows by P-tuning's encoder (default: none)").choices(["mlp"]))
    .option("--encoder-hidden <n>", "its hidden width (default: the model's)", number)
    .option("--special-tokens", "let the tokenizer add its special tokens behind the rows, as PEFT's prompts have them")
    .option("--steps <n>", "most steps", number, 300)
    .option("--batch <n>", "examples of a step", number, 8)
    .option("--rate <x>", "learning rate (default: 0.01, with an encoder 0.001)", number)
    .option("--warmup <n>", "steps over which the rate rises", number, 10)
    .option("--weight-decay <x>", "part of the parameters that a step takes away, times the rate", number, 0)
    .option("--clip <norm>", "longest gradient", number, 1)
    .option("--evaluate-every <n>", "steps between two looks at the held-out examples", number, 25)
    .option("--patience <n>", "looks without a better loss after which the run ends", number, 6)
    .option("--seed <n>", "chooses held-out examples, first rows and order", number, 0);
  withModel(command).option("--json", "one object with figures and nearest tokens").action(tune);
}

async function tune(options: Options): Promise<void> {
  const template = options.template.replaceAll("\\n", "\n");
  const [data, judged] = [await text(options.data), options.heldOut && (await text(options.heldOut))];
  const model = await loadFrom(options);
  try {
    const conversations = conversationsOf(model);
    const all = parseExamples(data, options.data, template, conversations);
    const examples =
      judged === undefined || options.heldOut === undefined
        ? splitExamples(all, options.holdOut, options.seed)
        : { train: all, heldOut: parseExamples(judged, options.heldOut, template, conversations) };
    await tuneOn(model, examples, options);
  } finally {
    await model.close();
  }
}

/** How the model takes conversations; undefined where its checkpoint does not say. */
function conversationsOf({ chatTemplate, tokenizer, endIds }: Plainformer): Conversations | undefined {
  if (chatTemplate === null) return undefined;
  const format = createChatFormat(chatTemplate, tokenizer);
  return {
    prompt: (messages) => format.prompt({ messages }).segments,
    answer: (text) => [...tokenizer.encode(text, { addSpecialTokens: false }), ...endIds.slice(0, 1)],
  };
}

async function tuneOn(
  model: Plainformer,
  { train, heldOut }: { train: TuneExample[]; heldOut: TuneExample[] },
  options: Options,
): Promise<void> {
  const { tokens, specialTokens, steps, batch, rate, seed, evaluateEvery, patience, weightDecay } = options;
  const hidden = options.encoder ? (options.encoderHidden ?? model.config.dModel) : undefined;

  await mkdir(options.out, { recursive: true });
  const settings: TuneSettings = {
    ...{ data: digest(train), heldOut: digest(heldOut), fingerprint: model.fingerprint, tokens, batch, seed },
    ...{ rate: rate ?? "default", warmup: options.warmup, weightDecay, clip: options.clip, evaluateEvery },
    ...{ start: options.start ?? "default", encoder: options.encoder ?? "none", encoderHidden: hidden ?? 0 },
    specialTokens: specialTokens ?? false,
  };
  const stateFile = join(options.out, "state.safetensors");
  const resume = await readTuneState(stateFile, settings);
  const began = performance.now();
  const bar = tuneBar(resume?.step ?? 0);
  const tuned = await tunePrompt(model, {
    ...{
      train,
      heldOut,
      tokens,
      specialTokens,
      steps,
      batch,
      rate,
      weightDecay,
      evaluateEvery,
      patience,
      seed,
      resume,
    },
    start: startOf(options.start),
    encoder: hidden === undefined ? undefined : { hidden },
    warmupSteps: options.warmup,
    maxNorm: options.clip,
    onStep: bar.update,
    onState: (state) => writeTuneState(stateFile, state, settings),
  }).finally(bar.stop);
  const seconds = (performance.now() - began) / 1000;

  await writeAdapter(options.out, tuned, { config: model.config, base: options.model, encoderHidden: hidden });
  await writeText(join(options.out, "log.json"), `${JSON.stringify({ settings, log: tuned.log }, null, 1)}\n`);
  await writeText(
    join(options.out, "loss.svg"),
    lossCurve(tuned.log, `${tokens} virtual tokens, ${train.length} examples`),
  );
  await report(model, tuned, { seconds, options, counts: [train.length, heldOut.length] });
}

const writeText = (file: string, text: string) => writeFile(file, [new TextEncoder().encode(text)]);

async function report(
  model: Plainformer,
  tuned: TunedPrompt,
  { seconds, options, counts }: { seconds: number; options: Options; counts: readonly [number, number] },
): Promise<void> {
  const near = await nearestTokens(model, tuned.embeds, 5);
  const { before, best, ended, log } = tuned;
  const steps = log[log.length - 1].step;
  if (options.json) {
    const figures = { out: options.out, steps, ended, seconds, train: counts[0], heldOut: counts[1], before, best };
    console.log(JSON.stringify({ ...figures, nearest: near }));
    return;
  }
  const shown = ({ loss, accuracy }: { loss: number; accuracy: number }) =>
    `${(100 * accuracy).toFixed(1)} % right, loss ${loss.toFixed(4)}`;
  console.log(`${counts[0]} examples, ${counts[1]} held out; ${steps} ${steps === 1 ? "step" : "steps"} in ${seconds.toFixed(1)} s${ended === "patience" ? " (no better for a while)" : ""}
  before  ${shown(before)}
  best    ${shown(best)} (step ${best.step})
nearest tokens of each row (cosine):`);
  for (const [row, tokens] of near.entries())
    console.log(
      `  ${String(row).padStart(3)}  ${tokens.map(({ token, cosine }) => `${JSON.stringify(token)} ${cosine.toFixed(2)}`).join("  ")}`,
    );
  console.log(`saved in ${options.out}: adapter_config.json, adapter_model.safetensors, log.json, loss.svg`);
}

/** Steps, loss, accuracy and time left on stderr: on a terminal a bar, elsewhere a line at each look at the held-out examples. */
function tuneBar(from: number): { update: (progress: TuneProgress) => void; stop: () => void } {
  let bar: SingleBar | undefined;
  let accuracy = "";
  return {
    update({ step, steps, loss, heldOut, best }) {
      if (!process.stderr.isTTY) {
        if (!heldOut) return;
        const judged = `held out ${(100 * heldOut.accuracy).toFixed(1)} % right, loss ${heldOut.loss.toFixed(4)}`;
        console.error(`step ${step} of ${steps}: loss ${loss?.toFixed(4)}; ${judged}`);
        return;
      }
      if (!bar) {
        bar = new SingleBar({
          format: "{bar} {value}/{total} steps, loss {loss}, held out {accuracy}, {eta_formatted} left",
          stream: process.stderr,
          clearOnComplete: true,
          hideCursor: true,
          etaBuffer: 20,
        });
        bar.start(steps, from, { loss: "", accuracy: "" });
      }
      accuracy = `${(100 * (heldOut ?? best).accuracy).toFixed(1)} %`;
      bar.update(step, { loss: loss?.toFixed(4) ?? "", accuracy });
    },
    stop: () => bar?.stop(),
  };
}

/** Tells one list of examples from another. */
function digest(examples: readonly TuneExample[]): string {
  return sha256(new TextEncoder().encode(JSON.stringify(examples)));
}

function startOf(start: string | undefined): StartRows | undefined {
  return start === undefined || start === "random" || start === "vocabulary" ? start : { text: start };
}

async function text(file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new Error(`${file}: cannot be read (${error.code})`);
  });
}
