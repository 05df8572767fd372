// What a request passes on its way to a route: Hono middleware, in the order of `passesOf`. Each lets it through or throws
// the refusal that is answered.

import type { MiddlewareHandler } from "hono";
import { type ApiKey, checkLocalName, keyOf } from "./access.ts";
import { ApiError } from "./errors.ts";
import type { Exchange, Exchanges } from "./exchange.ts";
import type { Operation, RouteContext } from "./operation.ts";
import type { Rates } from "./rates.ts";

export type Variables = { exchange: Exchange };

export type Pass = MiddlewareHandler<{ Variables: Variables }>;

/** What the passes ask. */
export interface PassContext extends Pick<RouteContext, "draining" | "balanceOf"> {
  readonly exchanges: Exchanges;
  readonly rates: Rates;
  readonly keys: readonly ApiKey[] | undefined;
  /** Hosts that requests may name beside this machine's; undefined: any. */
  readonly hosts: readonly string[] | undefined;
  /** Makes room for what a request will be charged; undefined: nothing is charged. @throws ApiError if there is none. */
  readonly admit: (() => Promise<() => void>) | undefined;
}

/** Where a request goes under a prefix: to an operation, or nowhere, which `missing` says. */
export type Destination = { readonly prefix: string } & (
  | { readonly operation: Operation; readonly missing?: undefined }
  | { readonly operation?: undefined; missing(request: Request): ApiError }
);

export function passesOf(context: PassContext, destination: Destination): [Pass, ...Pass[]] {
  const { exchanges, rates, keys, hosts, admit, draining, balanceOf } = context;
  const { prefix, operation, missing } = destination;

  /** It has an id and a signal; log and counters hear of its end. */
  const recorded: Pass = async (c, next) => {
    const { raw } = c.req;
    const exchange = exchanges.begin(raw, operation, prefix);
    c.set("exchange", exchange);
    await next();
    if (!exchange.streams) exchange.finish(raw.signal.aborted ? 499 : c.res.status, c.error);
    const { headers } = c.res;
    headers.set("x-request-id", exchange.requestId);
    headers.set("x-ds-trace-id", exchange.requestId);
    for (const text of shortened(exchange.warnings)) {
      headers.append(warningHeader, ascii(text));
      headers.append("warning", `299 - ${quoted(text)}`);
    }
    if (draining() || c.res.status === 408) headers.set("connection", "close");
  };

  const namesThisMachine: Pass = (c, next) => {
    if (hosts) checkLocalName(c.req.url, hosts);
    return next();
  };

  const hasKey: Pass = (c, next) => {
    if (keys && !operation?.open) c.var.exchange.tenant = keyOf(keys, c.req.raw.headers).tenant;
    return next();
  };

  const hasRoute: Pass = (c, next) => {
    if (missing) throw missing(c.req.raw);
    return next();
  };

  const isInTime: Pass = (_, next) => {
    if (draining() && !operation?.open) throw new ApiError(503, "The server is shutting down", { retryAfter: 5 });
    return next();
  };

  const isWithinRates: Pass = (c, next) => {
    const { exchange } = c.var;
    if (!operation?.open) exchange.atEnd(rates.enter(exchange.tenant ?? ""));
    return next();
  };

  const isPaidFor: Pass = async (c, next) => {
    const { exchange } = c.var;
    const balance = operation?.body && balanceOf(exchange.tenant);
    if (balance && balance.left <= 0) throw new ApiError(402, "Insufficient Balance");
    if (admit && operation?.body && exchange.tenant !== undefined) exchange.atEnd(await admit());
    return next();
  };

  return [recorded, namesThisMachine, hasKey, hasRoute, isInTime, isWithinRates, isPaidFor];
}

/** What the caller may want to know, a header for each; `warning` says the same in the form of RFC 7234. */
export const warningHeader = "x-plainformer-warning";

/** Clients refuse answers whose headers are longer than 16 KiB or so. */
const maxWarningLength = 2048;

/** As many texts as headers have room for, and how many more there are. */
function shortened(texts: readonly string[]): string[] {
  const kept: string[] = [];
  let room = maxWarningLength;
  for (const text of texts) {
    room -= text.length;
    if (room < 0 && kept.length > 0) return [...kept, `and ${texts.length - kept.length} more`];
    kept.push(text.slice(0, maxWarningLength));
  }
  return kept;
}

function ascii(text: string): string {
  return text.replace(/[^\x20-\x7e]+/g, "?");
}

function quoted(text: string): string {
  return `"${ascii(text).replace(/["\\]/g, "\\$&")}"`;
}
