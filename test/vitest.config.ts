import { readdirSync, readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { long } from "./long.ts";

const root = new URL("..", import.meta.url).pathname;

/** The test files that take a sample in the short run: those that import long.ts. */
const sampling = () =>
  readdirSync(`${root}test`, { recursive: true, encoding: "utf8" })
    .filter(
      (path) => path.endsWith(".test.ts") && /from ".*\/long\.ts"/.test(readFileSync(`${root}test/${path}`, "utf8")),
    )
    .map((path) => `test/${path}`);

export default defineConfig({
  test: {
    root,
    include: long ? sampling() : ["test/**/*.test.ts"],
    reporters: ["default", "./test/reporter.ts"],
    globalSetup: "test/build.ts",
    maxWorkers: 2,
    testTimeout: long ? 600_000 : 60_000,
    hookTimeout: 60_000,
  },
});
