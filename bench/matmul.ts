// The matrix product alone, f32, beside other engines: Y = X · Wᵀ for the shapes of one layer of DeepSeek-Coder-1.3B.
//
//   npm install --prefix bench                       once: the peers
//   npm run bench:matmul -- [--rows 512] [--rounds 7]
//
// Equal terms: the same numbers, weights known beforehand (so a peer may pack them while it loads, as ours does not),
// activations in and result out as a Float32Array each time, all cores. Every result is compared with ours before anything
// is timed. jax-js has no threads outside browsers, so ours is also shown on one.

import { cpus } from "node:os";
import { parseArgs } from "node:util";
import { simdKernels } from "../kernels/simd/host/simd.ts";
import { alternate, type Candidate, machine, table } from "./measure.ts";
import { linearModel } from "./onnx.ts";

const { values } = parseArgs({
  options: { rows: { type: "string", default: "512" }, rounds: { type: "string", default: "7" } },
});
const rows = Number(values.rows);
const shapes = [
  [2048, 2048],
  [2048, 5504],
  [5504, 2048],
] as const;

/** x [rows, inDim] → Y [rows, outDim] */
type Product = (x: Float32Array) => Promise<Float32Array>;
/** Makes a product with w [outDim, inDim]. */
type Engine = { name: string; open(w: Float32Array, inDim: number, outDim: number): Promise<Product> };

async function ours(threads: number): Promise<Engine> {
  const kernels = await simdKernels({ threads });
  return {
    name: `plainformer, ${count(threads)}`,
    async open(w, inDim, outDim) {
      const weights = await kernels.load("f32", w.length, async (into) => into.set(new Uint8Array(w.buffer)));
      while (!kernels.ready()) await new Promise((resolve) => setTimeout(resolve, 1));
      return async (x) => {
        const out = kernels.alloc("f32", rows * outDim, false);
        kernels.linear(out, kernels.upload(x), weights, "f32", null, rows, inDim, outDim);
        const y = kernels.read(out, "f32", rows * outDim);
        kernels.endStep();
        return y;
      };
    },
  };
}

async function onnx(name: string, threads: number): Promise<Engine> {
  const ort = await import(name); // not a literal: its types are not there unless it is installed
  if (name === "onnxruntime-web") ort.env.wasm.numThreads = threads;
  return {
    name: `${name}, ${count(threads)}`,
    async open(w, inDim, outDim) {
      const session = await ort.InferenceSession.create(linearModel(w, inDim, outDim), { intraOpNumThreads: threads });
      Reflect.deleteProperty(globalThis, "Worker"); // onnxruntime-web defines it, and jax-js then takes Node for a browser
      return async (x) => {
        const { y } = await session.run({ x: new ort.Tensor("float32", x, [rows, inDim]) });
        return y.data;
      };
    },
  };
}

async function jax(): Promise<Engine> {
  const peer = "@jax-js/jax";
  const { init, defaultDevice, numpy } = await import(peer);
  await init("wasm");
  defaultDevice("wasm");
  return {
    name: "jax-js, one thread",
    async open(w, inDim, outDim) {
      const weights = numpy.array(w).reshape([outDim, inDim]);
      return async (x) => numpy.matmul(numpy.array(x).reshape([rows, inDim]), weights.ref.transpose()).data();
    },
  };
}

function count(threads: number): string {
  return threads === 1 ? "one thread" : `${threads} threads`;
}

const all = cpus().length;
const engines = [
  await ours(all),
  await ours(1),
  await onnx("onnxruntime-node", all),
  await onnx("onnxruntime-web", all),
  await jax(),
];
console.log(`${machine()}; f32, ${rows} rows, ${values.rounds} rounds in turns\n`);

for (const [inDim, outDim] of shapes) {
  const noise = (length: number) => Float32Array.from({ length }, () => Math.random() - 0.5);
  const [x, w] = [noise(rows * inDim), noise(outDim * inDim)];
  const candidates: Candidate[] = [];
  let expected: Float32Array | undefined;
  for (const { name, open } of engines) {
    const product = await open(w, inDim, outDim);
    const y = await product(x);
    expected ??= y.slice();
    const far = y.findIndex((value, i) => Math.abs(value - (expected as Float32Array)[i]) > 1e-3);
    if (y.length !== expected.length || far >= 0)
      throw new Error(`${name}: element ${far} is ${y[far]}, ours ${expected[far]}`);
    candidates.push({
      name,
      async run() {
        const began = performance.now();
        await product(x);
        return (2 * rows * inDim * outDim) / (performance.now() - began) / 1e6;
      },
    });
  }
  const figures = await alternate(candidates, Number(values.rounds));
  const lines = figures.map(({ name, median, min, max }) => [
    name,
    median.toFixed(1),
    `${min.toFixed(1)} … ${max.toFixed(1)}`,
    (figures[0].median / median).toFixed(2),
  ]);
  console.log(`${table([`GFLOP/s, ${inDim} → ${outDim}`, "median", "spread", `ours on ${all} ÷ it`], lines)}\n`);
}
process.exit(0);
