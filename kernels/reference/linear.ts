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

/** dX[r, i] = Σ_o dOut[r, o] · w[o, i]. dOut [rows, outDim], w [outDim, inDim] in `dtype` → dX [rows, inDim] */
export function linearBackward(
  dX: Floats,
  dOut: Floats,
  w: Stored,
  dtype: DType,
  rows: number,
  inDim: number,
  outDim: number,
): void {
  const wRow = new Float64Array(inDim);
  const sums = new Float64Array(rows * inDim);
  for (let o = 0; o < outDim; o++) {
    readRow(wRow, w, dtype, o * inDim);
    for (let r = 0; r < rows; r++)
      for (let i = 0; i < inDim; i++) sums[r * inDim + i] += dOut[r * outDim + o] * wRow[i];
  }
  dX.set(sums);
}

/** dW[o, i] += Σ_r dOut[r, o] · x[r, i]. dOut [rows, outDim], x [rows, inDim] → dW [outDim, inDim] */
export function linearWeightBackward(
  dW: Floats,
  dOut: Floats,
  x: Floats,
  rows: number,
  inDim: number,
  outDim: number,
): void {
  for (let o = 0; o < outDim; o++) {
    for (let i = 0; i < inDim; i++) {
      let sum = 0;
      for (let r = 0; r < rows; r++) sum += dOut[r * outDim + o] * x[r * inDim + i];
      dW[o * inDim + i] += sum;
    }
  }
}

/** dBias[o] += Σ_r dOut[r, o]. dOut [rows, outDim] → dBias [outDim] */
export function biasBackward(dBias: Floats, dOut: Floats, rows: number, outDim: number): void {
  for (let o = 0; o < outDim; o++) {
    let sum = 0;
    for (let r = 0; r < rows; r++) sum += dOut[r * outDim + o];
    dBias[o] += sum;
  }
}
