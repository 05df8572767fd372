// From the command to the first token, and the most memory on the way: whole processes of the built package.
//
//   npm run build && npm run bench:start -- [MODEL …] [--rounds 5]
//
// Without a model: the one that ships. Time ends when the first text arrives. Memory is the operating system's high-water
// mark (VmHWM, Linux), Node included, beside the bytes of the weights; what Node takes with the smallest model is shown too.

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createOps } from "../kernels/ops.ts";
import { selectKernels } from "../kernels/select.ts";
import { sizeOf } from "../kernels/tensor.ts";
import { defaultModel } from "../src/index.ts";
import { loadModel } from "../src/model/load.ts";
import { tensorsOf } from "../src/model/model.ts";
import { byteLengthOf } from "../weights/dtype.ts";
import { alternate, machine, table } from "./measure.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" } },
});
const program = fileURLToPath(new URL("../dist/src/cli/main.js", import.meta.url));
const models = [defaultModel, ...positionals];

/** Seconds to the first output, and the peak of resident memory in bytes. */
function run(model: string): Promise<{ seconds: number; peak: number }> {
  return new Promise((resolve, reject) => {
    const began = performance.now();
    let seconds = 0;
    let peak = 0;
    const child = spawn(process.execPath, [
      program,
      "generate",
      "Once upon a time",
      "--model",
      model,
      "--max-tokens",
      "1",
      "--temperature",
      "0",
    ]);
    const look = () => {
      const status = read(`/proc/${child.pid}/status`);
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024);
    };
    const poll = setInterval(look, 2);
    child.stdout.once("data", () => {
      seconds = (performance.now() - began) / 1000;
      look();
    });
    child.on("close", (code) => {
      clearInterval(poll);
      if (code === 0) resolve({ seconds, peak });
      else reject(new Error(`${program}: exit code ${code}`));
    });
  });
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // the process has ended
  }
}

/** Bytes of all weights as they are in memory. */
async function weightBytes(path: string): Promise<number> {
  const { kernels } = await selectKernels();
  const { model } = await loadModel(createOps(kernels), path);
  const bytes = [...tensorsOf(model).values()].map(({ dtype, shape }) => byteLengthOf(dtype, sizeOf(shape)));
  kernels.close();
  return bytes.reduce((a, b) => a + b);
}

console.log(`${machine()}; ${values.rounds} rounds in turns\n`);
const peaks = new Map<string, number>();
const figures = await alternate(
  models.map((model) => ({
    name: model,
    async run() {
      const { seconds, peak } = await run(model);
      peaks.set(model, Math.max(peaks.get(model) ?? 0, peak));
      return seconds;
    },
  })),
  Number(values.rounds),
);
const lines: string[][] = [];
const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(0);
for (const { name, median, min, max } of figures) {
  const [weights, peak] = [await weightBytes(name), peaks.get(name) ?? 0];
  const rest = (peak - (peaks.get(defaultModel) ?? 0)) / weights;
  lines.push([
    basename(name),
    median.toFixed(3),
    `${min.toFixed(3)} … ${max.toFixed(3)}`,
    mib(weights),
    mib(peak),
    (peak / weights).toFixed(2),
    name === defaultModel ? "" : rest.toFixed(2),
  ]);
}
console.log(
  table(
    ["model", "s to first token", "spread", "weights, MiB", "peak, MiB", "÷ weights", "beyond the smallest ÷ weights"],
    lines,
  ),
);
process.exit(0);
