// The checked ops: what does not fit is refused with one sentence, and a tensor does not outlive its step.

import { expect, test } from "vitest";
import type { Heads } from "../../kernels/arena.ts";
import { createOps } from "../../kernels/ops.ts";
import { selectKernels } from "../../kernels/select.ts";
import { reshape, type Tensor } from "../../kernels/tensor.ts";
import { counted } from "./counted.ts";

const ops = createOps((await selectKernels()).kernels);
const floats = (...shape: number[]) => ops.upload(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
const ints = (...values: number[]) => ops.upload(Int32Array.from(values));
const pages = (nPages: number, heads: number, dim: number) => ops.keep("f32", [nPages, 64, heads, dim]);
const rows = () => ({ sequences: ints(0, 0), positions: ints(0, 1), pageTable: reshape(ints(0), [1, 1]) });
const heads = { nHeads: 4, nCacheHeads: 2, kDim: 3, vDim: 3, scale: 1 };
const attend = (heads: Heads) =>
  ops.attention(floats(2, 12), floats(2, 6), floats(2, 6), { k: pages(1, 2, 3), v: pages(1, 2, 3) }, rows(), heads);

test.each<[string, () => unknown, string]>([
  ["linear", () => ops.linear(floats(2, 3), floats(5, 4)), "linear: x has shape [2,3], expected [any,4]"],
  ["linear bias", () => ops.linear(floats(2, 4), floats(5, 4), floats(4)), "linear: bias has shape [4], expected [5]"],
  ["add", () => ops.add(floats(2, 3), floats(3, 2)), "add: b has shape [3,2], expected [2,3]"],
  ["gather ids", () => ops.gather(floats(2, 3), floats(2)), "gather: ids has dtype f32, expected i32"],
  ["concat", () => ops.concat([floats(2, 3), floats(2, 4)]), "concat: part 1 has shape [2,4], expected [any,3]"],
  ["rmsNorm", () => ops.rmsNorm(floats(2, 3), floats(2), 1e-5), "rmsNorm: weight has shape [2], expected [3]"],
  [
    "rope",
    () => ops.rope(floats(2, 8), floats(2, 3), floats(2, 3), 4),
    "rope: heads of 4 in rows of 8 cannot turn 6 values from 0 on",
  ],
  [
    "attention heads",
    () =>
      ops.attention(floats(2, 12), floats(2, 9), floats(2, 9), { k: pages(1, 3, 3), v: pages(1, 3, 3) }, rows(), {
        ...heads,
        nCacheHeads: 3,
      }),
    "attention: 4 query heads are not a multiple of 3 cache heads",
  ],
  [
    "attention v",
    () => ops.attention(floats(2, 12), floats(2, 6), null, { k: pages(1, 2, 3), v: pages(1, 2, 3) }, rows(), heads),
    "attention: v and cached values must both be there or both be null",
  ],
  [
    "attention pages",
    () =>
      ops.attention(floats(2, 12), floats(2, 6), floats(2, 6), { k: pages(1, 2, 4), v: pages(1, 2, 3) }, rows(), heads),
    "attention: cached keys has shape [1,64,2,4], expected [any,64,2,3]",
  ],
  ["attention window", () => attend({ ...heads, window: -1 }), "attention: window is -1, expected a whole number ≥ 0"],
  [
    "attention softCap",
    () => attend({ ...heads, softCap: Number.NaN }),
    "attention: softCap is NaN, expected a finite number ≥ 0",
  ],
  ["attention sinks", () => attend({ ...heads, sinks: floats(3) }), "attention: sinks has shape [3], expected [4]"],
  ["swiglu", () => ops.swiglu(floats(2, 3), floats(2, 2)), "swiglu: up has shape [2,2], expected [2,3]"],
  ["upload", () => ops.upload(new Float32Array(5), [2, 3]), "upload: 5 values do not fill [2,3]"],
  ["reshape", () => reshape(floats(2, 3), [4, 2]), "reshape: [2,3] does not fit into [4,2]"],
])("%s", (_, run, message) => {
  expect(run).toThrow(new Error(message));
});

test("a tensor of a step that has ended is refused, what was read before is kept", async () => {
  const x = ops.upload(Float32Array.of(1, 2), [1, 2]);
  const pending = ops.read(x);
  ops.endStep();
  expect(() => ops.gelu(x)).toThrow(new Error("gelu: x belongs to a step or scope that has ended"));
  expect(await pending).toEqual(Float32Array.of(1, 2));
});

test.each(["reference", "simd"])("%s: a scope frees all but its result, which keeps its values", async (name) => {
  const ops = createOps((await selectKernels(name)).kernels);
  const a = ops.upload(
    Float32Array.from({ length: 300 }, (_, i) => i),
    [3, 100],
  );
  let inner: Tensor | undefined;
  const sum = ops.scope(() => {
    inner = ops.add(a, a); // the result is copied down onto this
    const deeper = ops.scope(() => ops.add(ops.add(a, a), a));
    return ops.add(inner, deeper);
  });
  const after = ops.add(a, a); // takes the place of what was freed
  expect(await ops.read(sum)).toEqual(Float32Array.from({ length: 300 }, (_, i) => 5 * i));
  expect(await ops.read(after)).toEqual(Float32Array.from({ length: 300 }, (_, i) => 2 * i));
  expect(() => ops.gelu(inner as Tensor)).toThrow("gelu: x belongs to a step or scope that has ended");
  expect(ops.scope(() => a)).toBe(a);
  ops.endStep();
  expect(() => ops.gelu(sum)).toThrow("gelu: x belongs to a step or scope that has ended");
});

test.each(["reference", "simd"])("%s: a step beside one that is held frees its own tensors alone", async (name) => {
  const { kernels, inUse } = counted((await selectKernels(name)).kernels);
  const ops = createOps(kernels);
  const a = ops.upload(Float32Array.of(1, 2), [1, 2]);
  const release = ops.hold();
  const before = inUse();
  const step = (broken: boolean) =>
    ops.step(() => {
      const sum = ops.scope(() => ops.add(a, ops.upload(Float32Array.of(broken ? Number.NaN : 3, 4), [1, 2])));
      if (broken) ops.scope(() => ops.add(sum, ops.upload(Float32Array.of(1))));
      return { sum, values: ops.read(sum) };
    });
  const { sum, values } = step(false);
  expect(inUse()).toBe(before);
  expect(() => step(true)).toThrow("add: b has shape [1], expected [1,2]");
  expect(inUse()).toBe(before);
  const b = ops.upload(Float32Array.of(5, 6), [1, 2]); // takes the place of what was freed
  expect(await values).toEqual(Float32Array.of(4, 6));
  expect(await ops.read(ops.add(a, b))).toEqual(Float32Array.of(6, 8));
  expect(() => ops.gelu(sum)).toThrow("gelu: x belongs to a step or scope that has ended");
  release();
  ops.step(() => {});
  expect(inUse()).toBe(0);
  expect(() => ops.gelu(a)).toThrow("gelu: x belongs to a step or scope that has ended");
});
