// The package as its users get it: imported, type-checked, run.

import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exec, expectAsHere, packed, root } from "./packed.ts";

let folder: string;

beforeAll(async () => {
  folder = await packed();
}, 300_000);
afterAll(() => rm(folder, { recursive: true }));

test("load, worker, chat, a gap and a server without the command line give what they give here", async () => {
  const { stdout } = await exec(process.execPath, ["importer.mjs"], { cwd: folder });
  await expectAsHere(stdout);
});

test("the types are exported", async () => {
  await writeFile(
    join(folder, "try.ts"),
    `import { type ChatEvent, type GenerateEvent, load, type Plainformer } from "plainformer";
     import { type App, createApp } from "plainformer/server";
     const model: Plainformer = await load();
     const events: AsyncGenerator<GenerateEvent, void, undefined> = model.generate({ input: "a" });
     // @ts-expect-error: maxTokens is a number
     model.generate({ input: "a", maxTokens: "5" });
     const parts: AsyncGenerator<ChatEvent, void, undefined> = model.chat({ messages: [{ role: "user", content: "a" }] });
     // @ts-expect-error: there is no such role
     model.chat({ messages: [{ role: "boss", content: "a" }] });
     const app: App = createApp(model, { beta: true });
     const response: Promise<Response> = app.fetch(new Request("http://localhost/health"));
     const { loss, gradients } = await model.gradients({ input: [], targets: ["a"] });
     const numbers: [number, Record<string, Float32Array>] = [loss, gradients];
     console.log(events, parts, response, numbers);`,
  );
  const tsc = join(root, "node_modules", ".bin", "tsc");
  const types = join(root, "node_modules", "@types");
  const options = [
    "--noEmit",
    "--strict",
    "--module",
    "nodenext",
    "--target",
    "es2023",
    "--typeRoots",
    types,
    "--types",
    "node",
  ];
  await exec(tsc, [...options, "try.ts"], { cwd: folder });
});

test("the program runs", async () => {
  const bin = join(folder, "node_modules", ".bin", "plainformer");
  const { stdout } = await exec(bin, ["generate", "Once upon a time", "--max-tokens", "8", "--temperature", "0"]);
  expect(stdout.length).toBeGreaterThan(8);
});
