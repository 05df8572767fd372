// A server of files by ranges for the tests of byte sources, whose single answers a test may spoil.

import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

/** What one answer has instead of what it should have. */
export interface Spoil {
  status?: number;
  headers?: Record<string, string>;
  /** Bytes of the body that are sent before the connection breaks. */
  cutAfter?: number;
  /** What the body is, whatever was asked for. */
  body?: Uint8Array;
}

export interface FileServer {
  /** Ends with a slash. */
  readonly url: string;
  /** The files that were asked for, each with its range. */
  readonly log: string[];
  /** Asked for each answer, which is to have the bytes `first` to `last`, that one included. */
  spoil: (file: string, first: number, last: number) => Spoil | undefined;
  close(): Promise<void>;
}

/** Serves the files of a directory, or those of a map. */
export async function serveFiles(files: string | ReadonlyMap<string, Uint8Array>): Promise<FileServer> {
  const contentOf = async (name: string) =>
    typeof files === "string" ? readFile(join(files, name)).catch(() => undefined) : files.get(name);
  const server = createServer(async (request: IncomingMessage, response) => {
    const name = decodeURIComponent(new URL(request.url ?? "", "http://localhost").pathname.slice(1));
    const { range } = request.headers;
    served.log.push(`${name} ${range}`);
    const content = await contentOf(name);
    if (!content) return void response.writeHead(404).end("no such file");
    const [, first, wanted] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "")?.map(Number) ?? [0, 0, content.length];
    const last = Math.min(wanted, content.length - 1);
    const { status, headers = {}, cutAfter, body } = served.spoil(name, first, last) ?? {};
    if (first >= content.length)
      return void response.writeHead(416, { "Content-Range": `bytes */${content.length}` }).end();
    const bytes = body ?? content.subarray(first, last + 1);
    response.writeHead(status ?? (range ? 206 : 200), {
      ETag: `"${content.length}"`,
      "Content-Length": bytes.length,
      ...(range && { "Content-Range": `bytes ${first}-${last}/${content.length}` }),
      ...headers,
    });
    if (cutAfter === undefined) response.end(bytes);
    else response.write(bytes.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 20));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const served: FileServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    log: [],
    spoil: () => undefined,
    close() {
      server.closeAllConnections();
      return new Promise((done) => server.close(() => done()));
    },
  };
  return served;
}
