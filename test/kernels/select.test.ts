// Which kernel set runs, what is said about it, and that no other one is even read.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test, vi } from "vitest";
import type { Kernels } from "../../kernels/kernels.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { faster, fasterOnGpu, selectKernels } from "../../kernels/select.ts";
import { describe as describeFacts, factsOf } from "../../src/cli/inspect.ts";
import { type FaultCode, FieldError } from "../../src/field-error.ts";
import { load, loadInWorker } from "../../src/plainformer.ts";
import { sampled } from "../long.ts";

/** Loads a model in a process of its own. → what that says of its kernels, and the files under kernels/ that it has run */
function loadedWith(name: string) {
  const coverage = mkdtempSync(join(tmpdir(), "plainformer-"));
  try {
    const program = fileURLToPath(new URL("load-with.ts", import.meta.url));
    const { stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", program, name], {
      encoding: "utf8",
      env: { ...process.env, NODE_V8_COVERAGE: coverage }, // the engine lists every script there
    });
    expect(stderr).toBe("");
    const scripts = readdirSync(coverage).flatMap((file): string[] =>
      JSON.parse(readFileSync(join(coverage, file), "utf8")).result.map(({ url }: { url: string }) => url),
    );
    const root = new URL("../../kernels/", import.meta.url).href;
    const files = scripts.filter((url) => url.startsWith(root)).map((url) => url.slice(root.length));
    return { kernels: JSON.parse(stdout), files };
  } finally {
    rmSync(coverage, { recursive: true });
  }
}

test("a set that is not chosen is never imported", () => {
  const reference = loadedWith("reference");
  expect(reference.kernels).toMatchObject({ name: "reference", why: "asked for by name" });
  expect(reference.files).toContain("reference/linear.ts");
  expect(reference.files.filter((file) => file.startsWith("simd/"))).toEqual([]);
  for (const name of sampled(["simd", "auto"], 2)) {
    const simd = loadedWith(name);
    expect(simd.kernels.name).toBe("simd");
    expect(simd.files).toContain("simd/host/module.ts");
    expect(simd.files.filter((file) => file.startsWith("reference/"))).toEqual([]);
  }
});

describe("auto", () => {
  test("takes the fastest set", async () => {
    expect(await selectKernels()).toMatchObject({ kernels: { name: "simd" }, why: "the fastest set" });
  });

  test("says which sets it passed over, and why; by name such a set fails", async () => {
    class Memory {
      constructor() {
        throw new Error("no shared memory here");
      }
    }
    vi.stubGlobal("WebAssembly", { Memory });
    try {
      const { kernels, why } = await selectKernels("auto");
      expect([kernels.name, why]).toEqual(["reference", "simd passed over: no shared memory here"]);
      await expect(selectKernels("simd")).rejects.toThrow(new Error("no shared memory here"));
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe("a GPU beside what auto chose", () => {
  test("is passed over when a processor plays it, or there is none, and that is said", async () => {
    const { kernels, why } = await fasterOnGpu(await selectKernels("auto"), 1e6);
    expect(kernels.name).toBe("simd");
    expect(why).toMatch(/^the fastest set; webgpu passed over: (.*swiftshader.* is no GPU|there is no )/i);
    kernels.close();
  });

  test("is taken when it is faster; both figures are said, and the other is closed", async () => {
    const figures = /^the fastest set: reference takes ([\d.]+) steps a second, simd ([\d.]+) steps a second$/;
    const closed: string[] = [];
    const heard = (kernels: Kernels) => ({ ...kernels, close: () => void closed.push(kernels.name) });
    const [fast, slow] = [heard((await selectKernels("simd")).kernels), heard(referenceKernels())];
    const first = await faster({ kernels: fast, why: "" }, async () => slow, 1e5);
    expect(first).toMatchObject({ kernels: fast, why: expect.stringMatching(figures) });
    expect(closed.splice(0)).toEqual(["reference"]);
    const second = await faster({ kernels: slow, why: "" }, async () => fast, 1e5);
    expect(second).toMatchObject({ kernels: fast, why: expect.stringMatching(/simd takes .* reference/) });
    expect(closed).toEqual(["reference", "simd"]);
    const [, reference, simd] = first.why.match(figures)?.map(Number) ?? [];
    expect(simd).toBeGreaterThan(reference);
  });
});

test("the webgpu set by its name, where there is none: one sentence that says what to install", () => {
  const program =
    "try { await (await import('./src/platform/node.ts')).openGpu(); } catch (e) { console.log(e.message); }";
  const hook =
    "import { register } from 'node:module'; register('data:text/javascript,' + encodeURIComponent('export const resolve = (name, context, next) => { if (name === \\'webgpu\\') throw Object.assign(new Error(), { code: \\'ERR_MODULE_NOT_FOUND\\' }); return next(name, context); };'));";
  const cwd = fileURLToPath(new URL("../../", import.meta.url));
  const args = ["--import", "tsx", "--import", `data:text/javascript,${encodeURIComponent(hook)}`, "--input-type=module", "-e", program]; // biome-ignore format: one line
  const { stdout } = spawnSync(process.execPath, args, { cwd, encoding: "utf8" });
  expect(stdout).toBe("there is no WebGPU here, expected the npm package webgpu: npm install webgpu\n");
});

describe("a set given by the caller", () => {
  /** The reference set, which counts its products and whether it is closed. */
  function counting() {
    const set = referenceKernels();
    const counts = { products: 0, closed: 0 };
    const kernels: Kernels = {
      ...set,
      name: "counting",
      linear(...args) {
        counts.products++;
        set.linear(...args);
      },
      close() {
        counts.closed++;
      },
    };
    return { kernels, counts };
  }

  test("runs the model, and is closed with it", async () => {
    const { kernels, counts } = counting();
    const model = await load(undefined, { kernels });
    expect(model.kernels).toMatchObject({ name: "counting", why: "given by the caller" });
    const plain = await load(undefined, { kernels: "reference" });
    const score = { input: "Once upon", targets: [" a time"] };
    expect(await model.score(score)).toEqual(await plain.score(score));
    const perStep = 7 * model.config.nLayers + 1;
    expect(counts.products).toBeGreaterThanOrEqual(perStep);
    expect(counts.products % perStep).toBe(0);
    expect(counts.closed).toBe(0);
    await Promise.all([model.close(), plain.close()]);
    expect(counts.closed).toBe(1);
  });

  test("that does not keep its bits: inspect says so, and only then", async () => {
    const line = async (sameBits: boolean) => {
      const model = await load(undefined, { kernels: { ...referenceKernels(), sameBits } });
      expect(model.kernels.sameBits).toBe(sameBits);
      const lines = describeFacts(factsOf(model)).split("\n");
      await model.close();
      return lines.at(-1);
    };
    const about = "kernels     reference: plain TypeScript, double accumulation, one thread";
    expect(await line(false)).toBe(`${about}, bits depend on what is computed together (given by the caller)`);
    expect(await line(true)).toBe(`${about} (given by the caller)`);
  });

  test("is closed when the model cannot be loaded", async () => {
    const { kernels, counts } = counting();
    await expect(load("/nowhere", { kernels })).rejects.toThrow("/nowhere");
    expect(counts.closed).toBe(1);
  });

  test("threads are refused beside it; a worker refuses it", async () => {
    const { kernels } = counting();
    await expect(selectKernels(kernels, { threads: 1 })).rejects.toThrow(
      new FieldError("threads", "got 1 beside the kernel set counting, which is open already"),
    );
    await expect(loadInWorker(undefined, { kernels })).rejects.toThrow(
      new FieldError("kernels", "an open set cannot cross into a worker, expected a name", "unsupported"),
    );
  });
});

describe("refused", () => {
  test.each([
    ["cuda", "unknown", 'unknown set "cuda", expected auto, webgpu, simd, reference'],
    ["", "unknown", 'unknown set "", expected auto, webgpu, simd, reference'],
    ["constructor", "unknown", 'unknown set "constructor", expected auto, webgpu, simd, reference'],
    [null, "invalid_type", "got null, expected a name or a kernel set"],
    [7, "invalid_type", "got number, expected a name or a kernel set"],
    [{}, "invalid_type", "got object, expected a name or a kernel set"],
  ] as [string, FaultCode, string][])("kernels: %j", async (choice, code, problem) => {
    await expect(selectKernels(choice)).rejects.toThrow(new FieldError("kernels", problem, code));
  });

  test.each([0, -1, 1.5, Number.NaN])("threads: %s", async (threads) => {
    for (const name of ["auto", "simd", "reference"])
      await expect(selectKernels(name, { threads })).rejects.toThrow(
        new FieldError("threads", `got ${threads}, expected a whole number ≥ 1`),
      );
  });

  test("more threads than cores, which is no reason to pass a set over", async () => {
    const most = Math.min(availableParallelism(), 48);
    for (const name of ["auto", "simd"])
      await expect(selectKernels(name, { threads: 1000 })).rejects.toThrow(
        new FieldError("threads", `got 1000, expected a whole number from 1 to ${most}, the cores of this machine`),
      );
  });
});
