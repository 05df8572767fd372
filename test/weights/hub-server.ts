// A server with the hub's layout for the tests of hub.ts: revisions, listings in pages, /resolve/ with ranges, and large files
// by redirect to a second origin that stands for the CDN. It keeps a log, and a test may spoil single answers.
// Source: the routes and headers that @huggingface/hub uses, and huggingface.co's own error codes.

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface HubFile {
  content: Buffer;
  /** Stored by Git LFS: listed with a sha256, served from the second origin. */
  lfs?: boolean;
}

/** What may go wrong with one answer that carries a file. */
export interface Spoil {
  /** Bytes of the body that are sent before the connection breaks. */
  cutAfter?: number;
  /** Position in the body of a byte that arrives wrong. */
  flip?: number;
  status?: number;
  ignoreRange?: boolean;
  /** Bytes by which the answer is longer, or shorter where negative, without the connection breaking. */
  excess?: number;
  /** Called when the headers are out; the body waits for it. */
  hold?: Promise<unknown>;
}

export interface HubRequest {
  path: string;
  range: string | undefined;
  authorization: string | undefined;
  /** Of the server that was asked: the hub itself or the CDN. */
  at: "hub" | "cdn";
}

/** Revisions by name, commits by revision; a commit is a set of files. */
export interface HubRepository {
  revisions: Record<string, string>;
  commits: Record<string, Record<string, HubFile>>;
  access?: "gated" | "private";
}

export const sha256 = (content: Buffer): string => createHash("sha256").update(content).digest("hex");
export const gitSha1 = (content: Buffer): string =>
  createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");

export class HubServer {
  readonly repositories: Record<string, HubRepository> = {};
  readonly log: HubRequest[] = [];
  /** Asked for each answer that carries bytes of a file. */
  spoil: (file: string, request: HubRequest) => Spoil | undefined = () => undefined;
  /** Another origin for the second page of a listing and those after it. */
  nextPages: string | undefined;
  url = "";
  #cdnUrl = "";
  readonly #servers: Server[] = [];

  async start(): Promise<void> {
    this.#cdnUrl = await this.#listen("cdn", (path, request, response) => {
      const [, repository, commit, name] = /^\/(.+)\/([0-9a-f]{40})\/([^/]+)$/.exec(path) as RegExpExecArray;
      this.#send(this.repositories[repository].commits[commit][name], name, request, response);
    });
    this.url = await this.#listen("hub", (path, request, response) => this.#answer(path, request, response));
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  }

  /** The files that were asked for, in order, with where each answer began. */
  get fetched(): string[] {
    return this.log
      .filter(({ path, at }) => at === "cdn" || path.includes("/resolve/"))
      .map(({ path, range, at }) => `${at} ${path.slice(path.lastIndexOf("/") + 1)}${range ? ` ${range}` : ""}`);
  }

  async #listen(
    at: HubRequest["at"],
    handle: (path: string, request: HubRequest, response: ServerResponse) => void,
  ): Promise<string> {
    const server = createServer((incoming: IncomingMessage, response) => {
      const path = decodeURIComponent(incoming.url ?? "");
      const { range, authorization } = incoming.headers;
      const request = { path, range, authorization, at };
      this.log.push(request);
      handle(path, request, response);
    });
    this.#servers.push(server);
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  #answer(path: string, request: HubRequest, response: ServerResponse): void {
    const refuse = (status: number, code: string) =>
      response.writeHead(status, { "X-Error-Code": code, "X-Error-Message": code }).end(`{"error":"${code}"}`);
    const match =
      /^\/api\/models\/(?<repository>.+?)\/(?<route>revision|tree)\/(?<revision>[^?]+)(\?.*?(cursor=(?<cursor>\d+))?)?$/.exec(
        path,
      ) ?? /^\/(?<repository>.+?)\/(?<route>resolve)\/(?<revision>[^/]+)\/(?<name>[^/]+)$/.exec(path);
    const { repository: name, route, revision, cursor, name: file } = match?.groups ?? {};
    const repository = this.repositories[name];
    const authorized = request.authorization === "Bearer hf_good";
    if (!repository || (repository.access === "private" && !authorized)) {
      return void refuse(authorized ? 404 : 401, "RepoNotFound");
    }
    const commit = repository.commits[revision] ? revision : repository.revisions[revision];
    if (!commit) return void refuse(404, "RevisionNotFound");
    const files = repository.commits[commit];
    const headers = { "X-Repo-Commit": commit };
    if (route === "revision") {
      response.writeHead(200, { ...headers, "Content-Type": "application/json" });
      return void response.end(JSON.stringify({ _id: "1", id: name, sha: commit, lastModified: "2025-01-01" }));
    }
    if (route === "tree") {
      // Two entries a page, so that the pages are followed.
      const start = Number(cursor ?? 0);
      const entries = Object.entries(files).map(([path, { content, lfs }]) => ({
        type: "file",
        path,
        size: content.length,
        oid: lfs ? "0".repeat(40) : gitSha1(content),
        ...(lfs && { lfs: { oid: sha256(content), size: content.length, pointerSize: 130 } }),
      }));
      entries.push({ type: "directory", path: "onnx", size: 0, oid: "0".repeat(40) });
      const next = `<${this.nextPages ?? this.url}/api/models/${name}/tree/${commit}?cursor=${start + 2}>; rel="next"`;
      response.writeHead(200, {
        ...headers,
        "Content-Type": "application/json",
        ...(start + 2 < entries.length && { Link: next }),
      });
      return void response.end(JSON.stringify(entries.slice(start, start + 2)));
    }
    if (repository.access === "gated" && !authorized) return void refuse(401, "GatedRepo");
    if (!files[file]) return void refuse(404, "EntryNotFound");
    if (!files[file].lfs) return void this.#send(files[file], file, request, response);
    const linked = { "X-Linked-Size": files[file].content.length, "X-Linked-ETag": `"${sha256(files[file].content)}"` };
    response.writeHead(302, { ...headers, ...linked, Location: `${this.#cdnUrl}/${name}/${commit}/${file}` }).end();
  }

  #send({ content }: HubFile, name: string, request: HubRequest, response: ServerResponse): void {
    const { cutAfter, flip, status, ignoreRange, excess = 0, hold } = this.spoil(name, request) ?? {};
    if (status) return void response.writeHead(status).end();
    const begin = ignoreRange ? 0 : Number(/^bytes=(\d+)-$/.exec(request.range ?? "")?.[1] ?? 0);
    if (begin > 0 && begin >= content.length) return void response.writeHead(416).end();
    const body = Buffer.alloc(content.length - begin + excess);
    content.copy(body, 0, begin);
    if (flip !== undefined) body[flip] ^= 1;
    const range = `bytes ${begin}-${content.length - 1}/${content.length}`;
    response.writeHead(begin > 0 ? 206 : 200, {
      ETag: `"${sha256(content)}"`,
      "Accept-Ranges": "bytes",
      "Content-Length": body.length,
      ...(begin > 0 && { "Content-Range": range }),
    });
    if (cutAfter !== undefined) {
      response.write(body.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 20));
    } else if (hold) {
      response.write(body.subarray(0, body.length >> 1));
      hold.then(() => response.end(body.subarray(body.length >> 1)));
    } else {
      response.end(body);
    }
  }
}
