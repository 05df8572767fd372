// out[offset + i] = x[i]. Its derivative is the same rows of dOut, taken with `gather`.

import type { Floats } from "./values.ts";

/** x [length] → a part of out */
export function copy(out: Floats, offset: number, x: Floats, length: number): void {
  out.set(x.subarray(0, length), offset);
}
