// The command line as a person meets it: output, exit codes, one line for an error.

import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { defaultModel, load } from "../../src/index.ts";
import { openSafetensors, writeSafetensors } from "../../weights/safetensors.ts";
import { runAlone, runHere } from "./in-process.ts";

/** Runs the program with `args`, `input` on its standard input; in a process of its own where `start` says so. */
async function run(args: string[], input = "", start: typeof runHere = runHere) {
  const { code, out: stdout, err: stderr } = await start(args, input);
  return { code, stdout, stderr };
}

const greedy = ["--max-tokens", "12", "--temperature", "0"];

async function expected(): Promise<string> {
  const model = await load();
  for await (const event of model.generate({ input: "Once upon a time", maxTokens: 12, temperature: 0 }))
    if (event.type === "end") return event.text;
  throw new Error("no end");
}

describe("generate", () => {
  test("prints the continuation alone", async () => {
    const { code, stdout, stderr } = await run(["generate", "Once upon a time", ...greedy], "", runAlone);
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: `${await expected()}\n`, stderr: "" });
  });

  test("reads standard input where no text is given", async () => {
    expect((await run(["generate", ...greedy], "Once upon a time")).stdout).toBe(`${await expected()}\n`);
  });

  test("--json prints one object", async () => {
    const { stdout } = await run(["generate", "Once upon a time", ...greedy, "--json", "--logprobs", "2"]);
    const result = JSON.parse(stdout);
    expect(Object.keys(result)).toEqual(["text", "ids", "finish_reason", "logprobs", "usage", "timings"]);
    expect(result.text).toBe(await expected());
    expect(result.ids).toHaveLength(12);
    expect(result.finish_reason).toBe("length");
    expect(result.logprobs[0].top_logprobs).toHaveLength(2);
    expect(result.usage).toEqual({ prompt_tokens: 5, completion_tokens: 12, total_tokens: 17 });
  });

  test("a seed repeats", async () => {
    const args = ["generate", "The", "--max-tokens", "15", "--seed", "5", "--top-p", "0.9", "--top-k", "50"];
    expect((await run(args)).stdout).toBe((await run(args)).stdout);
  });
});

describe("generate with a grammar", () => {
  const valid = {
    type: "object",
    properties: { age: { type: "integer", maximum: 99, minimum: 1 } },
    required: ["age"],
  };

  test("--schema: valid against the file; what is no schema or not honored is one line and exit code 2", async () => {
    const directory = await mkdtemp(join(tmpdir(), "plainformer-schema-"));
    const file = join(directory, "schema.json");
    await writeFile(file, JSON.stringify({ ...valid, additionalProperties: false }));
    const { code, stdout } = await run(["generate", "A person: ", "--schema", file, "--temperature", "2"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ age: expect.any(Number) });
    await writeFile(file, JSON.stringify({ $ref: "valid.json" }));
    const { code: refused, stderr } = await run(["generate", "A person: ", "--schema", file]);
    expect([refused, stderr]).toEqual([
      2,
      expect.stringMatching(/^plainformer: --schema: .*"\$ref" "valid\.json" is not supported.*\n$/),
    ]);
    await rm(directory, { recursive: true });
  });

  test("--json-object: an object", async () => {
    const prompt =
      "Write the question and the answer as JSON.<｜User｜>What is the capital of France? Paris.<｜Assistant｜>";
    const { stdout } = await run(["generate", prompt, "--parse-special", "--json-object", "--temperature", "0"]);
    expect(JSON.parse(stdout)).toBeTypeOf("object");
  });
});

describe("tokenize", () => {
  const text = "Hello, 12345 wörld!\n";

  test("--json prints the array of ids; a file and standard input are the same", async () => {
    const model = await load();
    const { code, stdout } = await run(["tokenize", "--model", defaultModel, "--json"], text);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(model.tokenizer.encode(text));
    const directory = await mkdtemp(join(tmpdir(), "plainformer-"));
    await writeFile(join(directory, "text"), text);
    expect((await run(["tokenize", "--file", join(directory, "text"), "--json"])).stdout).toBe(stdout);
    await rm(directory, { recursive: true });
  });

  test("--no-special leaves out what begins a sequence, --parse-special reads control tokens", async () => {
    const { tokenizer } = await load();
    const ids = async (...args: string[]) =>
      JSON.parse((await run(["tokenize", "--json", ...args], "<｜User｜>a")).stdout);
    const options = { addSpecialTokens: false };
    expect(await ids("--no-special")).toEqual(tokenizer.encode("<｜User｜>a", options));
    expect(await ids("--no-special", "--parse-special")).toEqual(
      tokenizer.encode("<｜User｜>a", { ...options, parseSpecialTokens: true }),
    );
  });
});

test("score prints a line per target, the likelier one higher", async () => {
  const { code, stdout } = await run(["score", "Once upon a", " time", " xylophone", "--json"]);
  expect(code).toBe(0);
  const { scores } = JSON.parse(stdout);
  expect(scores[0].sum).toBeGreaterThan(scores[1].sum);
  expect(scores[0].logprobs).toHaveLength(scores[0].tokens.length);
  expect((await run(["score", "Once upon a", " time"])).stdout).toMatch(/^ +-\d+\.\d{4} {2}" time" \(\d+ tokens\)\n$/);
});

test("inspect says shape, parameters, dtypes, memory, and which kernel set and why", async () => {
  const facts = JSON.parse((await run(["inspect", "--json"])).stdout);
  expect(facts.config).toMatchObject({ modelType: "llama", nLayers: 6, maxSeqLen: 8192 });
  expect(facts.parameters).toBe(facts.parameters_by_dtype.bf16 + facts.parameters_by_dtype.f32);
  expect(facts.weight_bytes).toBe(2 * facts.parameters_by_dtype.bf16 + 4 * facts.parameters_by_dtype.f32);
  expect(["simd", "reference"]).toContain(facts.kernels.name);
  expect(facts.kernels.why).not.toBe("");
  const { nLayers, nKvHeads, headDim } = facts.config;
  expect(facts).toMatchObject({
    cache_dtype: "f32",
    cache_bytes: facts.cache_tokens * nLayers * 2 * nKvHeads * headDim * 4,
  });
  const half = JSON.parse((await run(["inspect", "--kv", "f16", "--json"])).stdout);
  expect(half).toMatchObject({
    cache_dtype: "f16",
    cache_tokens: facts.cache_tokens,
    cache_bytes: facts.cache_bytes / 2,
  });
  const { stdout } = await run(["inspect"]);
  for (const word of ["model", "family", "positions", "parameters", "memory", "kernels"])
    expect(stdout).toContain(word);
});

test("inspect says what was found amiss in a model's files", async () => {
  const folder = await mkdtemp(join(tmpdir(), "plainformer-"));
  try {
    const checkpoint = await openSafetensors(defaultModel);
    const tensors = [];
    for (const { name, dtype, shape } of checkpoint.tensors.values())
      tensors.push({ name: `_orig_mod.${name}`, dtype, shape, data: await checkpoint.read(name) });
    await writeSafetensors(join(folder, "model.safetensors"), tensors);
    await checkpoint.close();
    for (const file of ["config.json", "tokenizer.json", "tokenizer_config.json"])
      await copyFile(join(defaultModel, file), join(folder, file));
    expect((await run(["inspect", "--model", folder])).stdout).toMatch(/^note +.*_orig_mod\./m);
    expect((await run(["inspect"])).stdout).not.toMatch(/^note/m);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("inspect --trace says what lies at places; with --json, all of it", async () => {
  const args = ["inspect", "--trace", "layers.*.probs", "--prompt", "A cat sat"];
  const [whole, short] = [await run([...args, "--json"]), await run(args)];
  const model = await load();
  const trace = await model.trace({ input: "A cat sat", names: ["layers.*.probs"] });
  await model.close();
  const plain = Object.entries(trace).map(([name, { shape, data }]) => [name, { shape, data: [...data] }]);
  expect(JSON.parse(whole.stdout)).toEqual(Object.fromEntries(plain));
  const lines = short.stdout.trimEnd().split("\n");
  const rows = trace["layers.0.probs"].shape[0];
  expect(lines.map((line) => line.split(/ +/).slice(0, 8))).toEqual(
    [0, 1, 2, 3, 4, 5].map((i) => [
      `layers.${i}.probs`,
      `[${rows},4,${rows}]`,
      "min",
      "0.000",
      "max",
      "1.000",
      "mean",
      (1 / rows).toPrecision(4),
    ]),
  );
  const wrong = await Promise.all([run(["inspect", "--trace", "layers.0.qq"]), run(["inspect", "--prompt", "a"])]);
  expect(wrong.map(({ code, stdout }) => [code, stdout])).toEqual([
    [2, ""],
    [2, ""],
  ]);
  expect(wrong[0].stderr).toContain(
    'plainformer: --trace: no place is called "layers.0.qq", expected one such as layers.0.q',
  );
  expect(wrong[1].stderr).toContain("plainformer: --prompt: nothing is computed of it, expected a name to --trace");
});

test("without a command: the tour, with text and embeddings giving the same", async () => {
  const { code, stdout, stderr } = await run([]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("The same text to the letter");
  expect(stdout).toContain("What to type next");
});

describe("errors", () => {
  test.each<[string, string[], number, string]>([
    ["an unknown command", ["gnerate"], 2, "error: too many arguments"],
    ["an unknown option", ["generate", "a", "--temprature", "1"], 2, "error: unknown option '--temprature'"],
    [
      "no number",
      ["generate", "a", "--max-tokens", "many"],
      2,
      "option '--max-tokens <n>' argument 'many' is invalid. Expected a number.",
    ],
    [
      "a number out of range",
      ["generate", "a", "--max-tokens", "0"],
      2,
      "plainformer: --max-tokens: got 0, expected a whole number ≥ 1",
    ],
    [
      "no threads",
      ["generate", "a", "--threads", "0"],
      2,
      "plainformer: --threads: got 0, expected a whole number ≥ 1",
    ],
    [
      "too many threads",
      ["generate", "a", "--threads", "1000"],
      2,
      "plainformer: --threads: got 1000, expected a whole number from 1 to",
    ],
    [
      "a kernel set that is not there",
      ["generate", "a", "--kernels", "cuda"],
      2,
      'plainformer: --kernels: unknown set "cuda", expected auto, ',
    ],
    ["a model that is not there", ["inspect", "--model", "/nowhere"], 1, "plainformer: /nowhere"],
    [
      "a file that is not there",
      ["tokenize", "--file", "/nowhere.txt"],
      1,
      "plainformer: ENOENT: no such file or directory, open '/nowhere.txt'",
    ],
    ["a missing argument", ["score", "a"], 2, "error: missing required argument 'targets'"],
  ])("%s", async (_, args, exitCode, message) => {
    const { code, stdout, stderr } = await run(args);
    expect({ code, stdout }).toEqual({ code: exitCode, stdout: "" });
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/\n +at /); // no stack
  });

  test("--verbose adds the stack", async () => {
    const { stderr } = await run(["--verbose", "inspect", "--model", "/nowhere"]);
    expect(stderr).toMatch(/\n +at /);
  });

  test("--help is no error", async () => {
    for (const args of [["--help"], ["generate", "--help"]]) expect((await run(args)).code).toBe(0);
  });
});
