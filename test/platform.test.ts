// The two platforms: each exports all that the program may ask for, and what runs in Node of the browser's does the same.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { defaultModel, load } from "../src/index.ts";
import * as browser from "../src/platform/browser.ts";
import * as node from "../src/platform/node.ts";
import type { Platform } from "../src/platform/platform.ts";
import { pull } from "../weights/hub-url.ts";
import { serveFiles } from "./weights/file-server.ts";

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

test("where a browser's condition holds, a model is loaded from its URL, and there are no paths", async () => {
  const server = await serveFiles(defaultModel);
  const program = `
    import { load } from "./dist/src/index.js";
    const model = await load(${JSON.stringify(server.url)}, { kernels: "reference" });
    for await (const event of model.generate({ input: "Once upon a time", maxTokens: 3, temperature: 0 }))
      if (event.type === "end") console.log(JSON.stringify({ ids: event.ids, fingerprint: model.fingerprint }));
    await load("some/path").catch((error) => console.log(error.message));
    process.exit(); // a page would go on waiting for messages`;
  const args = ["--conditions=browser", "--input-type=module", "--eval", program];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: new URL("..", import.meta.url).pathname,
  });
  await server.close();

  const model = await load(defaultModel, { kernels: "reference" });
  const [facts, refusal] = stdout.trim().split("\n");
  expect(JSON.parse(facts).fingerprint).toBe(model.fingerprint);
  for await (const event of model.generate({ input: "Once upon a time", maxTokens: 3, temperature: 0 }))
    if (event.type === "end") expect(JSON.parse(facts).ids).toEqual(event.ids);
  expect(refusal).toContain("a browser has no files by path, expected a URL");
  await model.close();
});

test("where nothing can be kept, a name of the hub is the URL that its files are under", async () => {
  expect(await pull("hf:owner/name@refs/pr/1", { endpoint: "https://hub.example/" })).toBe(
    "https://hub.example/owner/name/resolve/refs%2Fpr%2F1/",
  );
  await expect(pull("hf:../name")).rejects.toThrow("is no model");
});
