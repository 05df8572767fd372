// out[r, begin + i] = x[r, from + i], i = 0 … width − 1

import type { Floats } from "./values.ts";

/** x [rows, inDim] → columns of out [rows, outDim] */
export function copyColumns(
  out: Floats,
  outDim: number,
  begin: number,
  x: Floats,
  inDim: number,
  from: number,
  width: number,
  rows: number,
): void {
  for (let r = 0; r < rows; r++) for (let i = 0; i < width; i++) out[r * outDim + begin + i] = x[r * inDim + from + i];
}
