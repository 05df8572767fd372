// Text that nobody reads is not computed: behind a bounded number of tokens a generation stands still, gives up its place and
// its pages, and goes on to the same text when it is read again.

import { afterAll, describe, expect, test } from "vitest";
import type { GenerateEvent, GenerateOptions } from "../../src/engine/generate.ts";
import { load, loadInWorker } from "../../src/plainformer.ts";
import { createApp } from "../../src/server/app.ts";

const options: GenerateOptions = {
  input: "Once upon a time",
  maxTokens: 360,
  temperature: 1,
  seed: 3,
  ignoreEnd: true,
};
const here = await load(undefined, { maxRunning: 1 });
const there = await loadInWorker(undefined, { maxRunning: 1 });
afterAll(() => Promise.all([here.close(), there.close()]));

async function idsOf(events: AsyncIterable<GenerateEvent>): Promise<number[]> {
  const ids: number[] = [];
  for await (const event of events) if (event.type === "token") ids.push(event.id);
  return ids;
}

const whole = await idsOf(here.generate(options));

describe.each([
  ["in this thread", here, 160],
  ["in a worker", there, 320],
] as const)("%s", (_, model, bound) => {
  test("it stands still, others go on in its place, and it ends with the same tokens", async () => {
    const before = (await model.load()).generatedTokens;
    const events = model.generate(options);
    await events.next();
    await expect
      .poll(() => model.load(), { timeout: 30_000 })
      .toMatchObject({ running: 0, waiting: 0, paused: 1, freePages: 128 });
    const { generatedTokens } = await model.load();
    expect(generatedTokens - before).toBeLessThan(bound);
    expect(await idsOf(model.generate({ ...options, maxTokens: 20 }))).toEqual(whole.slice(0, 20));
    expect(await model.load()).toMatchObject({ paused: 1, generatedTokens: generatedTokens + 20 });
    expect(await idsOf(events)).toEqual(whole);
    expect(await model.load()).toMatchObject({ running: 0, waiting: 0, paused: 0, freePages: 128 });
  });

  test.each(["leaving", "an abort"])("%s ends it where it stands", async (how) => {
    const abort = new AbortController();
    const events = model.generate({ ...options, signal: abort.signal });
    await events.next();
    await expect.poll(() => model.load(), { timeout: 30_000 }).toMatchObject({ paused: 1 });
    if (how === "leaving") await events.return();
    else {
      abort.abort(new Error("enough"));
      await expect(idsOf(events)).rejects.toThrow("enough");
    }
    await expect.poll(() => model.load(), { timeout: 30_000 }).toMatchObject({ running: 0, waiting: 0, paused: 0 });
  });
});

test("a stream whose client does not read: bounded, and whole when it does", async () => {
  const app = createApp(here);
  const body = { model: "plainformer", prompt: "Once", max_tokens: 300, temperature: 0, logit_bias: { 1: -100 } };
  const ask = (more: object) =>
    app.fetch(
      new Request("http://localhost/v1/completions", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...body, ...more }),
      }),
    );
  const before = (await here.load()).generatedTokens;
  const response = await ask({ stream: true, n: 2, top_p: 1 });
  const reader = response.body?.getReader();
  await reader?.read();
  await expect.poll(() => here.load(), { timeout: 30_000 }).toMatchObject({ running: 0, paused: 2 });
  const { generatedTokens } = await here.load();
  expect(generatedTokens - before).toBeLessThan(450);
  expect((await ask({ max_tokens: 5 })).status).toBe(200);
  let text = "";
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read())
    text += new TextDecoder().decode(part.value);
  expect(text).toMatch(/"completion_tokens":600,.*\n\ndata: \[DONE\]\n\n$/);
});
