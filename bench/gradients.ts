// What going back costs: forward alone, forward with recording, and with gradients by the input rows, in one process, in
// turns. npm run -s bench:gradients -- MODEL [ROWS] [OUTPUTS] [--recompute] [--weights] [--dtype D] [--runs N]

import { parseArgs } from "node:util";
import { createOps, type Ops } from "../kernels/ops.ts";
import { selectKernels } from "../kernels/select.ts";
import type { Tensor } from "../kernels/tensor.ts";
import { createBatch } from "../src/model/batch.ts";
import { forward } from "../src/model/forward.ts";
import { pagesFor } from "../src/model/kv-cache.ts";
import { loadModel } from "../src/model/load.ts";
import { type Model, tensorsOf } from "../src/model/model.ts";
import { embed } from "../src/model/project.ts";
import { recording } from "../src/tune/recording.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    recompute: { type: "boolean", default: false },
    weights: { type: "boolean", default: false },
    kernels: { type: "string" },
    dtype: { type: "string" },
    runs: { type: "string", default: "3" },
  },
});
const [directory, rows = "512", outputs = rows] = positionals;
const ops = createOps((await selectKernels(values.kernels)).kernels);
const { model } = await loadModel(ops, directory, { dtype: values.dtype as never });
const times: { forward: number[]; both: number[] } = { forward: [], both: [] };
for (let run = 0; run < Number(values.runs) + 1; run++) {
  const began = performance.now();
  plain(ops, model);
  const middle = performance.now();
  back(ops, model);
  if (run === 0) continue; // memory is touched for the first time
  times.forward.push(middle - began);
  times.both.push(performance.now() - middle);
}
// The best of several runs: what else the machine does only ever adds.
const [f, b] = [Math.min(...times.forward), Math.min(...times.both)];
console.log(
  `${rows} rows, ${outputs} with logits: forward ${f.toFixed(0)} ms, forward and backward ${b.toFixed(0)} ms, ratio ${(b / f).toFixed(2)}`,
);
ops.kernels.close();

function step(ops: Ops, model: Model) {
  const { config } = model;
  const n = Number(rows);
  const nPages = pagesFor(n);
  const shape = [nPages, 64, config.nKvHeads, config.headDim];
  const zeros = () => ops.upload(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  const layers = Array.from({ length: config.nLayers }, () => ({ k: zeros(), v: zeros() }));
  const wanted = Array.from({ length: Number(outputs) }, (_, i) => n - Number(outputs) + i);
  const pages = Array.from({ length: nPages }, (_, i) => i);
  const batch = createBatch(ops, model, { layers, nPages, free: [] }, [{ start: 0, rows: n, pages, outputs: wanted }]);
  const ids = ops.upload(Int32Array.from({ length: n }, (_, i) => (i * 37) % config.vocabSize));
  return { batch, x: embed(ops, model, ids) };
}

function plain(ops: Ops, model: Model): void {
  const { batch, x } = step(ops, model);
  forward(ops, model, x, batch);
  ops.endStep();
}

function back(ops: Ops, model: Model): void {
  const { batch, x } = step(ops, model);
  const leaves: Tensor[] = values.weights ? [x, ...tensorsOf(model).values()] : [x];
  const tape = recording(ops, leaves, { recompute: values.recompute });
  const logits = forward(tape.ops, model, x, batch);
  const n = logits.shape[0];
  const logProbs = tape.ops.logProbs(logits, ops.upload(new Int32Array(n)));
  tape.backward([[logProbs, ops.upload(new Float32Array(n).fill(-1 / n))]]);
  tape.end();
}
