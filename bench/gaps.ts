// What a text waits for: the longest gap between two of its tokens while eight texts go on, alone, beside a long prompt and
// beside requests for gradients, with and without computing layers again. Rounds of all of them in turns; medians.
//
//   npm run -s bench:gaps -- [MODEL …] [--texts 8] [--rows 512] [--requests 4] [--rounds 5] [--kernels NAME]

import { parseArgs } from "node:util";
import { defaultModel, loadInWorker, type ServedModel } from "../src/index.ts";
import { alternate, machine, table } from "./measure.ts";

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

/** The longest wait for a token of any text while `work` goes on, in milliseconds. */
async function gapBeside(model: ServedModel, work: () => Promise<unknown>): Promise<number> {
  const end = new AbortController();
  const last = new Array<number>(texts).fill(0); // when each text had a token
  let longest = 0;
  let counting = false;
  const all = last.map(async (_, n) => {
    const options = { input: [{ ids: idsOf(model, 16, n) }], ignoreEnd: true, temperature: 0 };
    const room = model.config.maxSeqLen - 16;
    for await (const event of model.generate({ ...options, maxTokens: room, signal: end.signal })) {
      if (event.type !== "token") continue;
      const now = performance.now();
      if (counting) longest = Math.max(longest, now - last[n]);
      last[n] = now;
    }
  });
  while (last.some((time) => time === 0)) await new Promise((resolve) => setTimeout(resolve, 5));
  counting = true;
  await work();
  counting = false;
  end.abort();
  await Promise.allSettled(all);
  return longest;
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
  const figures = await alternate(
    beside.map(([name, work]) => ({ name, run: () => gapBeside(model, work) })),
    rounds,
  );
  const prompt = figures[1].median;
  console.log(`${source}
${table(
  ["beside", "longest gap of a text, ms", "of several rounds", "of that beside a long prompt"],
  figures.map(({ name, median, min, max }) => [
    name,
    median.toFixed(1),
    `${min.toFixed(1)} to ${max.toFixed(1)}`,
    (median / prompt).toFixed(2),
  ]),
)}
`);
  await model.close();
}
