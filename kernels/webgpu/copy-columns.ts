// out[r, begin + i] = x[r, from + i], i = 0 … width − 1

import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";

const program: Program = {
  name: "copyColumns",
  operands: { out: "write f32", x: "f32" },
  numbers: ["outDim", "begin", "inDim", "first", "width", "rows"],
  threads: 64,
  body: `
  let i = group * 64u + thread;
  if (i >= p.rows * p.width) { return; }
  setOut(i / p.width * p.outDim + p.begin + i % p.width, x(i / p.width * p.inDim + p.first + i % p.width));`,
};

/** x [rows, inDim] → some columns of out [rows, outDim] */
export function copyColumns(
  { run }: Recorder,
  out: Place,
  outDim: number,
  begin: number,
  x: Place,
  inDim: number,
  from: number,
  width: number,
  rows: number,
): void {
  run(program, { out, x }, { outDim, begin, inDim, first: from, width, rows }, Math.ceil((rows * width) / 64));
}
