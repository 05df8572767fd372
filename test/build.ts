// Before the tests: brings dist/ up to date with the source where that is newer, so that tests which start the program as a
// process, or pack it, need no build of their own. Types are left to `npm run check`. And a GPU in software is found.

import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setUpSoftwareGpu } from "./software-gpu.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** When the newest of these files and folders was written, in ms since 1970. */
function newest(...paths: string[]): number {
  const times = paths.flatMap((path) => {
    const full = join(root, path);
    if (!statSync(full).isDirectory()) return [statSync(full).mtimeMs];
    const entries = readdirSync(full, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => statSync(join(parentPath, name)).mtimeMs); // biome-ignore format: one line
  });
  return Math.max(...times);
}

const writtenAt = (path: string) => statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
const run = (tool: string, ...args: string[]) => {
  try {
    execFileSync(process.execPath, [join(root, "node_modules", tool), ...args], { cwd: root, encoding: "utf8" });
  } catch (error) {
    throw new Error(`the build before the tests failed: ${(error as { stdout: string }).stdout}${error}`);
  }
};

export function setup(): void {
  setUpSoftwareGpu(process.env);
  const program = "dist/src/cli/main.js";
  if (newest("src", "kernels", "weights", "tsconfig.json", "package.json") > writtenAt(program)) {
    run("typescript/bin/tsc", "-p", "tsconfig.json", "--noCheck");
    execFileSync("npm", ["run", "-s", "build:files"], { cwd: root });
  }
  const kernels = readdirSync(join(root, "kernels/simd")).filter((name) => name !== "host"); // what is compiled to WebAssembly
  for (const target of ["relaxed", "plain"]) {
    if (newest(...kernels.map((name) => `kernels/simd/${name}`)) > writtenAt(`dist/kernels/simd/${target}.wasm`))
      run("assemblyscript/bin/asc.js", "kernels/simd/assembly.ts", "--config", "kernels/simd/asconfig.json", "--target", target); // biome-ignore format: one line
  }
}
