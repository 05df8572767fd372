// How fast the ops of any kernel set are, by the interface that all sets have: no limit of the machine beside it (that is
// kernels.ts, for simd), since only a set knows how to reach one. A run ends when a number has been read back.

import { cpus } from "node:os";
import type { Kernels } from "../kernels/kernels.ts";
import { selectKernels } from "../kernels/select.ts";
import type { Buffer } from "../kernels/tensor.ts";
import { encodeF32, type FloatDType } from "../weights/dtype.ts";
import { alternate, table } from "./measure.ts";

interface Op {
  name: string;
  /** Multiply-adds count as two. */
  operations: number;
  run(): Buffer;
}

/** Prints a table for the set of a name. @throws as `selectKernels` */
export async function benchSet(
  name: string,
  { rounds, only, threads }: { rounds: number; only: string; threads?: number },
): Promise<void> {
  const { kernels } = await selectKernels(name, { threads });
  const ops = (await opsOf(kernels)).filter((op) => op.name.includes(only));
  const figures = await alternate(
    ops.map((op) => ({ name: op.name, run: () => timesPerSecond(kernels, op) })),
    rounds,
  );
  console.log(`${cpus()[0].model.trim()}, Node ${process.version}; ${kernels.about}; medians of ${rounds} rounds\n`);
  const row = ({ name, median }: (typeof figures)[number], i: number) => [
    name,
    (1000 / median).toFixed(3),
    ops[i].operations === 0 ? "" : ((ops[i].operations * median) / 1e9).toFixed(2),
  ];
  console.log(table(["kernel", "ms", "GFLOP/s"], figures.map(row)));
  kernels.close();
}

/** Calls in a second, at least five of them, between a first that is not counted and the reading of what the last gave. */
async function timesPerSecond(kernels: Kernels, { run }: Op): Promise<number> {
  const finish = async (out: Buffer) => {
    await kernels.read(out, "f32", 1);
    kernels.endStep();
  };
  await finish(run());
  let calls = 0;
  const began = performance.now();
  do {
    for (let i = 0; i < 4; i++, calls++) run();
    calls++;
    await finish(run());
  } while (performance.now() - began < 50);
  return (1000 * calls) / (performance.now() - began);
}

/** Rows of a small model: as many numbers as the slowest set, the reference, does in time. */
async function opsOf(kernels: Kernels): Promise<Op[]> {
  const [dim, wide, nHeads, headDim, past] = [256, 1024, 8, 32, 127];
  const values = Float32Array.from({ length: 64 * wide }, (_, i) => Math.sin(i));
  const kept = (dtype: FloatDType, numbers: Float32Array) =>
    kernels.load(dtype, numbers.length, async (into) => into.set(encodeF32(dtype, numbers)));
  const x = await kept("f32", values);
  const weight = await kept("f32", values.subarray(0, wide));
  const out = (length: number) => kernels.alloc("f32", length, false);
  const ops: Op[] = [];

  for (const dtype of kernels.weightDTypes.filter((dtype): dtype is FloatDType => dtype !== "f64" && dtype !== "i32")) {
    const w = await kept(
      dtype,
      Float32Array.from({ length: dim * wide }, (_, i) => Math.cos(i)),
    );
    for (const rows of [1, 64])
      ops.push({
        name: `linear ${dtype}, ${rows} ${rows === 1 ? "row" : "rows"}, ${dim} → ${wide}`,
        operations: 2 * rows * dim * wide,
        run() {
          const to = out(rows * wide);
          kernels.linear(to, x, w, dtype, null, rows, dim, wide);
          return to;
        },
      });
  }

  const pages = Math.ceil((past + 64) / 64);
  const cache = { k: kernels.alloc("f32", pages * 64 * dim, true), v: kernels.alloc("f32", pages * 64 * dim, true) };
  for (const rows of [1, 64]) {
    const shape = { rows, nHeads, nCacheHeads: nHeads, kDim: headDim, vDim: headDim, maxPages: pages, scale: 0.1 };
    const seen = Array.from({ length: rows }, (_, r) => past + r + 1).reduce((sum, n) => sum + n, 0);
    ops.push({
      name: `attention, ${rows} ${rows === 1 ? "row" : "rows"} after ${past}`,
      operations: 4 * dim * seen,
      run() {
        const where = {
          sequences: kernels.upload(new Int32Array(rows)),
          positions: kernels.upload(Int32Array.from({ length: rows }, (_, r) => past + r)),
          pageTable: kernels.upload(Int32Array.from({ length: pages }, (_, i) => i)),
        };
        const to = out(rows * dim);
        kernels.attention(to, x, x, x, cache, "f32", where, shape);
        return to;
      },
    });
  }

  const n = 64 * wide;
  const rowwise: [string, (to: Buffer) => void][] = [
    ["rmsNorm, 64 rows", (to) => kernels.rmsNorm(to, x, weight, 64, wide, 1e-5)],
    ["layerNorm, 64 rows", (to) => kernels.layerNorm(to, x, weight, weight, 64, wide, 1e-5)],
    ["swiglu", (to) => kernels.swiglu(to, x, x, n)],
    ["gelu", (to) => kernels.gelu(to, x, n)],
    ["add", (to) => kernels.add(to, x, x, n)],
  ];
  for (const [name, compute] of rowwise)
    ops.push({
      name: `${name}, ${n} numbers`,
      operations: 0,
      run() {
        const to = out(n);
        compute(to);
        return to;
      },
    });
  return ops;
}
