// out[r] = table[ids[r]]

import type { DType } from "../../weights/dtype.ts";
import { type Floats, readRow, type Stored } from "./values.ts";

/** table [n, dim] in `dtype`, ids [rows] → out [rows, dim] */
export function gather(out: Floats, table: Stored, dtype: DType, ids: Int32Array, rows: number, dim: number): void {
  const row = new Float64Array(dim);
  for (let r = 0; r < rows; r++) {
    readRow(row, table, dtype, ids[r] * dim);
    out.set(row, r * dim);
  }
}

/** dTable[ids[r]] += dOut[r]: what is taken several times gets all of its gradients. dOut [rows, dim] → dTable [n, dim] */
export function gatherBackward(dTable: Floats, dOut: Floats, ids: Int32Array, rows: number, dim: number): void {
  for (let r = 0; r < rows; r++) for (let i = 0; i < dim; i++) dTable[ids[r] * dim + i] += dOut[r * dim + i];
}
