// A check of the checks: breaks a copy of the code in one place at a time and expects a test to turn red.
// Prints, for each fault, which tests caught it; exits 1 if one went unseen.
// `npm run test:mutation`, or with `-- WORD` only the faults whose name has that word.

import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

interface Fault {
  name: string;
  file: string;
  from: string;
  to: string;
  /** The tests that are run; those that need what is broken. */
  tests: string[];
}

/** Those of the loop: without the worker's, which start threads. */
const engineTests = ["engine", "prefix", "interleaving", "guesses", "work", "score"].map(
  (name) => `test/engine/${name}.test.ts`,
);

const allFaults: Fault[] = [
  {
    name: "rope turns neighboring pairs instead of halves",
    file: "kernels/reference/rope.ts",
    from: "const b = x[at + half + i];",
    to: "const b = x[at + ((half + i) ^ 1)];",
    tests: ["test/kernels", "test/model"],
  },
  {
    name: "the causal mask lets a row see the next one",
    file: "kernels/reference/attention.ts",
    from: "new Float64Array(rows.positions[r] + 1)",
    to: "new Float64Array(Math.min(rows.positions[r] + 2, shape.maxPages * pageSize))",
    tests: ["test/kernels", "test/model"],
  },
  {
    name: "RMS norm forgets epsilon",
    file: "kernels/reference/rms-norm.ts",
    from: "squares / dim + eps",
    to: "squares / dim",
    tests: ["test/kernels", "test/model"],
  },
  {
    name: "layer norm adds ten times epsilon",
    file: "kernels/reference/layer-norm.ts",
    from: "Math.sqrt(variance + eps)",
    to: "Math.sqrt(variance + 10 * eps)",
    tests: ["test/kernels", "test/model"],
  },
  {
    name: "merges change places in rank, 256 by 256",
    file: "src/tokenizer/merge.ts",
    from: "[left, right, rank, merged]",
    to: "[left, right, rank ^ 255, merged]",
    tests: ["test/tokenizer"],
  },
  {
    name: "a query head reads its neighbor group's keys",
    file: "kernels/reference/attention.ts",
    from: "const cacheHead = Math.floor((head * nCacheHeads) / nHeads);\n  const qAt",
    to: "const cacheHead = head % nCacheHeads;\n  const qAt",
    tests: ["test/kernels", "test/model"],
  },
  {
    name: "YaRN rounds its range of pairs the wrong way",
    file: "src/model/rope.ts",
    from: "[Math.floor(first), Math.ceil(last)]",
    to: "[Math.ceil(first), Math.floor(last)]",
    tests: ["test/model"],
  },
  {
    name: "top-p drops the token that crosses the border",
    file: "src/decode/sampler.ts",
    from: "while (n < ids.length && (n === 0 || kept < topP * total)) kept += weights[ids[n++]];",
    to: "while (n < ids.length && (n === 0 || kept + weights[ids[n]] < topP * total)) kept += weights[ids[n++]];",
    tests: ["test/decode"],
  },
  {
    name: "engine: a chunk of a prompt begins one position late",
    file: "src/engine/step.ts",
    from: "const start = sequence.computed;",
    to: "const start = sequence.computed + (sequence.computed > 0 ? 1 : 0);",
    tests: ["test/model/invariance.test.ts", ...engineTests],
  },
  {
    name: "engine: a page's name forgets the pages before it",
    file: "src/engine/prefix-key.ts",
    from: "encode(before), kinds]",
    to: 'encode(""), kinds]',
    tests: engineTests,
  },
  {
    name: "engine: a page's name takes embeddings for ids",
    file: "src/engine/prefix-key.ts",
    from: "kinds.fill(1, row, next)",
    to: "kinds.fill(0, row, next)",
    tests: engineTests,
  },
  {
    name: "engine: tenants share pages",
    file: "src/engine/prefix-key.ts",
    from: 'tenant === undefined ? "shared"',
    to: 'tenant !== null ? "shared"',
    tests: engineTests,
  },
  {
    name: "engine: a preempted sequence goes on where it was",
    file: "src/engine/page-pool.ts",
    from: "  sequence.computed = 0;\n",
    to: "",
    tests: engineTests,
  },
  {
    name: "engine: a shared page is free when the first holder leaves",
    file: "src/engine/page-pool.ts",
    from: "if (--holders[page] > 0) continue;",
    to: "holders[page]--;",
    tests: engineTests,
  },
  {
    name: "engine: an evicted page keeps its name",
    file: "src/engine/page-pool.ts",
    from: "    pageOf.delete(keys[page] as string);\n",
    to: "",
    tests: engineTests,
  },
  {
    name: "engine: what was aborted is still shown its step",
    file: "src/engine/engine.ts",
    from: "if (signal?.aborted || !running.includes(sequence)) continue;",
    to: "if (!running.includes(sequence)) continue;",
    tests: engineTests,
  },
  {
    name: "engine: one request too many is let in",
    file: "src/engine/queue.ts",
    from: ">= maxRunning + maxWaiting",
    to: "> maxRunning + maxWaiting",
    tests: engineTests,
  },
  {
    name: "engine: logits are asked for of every forced token",
    file: "src/engine/sequence.ts",
    from: "sequence.nextOutput = sequence.rows - 1;",
    to: "sequence.nextOutput = sequence.rows - ids.length;",
    tests: engineTests,
  },
  {
    name: "engine: the row of a wrong guess counts as computed",
    file: "src/engine/sequence.ts",
    from: "return wrong < 0 ? guesses.length : wrong;",
    to: "return wrong < 0 ? guesses.length : wrong + 1;",
    tests: engineTests,
  },
  {
    name: "engine: pages of wrong guesses are kept",
    file: "src/engine/engine.ts",
    from: "trimPages(pool, sequence);",
    to: "",
    tests: engineTests,
  },
  {
    name: "engine: guesses take pages that keep prefixes",
    file: "src/engine/engine.ts",
    from: "sequence.pages.length + pool.counts().free",
    to: "sequence.pages.length + pool.counts().free + pool.counts().kept",
    tests: engineTests,
  },
  {
    name: "engine: each task of a request takes a place",
    file: "src/engine/queue.ts",
    from: "requests.set(request, tasks);",
    to: "requests.set(request, tasks); for (const _ of tasks) requests.set({ ...request }, []);",
    tests: engineTests,
  },
  {
    name: "engine: a piece of other work has no end",
    file: "src/engine/work.ts",
    from: "spent + cost <= most",
    to: "spent >= 0",
    tests: engineTests,
  },
  {
    name: "engine: work that is ended keeps what it holds",
    file: "src/engine/work.ts",
    from: "await pieces.throw(reason).catch(() => {});",
    to: "",
    tests: engineTests,
  },
  {
    name: "engine: steps pile up while work holds its own",
    file: "kernels/arena.ts",
    from: 'if (holds > 0) {\n          kernels.release(mark, null, "f32", 0);',
    to: "if (holds > 0) {",
    tests: engineTests,
  },
  {
    name: "engine: sequences are let in without pages for them",
    file: "src/engine/engine.ts",
    from: "missing(sequence) + promised <= free + kept",
    to: "promised + free + kept >= 0",
    tests: engineTests,
  },
  {
    name: "engine: the second of two equal prompts does not wait for the first",
    file: "src/engine/step.ts",
    from: "!sharing || !isBeingComputed(",
    to: "!sharing || true || isBeingComputed(",
    tests: engineTests,
  },
  {
    name: "engine: the oldest prompt gets whatever it wants",
    file: "src/engine/step.ts",
    from: "Math.max(Math.ceil(rowsLeft / 2), rowsLeft - forOthers)",
    to: "forOthers + rowsLeft",
    tests: engineTests,
  },
  {
    name: "constraint: end-of-text tokens pass everywhere",
    file: "src/decode/decoder.ts",
    from: "mayEnd ? ends[i] : -Infinity",
    to: "ends[i]",
    tests: ["test/decode"],
  },
  {
    name: "constraint: log-probabilities of what is masked too",
    file: "src/decode/decoder.ts",
    from: "if (logits[id] === -Infinity) raw[id] = -Infinity;",
    to: ";",
    tests: ["test/decode"],
  },
  {
    name: "constraint: forced tokens pass the limit",
    file: "src/decode/decoder.ts",
    from: "if (!ended()) tokens.push(follow(certain(id)));",
    to: "tokens.push(follow(certain(id)));",
    tests: ["test/decode"],
  },
  {
    name: "safetensors: bytes after the last tensor pass",
    file: "weights/safetensors-header.ts",
    from: "if (BigInt(dataStart) + position !== BigInt(size)) {",
    to: "if (BigInt(dataStart) + position > BigInt(size)) {",
    tests: ["test/weights"],
  },
  {
    name: "derivative of RMS norm forgets that the scale moves too",
    file: "kernels/reference/rms-norm.ts",
    from: "- x[at + i] * scale * mean)",
    to: "- 0 * mean)",
    tests: ["test/kernels/derivatives.test.ts"],
  },
  {
    name: "derivative of attention forgets that probabilities sum to one",
    file: "kernels/reference/attention.ts",
    from: "(dProbs[t] - mean)",
    to: "dProbs[t]",
    tests: ["test/kernels/derivatives.test.ts"],
  },
  {
    name: "derivative of SwiGLU forgets the slope of the gate",
    file: "kernels/reference/swiglu.ts",
    from: "(1 + gate[i] * (1 - sigmoid))",
    to: "1",
    tests: ["test/kernels/derivatives.test.ts"],
  },
  {
    name: "derivative of a tensor that is used twice keeps one part",
    file: "src/tune/recording.ts",
    from: "before ? ops.add(before, part) : part",
    to: "part",
    tests: ["test/tune/recording.test.ts"],
  },
  {
    name: "derivative: a layer computed again forgets to be",
    file: "src/tune/recording.ts",
    from: "if (dropped !== undefined)",
    to: "if (dropped === undefined)",
    tests: ["test/tune/recording.test.ts"],
  },
  {
    name: "derivative: Adam without bias correction",
    file: "src/tune/adam.ts",
    from: "rate / (1 - beta1 ** state.steps)",
    to: "rate",
    tests: ["test/tune/pytorch.test.ts"],
  },
  {
    name: "derivative: targets share the page of the prompt's last row",
    file: "src/tune/gradient-steps.ts",
    from: "Math.floor((promptRows - 1) / pageSize)",
    to: "Math.ceil(promptRows / pageSize)",
    tests: ["test/tune/gradients.test.ts"],
  },
  {
    name: "derivative: candidates share what comes after the first embeddings",
    file: "src/tune/gradient-steps.ts",
    from: 'if ("embeds" in run) break;',
    to: "",
    tests: ["test/tune/gradients.test.ts"],
  },
  {
    name: "tools: free text may spell what opens a call",
    file: "src/decode/grammar/free-text.ts",
    from: "if (next !== trigger && reserved",
    to: "if (next === trigger && reserved",
    tests: ["test/prompt/answer-grammar.test.ts"],
  },
  {
    name: "tools: text may begin like a call of a format without tags",
    file: "src/decode/grammar/free-text.ts",
    from: "if (begun !== undefined && refused.includes(begun)) return undefined;",
    to: "",
    tests: ["test/prompt/answer-grammar.test.ts"],
  },
  {
    name: "tools: a tag within a string of arguments counts as one",
    file: "src/prompt/chat-output.ts",
    from: 'state === "calls" && calls.quoting',
    to: "false",
    tests: ["test/prompt/answer-grammar.test.ts"],
  },
  {
    name: "thoughts: the answer may end within them",
    file: "src/decode/grammar/free-text.ts",
    from: "reserved: [], mayEnd: false",
    to: "reserved: [], mayEnd: true",
    tests: ["test/prompt/answer-grammar.test.ts"],
  },
  {
    name: "grammar: the reported log-probabilities are those before the mask",
    file: "src/decode/decoder.ts",
    from: "if (logits[id] === -Infinity) raw[id] = -Infinity;",
    to: "if (logits[id] === Infinity) raw[id] = -Infinity;",
    tests: ["test/server/routes/answer-form.test.ts"],
  },
  {
    name: "webgpu: sums are read before the barrier",
    file: "kernels/webgpu/linear.ts",
    from: "  workgroupBarrier();\n  let stride",
    to: "  let stride",
    tests: ["test/kernels/webgpu.test.ts"],
  },
  {
    name: "webgpu: ranges of the heap overlap",
    file: "kernels/webgpu/ranges.ts",
    from: "at = taken[i].at + taken[i].words;",
    to: "at = taken[i].at + taken[i].words - grain;",
    tests: ["test/kernels/webgpu.test.ts"],
  },
  {
    name: "webgpu: a side of a grid has 65,536 workgroups",
    file: "kernels/webgpu/recorder.ts",
    from: "const gridSide = 65_535;",
    to: "const gridSide = 65_536;",
    tests: ["test/kernels/webgpu-device.test.ts"],
  },
  {
    name: "webgpu: the host writes where the device has not read yet",
    file: "kernels/webgpu/ranges.ts",
    from: "let at = fresh ? reach : 0;",
    to: "let at = 0;",
    tests: ["test/kernels/webgpu.test.ts", "test/kernels/webgpu-device.test.ts"],
  },
];

const faults = allFaults.filter((fault) => fault.name.includes(process.argv[2] ?? ""));

const root = fileURLToPath(new URL("..", import.meta.url));
const copy = mkdtempSync(join(tmpdir(), "plainformer-mutation-"));
for (const folder of ["src", "kernels", "weights", "test", "dist", "package.json", "tsconfig.json", "README.md"])
  cpSync(join(root, folder), join(copy, folder), { recursive: true });
symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));

/** The tests that fail in the copy as it is, each with its file; after `enough` of them the others are not run. */
function failuresOf(tests: readonly string[], enough: number): string[] {
  const args = ["vitest", "run", "--config", "test/vitest.config.ts", "--reporter=json", `--bail=${enough}`, ...tests];
  const { stdout } = spawnSync("npx", args, { cwd: copy, encoding: "utf8", maxBuffer: 2 ** 28 });
  const report = JSON.parse(stdout.slice(stdout.indexOf("{")));
  if (report.numPassedTests + report.numFailedTests === 0) throw new Error(`no test ran in ${tests.join(", ")}`);
  return report.testResults.flatMap(
    (result: { name: string; assertionResults: { status: string; fullName: string }[] }) =>
      result.assertionResults
        .filter((test) => test.status === "failed")
        .map((test) => `${result.name.slice(copy.length + 1)}: ${test.fullName}`),
  );
}

const misplaced = faults.filter(({ file, from }) => readFileSync(join(copy, file), "utf8").split(from).length !== 2);
if (misplaced.length > 0)
  throw new Error(`what is to be replaced is not there exactly once: ${misplaced.map(({ name }) => name).join("; ")}`);

const before = failuresOf([...new Set(faults.flatMap((fault) => fault.tests))], 1);
if (before.length > 0) throw new Error(`fails without any fault: ${before[0]}`);

let unseen = 0;
for (const { name, file, from, to, tests } of faults) {
  const path = join(copy, file);
  const good = readFileSync(path, "utf8");
  writeFileSync(path, good.replace(from, to));
  const caught = failuresOf(tests, 3);
  writeFileSync(path, good);
  console.log(`${caught.length > 0 ? "caught" : "UNSEEN"}  ${name} (${file})${caught.length > 0 ? ", by" : ""}`);
  for (const test of caught.slice(0, 3)) console.log(`          ${test}`);
  if (caught.length === 0) unseen++;
}
rmSync(copy, { recursive: true });
console.log(`${faults.length - unseen} of ${faults.length} faults caught`);
process.exitCode = unseen === 0 ? 0 : 1;
