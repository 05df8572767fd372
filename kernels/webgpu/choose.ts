// The k largest logits of each row, and what makes log-probabilities of them, so that a step reads back a few numbers and not
// a vocabulary. A workgroup for each row goes through it k times: each time for the largest of those that come after the one
// before it, where of equal logits the lower id comes first.

import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";

const threads = 256;

// What is not finite is told by its bits: WGSL need not know infinity or NaN.
const program: Program = {
  name: "choose",
  operands: { out: "write f32", logits: "f32", bits: "u32" },
  numbers: ["n", "k"],
  threads,
  declarations: `
struct Best { logit: f32, id: u32 }
const nobody = 0xffffffffu;
var<workgroup> bests: array<Best, ${threads}>;
var<workgroup> sums: array<f32, ${threads}>;
var<workgroup> last: Best;
fn comesBefore(a: Best, b: Best) -> bool {
  if (a.id == nobody || b.id == nobody) { return a.id != nobody; }
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}`,
  body: `
  let at = group * p.n;
  let width = 2u + 2u * p.k;
  var finite = 1.0;
  for (var i = thread; i < p.n; i += ${threads}u) {
    if ((bits(at + i) & 0x7f800000u) == 0x7f800000u) { finite = 0.0; }
  }
  sums[thread] = finite;
  workgroupBarrier();
  if (thread == 0u) {
    var all = 1.0;
    for (var i = 0u; i < ${threads}u; i++) { all = min(all, sums[i]); }
    setOut(group * width, all);
  }

  var first = Best(0.0, nobody);
  var before = Best(0.0, nobody);
  for (var j = 0u; j < p.k; j++) {
    var best = Best(0.0, nobody);
    for (var i = thread; i < p.n; i += ${threads}u) {
      let one = Best(logits(at + i), i);
      if ((j == 0u || comesBefore(before, one)) && comesBefore(one, best)) { best = one; }
    }
    bests[thread] = best;
    workgroupBarrier();
    if (thread == 0u) {
      for (var i = 1u; i < ${threads}u; i++) { if (comesBefore(bests[i], best)) { best = bests[i]; } }
      last = best;
      setOut(group * width + 2u + 2u * j, select(f32(best.id), -1.0, best.id == nobody));
      setOut(group * width + 3u + 2u * j, best.logit);
    }
    before = workgroupUniformLoad(&last);
    if (j == 0u) { first = before; }
    if (before.id == nobody) {
      for (var rest = j + 1u + thread; rest < p.k; rest += ${threads}u) { setOut(group * width + 2u + 2u * rest, -1.0); }
      break;
    }
  }

  var sum = 0.0;
  for (var i = thread; i < p.n; i += ${threads}u) { sum += exp(logits(at + i) - first.logit); }
  sums[thread] = sum;
  workgroupBarrier();
  if (thread == 0u) {
    var total = 0.0;
    for (var i = 0u; i < ${threads}u; i++) { total += sums[i]; }
    setOut(group * width + 1u, first.logit + log(total));
  }`,
};

/** logits [rows, n] → out [rows, 2 + 2k]: 1 where all are finite; log Σ_i e^logits[i]; then id and logit of each, id −1 where there are no more */
export function choose({ run }: Recorder, out: Place, logits: Place, rows: number, n: number, k: number): void {
  run(program, { out, logits, bits: logits }, { n, k }, rows);
}
