// What a text waits for: the longest gap between two of its tokens while eight texts go on, alone, beside a long prompt and
// beside requests for gradients, with and without computing layers again. Rounds of all of them in turns, after one that
// does not count; medians. Where the machine does other things, the longest of many gaps says more about them than about
// this: the percentile says less.
//
//   npm run -s bench:gaps -- [MODEL …] [--texts 8] [--rows 512] [--requests 4] [--rounds 5] [--kernels NAME]

import { parseArgs } from "node:util";
import { defaultModel, loadInWorker, type ServedModel } from "../src/index.ts";
import { machine, table } from "./measure.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    texts: { type: "string", default: "8" },
    rows: { type: "string", default: "512" },
    requests: { type: "string", default: "4" },
    rounds: { type: "string", default: "5" },
    kernels: { type: "string", default: "auto" },
  },
});
const [texts, rows, requests, rounds] = [values.texts, values.rows, values.requests, values.rounds].map(Number);

const idsOf = ({ config }: ServedModel, length: number, n: number) =>
  Array.from({ length }, (_, i) => 5 + ((i * 7919 + n * 104729) % Math.min(2500, config.vocabSize - 5)));

/** The waits for tokens of all texts while `work` goes on, in milliseconds, shortest first. */
async function gapsBeside(model: ServedModel, work: () => Promise<unknown>): Promise<number[]> {
  const end = new AbortController();
  const last = new Array<number>(texts).fill(0); // when each text had a token
  const gaps: number[] = [];
  let counting = false;
  const all = last.map(async (_, n) => {
    const options = { input: [{ ids: idsOf(model, 16, n) }], ignoreEnd: true, temperature: 0 };
    const room = model.config.maxSeqLen - 16;
    for await (const event of model.generate({ ...options, maxTokens: room, signal: end.signal })) {
      if (event.type !== "token") continue;
      const now = performance.now();
      if (counting) gaps.push(now - last[n]);
      last[n] = now;
    }
  });
  while (last.some((time) => time === 0)) await new Promise((resolve) => setTimeout(resolve, 5));
  counting = true;
  await work();
  counting = false;
  end.abort();
  await Promise.allSettled(all);
  return gaps.sort((a, b) => a - b);
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1];
}

console.log(`${machine()}
${texts} texts; a prompt of ${rows} tokens; ${requests} requests for gradients of ${rows} rows each\n`);
for (const source of positionals.length > 0 ? positionals : [defaultModel]) {
  const model = await loadInWorker(source, { kernels: values.kernels, prefixCache: false });
  const { dModel } = model.config;
  const ids = idsOf(model, rows, 77);
  const embeds = (await model.embed(ids)).slice(0, 20 * dModel);
  const input = [{ id: "p", embeds, shape: [20, dModel] as const }, { ids: ids.slice(20) }];
  const gradients = (recompute: boolean) => () =>
    Promise.all(Array.from({ length: requests }, () => model.gradients({ input, targets: [[5, 6, 7, 8]], recompute })));
  const beside: [string, () => Promise<unknown>][] = [
    ["nothing", () => new Promise((resolve) => setTimeout(resolve, 1000))],
    ["a long prompt", () => model.score({ input: [{ ids }], targets: [[5]] })],
    ["gradients", gradients(false)],
    ["gradients, layers computed again", gradients(true)],
  ];
  const longest = beside.map(() => [] as number[]);
  const percentile = beside.map(() => [] as number[]);
  for (let round = 0; round <= rounds; round++)
    for (const [i, [, work]] of beside.entries()) {
      const gaps = await gapsBeside(model, work);
      if (round === 0) continue;
      longest[i].push(gaps[gaps.length - 1]);
      percentile[i].push(gaps[Math.ceil(gaps.length * 0.95) - 1]);
    }
  const ofPrompt = median(longest[1]);
  console.log(`${source}
${table(
  [
    "beside",
    "longest gap of a text, ms",
    "of several rounds",
    "95 % are shorter than, ms",
    "longest ÷ beside a long prompt",
  ],
  beside.map(([name], i) => [
    name,
    median(longest[i]).toFixed(1),
    `${Math.min(...longest[i]).toFixed(1)} to ${Math.max(...longest[i]).toFixed(1)}`,
    median(percentile[i]).toFixed(1),
    (median(longest[i]) / ofPrompt).toFixed(2),
  ]),
)}
`);
  await model.close();
}
