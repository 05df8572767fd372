// out = factor · x

import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";

const program: Program = {
  name: "scale",
  operands: { out: "write f32", x: "f32" },
  numbers: ["factor", "length"],
  floats: ["factor"],
  threads: 64,
  body: `
  let i = group * 64u + thread;
  if (i < p.length) { setOut(i, p.factor * x(i)); }`,
};

/** x [length] → out [length] */
export function scale({ run }: Recorder, out: Place, x: Place, factor: number, length: number): void {
  run(program, { out, x }, { factor, length }, Math.ceil(length / 64));
}
