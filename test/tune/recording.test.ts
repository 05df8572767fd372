// The tape itself: what it computes and what not, what it keeps and for how long.

import { describe, expect, test, vi } from "vitest";
import type { Kernels } from "../../kernels/kernels.ts";
import { createOps } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { simdKernels } from "../../kernels/simd/host/simd.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { loadModel } from "../../src/model/load.ts";
import { type Gated, tensorsOf } from "../../src/model/model.ts";
import { defaultModel } from "../../src/plainformer.ts";
import { recording } from "../../src/tune/recording.ts";
import { readGolden } from "../golden/golden.ts";
import { counted } from "../kernels/counted.ts";
import { record } from "./record.ts";

const sets: [string, () => Kernels | Promise<Kernels>][] = [
  ["reference", referenceKernels],
  ["simd", simdKernels],
];

/** The set, and how often each of its derivatives was called. */
function watched(kernels: Kernels): { kernels: Kernels; calls: Record<string, number> } {
  const calls: Record<string, number> = {};
  const derivatives = Object.fromEntries(
    Object.entries(kernels.derivatives ?? {}).map(([name, run]) => [
      name,
      (...args: unknown[]) => {
        calls[name] = (calls[name] ?? 0) + 1;
        return (run as (...args: unknown[]) => unknown)(...args);
      },
    ]),
  );
  return { kernels: { ...kernels, derivatives: derivatives as never }, calls };
}

describe.each(sets)("%s", (_, open) => {
  test("gradients by rows alone compute no gradient of a weight", async () => {
    const { kernels, calls } = watched(await open());
    const ops = createOps(kernels);
    const { directory, prompts } = await readGolden("gpt2");
    const { model } = await loadModel(ops, directory);
    const { ids } = prompts[1];
    const leaf = ops.upload(new Float32Array(ids.length * model.config.dModel).fill(0.1), [ids.length, model.config.dModel]); // biome-ignore format: one line
    const byRows = record(ops, model, [ids], 5, [leaf], { embedded: leaf });
    byRows.backward();
    byRows.tape.end();
    const weights = /Weight|bias|gather/;
    expect(Object.keys(calls).filter((name) => weights.test(name))).toEqual(["gatherBackward"]); // of the output rows
    expect(calls.gatherBackward).toBe(1);
    expect(calls.linearBackward).toBe(1 + 6 * model.config.nLayers);

    const byWeights = record(ops, model, [ids], 5, [...tensorsOf(model).values()]);
    byWeights.backward();
    byWeights.tape.end();
    expect(calls.linearWeightBackward).toBe(1 + 6 * model.config.nLayers);
    ops.kernels.close();
  });

  test("a leaf that the loss does not depend on gets zeros; one that is a weight of the last layer stops there", async () => {
    const { kernels, calls } = watched(await open());
    const ops = createOps(kernels);
    const { directory, prompts } = await readGolden("llama-gqa");
    const { model } = await loadModel(ops, directory);
    const unused = ops.upload(new Float32Array(6).fill(1), [2, 3]);
    const { down } = model.layers[1].ff as Gated;
    const { tape, backward } = record(ops, model, [prompts[0].ids], 3, [unused, down.weight]);
    const found = backward();
    expect(await ops.read(found.get(unused) as Tensor)).toEqual(new Float32Array(6));
    expect((await ops.read(found.get(down.weight) as Tensor)).some((value) => value !== 0)).toBe(true);
    expect(calls.linearBackward).toBe(1); // of the head
    expect(calls.attentionBackward).toBeUndefined();
    tape.end();
    ops.kernels.close();
  });

  test("layer by layer, with or without computing again: the same bits, by rows and by weights, of a batch", async () => {
    const ops = createOps(await open());
    const { directory, prompts } = await readGolden("qwen3-tied");
    const { model } = await loadModel(ops, directory);
    const sequences = [prompts[1].ids, prompts[0].ids];
    const weights = tensorsOf(model);
    const runs = await Promise.all(
      [{}, { recompute: true }].map(async (options) => {
        const { tape, loss, backward } = record(ops, model, sequences, 5, [...weights.values()], options);
        const found = backward();
        const read = [...weights].map(async ([path, t]) => [path, await ops.read(found.get(t) as Tensor)] as const);
        const mean = loss();
        tape.end();
        return { loss: await mean, gradients: new Map(await Promise.all(read)) };
      }),
    );
    expect(runs[0].gradients.size).toBe(weights.size);
    expect(runs[1]).toEqual(runs[0]);
    ops.kernels.close();
  });

  test.each([{}, { recompute: true }])(
    "piece by piece, with %o: the cost is said before, others compute in between, and the bits are the same",
    async (options) => {
      const { kernels, inUse, multiplications } = counted(await open());
      const ops = createOps(kernels);
      const { directory, prompts } = await readGolden("llama-bias");
      const { model } = await loadModel(ops, directory);
      const { ids } = prompts[1];
      const weights = tensorsOf(model);
      const begin = () => record(ops, model, [ids], 5, [...weights.values()], options);
      const read = (found: Map<Tensor, Tensor>) =>
        Promise.all([...weights.values()].map((t) => ops.read(found.get(t) as Tensor)));
      const whole = begin();
      const expected = read(whole.backward());
      whole.tape.end();

      const { tape, pieces } = begin();
      multiplications();
      const work = pieces();
      let said = 0;
      const all = { said: 0, done: 0 };
      for (let next = work.next(); ; next = work.next()) {
        const done = multiplications();
        expect(done).toBeLessThanOrEqual(said);
        all.said += said;
        all.done += done;
        if (next.done) {
          expect(await read(next.value)).toEqual(await expected);
          break;
        }
        said = next.value;
        const before = inUse();
        ops.step(() => ops.linear(ops.gather(model.embedding, ops.upload(new Int32Array(9))), model.embedding));
        expect(inUse()).toBe(before);
        multiplications();
      }
      expect(all.done).toBeGreaterThan(0.8 * all.said); // the rest is norms, gates and sums
      tape.end();
      expect(inUse()).toBe(0);
      ops.kernels.close();
    },
  );

  test("a tensor that is used in several ways, inside and outside of layers, sums all of them", async () => {
    const ops = createOps(await open());
    const x = ops.upload(Float32Array.of(1, 2, 3, 4), [2, 2]);
    const tape = recording(ops, [x], { recompute: true });
    const ids = ops.upload(Int32Array.of(1, 1));
    const y = tape.ops.scope(() => tape.ops.add(tape.ops.add(x, tape.ops.gather(x, ids)), x)); // dX = 2 and 2 + 2
    const z = tape.ops.scope(() => tape.ops.add(tape.ops.concat([tape.ops.gather(y, ids)]), x)); // dY = [0, 2], dX = 1 more
    const out = tape.ops.add(z, z);
    const found = tape.backward([[out, ops.upload(Float32Array.of(1, 1, 1, 1), [2, 2])]]);
    // dZ = 2, so dY = [0, 4] and dX = 2; y = 2x + x[1] in each row: dX += [0, 8] + [0, 4]
    expect(await tape.ops.read(out)).toEqual(Float32Array.of(20, 28, 24, 32));
    expect(await ops.read(found.get(x) as Tensor)).toEqual(Float32Array.of(2, 2, 14, 14));
    tape.end();
    ops.kernels.close();
  });

  test("what a recording needs outlives the ends of other steps, until its own", async () => {
    const ops = createOps(await open());
    const x = ops.upload(Float32Array.of(1, 2), [1, 2]);
    const tape = recording(ops, [x]);
    const y = tape.ops.gelu(x);
    ops.upload(new Float32Array(100));
    ops.endStep();
    ops.upload(new Float32Array(1000));
    const found = tape.backward([[y, ops.upload(Float32Array.of(1, 1), [1, 2])]]);
    expect((await ops.read(found.get(x) as Tensor))[0]).toBeCloseTo(1.08296, 4);
    tape.end();
    expect(() => ops.gelu(x)).toThrow("gelu: x belongs to a step or scope that has ended");
  });

  test("a tensor inside a layer is gone when the layer has ended and is going to be computed again", async () => {
    const ops = createOps(await open());
    const x = ops.upload(Float32Array.of(1, 2), [1, 2]);
    const tape = recording(ops, [x], { recompute: true });
    let inside = x;
    tape.ops.scope(() => {
      inside = tape.ops.gelu(x);
      return tape.ops.add(inside, x);
    });
    expect(() => tape.ops.gelu(inside)).toThrow("a tensor of a layer that has ended is used");
    tape.end();
  });

  test("a seed of another shape, and a second way back, are refused", async () => {
    const ops = createOps(await open());
    const x = ops.upload(Float32Array.of(1, 2), [1, 2]);
    const tape = recording(ops, [x]);
    const y = tape.ops.gelu(x);
    const seed = ops.upload(Float32Array.of(1));
    expect(() => tape.backward([[y, seed]])).toThrow("backward: a gradient has shape [1], its tensor has [1,2]");
    expect(() => tape.backward([])).toThrow("backward: the tape was gone through already");
    tape.end();
  });
});

test("memory: computing layers again needs a part of what keeping them does", async () => {
  /** Pages that the set's memory grows by; it never shrinks. */
  const needed = async (recompute: boolean) => {
    const grow = vi.spyOn(WebAssembly.Memory.prototype, "grow");
    const kernels: Kernels = await simdKernels({ threads: 1 });
    const ops = createOps(kernels);
    const { model } = await loadModel(ops, defaultModel);
    const ids = Array.from({ length: 600 }, (_, i) => i % 100);
    const leaf = ops.upload(new Float32Array(ids.length * model.config.dModel), [ids.length, model.config.dModel]);
    const { tape, backward } = record(ops, model, [ids], 1, [leaf], { embedded: leaf, recompute });
    backward();
    tape.end();
    kernels.close();
    const pages = grow.mock.calls.reduce((sum, [pages]) => sum + pages, 0);
    grow.mockRestore();
    expect(pages).toBeGreaterThan(0);
    return pages;
  };
  expect(await needed(true)).toBeLessThan(0.6 * (await needed(false)));
});
