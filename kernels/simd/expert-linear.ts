// out[r, o] = Σ_i x[⌊r / perRow⌋, i] · w[ids[r], o, i]
//
// The rows of each expert are a product of their own, by `linear` or its derivatives, whose outputs do not depend on the rows
// beside them: so a row has the bits that `linear` gives it, in whatever company it comes. The rows are counted out by their
// experts first; one row alone is multiplied where it lies, more are put next to each other, at most `mostRows` at a time.

import { linear, linearScratchUpTo } from "./linear";
import { linearBackward, linearWeightBackward, productScratch } from "./linear-backward";
import { linearExact, linearExactScratch } from "./linear-exact";
import { bytesOf } from "./widen";

/** Rows of one product. */
const mostRows: i32 = 256;

/** Which product is made of each expert's rows. */
const forward: i32 = 0;
const exact: i32 = 1;
const toX: i32 = 2;
const toWeights: i32 = 3;

/** Bytes of scratch memory that a call needs: the order of the rows, rows side by side, and what a product needs. */
export function expertLinearScratch(dtype: i32, rows: i32, inDim: i32, outDim: i32, n: i32, threads: i32): usize {
  const most = min(rows, mostRows);
  const product = max(
    linearScratchUpTo(dtype, most, inDim, threads),
    max(
      linearExactScratch(inDim, threads),
      max(productScratch(most, outDim, threads), productScratch(outDim, most, threads)),
    ),
  );
  return orderBytes(rows, n) + sideBySideBytes(most, inDim) + sideBySideBytes(most, outDim) + product;
}

function orderBytes(rows: i32, n: i32): usize {
  return (((<usize>(rows + n + 1)) << 2) + 63) & ~63;
}

function sideBySideBytes(rows: i32, dim: i32): usize {
  return (((<usize>rows * <usize>dim) << 2) + 63) & ~63;
}

/** x [rows / perRow, inDim], ids [rows], w [n, outDim, inDim] in `dtype` → out [rows, outDim] */
export function expertLinear(
  out: usize,
  x: usize,
  ids: usize,
  w: usize,
  dtype: i32,
  rows: i32,
  perRow: i32,
  inDim: i32,
  outDim: i32,
  n: i32,
  scratch: usize,
): void {
  products(forward, out, x, ids, w, dtype, rows, perRow, inDim, outDim, n, scratch);
}

/** The same with quantized weights and x as it is */
export function expertLinearExact(
  out: usize,
  x: usize,
  ids: usize,
  w: usize,
  dtype: i32,
  rows: i32,
  perRow: i32,
  inDim: i32,
  outDim: i32,
  n: i32,
  scratch: usize,
): void {
  products(exact, out, x, ids, w, dtype, rows, perRow, inDim, outDim, n, scratch);
}

/** dX[r, i] = Σ_j Σ_o dOut[r · perRow + j, o] · w[ids[r · perRow + j], o, i], summed in the order of the experts */
export function expertLinearBackward(
  dX: usize,
  dOut: usize,
  ids: usize,
  w: usize,
  dtype: i32,
  rows: i32,
  perRow: i32,
  inDim: i32,
  outDim: i32,
  n: i32,
  scratch: usize,
): void {
  memory.fill(dX, 0, (<usize>(rows / perRow) * <usize>inDim) << 2);
  products(toX, dOut, dX, ids, w, dtype, rows, perRow, inDim, outDim, n, scratch);
}

/** dW[ids[r], o, i] += dOut[r, o] · x[⌊r / perRow⌋, i] */
export function expertLinearWeightBackward(
  dW: usize,
  dOut: usize,
  x: usize,
  ids: usize,
  rows: i32,
  perRow: i32,
  inDim: i32,
  outDim: i32,
  n: i32,
  scratch: usize,
): void {
  products(toWeights, dOut, x, ids, dW, 0, rows, perRow, inDim, outDim, n, scratch);
}

/** One product after the other. `out` and `x` are the sides of a product, whichever of the two is made of the other. */
function products(
  kind: i32,
  out: usize,
  x: usize,
  ids: usize,
  w: usize,
  dtype: i32,
  rows: i32,
  perRow: i32,
  inDim: i32,
  outDim: i32,
  n: i32,
  scratch: usize,
): void {
  const order = scratch; // the rows, expert by expert
  const ends = order + ((<usize>rows) << 2); // where those of each expert end, in `order`
  countOut(order, ends, ids, rows, n);
  const most = min(rows, mostRows);
  const xs = scratch + orderBytes(rows, n);
  const outs = xs + sideBySideBytes(most, inDim);
  const room = outs + sideBySideBytes(most, outDim);
  const expertBytes = <usize>outDim * bytesOf(dtype, inDim);
  const xBytes = (<usize>inDim) << 2;
  const outBytes = (<usize>outDim) << 2;
  let begin = 0;
  for (let e = 0; e < n; e++) {
    const weights = w + <usize>e * expertBytes;
    const end = load<i32>(ends + ((<usize>e) << 2));
    for (; begin < end; begin += mostRows) {
      const m = min(mostRows, end - begin);
      const own = order + ((<usize>begin) << 2);
      const r = load<i32>(own);
      const alone = m === 1 && kind !== toX; // dX is added up
      const xRows = alone ? x + <usize>(r / perRow) * xBytes : xs;
      const outRows = alone ? out + <usize>r * outBytes : outs;
      if (!alone && kind !== toX) copyRows(xs, x, xBytes, own, m, perRow, true);
      if (!alone && kind >= toX) copyRows(outs, out, outBytes, own, m, 1, true);
      if (kind === forward) linear(outRows, xRows, weights, dtype, 0, m, inDim, outDim, room);
      else if (kind === exact) linearExact(outRows, xRows, weights, dtype, 0, m, inDim, outDim, room);
      else if (kind === toX) linearBackward(xRows, outRows, weights, dtype, m, inDim, outDim, room);
      else linearWeightBackward(weights, outRows, xRows, m, inDim, outDim, room);
      if (kind === toX) addRows(x, xs, inDim, own, m, perRow);
      else if (!alone && kind < toX) copyRows(outs, out, outBytes, own, m, 1, false);
    }
    begin = end;
  }
}

/** The numbers of the rows, those of the first expert first, each expert's in their order; and where each expert's end. */
function countOut(order: usize, ends: usize, ids: usize, rows: i32, n: i32): void {
  memory.fill(ends, 0, (<usize>(n + 1)) << 2);
  const last = (<usize>rows) << 2;
  // Counts go one place up, sums turn them into beginnings, and filling moves each beginning to its end.
  for (let i: usize = 0; i < last; i += 4) {
    const next = ends + ((<usize>(load<i32>(ids + i) + 1)) << 2);
    store<i32>(next, load<i32>(next) + 1);
  }
  for (let at = ends + 4; at < ends + ((<usize>n) << 2); at += 4) store<i32>(at, load<i32>(at) + load<i32>(at - 4));
  for (let i: usize = 0; i < last; i += 4) {
    const place = ends + ((<usize>load<i32>(ids + i)) << 2);
    const to = load<i32>(place);
    store<i32>(order + ((<usize>to) << 2), <i32>(i >> 2));
    store<i32>(place, to + 1);
  }
}

/** Copies m rows from where they lie to places side by side, or back. */
function copyRows(sideBySide: usize, rows: usize, bytes: usize, order: usize, m: i32, perRow: i32, inward: bool): void {
  for (let i = 0; i < m; i++, sideBySide += bytes) {
    const row = rows + <usize>(load<i32>(order + ((<usize>i) << 2)) / perRow) * bytes;
    if (inward) memory.copy(sideBySide, row, bytes);
    else memory.copy(row, sideBySide, bytes);
  }
}

/** Adds m rows that lie side by side to where they belong. */
function addRows(rows: usize, sideBySide: usize, dim: i32, order: usize, m: i32, perRow: i32): void {
  const whole = (<usize>(dim & ~3)) << 2;
  const bytes = (<usize>dim) << 2;
  for (let j = 0; j < m; j++, sideBySide += bytes) {
    const to = rows + <usize>(load<i32>(order + ((<usize>j) << 2)) / perRow) * bytes;
    let i: usize = 0;
    for (; i < whole; i += 16) v128.store(to + i, f32x4.add(v128.load(to + i), v128.load(sideBySide + i)));
    for (; i < bytes; i += 4) store<f32>(to + i, load<f32>(to + i) + load<f32>(sideBySide + i));
  }
}
