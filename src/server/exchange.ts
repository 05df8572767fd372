// One request from its arrival to the end of its answer: an id, a signal that fires when nobody waits for it any more, what
// it used and what is charged for it, and in the end a line of the log and the counters.

import type { Usage } from "../engine/generate.ts";
import { FieldError } from "../field-error.ts";
import { ApiError } from "./errors.ts";
import { createInFlight, type InFlight } from "./in-flight.ts";
import type { Ledger } from "./ledger.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Call, Operation } from "./operation.ts";

export interface ExchangeOptions {
  metrics: Metrics;
  log: Log;
  ledger: Ledger | undefined;
  /** Seconds that one request may take. */
  timeoutSeconds: number;
  /** Whether beta features are on everywhere. */
  beta: boolean;
}

/** What the server itself does with a request, beside what its handler may. */
export interface Exchange extends Call {
  /** Set when the caller's key is known. */
  tenant: string | undefined;
  readonly warnings: readonly string[];
  /** Whether a stream tells the end. */
  readonly streams: boolean;
  /** Calls each `leave` when the request is over, or at once if it is. */
  atEnd(leave: () => void): void;
  /** Resolves when what was charged is on disk. */
  settled(): Promise<void>;
  /** The answer was sent or given up. */
  finish(status: number, error?: unknown): void;
}

export interface Exchanges {
  /** `operation` is undefined where the route or method is unknown. */
  begin(request: Request, operation: Operation | undefined, prefix: string): Exchange;
  /** Those that have no end yet, those of open operations left out. */
  inFlight(): InFlight;
  /** Ends all, and each that comes, with this reason. */
  abort(reason: ApiError): void;
}

export function createExchanges({ metrics, log, ledger, timeoutSeconds, beta }: ExchangeOptions): Exchanges {
  const controllers = new Set<AbortController>();
  const inFlight = createInFlight();
  let stopped: ApiError | undefined;

  function begin(request: Request, operation: Operation | undefined, prefix: string): Exchange {
    const began = performance.now();
    const requestId = crypto.randomUUID();
    const controller = new AbortController();
    const gone = () => controller.abort(new DOMException("The client has gone", "AbortError"));
    const timer = setTimeout(
      () => controller.abort(new ApiError(503, `The request took longer than ${timeoutSeconds} seconds`)),
      timeoutSeconds * 1000,
    );
    timer.unref?.(); // where a timer keeps a process alive
    request.signal.addEventListener("abort", gone, { once: true });
    controllers.add(controller);
    if (request.signal.aborted) gone();
    if (stopped) controller.abort(stopped);
    const counted = operation?.open ? undefined : inFlight.enter();

    const used = { promptTokens: 0, cachedTokens: 0, completionTokens: 0 };
    const warnings: string[] = [];
    let firstTokenSeconds: number | undefined;
    const leaving: (() => void)[] = [];
    let owing = false;
    let streams = false;
    let over = false;

    const exchange: Exchange = {
      tenant: undefined,
      beta: prefix === "/beta" || beta,
      accept: request.headers.get("accept") ?? "",
      requestId,
      signal: controller.signal,
      warnings,
      get streams() {
        return streams;
      },
      tokenClock: () =>
        metrics.tokenClock((seconds) => {
          firstTokenSeconds ??= seconds;
          counted?.hasToken();
        }),
      charge(usage: Usage) {
        used.promptTokens += usage.promptTokens;
        used.cachedTokens += usage.cachedTokens;
        used.completionTokens += usage.completionTokens;
        metrics.usage(usage);
        if (!ledger || exchange.tenant === undefined) return;
        ledger.charge(exchange.tenant, requestId, usage);
        owing = true;
      },
      warn: (text) => void warnings.push(text),
      stream() {
        streams = true;
        return {
          settled: exchange.settled,
          finish: (error) => exchange.finish(error === undefined ? 200 : 500, error),
          left: () => exchange.finish(499),
        };
      },
      atEnd(leave) {
        if (over) leave();
        else leaving.push(leave);
      },
      async settled() {
        while (owing) {
          owing = false;
          await ledger?.settled();
        }
      },
      finish(status, error) {
        if (over) return;
        over = true;
        counted?.leave();
        clearTimeout(timer);
        request.signal.removeEventListener("abort", gone);
        controllers.delete(controller);
        controller.abort(new DOMException("The request is over", "AbortError")); // whatever still computes for it ends
        for (const leave of leaving) leave();
        const seconds = (performance.now() - began) / 1000;
        const route = operation?.path ?? "unknown";
        metrics.request(route, request.method, status, seconds);
        const refusal = error instanceof ApiError || error instanceof FieldError;
        log(status >= 500 ? "error" : "info", "request", {
          request: requestId,
          key: exchange.tenant,
          method: request.method,
          route: operation ? prefix + route : undefined,
          path: operation ? undefined : new URL(request.url).pathname.slice(0, 200),
          status,
          ms: Math.round(seconds * 1000),
          first_token_ms: firstTokenSeconds === undefined ? undefined : Math.round(firstTokenSeconds * 1000),
          prompt_tokens: used.promptTokens || undefined,
          cached_tokens: used.cachedTokens || undefined,
          completion_tokens: used.completionTokens || undefined,
          client_gone: request.signal.aborted || undefined,
          error: status >= 500 && error instanceof Error && !refusal ? (error.stack ?? error.message) : undefined,
        });
      },
    };
    return exchange;
  }

  return {
    begin,
    inFlight: inFlight.now,
    abort(reason) {
      stopped = reason;
      for (const controller of controllers) controller.abort(reason);
    },
  };
}
