// What the README shows in "Use it" and "Serve it" runs as it stands there: the code as code, each command as a command.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { defaultModel, load, loadInWorker } from "../src/plainformer.ts";
import { createApp } from "../src/server/index.ts";
import { runHere } from "./cli/in-process.ts";
import { long } from "./long.ts";
import { api, type Json } from "./server/routes/api.ts";
import { HubServer } from "./weights/hub-server.ts";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");

/** The blocks of one kind in one section, in order. */
function blocks(section: string, kind: "ts" | ""): string[] {
  const text = readme.split(/^## /m).find((part) => part.startsWith(`${section}\n`)) ?? "";
  return [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].filter((match) => match[1] === kind).map((match) => match[2]);
}

/** Runs code with these names in its scope, imports and annotations left out. → what it declares of `results` */
function runCode(code: string, scope: object, results: readonly string[]): Promise<Json> {
  const plain = code.replace(/^import .*$/gm, "").replace(/^const (\w+): \{.*?\} =/gm, "const $1 =");
  const body = `return (async () => { ${plain}\n return { ${results.join(", ")} }; })()`;
  return new Function(...Object.keys(scope), body)(...Object.values(scope));
}

test("the library: text, rows, scores, gradients, a trace, a conversation, a server", async () => {
  const [code, ...others] = blocks("Use it", "ts");
  expect(others).toEqual([]);
  let out = "";
  const process = { stdout: { write: (text: string) => (out += text) } };
  const names = ["model", "served", "score", "loss", "gradients", "shorter", "longer", "probs", "health"];
  const made = await runCode(code, { load, loadInWorker, createApp, process }, names);
  expect(out).toMatch(/^, there was a .{100,}\w/s);
  const { score, shorter, longer } = made;
  expect(score.sum).toBeLessThan(0);
  expect(shorter).not.toEqual(longer);
  expect(made.loss).toBeGreaterThan(0);
  expect(made.gradients.rows.some((value: number) => value !== 0)).toBe(true);
  expect(made.probs.shape.length).toBeGreaterThan(1);
  expect(made.health.status).toBe(200);
  await Promise.all([made.model.close(), made.served.close()]);
});

const hub = new HubServer();
const folder = mkdtempSync(join(tmpdir(), "plainformer-readme-"));
beforeAll(async () => {
  const commit = "b".repeat(40);
  const files = { "config.json": { content: Buffer.from("{}") }, "model.safetensors": { content: Buffer.from("x") } };
  hub.repositories["HuggingFaceTB/SmolLM2-135M-Instruct"] = {
    revisions: { main: commit },
    commits: { [commit]: files },
  };
  await hub.start();
  vi.stubEnv("HF_ENDPOINT", hub.url);
  vi.stubEnv("HF_HOME", join(folder, "hub"));
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await hub.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The files that the commands read. */
const files: Record<string, string> = {
  "schema.json": JSON.stringify({
    type: "object",
    properties: { name: { type: "string", maxLength: 9 }, age: { type: "integer", minimum: 1, maximum: 99 } },
    required: ["name", "age"],
    additionalProperties: false,
  }),
  "answer.json": '{"name":"Ann","age":30}',
  "remarks.jsonl": Array(8).fill('{"prompt":"I like it","completion":" good"}').join("\n"),
  "text.txt": "A text.",
};

/** What else is true of a command's output than that it is there. */
const shows: Record<string, RegExp> = {
  'generate "Once there was a little fox"': /^((?!<｜).)*Maple((?!<｜).)*\. .*\. .*\. /s,
  'generate "A person': /^\{\s*"name".*"age":\s*\d+\s*\}\n$/s,
  chat: /^[A-Z].*\n$/s,
  tokenize: /^\[\d+(,\d+)*\]\n$/,
  score: / mat[\s\S]* moon/,
};

test("each command of the command line ends well", async () => {
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  const there = [...Object.keys(files), "soft-prompt", "model.gguf"];
  const lines = blocks("Use it", "").flatMap((block) => block.trim().split("\n"));
  expect(lines.length).toBeGreaterThan(8);
  for (const line of lines) {
    const [, command] = /^npm run -s plainformer -- (.*?)(\s+#.*)?$/.exec(line) ?? [];
    const args = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare);
    const real = args.map((arg) =>
      arg === "DIRECTORY" ? defaultModel : there.includes(arg) ? join(folder, arg) : arg,
    );
    if (args[0] === "tune" && !long) real.push("--steps", "1", "--batch", "1"); // the usual number takes a minute
    const { code, out, err } = await runHere(real, args[0] === "chat" ? "Hello!\n" : "");
    expect({ code, err: code === 0 ? "" : err }, line).toEqual({ code: 0, err: "" });
    expect(out.trim(), line).not.toBe("");
    const form = Object.keys(shows).find((start) => command.startsWith(start));
    if (form) expect(out, line).toMatch(shows[form]);
  }
});

test("a client of the server: a prefix, embeddings by fetch, JSON, a call", async () => {
  const { url } = await api({ beta: true });
  const bodies: object[] = [];
  /** As fetch, on the test's own server, with a seed and a bound, so that each run of the test is the same. */
  const seeded = (address: string | URL | Request, init: RequestInit = {}) => {
    const body = { seed: 1, max_tokens: 80, ...JSON.parse(String(init.body)) };
    bodies.push(body);
    return fetch(String(address).replace("http://127.0.0.1:8000", url), { ...init, body: JSON.stringify(body) });
  };
  class Client extends OpenAI {
    constructor(options: object) {
      super({ ...options, fetch: seeded, maxRetries: 0 });
    }
  }
  const results = ["choices", "person", "called"];
  const made = await runCode(blocks("Serve it", "ts").join("\n"), { OpenAI: Client, fetch: seeded }, results);
  expect(bodies).toHaveLength(4);
  expect(made.choices[0].message.content.length).toBeGreaterThan(40);
  expect(made.person).toEqual({ name: expect.any(String), age: expect.any(Number) });
  expect(made.called.choices[0].message.tool_calls[0].function.name).toBe("find_person");
});
