// The server as a program: what it prints, what it refuses to start with, how it ends; and connections that misbehave.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { jsonLog } from "../../src/server/log.ts";
import type { Operation } from "../../src/server/operation.ts";
import { textStream } from "../../src/server/wire/stream.ts";
import { runHere } from "../cli/in-process.ts";
import { program } from "../program.ts";
import { type Child, child } from "./child.ts";
import { start } from "./start.ts";

const main = pathToFileURL(program);
const chargingServer = new URL("./charging-server.ts", import.meta.url);

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "plainformer-serve-"));
  await writeFile(
    join(folder, "prices"),
    '{"currency":"USD","prompt_cache_hit":0,"prompt_cache_miss":0,"completion":1}',
  );
  await writeFile(join(folder, "keys"), "sk-alice-0001 100\n");
  await writeFile(join(folder, "free-keys"), "sk-alice-0001\n");
});
afterAll(() => rm(folder, { recursive: true }));

describe("plainformer serve", () => {
  test("prints address, model, kernel set and a curl line that works; SIGTERM ends it with exit 0", async () => {
    const server = child(main, ["serve", "--port", "0"]);
    const [, curl] = await server.line(/ {2}try {6}(curl .*)\n/);
    const [, url] = await server.line(/^plainformer serves plainformer at (http:\/\/127\.0\.0\.1:\d+)\n/);
    await server.line(
      /\n {2}model {4}\S*weights\/default \(llama, 6 layers, context 8192\)\n {2}kernels {2}(simd|reference): \S/,
    );
    const { stdout } = await promisify(execFile)("sh", ["-c", curl]);
    expect(JSON.parse(stdout)).toMatchObject({ object: "text_completion", usage: { completion_tokens: 48 } });
    expect((await fetch(`${url}/health`)).status).toBe(200);
    server.kill("SIGTERM");
    const { code, stderr } = await server.ended;
    expect(code).toBe(0);
    const lines = stderr
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ event }) => event)).toEqual(["request", "request", "ending", "ended"]);
  });

  test("keys from the environment; --quiet writes no lines", async () => {
    const server = child(main, ["serve", "--port", "0", "--quiet"], {
      PLAINFORMER_API_KEYS: "sk-alice-0001,sk-bob-00002",
    });
    const [, url] = await server.line(/ at (\S+)\n/);
    const [line] = await server.line(/keys.*\n.*curl.*\n/);
    expect(line).toContain('-H "authorization: Bearer $API_KEY"');
    expect((await fetch(`${url}/models`)).status).toBe(401);
    expect((await fetch(`${url}/models`, { headers: { authorization: "Bearer sk-bob-00002" } })).status).toBe(200);
    server.kill("SIGINT");
    expect(await server.ended).toMatchObject({ code: 0, stderr: "" });
  });

  test.each<[string, string[], string, number]>([
    [
      "a host others reach, without keys",
      ["--host", "0.0.0.0"],
      "host 0.0.0.0 can be reached by others: give --api-keys, or leave --host at 127.0.0.1",
      1,
    ],
    ["a key file that is not there", ["--api-keys", "/nowhere"], "API keys: cannot read /nowhere (ENOENT)", 1],
    ["prices without a journal", ["--prices", "p"], "--prices and --journal go together", 1],
    [
      "prices without keys",
      ["--prices", "p", "--journal", "j"],
      "--prices needs --api-keys: without keys nobody can be charged",
      1,
    ],
    [
      "balances without prices",
      ["--api-keys", "$/keys"],
      "the API keys have balances, which need --prices and --journal",
      1,
    ],
    [
      "a price list that is not there",
      ["--api-keys", "$/keys", "--prices", "/nowhere", "--journal", "$/j"],
      "prices: cannot read /nowhere (ENOENT)",
      1,
    ],
    [
      "a host that is none",
      ["--host", "127.300.0.1", "--api-keys", "$/free-keys"],
      "host 127.300.0.1 is not an address of this machine",
      1,
    ],
    ["a port out of range", ["--port", "70000"], "--port: got 70000, expected a whole number from 0 to 65535", 2],
    ["half a request", ["--rate-limit", "0.5"], "--rate-limit: got 0.5, expected a whole number ≥ 0", 2],
    ["no model", ["--model", "/nowhere"], "/nowhere", 1],
  ])("%s: one sentence", async (_, args, message, exitCode) => {
    const { code, out, err } = await runHere(["serve", "--port", "0", ...args.map((arg) => arg.replace("$", folder))]);
    expect({ code, out }).toEqual({ code: exitCode, out: "" });
    expect(err).toMatch(/^plainformer: [^\n]+\n$/);
    expect(err).toContain(message);
  });

  test("a port in use: one sentence", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    const { code, stderr } = await child(main, ["serve", "--port", String(port)]).ended;
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `plainformer: port ${port} on 127.0.0.1 is in use: stop what listens there, or choose another --port\n`,
    });
    other.close();
  });
});

const headers = { authorization: "Bearer sk-alice-0001", "content-type": "application/json" };

test("a disk that is full: paid requests are refused before they are computed, and /health says so", async () => {
  const journal = join(folder, "full");
  const args = ["--api-keys", join(folder, "keys"), "--prices", join(folder, "prices"), "--journal", journal];
  // For real: a file of this process may have 24 KiB.
  const server = child(main, ["serve", "--port", "0", "--threads", "1", ...args], {}, "ulimit -f 48");
  const [, url] = await server.line(/ at (\S+)\n/);
  const ask = async () =>
    fetch(`${url}/v1/completions`, {
      method: "POST",
      headers,
      body: JSON.stringify({ model: "plainformer", prompt: "Once", max_tokens: 1 }),
    });
  const health = async () => {
    const response = await fetch(`${url}/health`);
    return { code: response.status, ...((await response.json()) as { status: string; problem: string | null }) };
  };
  let answered = 0;
  let last = await ask();
  expect(await health()).toMatchObject({ code: 200, status: "ok", problem: null });
  for (; last.status === 200 && answered < 200; answered++) last = await ask();
  expect(last.status).toBe(503);
  expect([last.headers.get("retry-after"), await last.text()]).toEqual([
    "30",
    expect.stringContaining("The server takes no paid requests now"),
  ]);
  for (let i = 0; i < 3; i++) expect((await ask()).status).toBe(503);
  const problem = "the journal cannot be written (EFBIG)";
  expect(await health()).toMatchObject({ code: 503, status: "no_journal", problem });
  expect((await fetch(`${url}/v1/models`, { headers })).status).toBe(200); // what costs nothing
  const metrics = await (await fetch(`${url}/metrics`, { headers })).text();
  expect(metrics).toContain(`plainformer_tokens_total{kind="completion"} ${answered}\n`); // none was computed in vain
  server.kill("SIGTERM");
  const { code, stderr } = await server.ended;
  expect(code).toBe(0);
  expect(stderr.match(/"event":"journal"/g)).toHaveLength(1);
  expect((await readFile(journal, "utf8")).match(/\n/g)).toHaveLength(answered);
});

test("who reads the log goes away: the server goes on", async () => {
  const server = child(main, ["serve", "--port", "0", "--threads", "1"]);
  const [, url] = await server.line(/ at (\S+)\n/);
  await server.line(/try .*\n/);
  server.stopReading();
  for (let i = 0; i < 5; i++) {
    expect((await fetch(`${url}/nowhere`)).status).toBe(404); // a line of the log each
    expect((await fetch(`${url}/health`)).status).toBe(200);
  }
  server.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
});

describe("SIGTERM", () => {
  async function busy(
    drainSeconds: number,
    events: number | null,
  ): Promise<{ server: Child; url: string; text: Promise<string> }> {
    const args = [
      join(folder, `journal-${Math.random()}`),
      join(folder, "prices"),
      join(folder, "keys"),
      String(drainSeconds),
    ];
    const server = child(chargingServer, args);
    const [url] = await server.line(/http\S+/);
    const response = await fetch(`${url}/stream`, { method: "POST", headers, body: JSON.stringify({ events }) });
    expect(response.status).toBe(200);
    return { server, url, text: response.text() };
  }

  test("while busy: refuses what is new, lets what runs finish, exits 0", async () => {
    const { server, url, text } = await busy(600, 100);
    const apart = { connection: "close" }; // connections of their own, as a load balancer's are
    const health = () => fetch(`${url}/health`, { headers: apart });
    const open = await fetch(`${url}/health`); // a connection that stays open
    expect([open.status, await open.json()]).toMatchObject([200, { status: "ok", in_flight: 1 }]);
    server.kill("SIGTERM");
    await expect.poll(async () => (await health()).status).toBe(503);
    expect(await (await health()).json()).toMatchObject({ status: "stopping", in_flight: 1 });
    const late = await fetch(`${url}/spend`, { method: "POST", headers: { ...headers, ...apart }, body: "{}" });
    expect(late.status).toBe(503);
    expect(await text).toMatch(/^data: 0\n\n.*data: 99\n\ndata: \[DONE\]\n\n$/s);
    expect((await server.ended).code).toBe(0); // long before the time to drain is over
  });

  test("when the time to drain is over: an error event, then exit 0", async () => {
    const { server, text } = await busy(0.3, null);
    server.kill("SIGTERM");
    expect(await text).toMatch(
      /data: \{"error":\{"message":"The server is shutting down","type":"server_error",[^\n]*\n\ndata: \[DONE\]\n\n$/,
    );
    expect((await server.ended).code).toBe(0);
  });

  test("twice: ends at once", async () => {
    const { server, text } = await busy(600, null);
    server.kill("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 300));
    server.kill("SIGTERM");
    expect(await text).toContain("The server is shutting down");
    expect((await server.ended).code).toBe(0); // ten minutes before the time to drain is over
  });
});

describe("connections", () => {
  const echo: Operation = {
    method: "post",
    path: "/echo",
    summary: "",
    body: z.unknown(),
    responses: { 200: z.unknown() },
    handle: async () => Response.json({}),
  };

  /** Sends raw bytes; everything that comes back until the server closes. */
  function raw(url: string, bytes: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(Number(new URL(url).port), "127.0.0.1", () => socket.write(bytes));
      let text = "";
      socket.on("data", (chunk) => {
        text += chunk;
      });
      socket.on("close", () => resolve(text));
      socket.on("error", reject);
    });
  }

  test.each([
    ["headers above 16 KiB", `GET /health HTTP/1.1\r\nhost: a\r\nx: ${"x".repeat(17_000)}\r\n\r\n`, 431],
    ["no HTTP", "hello\r\n\r\n", 400],
    ["a bad length", "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n", 400],
    ["a bad host", "GET /health HTTP/1.1\r\nhost: a b/c\r\nconnection: close\r\n\r\n", 400],
  ])("%s: refused with the body of errors", async (_, bytes, status) => {
    const { url } = await start({ operations: [echo] });
    const text = await raw(url, bytes);
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(JSON.parse(text.slice(text.indexOf("\r\n\r\n"))).error).toMatchObject({ code: "invalid_request_error" });
  });

  test("who reads nothing of a stream is taken for gone; who waits for one, or for an answer, is not", async () => {
    const stream = (path: string, next: () => Promise<string>): Operation => ({
      ...echo,
      path,
      handle: async (_, __, call) => textStream(next, call),
    });
    const silence = new Promise<string>(() => {});
    const flood = stream("/flood", async () => "x".repeat(65536));
    const silent = stream("/silent", () => silence);
    const slow = { ...echo, path: "/slow", handle: async () => new Response(await silence) };
    const lines: string[] = [];
    const log = jsonLog((line) => lines.push(line));
    const operations = [flood, silent, slow];
    const { url, app } = await start({ operations, log }, { stallSeconds: 0.3 });
    const client = new AbortController();
    const init = { method: "POST", headers, body: "{}", signal: client.signal };
    for (const { path } of operations) fetch(url + path, init).catch(() => {});
    await expect
      .poll(() => lines.map((line) => JSON.parse(line)), { timeout: 30_000 })
      .toMatchObject([{ route: "/flood", client_gone: true }]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(app.inFlight()).toBe(2);
    client.abort();
  });

  test("headers of 15 KiB are read", async () => {
    const { url } = await start();
    expect((await fetch(`${url}/health`, { headers: { x: "x".repeat(15_000) } })).status).toBe(200);
  });

  test("who sends too slowly is cut off with a 408, in headers or body; a body is one line of the log", {
    timeout: 20_000,
  }, async () => {
    const lines: string[] = [];
    const log = jsonLog((line) => lines.push(line));
    const { url } = await start({ operations: [echo], sendSeconds: 0.3, log }, { headerSeconds: 0.3 });
    for (const bytes of [
      "GET /health HTTP/1.1\r\nhost",
      'POST /echo HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"a',
    ]) {
      const text = await raw(url, bytes); // Node's own limit is a minute, the test's twenty seconds
      expect(text).toMatch(/^HTTP\/1.1 408 /);
      expect(text).toMatch(/connection: close/i);
      expect(text).toContain("came too slowly");
    }
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0])).toMatchObject({ level: "info", route: "/echo", status: 408 });
    expect(lines[0]).not.toContain("    at ");
  });
});
