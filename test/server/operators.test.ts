// The page for operators is true: its files are written, its commands run in a folder of their own, its names are there.

import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer as createProxy, request as secureRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { program } from "../program.ts";
import { type Child, child } from "./child.ts";

const run = promisify(execFile);
const page = readFileSync(new URL("../../src/server/README.md", import.meta.url), "utf8");
/** Blocks of code: the word behind the language, and the text. */
const blocks = [...page.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)].map(([, name, text]) => ({ name, text }));
const block = (name: string) => blocks.find((block) => block.name === name)?.text ?? "";

let folder = "";
let server: Child;
let url = "";

/** The arguments of the page's command, on any free port. */
const args = block("serve")
  .replaceAll("\\\n", " ")
  .trim()
  .split(/\s+/)
  .slice(2)
  .map((word) => (word === "8000" ? "0" : word));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "plainformer-operators-"));
  for (const name of ["keys", "prices.json"]) await writeFile(join(folder, name), block(name));
  server = child(pathToFileURL(program), args, {}, `cd ${folder}`);
  url = (await server.line(/ at (http:\S+)\n/))[1];
});
afterAll(() => rm(folder, { recursive: true }));

test("every block has its place in these tests, and every link leads somewhere", () => {
  const known = ["keys", "prices.json", "serve", "curl", "prometheus", "Caddyfile", "stop"];
  expect(new Set(blocks.map(({ name }) => name))).toEqual(new Set(known));
  expect(page.match(/^```/gm)).toHaveLength(2 * blocks.length);
  for (const [, link] of page.matchAll(/\]\(([^)]+)\)/g))
    expect(existsSync(new URL(`../../src/server/${link}`, import.meta.url)), link).toBe(true);
});

test("each curl answers with JSON or counters", async () => {
  const commands = blocks
    .filter(({ name }) => name === "curl")
    .flatMap(({ text }) => text.replaceAll("\\\n", " ").trim().split("\n"))
    .map((command) => command.replace("curl ", "curl -sSf ").replace("http://127.0.0.1:8000", url));
  expect(commands).toHaveLength(4);
  const said = [];
  for (const command of commands) said.push((await run("sh", ["-c", command], { cwd: folder })).stdout);
  const [chat, balance, health, metrics] = said;
  expect(JSON.parse(chat)).toMatchObject({ object: "chat.completion" });
  const [{ total_balance: left }] = JSON.parse(balance).balance_infos;
  expect(Number(left)).toBeLessThan(25);
  const state = JSON.parse(health);
  expect(state).toMatchObject({ status: "ok", in_flight: 0 });
  for (const [, fields] of page.matchAll(/^\| (`(?:in_flight|waiting|load)[^|]+) \|/gm))
    for (const [, field] of fields.matchAll(/`([\w.]+)`/g)) {
      const [name, inner] = field.split(".");
      expect(inner ? state[name] : state, field).toHaveProperty(inner ?? name);
    }
  const named = block("prometheus").match(/plainformer_\w+/g) ?? [];
  expect(named.length).toBeGreaterThan(4);
  for (const name of named) expect(metrics).toContain(name);
  for (const [, state] of block("prometheus").matchAll(/state="(\w+)"/g)) expect(metrics).toContain(`state="${state}"`);
});

test("pages of the origin that is named may call, and read what the page says", async () => {
  const headers = { origin: "https://app.example", "access-control-request-method": "POST" };
  const preflight = await fetch(`${url}/v1/chat/completions`, { method: "OPTIONS", headers });
  expect(preflight.headers.get("access-control-allow-origin")).toBe("https://app.example");
  const answer = await fetch(`${url}/health`, { headers });
  const readable = answer.headers.get("access-control-expose-headers");
  for (const name of ["retry-after", "warning", "x-plainformer-warning", "x-request-id"])
    expect(readable).toContain(name);
});

test("through a proxy with TLS that does as the Caddyfile says, a stream comes piece by piece", async ({ skip }) => {
  const made = await run("openssl", [
    ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=llm.example"],
    ...["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")],
  ]).catch(() => undefined);
  if (!made) return skip("openssl is not here to make a certificate");
  const [, upstream] = /reverse_proxy (\S+) /.exec(block("Caddyfile")) ?? [];
  expect(upstream).toBe("127.0.0.1:8000"); // where the page's server is
  const files = { key: await readFile(join(folder, "key.pem")), cert: await readFile(join(folder, "cert.pem")) };
  const proxy = createProxy(files, (incoming, outgoing) => {
    const { method, headers, url: path } = incoming;
    const passed = request(new URL(path ?? "/", url), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.on("data", (part) => outgoing.write(part)).on("end", () => outgoing.end());
    });
    incoming.pipe(passed);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as AddressInfo;
  const body = JSON.stringify({ model: "plainformer", prompt: "Once", max_tokens: 20, stream: true });
  const headers = {
    host: "llm.example",
    authorization: "Bearer sk-alice-0123456789",
    "content-type": "application/json",
  };
  const parts = await new Promise<string[]>((resolve, reject) => {
    const options = {
      port,
      host: "127.0.0.1",
      path: "/v1/completions",
      method: "POST",
      headers,
      ca: files.cert,
      servername: "llm.example",
    };
    const sent = secureRequest(options, (answer) => {
      const parts: string[] = [];
      answer.on("data", (part) => parts.push(String(part))).on("end", () => resolve(parts));
    });
    sent.on("error", reject).end(body);
  });
  proxy.close();
  expect(parts.length).toBeGreaterThan(3);
  expect(parts.join("")).toMatch(/^data: \{.*\n\ndata: \[DONE\]\n\n$/s);
});

test("every option that the page names is one of serve", async () => {
  const serve = (await createProgram("serve")).commands.find((command) => command.name() === "serve");
  const flags = serve?.options.map(({ long }) => long) ?? [];
  for (const [flag] of page.matchAll(/--[a-z][a-z-]+/g)) expect([...flags, "--host", "--model"]).toContain(flag);
});

test("one process has the journal; it is stopped as the page says, and leaves what the page says", async () => {
  const second = await child(pathToFileURL(program), args, {}, `cd ${folder}`).ended;
  expect(second.code).toBe(1);
  expect(second.stderr).toMatch(/^plainformer: journal: journal is in use by process \d+\n$/);
  expect(block("stop").trim()).toBe("kill -TERM $PID");
  server.kill("SIGTERM");
  expect((await server.ended).code).toBe(0);
  expect(existsSync(join(folder, "journal.lock"))).toBe(false);
  const lines = (await readFile(join(folder, "journal"), "utf8")).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).n)).toEqual(lines.map((_, i) => i + 1));
});
