// Whether this device keeps an output's bits however many rows are computed beside it. WGSL lets a compiler reassociate sums
// and fuse a multiplication with an addition, in one program and not in another, so what the text promises is tried out on
// the device: attention over the border of a page when the set is opened, products of 1, 5 and 70 rows of a dtype when the
// first matrix of that dtype is loaded.

import { blockOf, type DType } from "../../weights/dtype.ts";
import type { Kernels } from "../kernels.ts";
import { createOps, type Ops } from "../ops.ts";
import type { Tensor } from "../tensor.ts";

const manyRows = 70;
const inDim = 768;
const outDim = 8;

/** A read of all rows at once, and reads of some of them by themselves, which should be the same. */
type Trial = [all: Promise<Float32Array>, some: { begin: number; values: Promise<Float32Array> }[]];

/** Whether products with matrices of a dtype keep their bits. */
export async function productsKeepBits(kernels: Kernels, dtype: DType): Promise<boolean> {
  const ops = createOps(kernels);
  const x = numbers(manyRows * inDim, 1);
  const w = await ops.load(dtype, [outDim, inDim], async (into) => fill(into, dtype));
  return tried(kernels, () => {
    const product = (begin: number, end: number) =>
      ops.read(ops.linear(ops.upload(x.slice(begin * inDim, end * inDim), [end - begin, inDim]), w));
    const some = [[0, 1], [37, 38], [69, 70], [0, 5], [65, 70]] as const; // biome-ignore format: pairs
    return [
      [product(0, manyRows), some.map(([begin, end]) => ({ begin: begin * outDim, values: product(begin, end) }))],
    ];
  });
}

/** Whether attention keeps its bits. */
export async function attentionKeepsBits(kernels: Kernels): Promise<boolean> {
  const ops = createOps(kernels);
  return tried(kernels, () =>
    (["f32", "f16"] as const).map((dtype) => {
      const inParts = [[0, 1], [1, 60], [60, 64], [64, 65], [65, 70]] as const; // biome-ignore format: pairs
      return [attended(ops, dtype, [[0, manyRows]]), [{ begin: 0, values: attended(ops, dtype, inParts) }]];
    }),
  );
}

/** Frees what the trials take as soon as they are recorded: others may be in the middle of a step. */
async function tried(kernels: Kernels, record: () => Trial[]): Promise<boolean> {
  const mark = kernels.mark();
  const trials = record();
  kernels.release(mark, null, "f32", 0);
  let same = true;
  for (const [all, some] of trials)
    for (const { begin, values } of some) {
      const expected = (await all).subarray(begin);
      if (!(await values).every((value, i) => Object.is(value, expected[i]))) same = false;
    }
  return same;
}

/** Attention of rows in one sequence, in calls of the rows from … to. */
async function attended(
  ops: Ops,
  dtype: "f32" | "f16",
  calls: readonly (readonly [number, number])[],
): Promise<Float32Array> {
  const heads = { nHeads: 2, nCacheHeads: 1, kDim: 32, vDim: 32, scale: 0.2 };
  const pages = () => ops.keep(dtype, [2, 64, 1, 32]);
  const cache = { k: pages(), v: pages() };
  const rowsOf = (width: number, seed: number) => {
    const all = numbers(manyRows * width, seed);
    return (begin: number, end: number) => ops.upload(all.slice(begin * width, end * width), [end - begin, width]);
  };
  const [q, k, v] = [rowsOf(64, 2), rowsOf(32, 3), rowsOf(32, 4)];
  const outs = calls.map(([begin, end]): Tensor => {
    const rows = {
      sequences: ops.upload(new Int32Array(end - begin)),
      positions: ops.upload(Int32Array.from({ length: end - begin }, (_, r) => begin + r)),
      pageTable: ops.upload(Int32Array.of(1, 0), [1, 2]),
    };
    return ops.attention(q(begin, end), k(begin, end), v(begin, end), cache, rows, heads);
  });
  return ops.read(ops.concat(outs));
}

/** Numbers between −1 and 1 that have nothing in common. */
function numbers(length: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** Weights of any bits; only the upper bytes of floats, and of the scales of blocks, are those of a number near 1/16. */
function fill(into: Uint8Array, dtype: DType): void {
  into.set(numbers(into.length, 5).map((value) => value * 127));
  const { bytes } = blockOf(dtype);
  const uppers: Partial<Record<DType, readonly number[]>> = { f32: [3], q4_1: [1, 3], q4_K: [1, 3], q6_K: [209] };
  const upper = dtype === "f32" || dtype === "bf16" ? 0x3d : 0x2c;
  for (let block = 0; block < into.length; block += bytes)
    for (const at of uppers[dtype] ?? [1]) into[block + at] = upper;
}
