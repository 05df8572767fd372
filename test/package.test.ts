// The package as its users get it: packed, installed into an empty folder, imported, run.

import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const exec = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "plainformer-"));
  // Without scripts too: build.ts has brought dist/ up to date, and `npm ci` has built it before.
  await exec("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: root });
  const [tarball] = await readdir(folder);
  await writeFile(join(folder, "package.json"), '{"private": true, "type": "module"}');
  // Without scripts: installing must compile and fetch nothing.
  await exec("npm", ["install", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", tarball], {
    cwd: folder,
  });
}, 300_000);
afterAll(() => rm(folder, { recursive: true }));

test("import, load, generate", async () => {
  await writeFile(
    join(folder, "try.js"),
    `import { load } from "plainformer";
     const model = await load();
     for await (const event of model.generate({ input: "Once upon a time", maxTokens: 8, temperature: 0 }))
       if (event.type === "end") console.log(JSON.stringify(event.ids));`,
  );
  const { stdout } = await exec(process.execPath, ["try.js"], { cwd: folder });
  expect(JSON.parse(stdout)).toHaveLength(8);
});

test("a model in a worker thread", async () => {
  await writeFile(
    join(folder, "worker.js"),
    `import { loadInWorker } from "plainformer";
     const model = await loadInWorker();
     for await (const event of model.generate({ input: "Once upon a time", maxTokens: 8, temperature: 0 }))
       if (event.type === "end") console.log(JSON.stringify(event.ids));
     await model.close();`,
  );
  const { stdout } = await exec(process.execPath, ["worker.js"], { cwd: folder });
  expect(JSON.parse(stdout)).toHaveLength(8);
});

test("the types are exported", async () => {
  await writeFile(
    join(folder, "try.ts"),
    `import { type GenerateEvent, load, type Plainformer } from "plainformer";
     const model: Plainformer = await load();
     const events: AsyncGenerator<GenerateEvent, void, undefined> = model.generate({ input: "a" });
     // @ts-expect-error: maxTokens is a number
     model.generate({ input: "a", maxTokens: "5" });
     console.log(events);`,
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
