// Every bench in turn, one process each, printed and kept in results.md: what was measured, when, where and how.
//
//   npm install --prefix bench && npm run build && npm run bench -- [FILE.gguf …]
//
// Without files the parts that need a large model are left out. Each part can be run by itself; its file says how.

import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { machine } from "./measure.ts";

const files = process.argv.slice(2);
const parts: [title: string, ...command: string[]][] = [
  ["Kernels as a share of what this machine can do", "kernels.ts"],
  ["The matrix product beside other engines", "matmul.ts"],
  ["Tokenizers", "tokenizer.ts"],
  ["From the command to the first token", "start.ts", ...files],
  ...files.map((file): [string, ...string[]] => [
    `${basename(file)} beside llama.cpp`,
    "generate.ts",
    file,
    "--together",
    "8",
  ]),
];

/** Runs one part, shows what it prints, and returns it. */
function run(script: string, options: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const child = spawn(process.execPath, ["--import", "tsx", path, ...options], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let text = "";
    child.stdout.on("data", (chunk) => {
      process.stdout.write(chunk);
      text += chunk;
    });
    child.on("close", (code) => (code === 0 ? resolve(text) : reject(new Error(`bench/${script}: exit code ${code}`))));
  });
}

const date = new Date().toISOString().slice(0, 10);
let report = `# Results\n\nWritten by \`npm run bench\` on ${date}: ${machine()}.\n`;
for (const [title, script, ...options] of parts) {
  console.log(`\n## ${title}\n`);
  const command = ["npx tsx", `bench/${script}`, ...options.map((option) => basename(option))].join(" ");
  report += `\n## ${title}\n\n\`${command}\`\n\n${(await run(script, options)).trim()}\n`;
}
const out = fileURLToPath(new URL("results.md", import.meta.url));
await writeFile(out, report);
console.log(`\nKept in ${out}`);
