// out[offset + i] = x[i]

import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";

const program: Program = {
  name: "copy",
  operands: { out: "write f32", x: "f32" },
  numbers: ["offset", "length"],
  threads: 64,
  body: `
  let i = group * 64u + thread;
  if (i < p.length) { setOut(p.offset + i, x(i)); }`,
};

/** x [length] → out [offset … offset + length] */
export function copy({ run }: Recorder, out: Place, offset: number, x: Place, length: number): void {
  run(program, { out, x }, { offset, length }, Math.ceil(length / 64));
}
