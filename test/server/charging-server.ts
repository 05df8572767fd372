// A server to be killed: run as a process of its own, with a route that charges and one that streams until it is stopped.
// Arguments: journal, price list, keys, seconds to drain. Prints its address.

import { z } from "zod";
import { load } from "../../src/plainformer.ts";
import { readKeys } from "../../src/server/access.ts";
import { createApp } from "../../src/server/app.ts";
import { apiErrorOf, errorBody } from "../../src/server/errors.ts";
import { openLedger } from "../../src/server/ledger.ts";
import { jsonLog } from "../../src/server/log.ts";
import type { Operation } from "../../src/server/operation.ts";
import { readPrices } from "../../src/server/prices.ts";
import { balance } from "../../src/server/routes/balance.ts";
import { health } from "../../src/server/routes/health.ts";
import { listen } from "../../src/server/serve.ts";
import { untilSignal } from "../../src/server/shutdown.ts";
import { textStream } from "../../src/server/wire/stream.ts";

const body = z.object({ tokens: z.int().default(1), events: z.int().nullish() });

function usage(completionTokens: number) {
  return { promptTokens: 0, embedTokens: 0, cachedTokens: 0, completionTokens, totalTokens: completionTokens };
}

const spend: Operation<z.infer<typeof body>> = {
  method: "post",
  path: "/spend",
  summary: "Charge so many tokens",
  body: body as z.ZodType<z.infer<typeof body>>,
  responses: { 200: z.unknown() },
  async handle(_, { tokens }, call) {
    call.charge(usage(tokens));
    return Response.json({ tokens });
  },
};

const stream: Operation<z.infer<typeof body>> = {
  ...spend,
  path: "/stream",
  async handle(_, { tokens, events }, call) {
    let n = 0;
    let ended = false;
    return textStream(async () => {
      if (ended) return undefined;
      await new Promise((resolve) => setTimeout(resolve, 20));
      const { aborted, reason } = call.signal;
      if (!aborted && n !== events) return `data: ${n++}\n\n`;
      ended = true;
      call.charge(usage(tokens));
      return `${aborted ? `data: ${JSON.stringify(errorBody(apiErrorOf(reason)))}\n\n` : ""}data: [DONE]\n\n`;
    }, call);
  },
};

const [journal, prices, keys, drain] = process.argv.slice(2);
const model = await load();
const ledger = await openLedger(journal, await readPrices(prices));
const log = jsonLog((line) => process.stderr.write(line));
const app = createApp(model, {
  modelId: "test",
  keys: await readKeys(keys),
  ledger,
  log,
  operations: [spend, stream, balance, health] as Operation[],
});
const listening = await listen(app, { host: "127.0.0.1", port: 0 });
console.log(listening.url);
await untilSignal(app, listening, Number(drain), log);
await model.close();
await ledger.close();
