// out[r, o] = Σ_i x[⌊r / perRow⌋, i] · w[ids[r], o, i]
//
// The rows of each expert are a `linear` with its weights; here one after the other, each row by itself.

import { byteLengthOf, type DType, isBlockDType } from "../../weights/dtype.ts";
import { linear, linearBackward, linearWeightBackward } from "./linear.ts";
import type { Floats, Stored } from "./values.ts";

/** x [rows / perRow, inDim], ids [rows], w [n, outDim, inDim] in `dtype` → out [rows, outDim] */
export function expertLinear(
  out: Floats,
  x: Floats,
  ids: Int32Array,
  w: Stored,
  dtype: DType,
  rows: number,
  perRow: number,
  inDim: number,
  outDim: number,
): void {
  for (let r = 0; r < rows; r++) {
    const xRow = rowOf(x, Math.floor(r / perRow), inDim);
    linear(rowOf(out, r, outDim), xRow, expertOf(w, dtype, ids[r], inDim * outDim), dtype, null, 1, inDim, outDim);
  }
}

/** dX[r, i] = Σ_j Σ_o dOut[r · perRow + j, o] · w[ids[r · perRow + j], o, i] */
export function expertLinearBackward(
  dX: Floats,
  dOut: Floats,
  ids: Int32Array,
  w: Stored,
  dtype: DType,
  rows: number,
  perRow: number,
  inDim: number,
  outDim: number,
): void {
  const part = new Float64Array(inDim);
  dX.fill(0, 0, (rows / perRow) * inDim);
  for (let r = 0; r < rows; r++) {
    const weights = expertOf(w, dtype, ids[r], inDim * outDim);
    linearBackward(part, rowOf(dOut, r, outDim), weights, dtype, 1, inDim, outDim);
    const row = rowOf(dX, Math.floor(r / perRow), inDim);
    for (let i = 0; i < inDim; i++) row[i] += part[i];
  }
}

/** dW[ids[r], o, i] += dOut[r, o] · x[⌊r / perRow⌋, i] */
export function expertLinearWeightBackward(
  dW: Floats,
  dOut: Floats,
  x: Floats,
  ids: Int32Array,
  rows: number,
  perRow: number,
  inDim: number,
  outDim: number,
): void {
  for (let r = 0; r < rows; r++) {
    const xRow = rowOf(x, Math.floor(r / perRow), inDim);
    linearWeightBackward(rowOf(dW, ids[r], inDim * outDim), rowOf(dOut, r, outDim), xRow, 1, inDim, outDim);
  }
}

function rowOf(x: Floats, r: number, dim: number): Floats {
  return x.subarray(r * dim, (r + 1) * dim);
}

/** The weights of one expert: elements of a number type, bytes of a block dtype. */
function expertOf(w: Stored, dtype: DType, id: number, size: number): Stored {
  const length = isBlockDType(dtype) ? byteLengthOf(dtype, size) : size;
  return w.subarray(id * length, (id + 1) * length);
}
