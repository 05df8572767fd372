// out[r] = logits[r, ids[r]] − log Σ_i e^logits[r, i]: the log-probability of one token per row; and its derivative. A
// workgroup for each row, the largest taken out first so that nothing overflows.

import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";

const declarations = `
var<workgroup> parts: array<f32, 64>;`;

/** WGSL: `total`, log Σ e^logits of the row that begins at `at` */
const total = `
  let at = group * p.n;
  var most = logits(at);
  for (var i = thread; i < p.n; i += 64u) { most = max(most, logits(at + i)); }
  parts[thread] = most;
  workgroupBarrier();
  for (var i = 0u; i < 64u; i++) { most = max(most, parts[i]); }
  workgroupBarrier();
  var sum = 0.0;
  for (var i = thread; i < p.n; i += 64u) { sum += exp(logits(at + i) - most); }
  parts[thread] = sum;
  workgroupBarrier();
  sum = 0.0;
  for (var i = 0u; i < 64u; i++) { sum += parts[i]; }
  let total = most + log(sum);`;

const forth: Program = {
  name: "logProbs",
  operands: { out: "write f32", logits: "f32", ids: "i32" },
  numbers: ["n"],
  threads: 64,
  declarations,
  body: `${total}
  if (thread == 0u) { setOut(group, logits(at + u32(ids(group))) - total); }`,
};

const back: Program = {
  name: "logProbsBackward",
  operands: { dLogits: "write f32", dOut: "f32", logits: "f32", ids: "i32" },
  numbers: ["n"],
  threads: 64,
  declarations,
  body: `${total}
  let chosen = u32(ids(group));
  for (var i = thread; i < p.n; i += 64u) {
    let prob = exp(logits(at + i) - total);
    setDLogits(at + i, dOut(group) * (select(0.0, 1.0, i == chosen) - prob));
  }`,
};

/** logits [rows, n], ids [rows] → out [rows] */
export function logProbs({ run }: Recorder, out: Place, logits: Place, ids: Place, rows: number, n: number): void {
  run(forth, { out, logits, ids }, { n }, rows);
}

/** dLogits[r, i] = dOut[r] · ([i = ids[r]] − softmax_i logits[r]). dOut [rows] → dLogits [rows, n] */
export function logProbsBackward(
  { run }: Recorder,
  dLogits: Place,
  dOut: Place,
  logits: Place,
  ids: Place,
  rows: number,
  n: number,
): void {
  run(back, { dLogits, dOut, logits, ids }, { n }, rows);
}
