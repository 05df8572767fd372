// A program of somebody who installed the package: all that it exports, without the command line. It prints what it got as
// one JSON object.

import { load, loadInWorker } from "plainformer";
import { createApp } from "plainformer/server";

const greedy = { maxTokens: 8, temperature: 0 };
const messages = [{ role: "user", content: "Hello!" }];
const gap = { prefix: "def add(a, b):\n    return ", suffix: "\n" };

/** The last event of a stream. */
async function last(events) {
  let end;
  for await (const event of events) end = event;
  return end;
}

async function used(model) {
  const app = createApp(model, { beta: true });
  const ask = async (path, body) => {
    const headers = { "content-type": "application/json" };
    const request = new Request(`http://localhost${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    const response = await app.fetch(request);
    return response.json();
  };
  const served = await ask("/chat/completions", { model: "plainformer", messages, max_tokens: 8, temperature: 0 });
  const found = {
    kernels: model.kernels.about,
    ids: (await last(model.generate({ input: "Once upon a time", ...greedy }))).ids,
    chat: (await last(model.chat({ messages, ...greedy }))).message.content,
    fim: (await last(model.fim({ ...gap, ...greedy }))).text,
    served: served.choices?.[0].message.content,
    health: (await app.fetch(new Request("http://localhost/health"))).status,
  };
  await model.close();
  return found;
}

console.log(JSON.stringify({ here: await used(await load()), worker: await used(await loadInWorker()) }));
