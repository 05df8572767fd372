// The linter holds the house: each rule is tried on files that break it, and on files that keep it, under this repository's
// own configuration.

import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
let folder: string;
let found: string[];

const files: Record<string, string> = {
  // What keeps the rules.
  "src/platform/node.ts": 'import { stat } from "node:fs/promises";\nexport const there = () => stat(process.cwd());\n',
  "weights/hub.ts": 'import { stat } from "node:fs/promises";\nexport const there = () => stat(process.cwd());\n',
  "src/server/store.ts": 'import { a } from "../engine/a.ts";\nexport const bytes = () => Buffer.from(a);\n',
  "src/engine/a.ts": 'import { two } from "../model/two.ts";\nimport { b } from "./b.ts";\nexport const a = b + two;\n',
  "src/engine/b.ts": 'export const b = "b";\n',
  "src/model/two.ts": 'import { FieldError } from "../field-error.ts";\nexport const two = String(FieldError);\n',
  "src/field-error.ts": "export class FieldError extends Error {}\n",
  "kernels/ops.ts": 'import { FieldError } from "../src/field-error.ts";\nexport const ops = () => new FieldError();\n',
  // What breaks them.
  "src/model/reads.ts": 'import { stat } from "node:fs/promises";\nexport const there = () => stat("x");\n',
  "src/model/later.ts": 'export const there = async () => (await import("node:fs")).statSync("x");\n',
  "src/plain.ts": 'import { join } from "path";\nexport const path = join("x");\n',
  "weights/bytes.ts": "export const bytes = () => Buffer.alloc(8);\n",
  "src/decode/text.ts": 'export const text = (bytes: Buffer) => String(bytes) + Buffer.from("x");\n',
  "src/engine/turn.ts": "export const turn = () => new Promise((resolve) => setImmediate(resolve));\n",
  "kernels/cores.ts": "export const version = () => process.versions.node;\n",
  "src/prompt/one.ts": 'import type { Two } from "./two.ts";\nexport interface One {\n  two: Two;\n}\n',
  "src/prompt/two.ts": 'import type { One } from "./one.ts";\nexport interface Two {\n  one: One;\n}\n',
  "src/tune/first.ts": 'import { second } from "./second.ts";\nexport const first = () => second;\n',
  "src/tune/second.ts": 'import { first } from "./first.ts";\nexport const second = () => first;\n',
  "src/model/up.ts": 'import type { Up } from "../engine/up.ts";\nexport type Model = Up;\n',
  "src/engine/up.ts": "export type Up = string;\n",
  "src/decode/up.ts": 'import { there } from "../plainformer.ts";\nexport const up = there;\n',
  "src/plainformer.ts": 'import { bytes } from "./server/store.ts";\nexport const there = bytes;\n',
  "src/tokenizer/beside.ts": 'import { two } from "../model/two.ts";\nexport const beside = two;\n',
  "kernels/up.ts": 'import { two } from "../src/model/two.ts";\nexport const up = two;\n',
  "weights/up.ts": 'import { ops } from "../kernels/ops.ts";\nexport const up = ops;\n',
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lint-"));
  for (const name of ["biome.json", "package.json", ".gitignore"]) await cp(join(root, name), join(folder, name));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  const biome = join(root, "node_modules/@biomejs/biome/bin/biome");
  const args = [biome, "lint", "--max-diagnostics=none", "--reporter=json", "."];
  const report = await new Promise<string>((resolve) => {
    execFile(process.execPath, args, { cwd: folder }, (_, stdout) => resolve(stdout));
  });
  const { diagnostics } = JSON.parse(report.trim().split("\n")[0]);
  found = diagnostics.map(
    ({ category, location }: { category: string; location: { path: string } }) =>
      `${location.path} ${category.replace(/^.*\//, "")}`,
  );
});
afterAll(() => rm(folder, { recursive: true }));

test("what breaks a rule is found, and nothing else", () => {
  expect([...new Set(found)].sort()).toEqual(
    [
      "src/model/reads.ts noNodejsModules",
      "src/model/later.ts noNodejsModules",
      "src/plain.ts noNodejsModules",
      "src/plain.ts useNodejsImportProtocol",
      "weights/bytes.ts noRestrictedGlobals",
      "src/decode/text.ts noRestrictedGlobals",
      "src/engine/turn.ts noRestrictedGlobals",
      "kernels/cores.ts noRestrictedGlobals",
      "src/prompt/one.ts noImportCycles",
      "src/prompt/two.ts noImportCycles",
      "src/tune/first.ts noImportCycles",
      "src/tune/second.ts noImportCycles",
      "src/model/up.ts noRestrictedImports",
      "src/decode/up.ts noRestrictedImports",
      "src/plainformer.ts noRestrictedImports",
      "src/tokenizer/beside.ts noRestrictedImports",
      "kernels/up.ts noRestrictedImports",
      "weights/up.ts noRestrictedImports",
    ].sort(),
  );
});
