// The package as its users get it: packed, and installed into an empty folder.

import { execFile } from "node:child_process";
import { copyFile, mkdtemp, readdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect } from "vitest";
import { load } from "../../src/plainformer.ts";

export const exec = promisify(execFile);
export const root = fileURLToPath(new URL("../..", import.meta.url));

/** Packs, and installs the tarball into a folder of its own, in which importer.mjs is. → the folder */
export async function packed(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "plainformer-"));
  // Without scripts: build.ts has brought dist/ up to date, and `npm ci` has built it before.
  await exec("npm", ["pack", "--ignore-scripts", "--pack-destination", folder], { cwd: root });
  const [tarball] = await readdir(folder);
  await writeFile(join(folder, "package.json"), '{"private": true, "type": "module"}');
  // Without scripts too: installing must compile and fetch nothing.
  const options = ["--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund"];
  await exec("npm", ["install", ...options, tarball], { cwd: folder });
  await copyFile(join(root, "test", "package", "importer.mjs"), join(folder, "importer.mjs"));
  return folder;
}

/** Judges what importer.mjs printed by the same calls here. */
export async function expectAsHere(printed: string): Promise<void> {
  const model = await load();
  const greedy = { maxTokens: 8, temperature: 0 };
  const expected: Record<string, unknown> = { kernels: model.kernels.about, health: 200 };
  for await (const event of model.generate({ input: "Once upon a time", ...greedy }))
    if (event.type === "end") expected.ids = event.ids;
  for await (const event of model.chat({ messages: [{ role: "user", content: "Hello!" }], ...greedy }))
    if (event.type === "end") expected.chat = expected.served = event.message.content;
  for await (const event of model.fim({ prefix: "def add(a, b):\n    return ", suffix: "\n", ...greedy }))
    if (event.type === "end") expected.fim = event.text;
  await model.close();
  expect(expected.ids).toHaveLength(8);
  expect(JSON.parse(printed)).toEqual({ here: expected, worker: expected });
}
