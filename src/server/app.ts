// The server as a function from Request to Response: access, limits and bodies before an operation, errors, accounts, log
// and counters after it. It knows no socket (serve.ts does) and no route by name (operations.ts lists them).

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { type Context, Hono } from "hono";
import { cors } from "hono/cors";
import type { ZodType } from "zod";
import type { Usage } from "../engine/generate.ts";
import type { EngineLoad } from "../served-model.ts";
import { withSoftPrompts } from "../with-soft-prompts.ts";
import { type ApiKey, checkLocalName, keyOf } from "./access.ts";
import { ApiError, apiErrorOf, errorResponse } from "./errors.ts";
import { parseBody, readBody } from "./json-body.ts";
import type { Ledger } from "./ledger.ts";
import { type Log, noLog } from "./log.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { checkModel } from "./model-id.ts";
import { buildOpenApi } from "./openapi.ts";
import type { Call, Operation, Service } from "./operation.ts";
import { operations as allOperations } from "./operations.ts";
import { createRates, type RateLimits } from "./rates.ts";
import { atOnce, createTurns } from "./turns.ts";
import { validate } from "./validate.ts";

export interface AppOptions {
  /** Who may call; undefined: everybody. */
  keys?: readonly ApiKey[];
  rates?: RateLimits;
  /** Charges and balances; undefined: everything is free. */
  ledger?: Ledger;
  /** Whether requests must name this machine as their host: for a server without keys. Default false */
  localNamesOnly?: boolean;
  /** Whether what DeepSeek offers in beta is on under every prefix. */
  beta?: boolean;
  /** Seconds that one request may take. Default 600 */
  timeoutSeconds?: number;
  /** Origins whose pages may call, "*" for all. Default none */
  corsOrigins?: readonly string[];
  log?: Log;
  /** The routes. Default: all */
  operations?: readonly Operation[];
}

export interface App {
  /** Answers a request. Never rejects. */
  fetch(request: Request): Promise<Response>;
  /** Requests whose answer is not complete. */
  inFlight(): number;
  /** Refuses new requests with 503; /health says so. */
  drain(): void;
  /** Ends what is in flight with an error. */
  abort(): void;
}

/** What the server's own routes see beside the service. */
export interface Server extends Service {
  readonly metrics: Metrics;
  readonly openApi: object;
  readonly draining: () => boolean;
  /** The engine's counters and their age. Where the model is too busy to tell, those of before; null: it never told. */
  readonly counters: () => Promise<{ load: EngineLoad; ageMs: number } | null>;
  /** The caller's money in millionths; undefined where there is nothing to run out of. */
  readonly balanceOf: (tenant: string | undefined) => { currency: string; paidIn: number; left: number } | undefined;
}

/** The prefixes of every route; the last turns beta features on. */
const prefixes = ["", "/v1", "/beta"];

const octetStream = "application/octet-stream";

/** How long /health waits for a model that computes. */
const patienceMs = 25;

/** A body of which each step of the work may take long enough to be noticed by others. */
const longBytes = 256 * 1024;

export function createApp(service: Service, options: AppOptions = {}): App {
  const { keys, ledger, log = noLog, timeoutSeconds = 600, operations = allOperations } = options;
  const rates = createRates(options.rates ?? { perMinute: 0, concurrent: 0 });
  const metrics = createMetrics(service.served);
  const turns = createTurns();
  const calls = new Set<AbortController>();
  let stopped: ApiError | undefined;
  let draining = false;
  let inFlight = 0;
  let latest: { load: EngineLoad; at: number } | undefined;

  const server: Server = {
    ...service,
    metrics,
    openApi: buildOpenApi(operations, [service.modelId, ...service.aliases]),
    draining: () => draining,
    async counters() {
      const asked = service.served.load().then((load) => {
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

  /** One request through everything. `operation` is undefined where the route or method is unknown. */
  async function answer(context: Context, operation: Operation | undefined, prefix: string, refusal?: ApiError) {
    const request = context.req.raw;
    const began = performance.now();
    const requestId = randomUUID();
    const controller = new AbortController();
    const gone = () => controller.abort(new DOMException("The client has gone", "AbortError"));
    const timer = setTimeout(
      () => controller.abort(new ApiError(503, `The request took longer than ${timeoutSeconds} seconds`)),
      timeoutSeconds * 1000,
    );
    timer.unref();
    request.signal.addEventListener("abort", gone, { once: true });
    calls.add(controller);
    if (request.signal.aborted) gone();
    if (stopped) controller.abort(stopped);

    let tenant: string | undefined;
    let leave: (() => void) | undefined;
    const warnings: string[] = [];
    const used = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
    let firstTokenSeconds: number | undefined;
    let owing = false;
    let over = false;
    if (!operation?.open) inFlight++;

    /** The request is over, its answer sent or given up. */
    function finish(status: number, error?: unknown): void {
      if (over) return;
      over = true;
      if (!operation?.open) inFlight--;
      clearTimeout(timer);
      request.signal.removeEventListener("abort", gone);
      calls.delete(controller);
      controller.abort(new DOMException("The request is over", "AbortError")); // whatever still computes for it ends
      leave?.();
      const seconds = (performance.now() - began) / 1000;
      const route = operation?.path ?? "unknown";
      metrics.request(route, request.method, status, seconds);
      log(status >= 500 ? "error" : "info", "request", {
        request: requestId,
        key: tenant,
        method: request.method,
        route: operation ? prefix + route : undefined,
        status,
        ms: Math.round(seconds * 1000),
        first_token_ms: firstTokenSeconds === undefined ? undefined : Math.round(firstTokenSeconds * 1000),
        prompt_tokens: used.promptTokens || undefined,
        cached_tokens: used.cachedTokens || undefined,
        completion_tokens: used.completionTokens || undefined,
        client_gone: request.signal.aborted || undefined,
        error: error instanceof Error && !(error instanceof ApiError) ? (error.stack ?? error.message) : undefined,
      });
    }

    const call: Call = {
      get tenant() {
        return tenant;
      },
      beta: prefix === "/beta" || options.beta === true,
      accept: request.headers.get("accept") ?? "",
      requestId,
      signal: controller.signal,
      charge(usage: Usage) {
        used.promptTokens += usage.promptTokens;
        used.cachedTokens += usage.cachedTokens;
        used.completionTokens += usage.completionTokens;
        metrics.usage(usage);
        if (!ledger || tenant === undefined) return;
        ledger.charge(tenant, requestId, usage);
        owing = true;
      },
      warn: (text) => warnings.push(text),
    };

    /** Waits until what was charged is on disk. */
    async function settle(): Promise<void> {
      while (owing) {
        owing = false;
        await ledger?.settled();
      }
    }

    async function handled(): Promise<Response> {
      if (options.localNamesOnly) checkLocalName(request.url);
      if (keys && !operation?.open) tenant = keyOf(keys, request.headers).tenant;
      if (!operation || refusal) throw refusal ?? new ApiError(404, "unknown route");
      if (draining && !operation.open) throw new ApiError(503, "The server is shutting down", { retryAfter: 5 });
      if (!operation.open) leave = rates.enter(tenant ?? "");
      if (!operation.body) return operation.handle(server, undefined, call, context.req.param());

      const balance = server.balanceOf(tenant);
      if (balance && balance.left <= 0) throw new ApiError(402, "Insufficient Balance");
      const types = operation.octets ? ["application/json", octetStream] : ["application/json"];
      const { bytes, type } = await readBody(request, service.limits, controller.signal, types);
      if (operation.octets && type === octetStream)
        return operation.handle(server, operation.octets(bytes), call, context.req.param());
      const step = bytes.length < longBytes ? atOnce : turns;
      const json = await parseBody(bytes, service.limits, step);
      const { result: body } = await step(() => validate(operation.body as ZodType, json));
      checkModel(service, (body as { model?: unknown } | null)?.model);
      const { softPrompts } = service;
      const known = softPrompts
        ? withSoftPrompts(service.served, (name) => softPrompts.get(tenant, name))
        : service.served;
      const served = metrics.watch(known, (seconds) => {
        firstTokenSeconds ??= seconds;
      });
      const { result: response } = await step(() =>
        operation.handle({ ...server, served }, body, call, context.req.param()),
      );
      return response;
    }

    let response: Response;
    let thrown: unknown;
    try {
      response = await handled();
      if (!isStream(response)) await settle();
    } catch (error) {
      thrown = error;
      response = errorResponse(apiErrorOf(error));
    }
    if (isStream(response)) response = overseen(response, settle, finish);
    else finish(request.signal.aborted ? 499 : response.status, thrown);
    response.headers.set("x-request-id", requestId);
    response.headers.set("x-ds-trace-id", requestId);
    for (const text of warnings) response.headers.append("warning", `299 - ${quoted(text)}`);
    if (draining) response.headers.set("connection", "close");
    return response;
  }

  const hono = new Hono();
  if (options.corsOrigins?.length) hono.use(cors({ origin: [...options.corsOrigins] }));
  for (const path of new Set(operations.map((operation) => operation.path))) {
    const alternatives = operations.filter((operation) => operation.path === path);
    const allowed = alternatives.map((operation) => operation.method.toUpperCase()).join(", ");
    for (const prefix of prefixes) {
      for (const operation of alternatives)
        hono.on(operation.method, prefix + path, (context) => answer(context, operation, prefix));
      hono.all(prefix + path, async (context) => {
        const message = `${context.req.method} is not possible on ${path}, expected ${allowed}`;
        const response = await answer(context, undefined, prefix, new ApiError(405, message));
        response.headers.set("allow", allowed);
        return response;
      });
    }
  }
  hono.notFound((context) =>
    answer(context, undefined, "", new ApiError(404, "Not Found. There is no such route; see /openapi.json")),
  );

  hono.onError((error) => {
    log("error", "failure", { error: error.stack });
    return errorResponse(apiErrorOf(new Error(error.message)));
  });

  return {
    fetch: async (request) => hono.fetch(request),
    inFlight: () => inFlight,
    drain() {
      draining = true;
    },
    abort() {
      draining = true;
      stopped = new ApiError(503, "The server is shutting down");
      for (const controller of calls) controller.abort(stopped);
    },
  };
}

/** A text as a header can hold it. */
function quoted(text: string): string {
  return `"${text.replace(/[^\x20-\x7e]+/g, "?").replace(/["\\]/g, "\\$&")}"`;
}

function isStream(response: Response): boolean {
  return response.headers.get("content-type")?.startsWith("text/event-stream") === true;
}

/** The same response; each part waits for the charges before it, and `finish` hears of the end. */
function overseen(
  response: Response,
  settle: () => Promise<void>,
  finish: (status: number, error?: unknown) => void,
): Response {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const source = {
    async pull(controller: ReadableStreamDefaultController<Uint8Array>) {
      try {
        const { done, value } = await reader.read();
        await settle();
        if (!done) return controller.enqueue(value);
        finish(response.status);
        controller.close();
      } catch (error) {
        finish(500, error);
        controller.error(error);
      }
    },
    async cancel(reason: unknown) {
      finish(499);
      await reader.cancel(reason);
    },
  };
  const body = new ReadableStream<Uint8Array>(source, { highWaterMark: 0 });
  return new Response(body, { status: response.status, headers: response.headers });
}
