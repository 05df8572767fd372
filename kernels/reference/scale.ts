// out = factor · x

import type { Floats } from "./values.ts";

/** x [length] → out [length] */
export function scale(out: Floats, x: Floats, factor: number, length: number): void {
  for (let i = 0; i < length; i++) out[i] = factor * x[i];
}
