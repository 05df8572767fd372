// Tokens per second of whole models beside llama.cpp (through node-llama-cpp), on the same GGUF file, in the same run.
//
//   npm install --prefix bench                       once: the peers
//   npm run bench:generate -- FILE.gguf [--prompt 512] [--decode 64] [--rounds 5]
//
// Equal terms: the same file, the same ids, greedy choice, keys and values in f32 on both sides; llama.cpp with one and
// with two threads, and the better of the two counts. The greedy ids of both are compared before anything is timed.

import { basename } from "node:path";
import { parseArgs } from "node:util";
import { load } from "../src/index.ts";
import { alternate, type Candidate, machine, table } from "./measure.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prompt: { type: "string", default: "512" },
    decode: { type: "string", default: "64" },
    rounds: { type: "string", default: "5" },
    kernels: { type: "string", default: "auto" },
  },
});
const [prompt, decode, rounds] = [Number(values.prompt), Number(values.decode), Number(values.rounds)];
const [file] = positionals;
if (!file) throw new Error("bench/generate.ts: no file given, expected FILE.gguf");

/** A model that is fed ids and continues them greedily. */
interface Engine {
  name: string;
  /** Seconds until the first token after `ids`, and of each further one; and the tokens. */
  run(ids: readonly number[], tokens: number): Promise<{ first: number; each: number; ids: number[] }>;
}

async function ours(): Promise<Engine> {
  const model = await load(file, { kernels: values.kernels });
  return {
    name: `plainformer (${model.kernels.name})`,
    async run(ids, tokens) {
      for await (const event of model.generate({
        input: [{ ids }],
        maxTokens: tokens,
        temperature: 0,
        ignoreEnd: true,
      }))
        if (event.type === "end") {
          const { firstTokenMs, decodeMs } = event.timings;
          return { first: firstTokenMs / 1000, each: decodeMs / 1000 / (tokens - 1), ids: event.ids };
        }
      throw new Error("generate ended without an end");
    },
  };
}

async function llamaCpp(threads: number): Promise<Engine> {
  const peer = "node-llama-cpp"; // not a literal: its types are not there unless it is installed
  const { getLlama } = await import(peer);
  const llama = await getLlama({ build: "never", gpu: false, logLevel: "error", maxThreads: threads });
  const model = await llama.loadModel({ modelPath: file });
  const context = await model.createContext({
    contextSize: prompt + decode + 8,
    batchSize: Math.max(prompt, 32),
    threads: { ideal: threads, min: threads },
    experimentalKvCacheKeyType: "F32",
    experimentalKvCacheValueType: "F32",
  });
  const sequence = context.getSequence();
  return {
    name: `llama.cpp, ${threads} thread${threads > 1 ? "s" : ""}`,
    async run(ids, tokens) {
      await sequence.clearHistory();
      const began = performance.now();
      const out: number[] = [];
      let first = began;
      for await (const token of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
        if (out.length === 0) first = performance.now();
        out.push(token);
        if (out.length === tokens) break;
      }
      const each = (performance.now() - first) / 1000 / (tokens - 1);
      return { first: (first - began) / 1000, each, ids: out };
    },
  };
}

const engines = [await ours(), await llamaCpp(1), await llamaCpp(2)];
const ids = (n: number) => Array.from({ length: n }, (_, i) => 100 + ((i * 7919) % 20000));

const [mine, theirs] = await Promise.all([engines[0].run(ids(16), 16), engines[1].run(ids(16), 16)]);
const same = mine.ids.findIndex((id, i) => id !== theirs.ids[i]);
console.log(
  `${machine()}\n${basename(file)}: greedy ids ${same < 0 ? "equal" : `equal up to token ${same}`} (16 after 16)\n`,
);

for (const [what, candidates] of [
  [
    `decode, tokens/s, ${decode} after 16`,
    engines.map<Candidate>(({ name, run }) => ({ name, run: async () => 1 / (await run(ids(16), decode)).each })),
  ],
  [
    `prefill, tokens/s, ${prompt} at once`,
    engines.map<Candidate>(({ name, run }) => ({ name, run: async () => prompt / (await run(ids(prompt), 1)).first })),
  ],
] as const) {
  const figures = await alternate(candidates, rounds);
  const best = Math.max(...figures.slice(1).map((figure) => figure.median));
  const rows = figures.map(({ name, median, min, max }) => [
    name,
    median.toFixed(1),
    `${min.toFixed(1)} … ${max.toFixed(1)}`,
    (median / best).toFixed(2),
  ]);
  console.log(`${table([what, "median", "spread", "÷ best llama.cpp"], rows)}\n`);
}
process.exit(0);
