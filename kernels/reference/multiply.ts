// out = a · b, element by element.

import type { Floats } from "./values.ts";

/** a, b [length] → out [length] */
export function multiply(out: Floats, a: Floats, b: Floats, length: number): void {
  for (let i = 0; i < length; i++) out[i] = a[i] * b[i];
}
