// The package in Bun and in Deno, as far as their npm packages run on this machine. It installs them, so it is a suite of
// its own: npm run test:runtimes.

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exec, expectAsHere, packed } from "./packed.ts";

const runtimes = [
  { name: "bun", args: [] },
  { name: "deno", args: ["run", "--allow-all"] },
];

describe.runIf(process.env.PLAINFORMER_RUNTIMES)("other runtimes (npm run test:runtimes)", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await packed();
    // With their own scripts: bun's puts its program in its place.
    await exec("npm", ["install", "--no-audit", "--no-fund", ...runtimes.map(({ name }) => name)], { cwd: folder });
  }, 300_000);
  afterAll(() => rm(folder, { recursive: true }));

  test.each(runtimes)("$name gives what Node gives, on as many threads", async ({ name, args }) => {
    const program = join(folder, "node_modules", ".bin", name);
    const { stdout: version } = await exec(program, ["--version"]).catch((error) => ({ stdout: String(error) }));
    expect(version).toMatch(/\d+\.\d+\.\d+/);
    const { stdout } = await exec(program, [...args, "importer.mjs"], { cwd: folder });
    await expectAsHere(stdout);
  });
});
