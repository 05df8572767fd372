// The benches that people who write kernels begin with: they start, for any set, and say what they cannot.

import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { setNames } from "../kernels/select.ts";
import { long } from "./long.ts";

const script = fileURLToPath(new URL("../bench/kernels.ts", import.meta.url));
const bench = (...args: string[]) =>
  promisify(execFile)(process.execPath, ["--import", "tsx", script, ...args]).catch((error) => error);

test("bench:kernels has help, and one for any set", async () => {
  const help = (await bench("--kernels", "reference", "--help")).stdout;
  for (const name of setNames) expect(help).toContain(name);
});

test.skipIf(!long)("bench:kernels measures any set, and says which there are (test:long)", async () => {
  const { stdout } = await bench("--kernels", "reference", "--rounds", "1", "--only", "add");
  expect(stdout).toMatch(
    /plain TypeScript.*\n\n\| kernel \| ms \| GFLOP\/s \|\n.*\n\| add, 65536 numbers \| [\d.]+ \| {2}\|\n$/,
  );
  const { stderr, code } = await bench("--kernels", "nope");
  expect([code, stderr]).toEqual([
    2,
    `bench:kernels: kernels: unknown set "nope", expected auto, ${setNames.join(", ")}\n`,
  ]);
});
