// How the reference set holds numbers: plain typed arrays, and one place where stored elements become numbers.

import { byteLengthOf, type DType, decodeF32, encodeF32, type FloatDType } from "../../weights/dtype.ts";

/** f32 activations; f64 where derivatives are checked. Kernels write to either alike. */
export type Floats = Float32Array | Float64Array;
/** What the buffers of this set are. bf16 and f16 stay 16 bits wide, quantized blocks stay blocks. */
export type Stored = Floats | Uint16Array | Int32Array | Uint8Array;

/**
 * Copies elements begin … begin + row.length of a stored tensor into `row` as doubles: their exact values.
 * Of a block dtype, `begin` and the length are whole numbers of blocks.
 */
export function readRow(row: Float64Array, stored: Stored, dtype: DType, begin: number): void {
  if (stored instanceof Uint16Array || stored instanceof Uint8Array) {
    const offset = stored.byteOffset + byteLengthOf(dtype, begin);
    const bytes = new Uint8Array(stored.buffer, offset, byteLengthOf(dtype, row.length));
    row.set(decodeF32(dtype as FloatDType, bytes));
  } else {
    for (let i = 0; i < row.length; i++) row[i] = stored[begin + i];
  }
}

/**
 * Stores numbers as elements begin … of a tensor of a float dtype, rounded to it: what a cache does with keys and values.
 * As f16, numbers beyond ±65504 become that, and so does NaN: what a cache holds is finite.
 */
export function writeRow(stored: Stored, dtype: DType, begin: number, row: Floats): void {
  if (stored instanceof Uint16Array) {
    const fit = (x: number) => (Number.isNaN(x) ? 65504 : Math.min(65504, Math.max(-65504, x)));
    const bytes = encodeF32(
      dtype as FloatDType,
      dtype === "f16" ? Float32Array.from(row, fit) : Float32Array.from(row),
    );
    stored.set(new Uint16Array(bytes.buffer), begin);
  } else stored.set(row, begin);
}
