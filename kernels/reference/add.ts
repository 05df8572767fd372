// out = a + b. Its derivative is no work: dA and dB are dOut itself.

import type { Floats } from "./values.ts";

/** a, b [length] → out [length] */
export function add(out: Floats, a: Floats, b: Floats, length: number): void {
  for (let i = 0; i < length; i++) out[i] = a[i] + b[i];
}
