// Every bench in turn, one process each, printed and kept in results.md: what was measured, when, where and how.
//
//   npm install --prefix bench && npm run build && npm run bench -- [--only WORD] [--schemas FOLDER] [FILE.gguf …]
//
// `--schemas` is the folder of JSONSchemaBench's masks (test/conformance/fetch-real-schemas.sh). Without it, and without files,
// the parts that need them are left out. `--only` runs the parts whose titles have the word; what results.md says of the
// others stays. Each part can also be run by itself; its file says how.

import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { machine } from "./measure.ts";

const { values, positionals: files } = parseArgs({
  allowPositionals: true,
  options: { only: { type: "string", default: "" }, schemas: { type: "string" } },
});

interface Part {
  title: string;
  script: string;
  options: readonly string[];
}

const part = (title: string, script: string, ...options: string[]): Part => ({ title, script, options });
const parts: Part[] = [
  part("Kernels as a share of what this machine can do", "kernels.ts", "--rounds", "3"),
  part("The matrix product beside other engines", "matmul.ts", "--rounds", "5"),
  part("From the command to the first token", "start.ts", ...files),
  part("Many clients", "serving.ts"),
  part("Grammars beside web-xgrammar", "grammar.ts"),
  ...(values.schemas ? [part("Masks on real schemas", "grammar-real.ts", values.schemas, "--every", "31")] : []),
  part("Tokenizers", "tokenizer.ts"),
  ...files.map((file) =>
    part(
      `${basename(file)} beside llama.cpp`,
      "generate.ts",
      file,
      "--decode",
      "32",
      "--rounds",
      "3",
      "--together",
      "8",
    ),
  ),
];

const out = fileURLToPath(new URL("results.md", import.meta.url));
const before = await readFile(out, "utf8").catch((error) => {
  if (error.code === "ENOENT") return "";
  throw error;
});
const sections = new Map(
  before
    .split(/^## /m)
    .slice(1)
    .map((text) => [text.slice(0, text.indexOf("\n")), text]),
);

for (const { title, script, options } of parts.filter(({ title }) => title.includes(values.only))) {
  console.log(`\n## ${title}\n`);
  const text = await run(script, options);
  const command = ["npx tsx", `bench/${script}`, ...options.map((option) => basename(option))].join(" ");
  const date = new Date().toISOString().slice(0, 10);
  sections.set(title, `${title}\n\n${date}, ${machine()}: \`${command}\`\n\n${text.trim()}\n\n`);
}
const head =
  "# Results\n\nWritten by `npm run bench`, part by part; each says when, where and how it was measured.\n\n";
await writeFile(
  out,
  `${head}${[...sections.values()]
    .map((section) => `## ${section}`)
    .join("")
    .trim()}\n`,
);
console.log(`\nKept in ${out}`);

/** Runs one part, shows what it prints, and returns it. */
function run(script: string, options: readonly string[]): Promise<string> {
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
