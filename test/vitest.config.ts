import { readdirSync, readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { long } from "./long.ts";
import { gpuRun } from "./software-gpu.ts";

const root = new URL("..", import.meta.url).pathname;

/** The test files whose text has this. */
const filesWith = (pattern: RegExp): string[] =>
  readdirSync(`${root}test`, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts") && pattern.test(readFileSync(`${root}test/${path}`, "utf8")))
    .map((path) => `test/${path}`);

/** Files with a process of their own: they replace modules, measure the heap, or fill much memory. */
const alone = filesWith(/\bvi\.mock\(|\bmemoryUsage\(|\btestAgainstReference\(/);

/** In the long run those that take a sample in the short one; in the run on a GPU those that use one. */
const include = gpuRun
  ? filesWith(/from ".*\/software-gpu\.ts"|\bkernelSets\b/)
  : long
    ? filesWith(/from ".*\/long\.ts"/)
    : ["test/**/*.test.ts"];

export default defineConfig({
  test: {
    root,
    projects: [
      // The files of a worker share modules, and so what these keep: what has to end with a file uses after-file.ts.
      { extends: true, test: { name: "shared", isolate: false, include, exclude: alone } },
      {
        extends: true,
        test: { name: "alone", include: long || gpuRun ? include.filter((path) => alone.includes(path)) : alone },
      },
    ],
    setupFiles: "test/setup.ts",
    reporters: ["default", "./test/reporter.ts"],
    globalSetup: "test/build.ts",
    maxWorkers: 2,
    testTimeout: long || gpuRun ? 600_000 : 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } }, // what is waited for is a state, not a speed
  },
});
