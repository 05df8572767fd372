// Scores of many targets after many candidates are one request: computed together, the same as each alone, with one place
// in the queue, which it leaves to others in between.

import { afterAll, beforeAll, expect, test } from "vitest";
import { EngineBusyError, load, type Plainformer } from "../../src/index.ts";
import { noise } from "../kernels/noise.ts";

let model: Plainformer; // two sequences at a time, and no request waits
beforeAll(async () => {
  model = await load(undefined, { maxRunning: 2, maxWaiting: 0 });
});
afterAll(() => model.close());

const rows = (n: number, seed: number) => {
  const { dModel } = model.config;
  return { embeds: noise(n * dModel, seed).map((x) => x * 0.1), shape: [n, dModel] as const };
};
const inputOf = (candidate: object) => [
  { text: "One day the little fox found a red ball. ".repeat(9) }, // more than a page
  { id: "still", ...rows(2, 9), frozen: true },
  { id: "p", ...rows(1, 8), ...candidate },
  { text: "It was" },
];
const targets = [" a ball", " a very big ball", [5, 6, 7], " a ball"];

test("each candidate's scores are those after it alone, and their common text is computed once", async () => {
  const candidates = [rows(3, 1), rows(70, 2), rows(1, 3)];
  const before = (await model.load()).promptRowsComputed;
  const together = await model.candidateScores({ input: inputOf({}), targets, candidates, tenant: "together" });
  const { promptRowsComputed } = await model.load();
  let alone = 0;
  for (const [i, candidate] of candidates.entries()) {
    const scores = await model.score({ input: inputOf(candidate), targets, tenant: `alone ${i}` });
    const cached = together[i].map(({ usage }) => usage.cachedTokens);
    expect(together[i]).toEqual(
      scores.map((score, t) => ({ ...score, usage: { ...score.usage, cachedTokens: cached[t] } })),
    );
    alone += scores.reduce((sum, { usage }) => sum + usage.totalTokens, 0);
  }
  expect(together[2][3].usage.cachedTokens).toBe(64);
  expect(promptRowsComputed - before).toBeLessThan(alone - 11 * 64);
});

test("however many sequences it has, it takes one place; what finds none is refused", async () => {
  const candidates = [1, 2, 3, 4, 5].map((n) => rows(n, n));
  const many = () => model.candidateScores({ input: inputOf({}), targets, candidates });
  const outcomes = await Promise.allSettled([many(), many(), many()]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
  expect(outcomes[2]).toMatchObject({ reason: expect.any(EngineBusyError) });
  expect(await model.load()).toMatchObject({ running: 0, waiting: 0 });
});

/** Waits until the engine has computed so many more steps. */
async function steps(n: number): Promise<void> {
  const now = async () => (await model.load()).steps;
  const first = await now();
  while ((await now()) < first + n) await new Promise((resolve) => setImmediate(resolve));
}

test("a text that comes later does not wait for all of it", async () => {
  const long = Array.from({ length: 40 }, (_, i) => [5 + i, 6, 7]);
  const order: string[] = [];
  const scores = model.score({ input: "Once", targets: long }).then(() => order.push("scores"));
  await steps(3);
  expect((await model.load()).waiting).toBe(1); // a sequence of it; the others have not begun
  for await (const event of model.generate({ input: "Once", maxTokens: 3, ignoreEnd: true }))
    if (event.type === "end") order.push("text");
  await scores;
  expect(order).toEqual(["text", "scores"]);
});

test("it ends as one: an abort takes all of it out, and a target that does not fit begins none of it", async () => {
  const abort = new AbortController();
  const scores = model.score({ input: "Once", targets: new Array(40).fill([5, 6]), signal: abort.signal });
  scores.catch(() => {});
  await steps(3);
  abort.abort(new Error("gone"));
  await expect(scores).rejects.toThrow("gone");
  expect(await model.load()).toMatchObject({ running: 0, waiting: 0, freePages: 128 });
  const before = (await model.load()).steps;
  const tooLong = model.score({ input: "Once", targets: [[5], new Array(9000).fill(5)] });
  await expect(tooLong).rejects.toThrow("targets[1]: 9000 tokens do not fit");
  expect((await model.load()).steps).toBe(before);
});
