// out = a + b

import type { Program } from "./program.ts";
import type { Place, Recorder } from "./recorder.ts";

const program: Program = {
  name: "add",
  operands: { out: "write f32", a: "f32", b: "f32" },
  numbers: ["length"],
  threads: 64,
  body: `
  let i = group * 64u + thread;
  if (i < p.length) { setOut(i, a(i) + b(i)); }`,
};

/** a, b [length] → out [length] */
export function add({ run }: Recorder, out: Place, a: Place, b: Place, length: number): void {
  run(program, { out, a, b }, { length }, Math.ceil(length / 64));
}
