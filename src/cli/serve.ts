// plainformer serve: the HTTP server on a model, until a signal ends it.

import { basename } from "node:path";
import type { Command } from "commander";
import { defaultModel } from "../plainformer.ts";
import { keysOf, readKeys } from "../server/access.ts";
import { createApp } from "../server/app.ts";
import { formatsOf } from "../server/formats.ts";
import { openLedger } from "../server/ledger.ts";
import { limitsOf } from "../server/limits.ts";
import { jsonLog, noLog } from "../server/log.ts";
import { deepSeekNames } from "../server/model-id.ts";
import { readPrices } from "../server/prices.ts";
import { isLoopback, listen } from "../server/serve.ts";
import { untilSignal } from "../server/shutdown.ts";
import { list, loadFrom, type ModelOptions, number, withModel } from "./options.ts";

interface Options extends ModelOptions {
  host: string;
  port: number;
  modelId?: string;
  apiKeys?: string;
  beta?: true;
  rateLimit: number;
  concurrency: number;
  maxBody?: number;
  prices?: string;
  journal?: string;
  cors?: string[];
  timeout: number;
  drain: number;
  quiet?: true;
}

export function addServe(program: Command): void {
  const command = program.command("serve").description("Serve a model over HTTP, to clients of DeepSeek and OpenAI.");
  withModel(command)
    .option("--host <address>", "address to listen on; other than loopback only with keys", "127.0.0.1")
    .option("--port <n>", "port to listen on, 0 for any free one", number, 8000)
    .option("--model-id <name>", "what the API calls the model (default: the name of its directory or file)")
    .option(
      "--api-keys <file>",
      "file with one key a line (default: those in PLAINFORMER_API_KEYS, else no key is needed)",
    )
    .option("--beta", "offer beta features under every prefix, not only /beta")
    .option("--rate-limit <n>", "requests a minute for each key, 0: no limit", number, 0)
    .option("--concurrency <n>", "requests at once for each key, 0: no limit", number, 0)
    .option("--max-body <bytes>", "largest request body", number)
    .option("--prices <file>", "price list; keys then have the balance that stands beside them in their file")
    .option("--journal <file>", "where charges are kept; needed with --prices")
    .option("--cors <origin>", "let pages of this origin call, * for all; may be given several times", list)
    .option("--timeout <seconds>", "longest that one request may take", number, 600)
    .option("--drain <seconds>", "on a signal: how long running requests may go on", number, 30)
    .option("--quiet", "write no log line per request")
    .action(serve);
}

async function serve(options: Options): Promise<void> {
  const { host, port } = options;
  checkNumbers(options);
  const variable = process.env.PLAINFORMER_API_KEYS;
  const keys = options.apiKeys
    ? await readKeys(options.apiKeys)
    : variable
      ? keysOf(variable.replaceAll(",", "\n"), "PLAINFORMER_API_KEYS")
      : undefined;
  if (!keys && !isLoopback(host))
    throw new Error(`host ${host} can be reached by others: give --api-keys, or leave --host at 127.0.0.1`);
  if (Boolean(options.prices) !== Boolean(options.journal)) throw new Error("--prices and --journal go together");
  if (options.prices && !keys) throw new Error("--prices needs --api-keys: without keys nobody can be charged");
  if (!options.prices && keys?.some(({ paidIn }) => paidIn !== undefined))
    throw new Error("the API keys have balances, which need --prices and --journal");
  const ledger =
    options.prices && options.journal ? await openLedger(options.journal, await readPrices(options.prices)) : undefined;

  const log = options.quiet ? noLog : jsonLog((line) => process.stderr.write(line));
  const served = await loadFrom(options);
  const modelId = options.modelId ?? nameOf(options.model);
  const app = createApp(
    {
      served,
      modelId,
      aliases: deepSeekNames.filter((name) => name !== modelId),
      ...formatsOf(served, (problem) => log("error", "chat is off", { problem })),
      limits: limitsOf(served.config, options.maxBody === undefined ? {} : { maxBodyBytes: options.maxBody }),
      created: Math.floor(Date.now() / 1000),
    },
    {
      keys,
      rates: { perMinute: options.rateLimit, concurrent: options.concurrency },
      ledger,
      beta: options.beta,
      timeoutSeconds: options.timeout,
      corsOrigins: options.cors,
      log,
    },
  );
  const listening = await listen(app, { host, port });

  const { name, why } = served.kernels;
  console.log(`plainformer serves ${modelId} at ${listening.url}
  model    ${served.directory} (${served.config.modelType}, ${served.config.nLayers} layers, context ${served.config.maxSeqLen})
  kernels  ${name}: ${why}
  keys     ${keys ? `${keys.length}` : "none: open to this machine"}
  try      curl ${listening.url}/v1/models${keys ? ' -H "authorization: Bearer $API_KEY"' : ""}`);

  await untilSignal(app, listening, options.drain, log);
  await served.close();
  await ledger?.close();
  log("info", "ended");
}

/** What the API calls a model: the name of its directory or file, or of the repository that it was pulled from. */
function nameOf(source: string): string {
  return source === defaultModel ? "plainformer" : basename(source.replace(/@[^/]*$/, "")).replace(/\.gguf$/, "");
}

function checkNumbers(options: Options): void {
  const whole = { port: options.port, "rate-limit": options.rateLimit, concurrency: options.concurrency };
  for (const [name, value] of Object.entries(whole))
    if (!Number.isSafeInteger(value) || value < 0 || (name === "port" && value > 65535))
      throw new RangeError(
        `${name}: got ${value}, expected a whole number ${name === "port" ? "from 0 to 65535" : "≥ 0"}`,
      );
  for (const [name, value] of Object.entries({ timeout: options.timeout, drain: options.drain }))
    if (!(value >= 0 && value <= 86_400)) throw new RangeError(`${name}: got ${value}, expected 0 to 86400 seconds`);
  if (options.maxBody !== undefined && !(Number.isSafeInteger(options.maxBody) && options.maxBody > 0))
    throw new RangeError(`max-body: got ${options.maxBody}, expected a whole number ≥ 1`);
}
