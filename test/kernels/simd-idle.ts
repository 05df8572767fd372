// Run as a process of its own: uses two threads, then idles for half a second and says how much CPU that took. It does not
// close the set: that it ends all the same is half of the test.

import { createOps } from "../../kernels/ops.ts";
import { simdKernels } from "../../kernels/simd/host/simd.ts";
import { noise } from "./noise.ts";
import { weights } from "./simd-cases.ts";

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const kernels = await simdKernels({ threads: 2 });
const ops = createOps(kernels);
const w = await weights(ops, "f32", [1000, 1000], 1);
while (!kernels.ready()) await sleep(1);
for (let i = 0; i < 100 || kernels.chunkCounts()[1] === 0; i++) {
  ops.linear(ops.upload(noise(1000, 1), [1, 1000]), w);
  ops.endStep();
}
await sleep(50);
const before = process.cpuUsage();
await sleep(500);
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ idleCpuMs: (user + system) / 1000, counts: kernels.chunkCounts() }));
