// Rotary positions: pairs (a, b) turned by the angle of their row: a' = a·cos − b·sin, b' = b·cos + a·sin. A thread makes one
// element. Queries and keys of a step turn by the same angles, in one dispatch.
// Su et al. 2021, "RoFormer", arXiv 2104.09864

import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";

const body = (sign: string) => `
  var i = group * 64u + thread;
  let inFirst = p.rows * p.nHeads0 * p.headDim;
  let second = i >= inFirst;
  if (second) { i -= inFirst; }
  let nHeads = select(p.nHeads0, p.nHeads1, second);
  if (i >= p.rows * nHeads * p.headDim) { return; }
  let row = i / (nHeads * p.headDim);
  let j = i % p.headDim - p.offset; // of those that turn
  var value = element(second, i);
  if (j < p.ropeDim) {
    let half = p.ropeDim / 2u;
    let angle = row * half + j % half;
    let sine = ${sign}sines(angle);
    if (j < half) { value = value * cosines(angle) - element(second, i + half) * sine; }
    else { value = value * cosines(angle) + element(second, i - half) * sine; }
  }
  if (second) { setOut1(i, value); } else { setOut0(i, value); }`;

const program = (name: string, sign: string): Program => ({
  name,
  operands: { out0: "write f32", out1: "write f32", x0: "f32", x1: "f32", cosines: "f32", sines: "f32" },
  numbers: ["rows", "nHeads0", "nHeads1", "headDim", "ropeDim", "offset"],
  threads: 64,
  declarations: `
fn element(second: bool, i: u32) -> f32 {
  if (second) { return x1(i); }
  return x0(i);
}`,
  body: body(sign),
});
const forth = program("rope", "");
const back = program("ropeBackward", "-");

/** One or two tensors that turn by the same angles. */
export interface Turned {
  readonly out: Place;
  readonly x: Place;
  readonly nHeads: number;
}

/** each x [rows, nHeads, headDim], cos and sin [rows, ropeDim/2] → each out as its x */
export function rope(
  { run }: Recorder,
  [first, second]: readonly Turned[],
  cos: Place,
  sin: Place,
  rows: number,
  headDim: number,
  ropeDim: number,
  offset: number,
  backward = false,
): void {
  const other = second ?? { ...first, nHeads: 0 };
  run(
    backward ? back : forth,
    { out0: first.out, out1: other.out, x0: first.x, x1: other.x, cosines: cos, sines: sin },
    { rows, nHeads0: first.nHeads, nHeads1: other.nHeads, headDim, ropeDim, offset },
    Math.ceil((rows * (first.nHeads + other.nHeads) * headDim) / 64),
  );
}
