// More requests than the engine takes, on a model in a thread of its own: the overflow is told so, streamed or not, and
// everything else is answered as it would be alone.

import { afterAll, expect, test } from "vitest";
import { loadInWorker } from "../../../src/plainformer.ts";
import { api } from "./api.ts";

const served = await loadInWorker(undefined, { maxRunning: 2, maxWaiting: 3 });
afterAll(() => served.close());
const { send, ask } = await api({ model: served });

test.each([false, true])("20 at once, 5 places: 5 answers and 15 refusals; streamed: %s", async (stream) => {
  const body = (i: number) => ({ prompt: `Fox number ${i}`, max_tokens: 120, temperature: 0, logit_bias: { 1: -100 } });
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, i) => {
      const response = await send("/completions", { ...body(i), stream });
      return { i, status: response.status, retry: response.headers.get("retry-after"), text: await response.text() };
    }),
  );
  const refused = answers.filter(({ status }) => status !== 200);
  expect(refused).toHaveLength(15);
  for (const { status, retry, text } of refused) {
    expect(status).toBe(503);
    expect(Number(retry)).toBeGreaterThan(0);
    expect(JSON.parse(text).error.type).toBe("server_error");
  }
  for (const { i, text } of answers.filter(({ status }) => status === 200)) {
    const alone = (await ask("/completions", body(i))).choices[0].text;
    const chunks = text.split("\n\n").filter((line) => line.startsWith("data: {"));
    const together = stream
      ? chunks.map((line) => JSON.parse(line.slice(6)).choices[0].text).join("")
      : JSON.parse(text).choices[0].text;
    expect(together).toBe(alone);
  }
  expect(await served.load()).toMatchObject({ running: 0, waiting: 0 });
});

test("a request for many scores takes one place, however many candidates and targets it has", async () => {
  const { dModel } = served.config;
  const candidates = [1, 2, 3, 4].map((n) => [Array.from({ length: dModel }, (_, i) => 0.1 * Math.sin(n * i))]);
  const targets = [" a", " the", " fox"];
  const body = {
    input: [
      { type: "embeds", candidate: true },
      { type: "text", text: "Once" },
    ],
    targets,
  };
  const together = await Promise.all([1, 2, 3, 4, 5].map(() => ask("/score", { ...body, candidates })));
  for (const { data, usage } of together) {
    expect(data).toEqual(together[0].data);
    expect(usage).toEqual(together[0].usage);
  }
  expect(together[0].data).toHaveLength(12);
  for (const [candidate, embeds] of candidates.entries()) {
    const alone = await ask("/score", { ...body, candidates: [embeds] });
    const own = together[0].data.filter((score: { candidate: number }) => score.candidate === candidate);
    expect(own).toEqual(alone.data.map((score: object) => ({ ...score, candidate })));
  }
});

test("gradients take places like all else: the overflow is told so", async () => {
  const embeds = [Array.from({ length: served.config.dModel }, (_, i) => 0.1 * Math.sin(i))];
  const body = {
    input: [
      { type: "embeds", id: "p", embeds },
      { type: "text", text: " It was".repeat(150) },
    ],
    targets: [" a"],
  };
  const answers = await Promise.all(Array.from({ length: 9 }, () => send("/gradients", body)));
  const refused = answers.filter(({ status }) => status !== 200);
  expect(refused).toHaveLength(4);
  for (const { status, headers } of refused) {
    expect(status).toBe(503);
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
  }
  expect(await served.load()).toMatchObject({ running: 0, waiting: 0 });
});
