// Muon: momentum, made orthogonal, for weight matrices. Every direction of an update gets the same length, so directions
// that are rare in the gradient are learned as fast as common ones. Embedding tables and norms are left to Adam.
//
//   m = momentum·m + g,  w −= rate · (decay·w + √max(1, rows/columns) · orthogonal(g + momentum·m))
//
// Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks", kellerjordan.github.io/posts/muon.

import type { Ops } from "../../kernels/ops.ts";

/** A weight matrix on the host, row-major. */
export interface Matrix {
  readonly values: Float32Array; // [rows, columns]
  readonly rows: number;
  readonly columns: number;
}

export interface MuonOptions {
  readonly momentum: number;
  /** Before each step a matrix shrinks by rate · decay of itself. */
  readonly decay: number;
}

/** The coefficients of one Newton-Schulz step, x ← a·x + (b·A + c·A²)·x with A = x·xᵀ: steep at zero, near one elsewhere. */
const [a, b, c] = [3.4445, -4.775, 2.0315];
const iterations = 5;

/**
 * The matrix with all singular values brought near one (between about 0.7 and 1.2), by five Newton-Schulz steps on the
 * kernel set's own matrix product. → [rows, columns]
 */
export async function orthogonal(ops: Ops, { values, rows, columns }: Matrix): Promise<Float32Array> {
  const tall = rows > columns;
  const n = Math.min(rows, columns); // x has n rows: the shorter side
  const m = Math.max(rows, columns);
  let squares = 0;
  for (const value of values) squares += value * value;
  const scale = 1 / (Math.sqrt(squares) + 1e-7);
  let x: Float32Array = (tall ? transposed(values, rows, columns) : values).map((value) => value * scale); // [n, m]
  for (let i = 0; i < iterations; i++) {
    const tensor = ops.upload(x, [n, m]);
    const product = ops.linear(tensor, tensor); // [n, n]: x·xᵀ
    const square = ops.read(ops.linear(product, product)); // [n, n]: symmetric, so A·Aᵀ = A²
    const polynomial = await ops.read(product);
    for (const [at, value] of (await square).entries()) polynomial[at] = b * polynomial[at] + c * value;
    for (let at = 0; at < polynomial.length; at += n + 1) polynomial[at] += a; // a·x is a·I times x
    x = await ops.read(ops.linear(ops.upload(polynomial, [n, n]), ops.upload(transposed(x, n, m), [m, n]))); // [n, m]
    ops.endStep();
  }
  return tall ? transposed(x, n, m) : x;
}

/** One step of one matrix, in place; `momentum` is what the steps before have left, as long as the matrix. */
export async function muonStep(
  ops: Ops,
  matrix: Matrix,
  gradient: Float32Array,
  momentum: Float32Array,
  rate: number,
  options: MuonOptions,
): Promise<void> {
  const { values, rows, columns } = matrix;
  const ahead = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    momentum[i] = options.momentum * momentum[i] + gradient[i];
    ahead[i] = gradient[i] + options.momentum * momentum[i];
  }
  const update = await orthogonal(ops, { values: ahead, rows, columns });
  const share = rate * Math.sqrt(Math.max(1, rows / columns));
  const keep = 1 - rate * options.decay;
  for (let i = 0; i < values.length; i++) values[i] = keep * values[i] - share * update[i];
}

/** [rows, columns] → [columns, rows] */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) out[column * rows + row] = values[row * columns + column];
  return out;
}
