// out[r, o] = Σ_i x[r, i] · w[o, i] + bias[o]
//
// A weight row is read once for all rows of x; the sum runs from i = 0 upward in double, whatever the number of rows.

import type { DType } from "../../weights/dtype.ts";
import { type Floats, readRow, type Stored } from "./values.ts";

/** x [rows, inDim], w [outDim, inDim] in `dtype`, bias [outDim] or null → out [rows, outDim] */
export function linear(
  out: Floats,
  x: Floats,
  w: Stored,
  dtype: DType,
  bias: Floats | null,
  rows: number,
  inDim: number,
  outDim: number,
): void {
  const wRow = new Float64Array(inDim);
  for (let o = 0; o < outDim; o++) {
    readRow(wRow, w, dtype, o * inDim);
    for (let r = 0; r < rows; r++) {
      const xAt = r * inDim;
      let sum = 0;
      for (let i = 0; i < inDim; i++) sum += x[xAt + i] * wRow[i];
      out[r * outDim + o] = bias ? sum + bias[o] : sum;
    }
  }
}
