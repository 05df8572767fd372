// What the WebGPU set does with its device: how much it is told, what it holds, and what happens when it fails. On a GPU in
// software; the compiler's part on Dawn's null backend, which runs nothing, and so on any machine.

import { afterEach, describe, expect, test } from "vitest";
import { globals } from "webgpu";
import { KernelsFailedError } from "../../kernels/failed.ts";
import { createOps } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { type WebGpuKernels, type WebGpuOptions, webgpuKernels } from "../../kernels/webgpu/webgpu.ts";
import { createEngine } from "../../src/engine/engine.ts";
import { loadModel } from "../../src/model/load.ts";
import { load } from "../../src/plainformer.ts";
import { apiErrorOf } from "../../src/server/errors.ts";
import type { FloatDType } from "../../weights/dtype.ts";
import { expectNmse, expectSameBits, tolerance } from "../expect-close.ts";
import { readGolden } from "../golden/golden.ts";
import { stories260k } from "../outside-data.ts";
import { gpuRun, noSoftwareGpu } from "../software-gpu.ts";
import { derivativeCases, gradientsOf, type Sizes } from "./derivative-cases.ts";
import { noise } from "./noise.ts";
import { runs, weights } from "./simd-cases.ts";

const dtypes: FloatDType[] = ["f32", "bf16", "f16", "q8_0", "q4_0", "q4_1", "q4_K", "q6_K"];
const nullBackend = { flags: ["backend=null", "enable-dawn-features=allow_unsafe_apis"] };

const sizes: Sizes = {
  matrices: [[3, 33, 7]],
  rows: [[3, 5]],
  ropes: [[3, 2, 7, 2, 3]],
  heads: [[4, 2, 3, 2]],
  parts: [[[0, 3]]],
};

const opened: WebGpuKernels[] = [];
async function open(options?: WebGpuOptions): Promise<WebGpuKernels> {
  const kernels = await webgpuKernels(options);
  opened.push(kernels);
  return kernels;
}
afterEach(() => {
  for (const kernels of opened.splice(0)) kernels.close();
});

describe.runIf(gpuRun)("every program compiles", () => {
  test.each([true, false])("parameters in a buffer: %s", async (uniforms) => {
    const kernels = await open({ ...nullBackend, uniforms });
    const ops = createOps(kernels);
    for (const [, run] of runs(dtypes, false)) {
      const out = await run(ops);
      ops.endStep();
      expect(out.shape.length).toBeGreaterThan(0);
    }
    for (const c of derivativeCases(sizes, false)) {
      const { tape } = gradientsOf(ops, c, false);
      tape.end();
    }
    const logits = ops.upload(new Float32Array(20), [2, 10]);
    await ops.read(ops.choose(logits, 3) ?? logits);
    expect(kernels.device.failure()).toBeUndefined();
    expect(kernels.counters().pipelines).toBeGreaterThan(50);
  });
});

test.runIf(noSoftwareGpu)(`the rest was skipped: ${noSoftwareGpu}`, () => {});

describe.runIf(gpuRun && !noSoftwareGpu)("a decode step", () => {
  test("of the llama family: 12 dispatches a layer, one pass, one submit, 64 bytes a sequence", async () => {
    const kernels = await open();
    const { model, engine } = await engineOn(kernels, "llama2");
    const before: ReturnType<typeof kernels.counters>[] = [];
    await generate(engine, 12, () => before.push(kernels.counters()));
    const [earlier, later] = before.slice(-2);
    const inStep = (name: keyof typeof later) => later[name] - earlier[name];
    // Outside the layers: rows of the embedding, the rows that are asked, the last norm, the head, the choice.
    expect(inStep("dispatches")).toBe(12 * model.config.nLayers + 5);
    expect([inStep("passes"), inStep("submits")]).toEqual([1, 1]);
    expect(inStep("bytesRead")).toBeLessThanOrEqual(64);
    for (const made of ["pipelines", "bindGroups", "buffers", "bytes"] as const) expect(inStep(made), made).toBe(0);
  });

  test("memory is flat over 1,000 steps", async () => {
    const kernels = await open();
    const { engine } = await engineOn(kernels, "llama2");
    const held = async (n: number) => {
      for (let i = 0; i < n; i++) await generate(engine, 50); // steps
      const { pipelines, bindGroups, buffers, bytes } = kernels.counters();
      return { pipelines, bindGroups, buffers, bytes };
    };
    const warm = await held(4);
    const resident = process.memoryUsage.rss();
    expect(await held(20)).toEqual(warm);
    expect((process.memoryUsage.rss() - resident) / 2 ** 20).toBeLessThan(100);
  });

  test("stories260k: 200 greedy tokens = llama2.c's, byte for byte", async (context) => {
    if (stories260k.missing) return context.skip(stories260k.missing);
    const model = await load(stories260k.directory, { kernels: "webgpu" });
    let text = "";
    for await (const event of model.generate({ input: [{ ids: [1] }], maxTokens: 200, temperature: 0 }))
      if (event.type === "end") text = event.text;
    const { readFileSync } = await import("node:fs");
    expect(text).toBe(readFileSync(`${stories260k.directory}/greedy-200.txt`, "utf8"));
    await model.close();
  });
});

describe.runIf(gpuRun && !noSoftwareGpu)("a device that fails in the middle of 8 requests", () => {
  const pass: GPUComputePassEncoder = Reflect.get(globals, "GPUComputePassEncoder").prototype;
  const { dispatchWorkgroups } = pass;

  test.each<[string, RegExp, (kernels: WebGpuKernels) => void]>([
    ["is lost", /^webgpu kernels: the GPU device was lost: /, ({ device }) => device.gpu.destroy()],
    [
      "is told a dispatch that is not valid",
      /^webgpu kernels: .*65536/s,
      () => {
        pass.dispatchWorkgroups = function () {
          pass.dispatchWorkgroups = dispatchWorkgroups;
          dispatchWorkgroups.call(this, 65536);
        };
      },
    ],
  ])("%s: 8 errors, no text after it; opened again, the same tokens", async (_, message, fail) => {
    const kernels = await open();
    const { engine } = await engineOn(kernels, "llama2");
    const expected = await generate(engine, 20);
    let seen = 0;
    let failed = false;
    const requests = Array.from({ length: 8 }, () =>
      generate(engine, 20, () => {
        expect(failed).toBe(false);
        if (++seen === 40) {
          failed = true;
          fail(kernels);
        }
      }),
    );
    const results = await Promise.allSettled(requests);
    for (const result of results) {
      const reason = result.status === "rejected" ? result.reason : undefined;
      expect(reason).toBeInstanceOf(KernelsFailedError);
      expect(reason.message).toMatch(message);
      expect(apiErrorOf(reason).status).toBe(503);
    }
    await expect(generate(engine, 5)).rejects.toThrow(KernelsFailedError);
    const again = await engineOn(await open(), "llama2");
    expect(await generate(again.engine, 20)).toEqual(expected);
  });
});

describe.runIf(gpuRun && !noSoftwareGpu)("sizes", () => {
  test("a matrix that is larger than a binding is multiplied and looked up in pieces", async () => {
    for (const dtype of ["f32", "bf16", "q8_0", "q4_K"] as const) {
      const [ours, theirs] = [createOps(await open({ maxBinding: 2 ** 19 })), createOps(referenceKernels())];
      const results = [ours, theirs].map(async (ops) => {
        const w = await weights(ops, dtype, [1998, 512], 1);
        const x = ops.upload(noise(3 * 512, 2), [3, 512]);
        const rows = ops.gather(w, ops.upload(Int32Array.of(1997, 0, 500, 249, 250, 1523)));
        const product = ops.linear(x, w, ops.upload(noise(1998, 3)));
        return [await ops.read(product), await ops.read(rows), await ops.read(w)];
      });
      const [actual, expected] = await Promise.all(results);
      for (const [i, what] of ["product", "rows", "weights"].entries())
        expectNmse(actual[i], expected[i], tolerance.fastKernel, `${dtype} ${what}`);
    }
  });

  test("what must lie together and does not fit is refused with its size and the device's", async () => {
    const ops = createOps(await open({ maxBinding: 2 ** 20 }));
    expect(() => ops.keep("f32", [3, 64, 2048])).toThrow(
      "webgpu kernels: 2 MiB of f32 must lie together, this device reaches 1 MiB in a buffer",
    );
    expect(() => ops.upload(new Float32Array(2 ** 19))).toThrow(
      "webgpu kernels: a step needs 2 MiB of memory, this device reaches 1 MiB in a buffer",
    );
    expect(await ops.read(ops.upload(Float32Array.of(7)))).toEqual(Float32Array.of(7));
  });
});

describe.runIf(!noSoftwareGpu)("one submit", () => {
  test("more than 65,535 workgroups lie in a grid", async () => {
    const ops = createOps(await open());
    const length = 64 * 65_537;
    const [a, b] = [noise(length, 1), noise(length, 2)];
    const sum = await ops.read(ops.add(ops.upload(a), ops.upload(b)));
    expectSameBits(
      sum,
      a.map((value, i) => value + b[i]),
    );
  });

  test("what the host uploads does not overwrite what the device has yet to read", async () => {
    const ops = createOps(await open());
    const sums = [1, 2, 3].map((value) => {
      const host = [Float32Array.of(value, value), Float32Array.of(10, 20)] as const;
      return ops.read(ops.scope(() => ops.add(ops.upload(host[0]), ops.upload(host[1]))));
    });
    const values = await Promise.all(sums);
    expect(values.map((value) => [...value])).toEqual([[11, 21], [12, 22], [13, 23]]); // biome-ignore format: one line
  });
});

describe.runIf(gpuRun && !noSoftwareGpu)("the same bits", () => {
  test.each(dtypes)("%s products: rows alone, in chunks, all at once", async (dtype) => {
    const ops = createOps(await open());
    for (const [inDim, outDim] of [
      [768, 20],
      [256, 19],
    ]) {
      // biome-ignore format: pairs
      const w = await weights(ops, dtype, [outDim, inDim], 1);
      const x = noise(70 * inDim, 2);
      const product = (begin: number, end: number) =>
        ops.read(ops.linear(ops.upload(x.slice(begin * inDim, end * inDim), [end - begin, inDim]), w));
      const whole = await product(0, 70);
      for (const size of [1, 3, 4, 5, 64])
        for (let begin = 0; begin < 70; begin += size) {
          const end = Math.min(70, begin + size);
          expectSameBits(await product(begin, end), whole.slice(begin * outDim, end * outDim), `${begin} to ${end}`);
        }
    }
  });
});

async function engineOn(kernels: WebGpuKernels, name: string) {
  const ops = createOps(kernels);
  const { model } = await loadModel(ops, (await readGolden(name)).directory);
  return { model, engine: createEngine(ops, model, { cacheTokens: 2048 }) };
}

/** So many greedy ids after a few; `see` is called with each. */
async function generate(engine: ReturnType<typeof createEngine>, n: number, see: () => void = () => {}) {
  const chosen: number[] = [];
  await engine.run({
    runs: [{ ids: [1, 2, 3, 4, 5] }],
    maxRows: 5 + n,
    firstOutput: 4,
    wants: "id",
    accept({ outputs }) {
      see();
      chosen.push(...outputs);
      return chosen.length < n ? chosen.slice(-1) : [];
    },
  });
  return chosen;
}
