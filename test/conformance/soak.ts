// 10,000 mixed requests over HTTP: streamed and not, chat and text, broken ones, and clients that go away. Afterwards pages
// and heap are back where they began.
//
//   node --expose-gc --import tsx test/conformance/soak.ts [REQUESTS]

import { setTimeout as sleep } from "node:timers/promises";
import { loadInWorker } from "../../src/plainformer.ts";
import { createApp } from "../../src/server/app.ts";

const requests = Number(process.argv[2] ?? 10_000);
const served = await loadInWorker(undefined, { cacheTokens: 4096, maxRunning: 16, maxWaiting: 64 });
const app = createApp(served);
const statuses = new Map<number | string, number>();

async function one(i: number): Promise<void> {
  const text = `Request ${i % 97}: once upon a time`;
  const shared = { model: "plainformer", max_tokens: 1 + (i % 6), seed: i, stream: i % 2 === 0 };
  const broken = i % 11 === 0 ? { temperature: "hot" } : {};
  const [path, body] =
    i % 3 === 0
      ? ["/chat/completions", { ...shared, ...broken, messages: [{ role: "user", content: text }] }]
      : ["/completions", { ...shared, ...broken, prompt: text }];
  const leave = new AbortController();
  if (i % 13 === 0) setTimeout(() => leave.abort(), i % 20);
  try {
    const request = new Request(`http://127.0.0.1${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: leave.signal,
    });
    const response = await app.fetch(request);
    await response.text();
    count(leave.signal.aborted ? "gone" : response.status);
  } catch {
    count("gone");
  }
}

function count(status: number | string): void {
  statuses.set(status, (statuses.get(status) ?? 0) + 1);
}

async function some(n: number): Promise<void> {
  let next = 0;
  const client = async () => {
    while (next < n) await one(next++);
  };
  await Promise.all(Array.from({ length: 16 }, client));
  while (app.inFlight() > 0) await sleep(10);
}

function heap(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

await some(1000);
statuses.clear();
await sleep(200);
const [before, began] = [heap(), performance.now()];
await some(requests);
await sleep(200);
const { pages, freePages, running, waiting } = await served.load();
console.log(
  `${requests} requests in ${((performance.now() - began) / 1000).toFixed(1)} s:`,
  Object.fromEntries(statuses),
);
console.log(
  `heap ${before.toFixed(1)} → ${heap().toFixed(1)} MiB; ${freePages} of ${pages} pages free, ${running} running, ${waiting} waiting`,
);
await served.close();
