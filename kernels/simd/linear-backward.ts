// The products of going back: dX = dOut · W, dW += dOutᵀ · x; and x · Wᵀ with x left in f32, which the derivative of a
// product with quantized weights is the derivative of. All three are one matrix product,
//
//   c[m, n] (+)= Σ_k a[m, k] · b[k, n]
//
// where a or b may be stored the other way round. Unlike in linear-floats.ts the sum runs down the columns of b: a number of
// a times eight neighbors of b, k = 0, 1, … into one accumulator each. So an output has the same bits for any number of rows,
// columns and threads.
//
// Two jobs. The first packs a into tiles of four rows, [tile][k][row of the tile]. A chunk of the second is a panel of 32
// columns and a block of rows: it unpacks kBlock rows of the panel, [group of 8 columns][k][column of the group], into memory
// of its thread, which stays in the second-level cache while all tiles pass; 4 × 8 sums stay in registers. (Goto & van de
// Geijn 2008, "Anatomy of High-Performance Matrix Multiplication".)

import { unitBytes, unpackUnit } from "./blocks";
import { f32Code, q8_0Code } from "./codes";
import { chunksOf, Job } from "./jobs";
import { arg, ownNumber, ownScratch, parallel, setArg } from "./threads";
import { madd } from "./vector";
import { bytesOf, widenRow } from "./widen";

const tileRows: i32 = 4;
/** Tiles that a chunk of the first job packs. */
const packTiles: i32 = 8;
const groupColumns: i32 = 8;
const panelColumns: i32 = 32;
/** Rows of b that are unpacked at a time. */
const kBlock: i32 = 512;
/** Rows of c of a chunk: whole tiles. */
const chunkRows: i32 = 256;

const cArg: i32 = 0;
const aArg: i32 = 1;
const aTurnedArg: i32 = 2;
const bArg: i32 = 3;
const bDTypeArg: i32 = 4;
const bTurnedArg: i32 = 5;
const biasArg: i32 = 6;
const addArg: i32 = 7;
const mArg: i32 = 8;
const kArg: i32 = 9;
const nArg: i32 = 10;
const packedArg: i32 = 11;
const panelsArg: i32 = 12;

/** Bytes of a thread's memory: a panel, and a row on its way into it. */
const threadBytes: usize = (<usize>(kBlock * (panelColumns + 1))) << 2;

/** Bytes of scratch memory that a product with an a of m rows and k columns needs. */
export function productScratch(m: i32, k: i32, threads: i32): usize {
  return packedBytes(m, k) + <usize>threads * threadBytes;
}

function packedBytes(m: i32, k: i32): usize {
  return (<usize>(chunksOf(m, tileRows) * tileRows) * <usize>k) << 2;
}

/** dX[r, i] = Σ_o dOut[r, o] · w[o, i]; scratch for [rows, outDim] */
export function linearBackward(
  dX: usize,
  dOut: usize,
  w: usize,
  dtype: i32,
  rows: i32,
  inDim: i32,
  outDim: i32,
  scratch: usize,
): void {
  product(dX, dOut, false, w, dtype, false, 0, false, rows, outDim, inDim, scratch);
}

/** dW[o, i] += Σ_r dOut[r, o] · x[r, i]; scratch for [outDim, rows] */
export function linearWeightBackward(
  dW: usize,
  dOut: usize,
  x: usize,
  rows: i32,
  inDim: i32,
  outDim: i32,
  scratch: usize,
): void {
  product(dW, dOut, true, x, f32Code, false, 0, true, outDim, rows, inDim, scratch);
}

/** out[r, o] = Σ_i x[r, i] · w[o, i] + bias[o], x as it is; scratch for [rows, inDim] */
export function linearExact(
  out: usize,
  x: usize,
  w: usize,
  dtype: i32,
  bias: usize,
  rows: i32,
  inDim: i32,
  outDim: i32,
  scratch: usize,
): void {
  product(out, x, false, w, dtype, true, bias, false, rows, inDim, outDim, scratch);
}

function product(
  c: usize,
  a: usize,
  aTurned: bool,
  b: usize,
  bDType: i32,
  bTurned: bool,
  bias: usize,
  add: bool,
  m: i32,
  k: i32,
  n: i32,
  scratch: usize,
): void {
  setArg(cArg, c);
  setArg(aArg, a);
  setArg(aTurnedArg, aTurned);
  setArg(bArg, b);
  setArg(bDTypeArg, bDType);
  setArg(bTurnedArg, bTurned);
  setArg(biasArg, bias);
  setArg(addArg, add);
  setArg(mArg, m);
  setArg(kArg, k);
  setArg(nArg, n);
  setArg(packedArg, scratch);
  setArg(panelsArg, scratch + packedBytes(m, k));
  parallel(Job.ProductPack, chunksOf(m, packTiles * tileRows));
  parallel(Job.Product, chunksOf(m, chunkRows) * chunksOf(n, panelColumns));
}

// ---- a

export function productPackChunk(chunk: i32): void {
  const m = <i32>arg(mArg);
  const k = <i32>arg(kArg);
  const begin = chunk * packTiles * tileRows;
  const end = min(m, begin + packTiles * tileRows);
  for (let i = begin; i < end; i += tileRows) {
    const tile = arg(packedArg) + ((<usize>i * <usize>k) << 2);
    const rows = min(tileRows, m - i);
    if (arg(aTurnedArg)) packColumns(tile, arg(aArg) + ((<usize>i) << 2), k, m, rows);
    else packRows(tile, arg(aArg) + ((<usize>i * <usize>k) << 2), k, rows);
  }
}

/** Rows of k values, one after the other; what is missing of a tile's rows is zeros. */
function packRows(tile: usize, a: usize, k: i32, rows: i32): void {
  const width = (<usize>k) << 2;
  const whole = (<usize>(k & ~3)) << 2;
  let i: usize = 0;
  if (rows === tileRows)
    for (; i < whole; i += 16, tile += 64) {
      const p = v128.load(a + i);
      const q = v128.load(a + i + width);
      const r = v128.load(a + i + 2 * width);
      const s = v128.load(a + i + 3 * width);
      // Turned about: four columns of four.
      const pq01 = v128.shuffle<f32>(p, q, 0, 4, 1, 5);
      const rs01 = v128.shuffle<f32>(r, s, 0, 4, 1, 5);
      const pq23 = v128.shuffle<f32>(p, q, 2, 6, 3, 7);
      const rs23 = v128.shuffle<f32>(r, s, 2, 6, 3, 7);
      v128.store(tile, v128.shuffle<f32>(pq01, rs01, 0, 1, 4, 5));
      v128.store(tile, v128.shuffle<f32>(pq01, rs01, 2, 3, 6, 7), 16);
      v128.store(tile, v128.shuffle<f32>(pq23, rs23, 0, 1, 4, 5), 32);
      v128.store(tile, v128.shuffle<f32>(pq23, rs23, 2, 3, 6, 7), 48);
    }
  for (; i < width; i += 4, tile += 16) {
    v128.store(tile, f32x4.splat(0));
    for (let r = 0; r < rows; r++) store<f32>(tile + ((<usize>r) << 2), load<f32>(a + i + <usize>r * width));
  }
}

/** Columns of a matrix whose rows have m values. */
function packColumns(tile: usize, a: usize, k: i32, m: i32, columns: i32): void {
  const width = (<usize>m) << 2;
  for (let i = 0; i < k; i++, a += width, tile += 16) {
    if (columns === tileRows) v128.store(tile, v128.load(a));
    else {
      v128.store(tile, f32x4.splat(0));
      memory.copy(tile, a, (<usize>columns) << 2);
    }
  }
}

// ---- b

/** Rows k0 … k0 + count of 32 columns from `column` on; columns that are not there are zeros. */
function packPanel(panel: usize, k0: i32, count: i32, column: i32): void {
  const columns = min(panelColumns, <i32>arg(nArg) - column);
  if (arg(bTurnedArg)) packTurnedPanel(panel, k0, count, column, columns);
  else packNaturalPanel(panel, k0, count, column, columns);
}

function packNaturalPanel(panel: usize, k0: i32, count: i32, column: i32, columns: i32): void {
  const dtype = <i32>arg(bDTypeArg);
  const n = <i32>arg(nArg);
  const rowBytes = bytesOf(dtype, n);
  const groupBytes = (<usize>count * groupColumns) << 2;
  const row = panel + ((<usize>(kBlock * panelColumns)) << 2);
  memory.fill(row, 0, (<usize>panelColumns) << 2);
  for (let i = 0; i < count; i++) {
    let from = arg(bArg) + <usize>(k0 + i) * rowBytes;
    if (dtype === f32Code && columns === panelColumns) from += (<usize>column) << 2;
    else {
      widenPart(row, from, dtype, column, columns);
      from = row;
    }
    const to = panel + ((<usize>(i * groupColumns)) << 2);
    for (let g: usize = 0; g < 4; g++) {
      v128.store(to + g * groupBytes, v128.load(from + (g << 5)));
      v128.store(to + g * groupBytes, v128.load(from + (g << 5), 16), 16);
    }
  }
}

function packTurnedPanel(panel: usize, k0: i32, count: i32, column: i32, columns: i32): void {
  const dtype = <i32>arg(bDTypeArg);
  const rowBytes = bytesOf(dtype, <i32>arg(kArg));
  const groupBytes = (<usize>count * groupColumns) << 2;
  const row = panel + ((<usize>(kBlock * panelColumns)) << 2);
  if (columns < panelColumns) memory.fill(panel, 0, 4 * groupBytes);
  for (let i = 0; i < columns; i++) {
    widenPart(row, arg(bArg) + <usize>(column + i) * rowBytes, dtype, k0, count);
    let to = panel + <usize>(i >> 3) * groupBytes + ((<usize>(i & 7)) << 2);
    const end = row + ((<usize>count) << 2);
    for (let from = row; from < end; from += 4, to += 32) store<f32>(to, load<f32>(from));
  }
}

/** Elements begin … begin + count of the row at w as f32; of a block dtype both are whole units of 32. */
function widenPart(out: usize, w: usize, dtype: i32, begin: i32, count: i32): void {
  if (dtype < q8_0Code) {
    widenRow(out, w + bytesOf(dtype, begin), dtype, count);
    return;
  }
  const unit = ownScratch();
  for (let b = begin >> 5; b < (begin + count) >> 5; b++, out += 128) {
    unpackUnit(unit, w, b, dtype);
    const minimum = v128.load_splat<f32>(unit + <usize>(unitBytes - 8));
    for (let i: usize = 0; i < 8; i++) {
      const scale = v128.load_splat<f32>(unit + 64 + ((i >> 2) << 2));
      const q = f32x4.convert_i32x4_s(v128.load_ext<i16>(unit + (i << 3)));
      v128.store(out + (i << 4), f32x4.add(f32x4.mul(scale, q), minimum));
    }
  }
}

// ---- c

export function productChunk(chunk: i32): void {
  const k = <i32>arg(kArg);
  const n = <i32>arg(nArg);
  const panels = chunksOf(n, panelColumns);
  const column = (chunk % panels) * panelColumns;
  const begin = (chunk / panels) * chunkRows;
  const end = min(<i32>arg(mArg), begin + chunkRows);
  const groups = chunksOf(min(panelColumns, n - column), groupColumns);
  const panel = arg(panelsArg) + <usize>ownNumber() * threadBytes;
  for (let k0 = 0; k0 < k; k0 += kBlock) {
    const count = min(kBlock, k - k0);
    packPanel(panel, k0, count, column);
    for (let i = begin; i < end; i += tileRows) {
      const tile = arg(packedArg) + ((<usize>i * <usize>k + <usize>(k0 * tileRows)) << 2);
      for (let g = 0; g < groups; g++)
        addTile(i, column + g * groupColumns, tile, panel + ((<usize>(g * count * groupColumns)) << 2), count, k0);
    }
  }
}

/** Adds `count` products to the 4 × 8 sums at row i and column j: in place, or by way of scratch memory at the edges of c. */
function addTile(i: i32, j: i32, a: usize, b: usize, count: i32, k0: i32): void {
  const n = <i32>arg(nArg);
  const rows = min(tileRows, <i32>arg(mArg) - i);
  const columns = min(groupColumns, n - j);
  const width = (<usize>n) << 2;
  const c = arg(cArg) + ((<usize>i * <usize>n + <usize>j) << 2);
  const goesOn = k0 > 0 || arg(addArg) !== 0;
  if (rows === tileRows && columns === groupColumns) sumTile(c, width, a, b, count, goesOn);
  else {
    const whole = ownScratch();
    for (let r = 0; r < rows; r++) memory.copy(whole + ((<usize>r) << 5), c + <usize>r * width, (<usize>columns) << 2);
    sumTile(whole, 32, a, b, count, goesOn);
    for (let r = 0; r < rows; r++) memory.copy(c + <usize>r * width, whole + ((<usize>r) << 5), (<usize>columns) << 2);
  }
  const bias = arg(biasArg);
  if (bias && k0 + count === <i32>arg(kArg)) addBias(c, width, rows, columns, bias + ((<usize>j) << 2));
}

function addBias(c: usize, width: usize, rows: i32, columns: i32, bias: usize): void {
  for (let r = 0; r < rows; r++, c += width)
    for (let i: usize = 0; i < (<usize>columns) << 2; i += 4) store<f32>(c + i, load<f32>(c + i) + load<f32>(bias + i));
}

/** c [4 rows, 8] = Σ_k a[k][row] · b[k][column], on top of what is in c where the sum goes on. */
function sumTile(c: usize, width: usize, a: usize, b: usize, count: i32, goesOn: bool): void {
  const c1 = c + width;
  const c2 = c1 + width;
  const c3 = c2 + width;
  let s00 = f32x4.splat(0);
  let s01 = s00;
  let s10 = s00;
  let s11 = s00;
  let s20 = s00;
  let s21 = s00;
  let s30 = s00;
  let s31 = s00;
  if (goesOn) {
    s00 = v128.load(c);
    s01 = v128.load(c, 16);
    s10 = v128.load(c1);
    s11 = v128.load(c1, 16);
    s20 = v128.load(c2);
    s21 = v128.load(c2, 16);
    s30 = v128.load(c3);
    s31 = v128.load(c3, 16);
  }
  const end = a + ((<usize>count) << 4);
  for (; a < end; a += 16, b += 32) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load_splat<f32>(a);
    s00 = madd(a0, b0, s00);
    s01 = madd(a0, b1, s01);
    const a1 = v128.load_splat<f32>(a, 4);
    s10 = madd(a1, b0, s10);
    s11 = madd(a1, b1, s11);
    const a2 = v128.load_splat<f32>(a, 8);
    s20 = madd(a2, b0, s20);
    s21 = madd(a2, b1, s21);
    const a3 = v128.load_splat<f32>(a, 12);
    s30 = madd(a3, b0, s30);
    s31 = madd(a3, b1, s31);
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
}

// ---- the bias

/** Columns of a chunk. */
const biasColumns: i32 = 128;

/** dBias[o] += Σ_r dOut[r, o], r = 0, 1, … */
export function biasBackward(dBias: usize, dOut: usize, rows: i32, outDim: i32): void {
  setArg(0, dBias);
  setArg(1, dOut);
  setArg(2, rows);
  setArg(3, outDim);
  parallel(Job.BiasBackward, chunksOf(outDim, biasColumns));
}

export function biasBackwardChunk(chunk: i32): void {
  const outDim = <i32>arg(3);
  const begin = chunk * biasColumns;
  const columns = min(biasColumns, outDim - begin);
  const to = arg(0) + ((<usize>begin) << 2);
  let from = arg(1) + ((<usize>begin) << 2);
  for (let r = 0; r < <i32>arg(2); r++, from += (<usize>outDim) << 2) {
    let i: usize = 0;
    for (; i < (<usize>(columns & ~3)) << 2; i += 16)
      v128.store(to + i, f32x4.add(v128.load(to + i), v128.load(from + i)));
    for (; i < (<usize>columns) << 2; i += 4) store<f32>(to + i, load<f32>(to + i) + load<f32>(from + i));
  }
}
