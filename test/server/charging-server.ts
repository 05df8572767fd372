// A server to be killed: run as a process of its own, with a route that charges and one that streams until it is stopped.
// Arguments: journal, price list, keys, seconds to drain. Prints its address.

import { z } from "zod";
import { load } from "../../src/plainformer.ts";
import { readKeys } from "../../src/server/access.ts";
import { createApp } from "../../src/server/app.ts";
import { apiErrorOf, errorBody } from "../../src/server/errors.ts";
import { openLedger } from "../../src/server/ledger.ts";
import { limitsOf } from "../../src/server/limits.ts";
import { jsonLog } from "../../src/server/log.ts";
import type { Operation } from "../../src/server/operation.ts";
import { readPrices } from "../../src/server/prices.ts";
import { balance } from "../../src/server/routes/balance.ts";
import { health } from "../../src/server/routes/health.ts";
import { listen } from "../../src/server/serve.ts";
import { untilSignal } from "../../src/server/shutdown.ts";

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
    const encoder = new TextEncoder();
    let n = 0;
    const source = new ReadableStream({
      async pull(controller) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (call.signal.aborted || n === events) {
          if (call.signal.aborted)
            controller.enqueue(
              encoder.encode(`data: ${JSON.stringify(errorBody(apiErrorOf(call.signal.reason)))}\n\n`),
            );
          call.charge(usage(tokens));
          controller.enqueue(encoder.encode("data: [DONE]\n\n"));
          controller.close();
        } else controller.enqueue(encoder.encode(`data: ${n++}\n\n`));
      },
    });
    return new Response(source, { headers: { "content-type": "text/event-stream" } });
  },
};

const [journal, prices, keys, drain] = process.argv.slice(2);
const served = await load();
const ledger = await openLedger(journal, await readPrices(prices));
const log = jsonLog((line) => process.stderr.write(line));
const app = createApp(
  {
    served,
    modelId: "test",
    aliases: [],
    chat: null,
    fim: null,
    limits: limitsOf(served.config),
    created: Math.floor(Date.now() / 1000),
  },
  { keys: await readKeys(keys), ledger, log, operations: [spend, stream, balance, health] as Operation[] },
);
const listening = await listen(app, { host: "127.0.0.1", port: 0 });
console.log(listening.url);
await untilSignal(app, listening, Number(drain), log);
await served.close();
await ledger.close();
