// The two platforms: each exports all that the program may ask for, and what runs in Node of the browser's does the same.

import { expect, test } from "vitest";
import * as browser from "../src/platform/browser.ts";
import * as node from "../src/platform/node.ts";
import type { Platform } from "../src/platform/platform.ts";

const platforms: Record<string, Platform> = { node, browser };

test("both export the same", () => {
  expect(Object.keys(browser).sort()).toEqual(Object.keys(node).sort());
});

test.for(Object.entries(platforms))(
  "%s: a turn of the host lets what waits run, in order",
  async ([, { yieldToHost }]) => {
    const seen: string[] = [];
    setTimeout(() => seen.push("timer"));
    const first = yieldToHost().then(() => seen.push("first"));
    const second = yieldToHost().then(() => seen.push("second"));
    await Promise.all([first, second]);
    expect(seen.filter((what) => what !== "timer")).toEqual(["first", "second"]);
    for (const start = performance.now(); !seen.includes("timer") && performance.now() - start < 1000; )
      await yieldToHost();
    expect(seen).toContain("timer");
  },
);
