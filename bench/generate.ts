// Tokens per second of whole models beside llama.cpp (through node-llama-cpp), on the same GGUF file, in the same run.
//
//   npm install --prefix bench                       once: the peers
//   npm run bench:generate -- FILE.gguf [--prompt 512] [--decode 64] [--together 8] [--context 4096] [--kv f32] [--rounds 5]
//
// Equal terms: the same file, the same ids, greedy choice, keys and values in the same dtype on both sides; llama.cpp with
// one and with two threads, and the better of the two counts. The greedy ids of both are compared before anything is timed.
// `--together n` also decodes n sequences at once, `--context n` also decodes after n tokens; 0 leaves them out.

import { randomUUID } from "node:crypto";
import { basename } from "node:path";
import { parseArgs } from "node:util";
import { load } from "../src/index.ts";
import { type KvDType, kvDTypes } from "../src/model/kv-cache.ts";
import { alternate, type Figure, machine, table } from "./measure.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prompt: { type: "string", default: "512" },
    decode: { type: "string", default: "64" },
    together: { type: "string", default: "0" },
    context: { type: "string", default: "0" },
    kv: { type: "string", default: "f32" },
    rounds: { type: "string", default: "5" },
    kernels: { type: "string", default: "auto" },
  },
});
const [prompt, decode, together, context, rounds] = [
  values.prompt,
  values.decode,
  values.together,
  values.context,
  values.rounds,
].map(Number);
const kv = values.kv as KvDType;
if (!kvDTypes.includes(kv)) throw new Error(`bench/generate.ts: --kv is ${kv}, expected ${kvDTypes.join(" or ")}`);
const [file] = positionals;
if (!file) throw new Error("bench/generate.ts: no file given, expected FILE.gguf");
const past = 16; // tokens before those that are decoded

/** A run of an engine that is fed ids and continues them greedily. */
interface Run {
  /** Seconds until the first token after the prompt. */
  first: number;
  /** Seconds from the first token to the last. */
  rest: number;
  ids: number[];
}

interface Engine {
  name: string;
  /** Continues prompts side by side, `tokens` each. */
  run(prompts: readonly (readonly number[])[], tokens: number): Promise<Run[]>;
}

const positions = Math.max(prompt, context) + decode + past + 64;

async function ours(): Promise<Engine> {
  const cacheTokens = Math.max(positions, together * (past + decode + 64));
  const model = await load(file, { kernels: values.kernels, kv, cacheTokens });
  async function one(ids: readonly number[], tokens: number): Promise<Run> {
    // A tenant of its own: no run finds its prompt in the cache of prefixes.
    const options = { input: [{ ids }], maxTokens: tokens, temperature: 0, ignoreEnd: true, tenant: randomUUID() };
    for await (const event of model.generate(options))
      if (event.type === "end") {
        const { firstTokenMs, decodeMs } = event.timings;
        return { first: firstTokenMs / 1000, rest: decodeMs / 1000, ids: event.ids };
      }
    throw new Error("generate ended without an end");
  }
  return {
    name: `plainformer (${model.kernels.name})`,
    run: (prompts, tokens) => Promise.all(prompts.map((ids) => one(ids, tokens))),
  };
}

async function llamaCpp(threads: number): Promise<Engine> {
  const peer = "node-llama-cpp"; // not a literal: its types are not there unless it is installed
  const { getLlama } = await import(peer);
  const llama = await getLlama({ build: "never", gpu: false, logLevel: "error", maxThreads: threads });
  const model = await llama.loadModel({ modelPath: file });
  const cache = kv.toUpperCase();
  const peerContext = await model.createContext({
    contextSize: positions,
    sequences: Math.max(1, together),
    batchSize: Math.max(prompt, 32),
    threads: { ideal: threads, min: threads },
    flashAttention: kv === "f16", // as llama.cpp itself chooses for a cache in f16
    experimentalKvCacheKeyType: cache,
    experimentalKvCacheValueType: cache,
  });
  const sequences = Array.from({ length: Math.max(1, together) }, () => peerContext.getSequence());
  async function one(sequence: (typeof sequences)[number], ids: readonly number[], tokens: number): Promise<Run> {
    await sequence.clearHistory();
    const began = performance.now();
    const out: number[] = [];
    let first = began;
    for await (const token of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
      if (out.length === 0) first = performance.now();
      out.push(token);
      if (out.length === tokens) break;
    }
    return { first: (first - began) / 1000, rest: (performance.now() - first) / 1000, ids: out };
  }
  return {
    name: `llama.cpp, ${threads} thread${threads > 1 ? "s" : ""}`,
    run: (prompts, tokens) => Promise.all(prompts.map((ids, i) => one(sequences[i], ids, tokens))),
  };
}

const engines = [await ours(), await llamaCpp(1), await llamaCpp(2)];
const ids = (n: number, start = 0) => Array.from({ length: n }, (_, i) => 100 + (((start + i) * 7919) % 2000));

const [[mine], [theirs]] = await Promise.all([engines[0].run([ids(past)], 16), engines[1].run([ids(past)], 16)]);
const same = mine.ids.findIndex((id, i) => id !== theirs.ids[i]);
console.log(
  `${machine()}\n${basename(file)}, keys and values in ${kv}: greedy ids ${same < 0 ? "equal" : `equal up to token ${same}`} (16 after ${past})\n`,
);

/** One table: tokens/s of every engine, and each as a share of the better llama.cpp. */
async function compare(what: string, figure: (engine: Engine) => Promise<number>, of = engines): Promise<Figure[]> {
  const figures = await alternate(
    of.map((engine) => ({ name: engine.name, run: () => figure(engine) })),
    rounds,
  );
  const best = Math.max(...figures.slice(1).map(({ median }) => median));
  const rows = figures.map(({ name, median, min, max }) => [
    name,
    median.toFixed(1),
    `${min.toFixed(1)} … ${max.toFixed(1)}`,
    (median / best).toFixed(2),
  ]);
  console.log(`${table([what, "median", "spread", "÷ best llama.cpp"], rows)}\n`);
  return figures;
}

const decoding = (after: number, count: number) => async (engine: Engine) => {
  const prompts = Array.from({ length: count }, (_, i) => ids(after, i));
  const runs = await engine.run(prompts, decode);
  return (count * (decode - 1)) / Math.max(...runs.map(({ rest }) => rest));
};

const prefill = await compare(
  `prefill, tokens/s, ${prompt} at once`,
  async ({ run }) => prompt / (await run([ids(prompt)], 1))[0].first,
);
const alone = await compare(`decode, tokens/s, ${decode} after ${past}`, decoding(past, 1));
if (together > 0) {
  const many = await compare(`${together} together, tokens/s in all`, decoding(past, together));
  const gain = (i: number) => (many[i].median / alone[i].median).toFixed(2);
  const share = ((100 * many[0].median) / prefill[0].median).toFixed(0);
  console.log(
    `together ÷ alone: ours ${gain(0)}, llama.cpp ${gain(1)} and ${gain(2)}; ours ${share} % of its prefill\n`,
  );
}
if (context > 0) {
  const [engine] = engines;
  const name = (after: number) => `${engine.name}, after ${after}`;
  const figures = await alternate(
    [128, context].map((after) => ({ name: name(after), run: () => decoding(after, 1)(engine) })),
    Math.min(rounds, 3),
  );
  const rows = figures.map(({ name, median, min, max }) => [
    name,
    median.toFixed(1),
    `${min.toFixed(1)} … ${max.toFixed(1)}`,
    (median / figures[0].median).toFixed(2),
  ]);
  console.log(`${table(["decode, tokens/s, by context", "median", "spread", "÷ after 128"], rows)}\n`);
}
process.exit(0);
