// The server as a function from Request to Response, around a model. It knows no socket (serve.ts does), no route by name
// (operations.ts lists them) and no file: journal and soft prompts are given to it open.

import { setTimeout as sleep } from "node:timers/promises";
import { Hono } from "hono";
import { cors } from "hono/cors";
import type { ZodType } from "zod";
import { checkNames, type Names } from "../field-error.ts";
import type { EngineLoad, ServedModel } from "../served-model.ts";
import { withSoftPrompts } from "../with-soft-prompts.ts";
import { type ApiKey, allowedHostsOf } from "./access.ts";
import { ApiError, apiErrorOf, errorResponse } from "./errors.ts";
import { createExchanges, type Exchange } from "./exchange.ts";
import { missingRoute } from "./foreign-routes.ts";
import { formatsOf } from "./formats.ts";
import { parseBody, readBody } from "./json-body.ts";
import { type Ledger, LedgerFullError } from "./ledger.ts";
import { type Limits, limitsOf } from "./limits.ts";
import { type Log, noLog } from "./log.ts";
import { createMetrics } from "./metrics.ts";
import { checkModel, deepSeekNames } from "./model-id.ts";
import { buildOpenApi } from "./openapi.ts";
import type { Operation, RouteContext } from "./operation.ts";
import { operations as allOperations } from "./operations.ts";
import { type Destination, passesOf, type Variables, warningHeader } from "./passes.ts";
import { createRates, type RateLimits } from "./rates.ts";
import type { SoftPromptStore } from "./soft-prompt-store.ts";
import { atOnce, createTurns } from "./turns.ts";
import { validate } from "./validate.ts";

export interface AppOptions {
  /** What the API calls the model. Default "plainformer" */
  modelId?: string;
  /** Other names that it answers to. Default: those that clients of DeepSeek send */
  aliases?: readonly string[];
  /** In place of those that `limitsOf` gives. */
  limits?: Partial<Limits>;
  /** Where callers keep soft prompts; undefined: none are kept. */
  softPrompts?: SoftPromptStore;
  /** Who may call; undefined: everybody. */
  keys?: readonly ApiKey[];
  rates?: RateLimits;
  /** Charges and balances; undefined: everything is free. */
  ledger?: Ledger;
  /** Whether requests must name this machine as their host: for a server without keys. Default false */
  localNamesOnly?: boolean;
  /** Names of hosts that such a server is also known by, as `host.docker.internal`. */
  allowedHosts?: readonly string[];
  /** Whether what DeepSeek offers in beta is on under every prefix. */
  beta?: boolean;
  /** Whether max_tokens above its limit is cut to it, and to what the context leaves, instead of refused. Default false */
  capMaxTokens?: boolean;
  /** Whether control tokens that are spelled out in prompts of /completions count, unless a request says. Default false */
  parseSpecialTokens?: boolean;
  /** Whether strict tools follow DeepSeek's rules: only in beta, all tools or none, in a smaller JSON Schema. Default false */
  deepSeekStrict?: boolean;
  /** Seconds that one request may take. Default 600 */
  timeoutSeconds?: number;
  /** Seconds that a request's body may take to come. Default 60 */
  sendSeconds?: number;
  /** Origins whose pages may call, "*" for all. Default none */
  corsOrigins?: readonly string[];
  log?: Log;
  /** The routes. Default: all */
  operations?: readonly Operation[];
}

export interface App {
  /** Answers a request. Never rejects. */
  fetch(request: Request): Promise<Response>;
  /** Why the model cannot chat though its checkpoint has a template. */
  readonly chatProblem: string | undefined;
  /** Requests whose answer is not complete. */
  inFlight(): number;
  /** Refuses new requests with 503; /health says so. */
  drain(): void;
  /** Ends what is in flight with an error. */
  abort(): void;
}

/** The prefixes of every route; the last turns beta features on. */
const prefixes = ["", "/v1", "/beta"];

const octetStream = "application/octet-stream";

/** How long /health waits for a model that computes. */
const patienceMs = 250;

/** A body of which each step of the work may take long enough to be noticed by others. */
const longBytes = 256 * 1024;

const appOptionNames = {
  modelId: true,
  aliases: true,
  limits: true,
  softPrompts: true,
  keys: true,
  rates: true,
  ledger: true,
  localNamesOnly: true,
  allowedHosts: true,
  beta: true,
  capMaxTokens: true,
  parseSpecialTokens: true,
  deepSeekStrict: true,
  timeoutSeconds: true,
  sendSeconds: true,
  corsOrigins: true,
  log: true,
  operations: true,
} satisfies Names<AppOptions>;

/** The server's app on a model. It closes neither the model nor what the options give it. @throws FieldError for the options */
export function createApp(model: ServedModel, options: AppOptions = {}): App {
  checkNames(options, appOptionNames);
  const { keys, ledger, log = noLog, operations = allOperations, modelId = "plainformer" } = options;
  const aliases = (options.aliases ?? deepSeekNames).filter((name) => name !== modelId);
  const { chat, fim, chatProblem } = formatsOf(model);
  const limits = limitsOf(model.config, options.limits);
  const rates = createRates(options.rates ?? { perMinute: 0, concurrent: 0 });
  const metrics = createMetrics(model, () => exchanges.inFlight());
  const turns = createTurns();
  const { timeoutSeconds = 600, sendSeconds = 60, beta = false, corsOrigins = [] } = options;
  const exchanges = createExchanges({ metrics, log, ledger, timeoutSeconds, beta });
  let draining = false;
  let journalProblem: string | undefined;
  let latest: { load: EngineLoad; at: number } | undefined;

  const context: RouteContext = {
    model,
    modelId,
    aliases,
    chat,
    fim,
    softPrompts: options.softPrompts,
    limits,
    capMaxTokens: options.capMaxTokens ?? false,
    parseSpecialTokens: options.parseSpecialTokens ?? false,
    deepSeekStrict: options.deepSeekStrict ?? false,
    created: Math.floor(Date.now() / 1000),
    openApi: buildOpenApi(operations, [modelId, ...aliases]),
    draining: () => draining,
    inFlight: exchanges.inFlight,
    async journalProblem() {
      if (!ledger) return undefined;
      await admitTo(ledger).then(
        (leave) => leave(),
        () => {},
      );
      return journalProblem;
    },
    metrics: metrics.text,
    async counters() {
      const asked = model.load().then((load) => {
        latest = { load, at: performance.now() };
      });
      await Promise.race([asked, sleep(patienceMs)]).catch(() => {});
      return latest ? { load: latest.load, ageMs: performance.now() - latest.at } : null;
    },
    balanceOf(tenant) {
      const paidIn = keys?.find((key) => key.tenant === tenant)?.paidIn;
      if (!ledger || paidIn === undefined || tenant === undefined) return undefined;
      return { currency: ledger.prices.currency, paidIn, left: paidIn - ledger.spent(tenant) };
    },
  };

  /** The operation's answer to a request that may have one. */
  async function answer(operation: Operation, request: Request, exchange: Exchange, params: Record<string, string>) {
    if (!operation.body) return operation.handle(context, undefined, exchange, params);
    const types = operation.octets ? ["application/json", octetStream] : ["application/json"];
    const { bytes, type } = await readBody(request, { limits, signal: exchange.signal, types, sendSeconds });
    if (operation.octets && type === octetStream)
      return operation.handle(context, operation.octets(bytes), exchange, params);
    const step = bytes.length < longBytes ? atOnce : turns;
    const json = await parseBody(bytes, limits, step);
    const { result: body } = await step(() => validate(operation.body as ZodType, json));
    checkModel(context, (body as { model?: unknown } | null)?.model);
    const { softPrompts } = options;
    const known = softPrompts ? withSoftPrompts(model, (name) => softPrompts.get(exchange.tenant, name)) : model;
    const { result } = await step(() => operation.handle({ ...context, model: known }, body, exchange, params));
    return result;
  }

  /** Makes room for one more charge; what changes about it is in the log. @throws ApiError */
  async function admitTo(ledger: Ledger): Promise<() => void> {
    try {
      const leave = await ledger.admit();
      if (journalProblem) log("info", "journal", { problem: "none any more" });
      journalProblem = undefined;
      return leave;
    } catch (error) {
      if (!(error instanceof LedgerFullError)) throw error;
      if (journalProblem !== error.message) log("error", "journal", { problem: error.message });
      journalProblem = error.message;
      throw new ApiError(503, "The server takes no paid requests now: what they cost cannot be written down", {
        retryAfter: 30,
      });
    }
  }

  const hosts = options.localNamesOnly ? allowedHostsOf(options.allowedHosts ?? []) : undefined;
  const admit = ledger && (() => admitTo(ledger));
  const passes = (destination: Destination) =>
    passesOf({ ...context, exchanges, rates, keys, hosts, admit }, destination);
  const methodsOf = new Map<string, string>();
  for (const { path, method } of operations)
    methodsOf.set(path, [methodsOf.get(path), method.toUpperCase()].filter(Boolean).join(", "));

  const hono = new Hono<{ Variables: Variables }>({ getPath: pathOf });
  if (corsOrigins.length > 0)
    hono.use(cors({ origin: [...corsOrigins], exposeHeaders: [...readableHeaders], maxAge: preflightSeconds }));
  for (const prefix of prefixes) {
    for (const operation of operations)
      hono.on(operation.method, prefix + operation.path, ...passes({ prefix, operation }), async (c) => {
        const { exchange } = c.var;
        const response = await answer(operation, c.req.raw, exchange, c.req.param()).catch((error) => {
          throw error instanceof Error ? error : new Error(String(error)); // Hono takes nothing else for an error
        });
        if (!exchange.streams) await exchange.settled();
        return response;
      });
    for (const [path, allow] of methodsOf) {
      const missing = ({ method, headers }: Request) =>
        isPreflight(method, headers)
          ? otherOrigin(headers)
          : new ApiError(405, `${method} is not possible on ${path}, expected ${allow}`, { allow });
      hono.all(prefix + path, ...passes({ prefix, missing }));
    }
  }
  const routes = [...methodsOf.keys()];
  const missing = (request: Request) => new ApiError(404, missingRoute(pathOf(request), prefixes, routes));
  hono.all("*", ...passes({ prefix: "", missing }));
  hono.onError((error) => errorResponse(apiErrorOf(error)));

  return {
    fetch: async (request) => hono.fetch(request),
    chatProblem,
    inFlight: () => exchanges.inFlight().count,
    drain() {
      draining = true;
    },
    abort() {
      draining = true;
      exchanges.abort(new ApiError(503, "The server is shutting down"));
    },
  };
}

/** A request's path: slashes that a base URL and a client both wrote count as one, and one at the end as none. */
function pathOf(request: Request): string {
  return new URL(request.url).pathname.replace(/\/{2,}/g, "/").replace(/(?<=.)\/$/, "");
}

/** What pages of other origins may read of an answer beside its body. */
const readableHeaders = ["retry-after", "warning", warningHeader, "allow", "x-request-id", "x-ds-trace-id"];

/** How long a browser may keep the answer to a preflight. */
const preflightSeconds = 600;

/** Whether a browser asks whether a page of another origin may call. */
function isPreflight(method: string, headers: Headers): boolean {
  return method === "OPTIONS" && headers.has("origin") && headers.has("access-control-request-method");
}

function otherOrigin(headers: Headers): ApiError {
  const origin = JSON.stringify(headers.get("origin"));
  return new ApiError(
    403,
    `Pages of ${origin} may not call this server: it runs without --cors (createApp: corsOrigins)`,
  );
}
