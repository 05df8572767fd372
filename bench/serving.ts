// Many clients on one engine, in its worker: tokens per second of all together, the wait for a first token and between
// tokens, and whether each request gave the tokens that it gives alone. And what a shared prefix saves.
//
//   npm run bench:serving -- [MODEL …] [--clients 1,8,32] [--requests 32] [--prompt 128] [--tokens 32] [--beside 16,32,64,512]
//
// MODEL is a directory or file as `load` takes it; without one, the model that ships. Every line serves the same requests,
// their cache pages kept apart by tenant. `--beside` compares how many prompt rows may go beside running texts.

import { parseArgs } from "node:util";
import { defaultModel, loadInWorker, type ServedModel } from "../src/index.ts";
import { machine, table } from "./measure.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    clients: { type: "string", default: "1,8,32" },
    requests: { type: "string", default: "32" },
    prompt: { type: "string", default: "128" },
    tokens: { type: "string", default: "32" },
    beside: { type: "string", default: "16,32,64,512" },
    kernels: { type: "string", default: "auto" },
  },
});
const numbers = (list: string) => list.split(",").map(Number);
const [requests, prompt, tokens] = [values.requests, values.prompt, values.tokens].map(Number);

interface Served {
  ids: number[];
  /** Milliseconds to the first token, and between each two that arrived one after another. */
  first: number;
  gaps: number[];
}

/** Sends one request; half of the prompts are a quarter as long. */
async function serve(model: ServedModel, n: number, tenant: string): Promise<Served> {
  const ids = promptIds(model, n % 2 === 0 ? prompt : Math.ceil(prompt / 4), n);
  const options = { input: [{ ids }], maxTokens: tokens, temperature: 0.8, seed: n, ignoreEnd: true, tenant };
  const served: Served = { ids: [], first: 0, gaps: [] };
  let last = performance.now();
  for await (const event of model.generate(options)) {
    if (event.type !== "token") continue;
    const now = performance.now();
    if (served.ids.length === 0) served.first = now - last;
    else served.gaps.push(now - last);
    last = now;
    served.ids.push(event.id);
  }
  return served;
}

function promptIds({ config }: ServedModel, length: number, n: number): number[] {
  return Array.from({ length }, (_, i) => 5 + ((i * 7919 + n * 104729) % Math.min(2500, config.vocabSize - 5)));
}

/** So many clients take requests from one list until there are none. */
async function serveAll(model: ServedModel, clients: number, tenant: string): Promise<Served[]> {
  const results: Served[] = [];
  let next = 0;
  const client = async () => {
    while (next < requests) {
      const n = next++;
      results[n] = await serve(model, n, tenant);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return results;
}

function percentile(figures: number[], part: number): string {
  const sorted = figures.toSorted((a, b) => a - b);
  return (sorted[Math.ceil(sorted.length * part) - 1] ?? Number.NaN).toFixed(1);
}

console.log(`${machine()}
${requests} requests, prompts of ${prompt} and ${Math.ceil(prompt / 4)} tokens, ${tokens} tokens each\n`);
for (const source of positionals.length > 0 ? positionals : [defaultModel]) {
  console.log(source);
  await manyClients(source);
  await besideText(source);
}

async function manyClients(source: string): Promise<void> {
  const model = await loadInWorker(source, { kernels: values.kernels });
  await serve(model, 0, "warm");
  let alone: Served[] | undefined;
  const rows: string[][] = [];
  for (const clients of numbers(values.clients)) {
    const began = performance.now();
    const results = await serveAll(model, clients, `${clients}`);
    const seconds = (performance.now() - began) / 1000;
    alone ??= clients === 1 ? results : await serveAll(model, 1, "alone");
    const same = results.filter(({ ids }, n) => ids.join() === alone?.[n].ids.join()).length;
    if (same < requests) process.exitCode = 1;
    const first = results.map((result) => result.first);
    const gaps = results.flatMap((result) => result.gaps);
    rows.push([
      String(clients),
      ((requests * tokens) / seconds).toFixed(1),
      `${percentile(first, 0.5)} / ${percentile(first, 0.99)}`,
      `${percentile(gaps, 0.5)} / ${percentile(gaps, 0.99)}`,
      `${same} of ${requests}`,
    ]);
  }
  const head = ["clients", "tokens/s", "first token, ms, p50 / p99", "between tokens, ms, p50 / p99", "as if alone"];
  console.log(`${table(head, rows)}\n`);
  await sharedPrefix(model);
  await model.close();
}

/** What a prompt of 512 tokens does to six texts that are being continued, and they to it, for each `--beside`. */
async function besideText(source: string): Promise<void> {
  const rows: string[][] = [];
  for (const promptRowsBesideText of numbers(values.beside)) {
    const model = await loadInWorker(source, { kernels: values.kernels, promptRowsBesideText });
    await serve(model, 0, "warm");
    const gaps: number[] = [];
    let began = 0;
    let first = 0;
    const text = async (n: number) => {
      let last = 0;
      const input = [{ ids: promptIds(model, 16, n) }];
      for await (const event of model.generate({ input, maxTokens: 1000, ignoreEnd: true })) {
        const now = performance.now();
        if (began > 0) gaps.push(now - Math.max(last, began));
        if (first > 0) return;
        last = now;
        if (event.type === "token") generated++;
      }
    };
    let generated = 0;
    const texts = Array.from({ length: 6 }, (_, n) => text(n));
    while (generated < 30) await new Promise((resolve) => setTimeout(resolve, 5));
    began = performance.now();
    for await (const event of model.generate({ input: [{ ids: promptIds(model, 512, 77) }], maxTokens: 1 }))
      if (event.type === "token") first = performance.now() - began;
    await Promise.all(texts);
    rows.push([String(promptRowsBesideText), Math.max(...gaps).toFixed(0), first.toFixed(0)]);
    await model.close();
  }
  const head = [
    "512 prompt tokens beside 6 texts: rows a step",
    "longest gap in a text, ms",
    "first token of the prompt, ms",
  ];
  console.log(`${table(head, rows)}\n`);
}

/** The first token of a prompt of 1,000 and some tokens, and of another one that begins with the same 1,000. */
async function sharedPrefix(model: ServedModel): Promise<void> {
  const first = async (last: number) => {
    const began = performance.now();
    const input = [{ ids: [...promptIds(model, 1000, 5), last] }];
    let cached = 0;
    for await (const event of model.generate({ input, maxTokens: 1 })) {
      if (event.type === "prompt") cached = event.cachedTokens;
      if (event.type === "token") return { ms: performance.now() - began, cached };
    }
    throw new Error("generate ended without a token");
  };
  const [fresh, shared] = [await first(7), await first(8)];
  console.log(
    `1,001 prompt tokens: first token after ${fresh.ms.toFixed(0)} ms; again with another last token: ` +
      `${shared.cached} cached, ${shared.ms.toFixed(0)} ms, ${(fresh.ms / shared.ms).toFixed(1)} times sooner\n`,
  );
}
