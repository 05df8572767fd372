// plainformer serve: the HTTP server on a model, until a signal ends it.

import { basename, resolve } from "node:path";
import type { Command } from "commander";
import { pageSize } from "../../kernels/kernels.ts";
import { isUrl } from "../../weights/byte-source.ts";
import { type NumberRange, numberIn } from "../decode/parameters.ts";
import { FieldError, shown } from "../field-error.ts";
import { bytesPerPosition, type KvDType, pagesFor } from "../model/kv-cache.ts";
import { defaultModel, loadInWorker } from "../plainformer.ts";
import type { ServedModel } from "../served-model.ts";
import { isLoopback, keysOf, readKeys } from "../server/access.ts";
import { createApp } from "../server/app.ts";
import { openLedger } from "../server/ledger.ts";
import { jsonLog, noLog } from "../server/log.ts";
import { readPrices } from "../server/prices.ts";
import { listen } from "../server/serve.ts";
import { untilSignal } from "../server/shutdown.ts";
import { openSoftPromptStore } from "../server/soft-prompt-store.ts";
import { list, type ModelOptions, number, softPrompted, withModel, withSoftPromptOption } from "./options.ts";
import { goOnUnread, writeLog } from "./output.ts";
import { bytesText, progressBar } from "./progress.ts";

interface Options extends ModelOptions {
  host: string;
  port: number;
  modelId?: string;
  alias?: string[];
  apiKeys?: string;
  allowedHost?: string[];
  beta?: true;
  capMaxTokens?: true;
  parseSpecialTokens?: true;
  deepseekStrict?: true;
  cacheTokens?: number | "many";
  maxRunning?: number;
  maxWaiting: number;
  rateLimit: number;
  concurrency: number;
  maxBody?: number;
  prices?: string;
  journal?: string;
  softPrompt?: string;
  softPrompts?: string;
  cors?: string[];
  timeout: number;
  drain: number;
  quiet?: true;
}

export function addServe(program: Command): void {
  const command = program.command("serve").description("Serve a model over HTTP, to clients of DeepSeek and OpenAI.");
  withSoftPromptOption(withModel(command))
    .option("--host <address>", "address to listen on; other than loopback only with keys", "127.0.0.1")
    .option("--port <n>", "port to listen on, 0 for any free one", number, 8000)
    .option("--model-id <name>", "what the API calls the model (default: the name of its directory or file)")
    .option(
      "--alias <name>",
      "another name that it answers to, may be given several times (default: those that clients of DeepSeek send)",
      list,
    )
    .option(
      "--api-keys <file>",
      "file with one key a line (default: those in PLAINFORMER_API_KEYS, else no key is needed)",
    )
    .option("--beta", "offer beta features under every prefix, not only /beta")
    .option("--cap-max-tokens", "cut max_tokens to its limit and to what the context leaves, instead of refusing it")
    .option(
      "--parse-special-tokens",
      "let control tokens count that prompts of /completions spell out, unless they say",
    )
    .option(
      "--deepseek-strict",
      "hold strict tools to DeepSeek's rules: in beta, all tools or none, in a smaller schema",
    )
    .option(
      "--cache-tokens <n>",
      "positions of the key/value cache, of all requests together (default: 65536, or what a quarter of the memory holds, at most 1 GiB)",
      number,
    )
    .option(
      "--max-running <n>",
      "requests that are computed in turns (default: one for each 512 positions of the cache, 32 to 128)",
      number,
    )
    .option("--max-waiting <n>", "requests that wait for their turn; more are refused with a 503", number, 128)
    .option("--rate-limit <n>", "requests a minute for each key, 0: no limit", number, 0)
    .option("--concurrency <n>", "requests at once for each key, 0: no limit", number, 0)
    .option("--max-body <bytes>", "largest request body", number)
    .option("--prices <file>", "price list; keys then have the balance that stands beside them in their file")
    .option("--journal <file>", "where charges are kept; needed with --prices")
    .option("--soft-prompts <folder>", "where soft prompts are kept that callers upload (default: none are taken)")
    .option(
      "--allowed-host <name>",
      "without keys: a name of this machine beside localhost, as host.docker.internal; may be given several times",
      list,
    )
    .option("--cors <origin>", "let pages of this origin call, * for all; may be given several times", list)
    .option("--timeout <seconds>", "longest that one request may take", number, 600)
    .option("--drain <seconds>", "on a signal: how long running requests may go on", number, 30)
    .option("--quiet", "write no log line per request")
    .action(serve);
}

async function serve(options: Options): Promise<void> {
  const { host, port } = options;
  checkOptions(options);
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

  const log = options.quiet ? noLog : jsonLog(writeLog);
  const model = await softPrompted(await loadModel(options), options.softPrompt);
  const modelId = options.modelId ?? nameOf(options.model);
  const app = createApp(model, {
    modelId,
    aliases: options.alias,
    limits: options.maxBody === undefined ? {} : { maxBodyBytes: options.maxBody },
    softPrompts: options.softPrompts === undefined ? undefined : await openSoftPromptStore(options.softPrompts),
    keys,
    rates: { perMinute: options.rateLimit, concurrent: options.concurrency },
    ledger,
    localNamesOnly: !keys,
    allowedHosts: options.allowedHost,
    beta: options.beta,
    capMaxTokens: options.capMaxTokens,
    parseSpecialTokens: options.parseSpecialTokens,
    deepSeekStrict: options.deepseekStrict,
    timeoutSeconds: options.timeout,
    corsOrigins: options.cors,
    log,
  });
  const listening = await listen(app, { host, port });
  goOnUnread();

  const { name, why } = model.kernels;
  console.log(`plainformer serves ${modelId} at ${listening.url}
  model    ${model.directory} (${model.config.modelType}, ${model.config.nLayers} layers, context ${model.config.maxSeqLen})
  kernels  ${name}: ${why}${app.chatProblem === undefined ? "" : `\n  chat     none: ${app.chatProblem}`}
  places   ${placesOf(model, options.kv)}
  keys     ${keys ? `${keys.length}` : "none: open to this machine"}
  try      curl ${listening.url}/v1/completions${keys ? ' -H "authorization: Bearer $API_KEY"' : ""} -H 'content-type: application/json' -d '{"model":"${modelId}","prompt":"Once upon a time","max_tokens":48}'`);

  await untilSignal(app, listening, options.drain, log);
  await model.close();
  await ledger?.close();
  log("info", "ended");
}

/** How many requests at a time there are places for, and what their cache takes. */
function placesOf({ config, cacheTokens, maxRunning }: ServedModel, kv: KvDType = "f32"): string {
  const bytes = pagesFor(cacheTokens) * pageSize * bytesPerPosition(config, kv);
  return `${maxRunning} requests at a time, on a cache of ${cacheTokens} positions (up to ${bytesText(bytes)}); see --max-running, --cache-tokens`;
}

/** Loads the model in a thread of its own. The server itself downloads nothing. */
async function loadModel({
  model,
  kernels,
  threads,
  dtype,
  exact,
  kv,
  cacheTokens = "many",
  maxRunning,
  maxWaiting,
}: Options) {
  if (model.startsWith("hf:"))
    throw new FieldError(
      "model",
      `got ${model}, and the server downloads nothing; run "plainformer pull ${model.slice(3)}" and give what it prints`,
    );
  if (isUrl(model)) throw new FieldError("model", `got ${model}, and the server downloads nothing; give a path`);
  const bar = progressBar();
  try {
    const limits = { cacheTokens, maxRunning, maxWaiting };
    return await loadInWorker(model, { kernels, threads, dtype, exact, kv, ...limits, onProgress: bar.update });
  } finally {
    bar.stop();
  }
}

/** What the API calls a model: the name of its directory or file, in characters that need no quoting anywhere. */
function nameOf(source: string): string {
  if (source === defaultModel) return "plainformer";
  return basename(resolve(source))
    .replace(/\.gguf$/, "")
    .replace(/[^\w.:-]+/g, "-");
}

function checkOptions({ port, rateLimit, concurrency, timeout, drain, modelId, maxBody }: Options): void {
  const whole = (max: number): NumberRange => ({ min: 0, max, whole: true });
  numberIn(whole(65535), "port", port);
  numberIn(whole(Number.MAX_SAFE_INTEGER), "rateLimit", rateLimit);
  numberIn(whole(Number.MAX_SAFE_INTEGER), "concurrency", concurrency);
  numberIn({ min: 0, max: 86_400 }, "timeout", timeout);
  numberIn({ min: 0, max: 86_400 }, "drain", drain);
  numberIn({ min: 1, max: Number.MAX_SAFE_INTEGER, whole: true }, "maxBody", maxBody);
  if (modelId !== undefined && !/^[\w.:-]{1,100}$/.test(modelId))
    throw new FieldError("modelId", `got ${shown(modelId)}, expected letters, digits and _ . : -`);
}
