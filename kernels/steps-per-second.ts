// How fast a kernel set takes decode steps: what `auto` compares sets by. The model is none, but has as many weights, in
// matrices of the usual shapes: that is what a step's time goes to.

import type { Kernels } from "./kernels.ts";
import { createOps } from "./ops.ts";

const nLayers = 8;
/** More weights than these say nothing new, and take long to load. */
const mostWeights = 64e6;
const trialMs = 400;

/** Steps of one row that the set takes in a second. What it loads for that stays in the set until it is closed. */
export async function stepsPerSecond(kernels: Kernels, nWeights: number): Promise<number> {
  const ops = createOps(kernels);
  const width = 64 * Math.max(1, Math.round(Math.sqrt(Math.min(nWeights, mostWeights) / (12 * nLayers)) / 64));
  const matrix = (outDim: number, inDim: number) => ops.load("bf16", [outDim, inDim], async () => {});
  const layers = await Promise.all(
    Array.from({ length: nLayers }, () =>
      Promise.all([matrix(4 * width, width), matrix(width, 4 * width), matrix(4 * width, width)]),
    ),
  );
  const step = async () => {
    const out = ops.step(() => {
      let x = ops.upload(new Float32Array(width).fill(1), [1, width]);
      for (const [up, down, gate] of layers)
        x = ops.add(x, ops.linear(ops.swiglu(ops.linear(x, gate), ops.linear(x, up)), down));
      return ops.read(x);
    });
    await out;
  };
  for (let i = 0; i < 3; i++) await step(); // programs are compiled, threads started
  const begin = performance.now();
  let steps = 0;
  while (performance.now() - begin < trialMs || steps === 0) {
    await step();
    steps++;
  }
  return (1000 * steps) / (performance.now() - begin);
}
