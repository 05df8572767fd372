// An app on a socket of Node: limits against slow and broken clients, and an end that lets running requests finish.

import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { getRequestListener } from "@hono/node-server";
import { checkNames, type Names } from "../field-error.ts";
import type { App } from "./app.ts";
import { ApiError, type ErrorStatus, errorBody, errorResponse } from "./errors.ts";
import { watchReaders } from "./stalled-readers.ts";

export interface ListenOptions {
  host: string;
  /** 0: any free one */
  port: number;
  /** Seconds that a client may take to send a request's headers; its body is the app's to wait for. Default 20 */
  headerSeconds?: number;
  /** Seconds without taking anything of a stream after which a client counts as gone. Default 60 */
  stallSeconds?: number;
}

const listenOptionNames = {
  host: true,
  port: true,
  headerSeconds: true,
  stallSeconds: true,
} satisfies Names<ListenOptions>;

export interface Listening {
  /** http://host:port */
  readonly url: string;
  /**
   * Takes no more requests, waits up to `drainSeconds` for those that run, ends the rest with an error, and closes every
   * connection. Calling `app.abort` meanwhile ends them at once.
   */
  stop(drainSeconds: number): Promise<void>;
}

/** Bytes of a request's headers. */
const maxHeaderSize = 16 * 1024;

/** Listens. @throws one sentence if the address cannot be had. */
export async function listen(app: App, options: ListenOptions): Promise<Listening> {
  checkNames(options, listenOptionNames);
  const { host, port, headerSeconds = 20, stallSeconds = 60 } = options;
  const listener = getRequestListener(app.fetch, {
    overrideGlobalObjects: false,
    errorHandler: () => errorResponse(new ApiError(400, "The request line or the Host header is not valid")),
  });
  const server = createServer(
    {
      maxHeaderSize,
      headersTimeout: headerSeconds * 1000,
      requestTimeout: 0,
      connectionsCheckingInterval: Math.min(1000, headerSeconds * 250),
      keepAliveTimeout: 30_000,
    },
    (request: IncomingMessage, response: ServerResponse) => {
      readers.watch(response);
      void listener(request, response);
    },
  );
  const readers = watchReaders(stallSeconds);
  server.on("clientError", refuse);
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(new Error(addressFault(error, host, port))));
    server.listen(port, host, resolve);
  });
  const { port: actual } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(":") ? `[${host}]` : host}:${actual}`,
    stop: (drainSeconds) => stop(app, server, drainSeconds).finally(readers.end),
  };
}

async function stop(app: App, server: HttpServer, drainSeconds: number): Promise<void> {
  app.drain(); // it listens on, so that whoever asks is told: /health by a 503, all else too
  await until(() => app.inFlight() === 0, drainSeconds * 1000);
  app.abort();
  await until(() => app.inFlight() === 0, 5000);
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const timer = setInterval(() => server.closeIdleConnections(), 20); // those that have their answer
  await Promise.race([closed, sleep(1000)]);
  clearInterval(timer);
  server.closeAllConnections();
  await closed;
}

async function until(reached: () => boolean, patienceMs: number): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!reached() && performance.now() < end) await sleep(10);
}

/** Answers what Node could not read as a request, as it would itself but with a body. */
function refuse(error: NodeJS.ErrnoException, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy();
  const [status, line, message] =
    error.code === "HPE_HEADER_OVERFLOW"
      ? [431, "431 Request Header Fields Too Large", `The request's headers are larger than ${maxHeaderSize} bytes`]
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? [408, "408 Request Timeout", "The request came too slowly"]
        : [400, "400 Bad Request", "This is not an HTTP request"];
  const body = JSON.stringify(errorBody(new ApiError(status as ErrorStatus, message as string)));
  socket.end(
    `HTTP/1.1 ${line}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

function addressFault({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  if (code === "EADDRINUSE")
    return `port ${port} on ${host} is in use: stop what listens there, or choose another --port`;
  if (code === "EACCES") return `port ${port} may not be used by this user: choose one above 1023`;
  if (code === "ENOTFOUND" || code === "EADDRNOTAVAIL") return `host ${host} is not an address of this machine`;
  return `cannot listen on ${host}:${port}: ${message}`;
}
