// The products of going back: dX = dOut · W, dW += dOutᵀ · x. Both are one matrix product,
//
//   c[m, n] (+)= Σ_k a[m, k] · b[k, n]
//
// where a may be stored transposed. Unlike in linear-floats.ts the sum runs down the columns of b: a number of
// a times eight neighbors of b, k = 0, 1, … into one accumulator each. So an output has the same bits for any number of rows,
// columns and threads.
//
// Two jobs. The first packs a into tiles of six rows, [tile][k][row of the tile]. A chunk of the second is a panel of 32
// columns and a block of rows: it unpacks 512 rows of the panel, [group of 8 columns][k][column of the group], into memory
// of its thread, which stays in the second-level cache while all tiles pass; 6 × 8 sums stay in registers. (Goto & van de
// Geijn 2008, "Anatomy of High-Performance Matrix Multiplication".) Tried without gain: 4 × 8 sums (7 % slower).

import { f32Code, q4_KCode } from "./codes";
import { argumentsAt, chunksOf, ownNumber, ownScratch, parallel } from "./threads";
import { madd } from "./vector";
import { bytesOf, widenRow } from "./widen";

/** The arguments of both jobs of a product (threads.ts). */
@unmanaged
class Product {
  c: usize;
  a: usize;
  /** a is stored as [k, m] */
  aTransposed: bool;
  b: usize;
  bDType: i32;
  /** The sum starts from what is in c */
  add: bool;
  m: i32;
  k: i32;
  n: i32;
  /** a in tiles */
  packed: usize;
  /** A panel of b for each thread */
  panels: usize;
  chunkRows: i32;
  panelColumns: i32;
}
const job = changetype<Product>(argumentsAt);

const tileRows: i32 = 6;
/** Tiles that a chunk of the first job packs. */
const packTiles: i32 = 8;
const groupColumns: i32 = 8;
/** Numbers of a panel that are unpacked at a time: 512 rows of 32 columns. */
const panelSize: i32 = 512 * 32;
/** Rows of c of a chunk, about. */
const chunkRows: i32 = 256;

/** Bytes of a thread's memory: a panel, and a row on its way into it. */
const threadBytes: usize = (<usize>(panelSize + 512)) << 2;

/** Columns of a panel: whole blocks of b's rows, where those are cut. */
function panelColumnsOf(bDType: i32): i32 {
  return bDType >= q4_KCode ? 256 : 32;
}

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
  product(dX, dOut, false, w, dtype, false, rows, outDim, inDim, scratch);
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
  product(dW, dOut, true, x, f32Code, true, outDim, rows, inDim, scratch);
}

function product(
  c: usize,
  a: usize,
  aTransposed: bool,
  b: usize,
  bDType: i32,
  add: bool,
  m: i32,
  k: i32,
  n: i32,
  scratch: usize,
): void {
  job.c = c;
  job.a = a;
  job.aTransposed = aTransposed;
  job.b = b;
  job.bDType = bDType;
  job.add = add;
  job.m = m;
  job.k = k;
  job.n = n;
  job.packed = scratch;
  job.panels = scratch + packedBytes(m, k);
  parallel(productPackChunk, chunksOf(m, packTiles * tileRows));
  const blocks = chunksOf(m, chunkRows);
  job.chunkRows = chunksOf(chunksOf(m, blocks), tileRows) * tileRows;
  const panelColumns = panelColumnsOf(bDType);
  job.panelColumns = panelColumns;
  parallel(productChunk, blocks * chunksOf(n, panelColumns));
}

// ---- a

function productPackChunk(chunk: i32): void {
  const m = job.m;
  const k = job.k;
  const rowStride: usize = job.aTransposed ? 4 : (<usize>k) << 2;
  const kStride: usize = job.aTransposed ? (<usize>m) << 2 : 4;
  const begin = chunk * packTiles * tileRows;
  const end = min(m, begin + packTiles * tileRows);
  for (let i = begin; i < end; i += tileRows) {
    const tile = job.packed + ((<usize>i * <usize>k) << 2);
    packTile(tile, job.a + <usize>i * rowStride, rowStride, kStride, k, min(tileRows, m - i));
  }
}

/** [k][row of the tile]; what is missing of a tile's rows is zeros. */
function packTile(tile: usize, a: usize, rowStride: usize, kStride: usize, k: i32, rows: i32): void {
  if (rows < tileRows) memory.fill(tile, 0, (<usize>(k * tileRows)) << 2);
  for (let r = 0; r < rows; r++, a += rowStride, tile += 4) {
    let from = a;
    const end = tile + ((<usize>(k * tileRows)) << 2);
    for (let to = tile; to < end; to += (<usize>tileRows) << 2, from += kStride) store<f32>(to, load<f32>(from));
  }
}

// ---- b

/** Rows k0 … k0 + count of the columns from `column` on; columns that are not there are zeros. */
function packPanel(panel: usize, k0: i32, count: i32, column: i32): void {
  const columns = min(job.panelColumns, job.n - column);
  const dtype = job.bDType;
  const n = job.n;
  const rowBytes = bytesOf(dtype, n);
  const groupBytes = (<usize>count * groupColumns) << 2;
  const row = panel + ((<usize>panelSize) << 2);
  const groups = <usize>chunksOf(columns, groupColumns);
  memory.fill(row, 0, groups << 5);
  for (let i = 0; i < count; i++) {
    let from = job.b + <usize>(k0 + i) * rowBytes + bytesOf(dtype, column);
    if (dtype !== f32Code || (columns & (groupColumns - 1)) !== 0) {
      widenRow(row, from, dtype, columns);
      from = row;
    }
    const to = panel + ((<usize>(i * groupColumns)) << 2);
    for (let g: usize = 0; g < groups; g++) {
      v128.store(to + g * groupBytes, v128.load(from + (g << 5)));
      v128.store(to + g * groupBytes, v128.load(from + (g << 5), 16), 16);
    }
  }
}

// ---- c

function productChunk(chunk: i32): void {
  const k = job.k;
  const n = job.n;
  const panelColumns = job.panelColumns;
  const kBlock = panelSize / panelColumns;
  const panels = chunksOf(n, panelColumns);
  const column = (chunk % panels) * panelColumns;
  const begin = (chunk / panels) * job.chunkRows;
  const end = min(job.m, begin + job.chunkRows);
  const groups = chunksOf(min(panelColumns, n - column), groupColumns);
  const panel = job.panels + <usize>ownNumber() * threadBytes;
  for (let k0 = 0; k0 < k; k0 += kBlock) {
    const count = min(kBlock, k - k0);
    packPanel(panel, k0, count, column);
    for (let i = begin; i < end; i += tileRows) {
      const tile = job.packed + ((<usize>i * <usize>k + <usize>(k0 * tileRows)) << 2);
      for (let g = 0; g < groups; g++)
        addTile(i, column + g * groupColumns, tile, panel + ((<usize>(g * count * groupColumns)) << 2), count, k0);
    }
  }
}

/** Adds `count` products to the 6 × 8 sums at row i and column j: in place, or by way of scratch memory at the edges of c. */
function addTile(i: i32, j: i32, a: usize, b: usize, count: i32, k0: i32): void {
  const n = job.n;
  const rows = min(tileRows, job.m - i);
  const columns = min(groupColumns, n - j);
  const width = (<usize>n) << 2;
  const c = job.c + ((<usize>i * <usize>n + <usize>j) << 2);
  const goesOn = k0 > 0 || job.add !== 0;
  if (rows === tileRows && columns === groupColumns) sumTile(c, width, a, b, count, goesOn);
  else {
    const whole = ownScratch();
    for (let r = 0; r < rows; r++) memory.copy(whole + ((<usize>r) << 5), c + <usize>r * width, (<usize>columns) << 2);
    sumTile(whole, 32, a, b, count, goesOn);
    for (let r = 0; r < rows; r++) memory.copy(c + <usize>r * width, whole + ((<usize>r) << 5), (<usize>columns) << 2);
  }
}

/** c [6 rows, 8] = Σ_k a[k][row] · b[k][column], on top of what is in c where the sum goes on. */
function sumTile(c: usize, width: usize, a: usize, b: usize, count: i32, goesOn: bool): void {
  const c1 = c + width;
  const c2 = c1 + width;
  const c3 = c2 + width;
  const c4 = c3 + width;
  const c5 = c4 + width;
  let s00 = f32x4.splat(0);
  let s01 = s00;
  let s10 = s00;
  let s11 = s00;
  let s20 = s00;
  let s21 = s00;
  let s30 = s00;
  let s31 = s00;
  let s40 = s00;
  let s41 = s00;
  let s50 = s00;
  let s51 = s00;
  if (goesOn) {
    s00 = v128.load(c);
    s01 = v128.load(c, 16);
    s10 = v128.load(c1);
    s11 = v128.load(c1, 16);
    s20 = v128.load(c2);
    s21 = v128.load(c2, 16);
    s30 = v128.load(c3);
    s31 = v128.load(c3, 16);
    s40 = v128.load(c4);
    s41 = v128.load(c4, 16);
    s50 = v128.load(c5);
    s51 = v128.load(c5, 16);
  }
  const end = a + ((<usize>(count * tileRows)) << 2);
  for (; a < end; a += 24, b += 32) {
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
    const a4 = v128.load_splat<f32>(a, 16);
    s40 = madd(a4, b0, s40);
    s41 = madd(a4, b1, s41);
    const a5 = v128.load_splat<f32>(a, 20);
    s50 = madd(a5, b0, s50);
    s51 = madd(a5, b1, s51);
  }
  v128.store(c, s00);
  v128.store(c, s01, 16);
  v128.store(c1, s10);
  v128.store(c1, s11, 16);
  v128.store(c2, s20);
  v128.store(c2, s21, 16);
  v128.store(c3, s30);
  v128.store(c3, s31, 16);
  v128.store(c4, s40);
  v128.store(c4, s41, 16);
  v128.store(c5, s50);
  v128.store(c5, s51, 16);
}

// ---- the bias

/** The arguments of a job (threads.ts). */
@unmanaged
class BiasBackward {
  dBias: usize;
  dOut: usize;
  rows: i32;
  outDim: i32;
}
const biasJob = changetype<BiasBackward>(argumentsAt);

/** Columns of a chunk. */
const biasColumns: i32 = 128;

/** dBias[o] += Σ_r dOut[r, o], r = 0, 1, … */
export function biasBackward(dBias: usize, dOut: usize, rows: i32, outDim: i32): void {
  biasJob.dBias = dBias;
  biasJob.dOut = dOut;
  biasJob.rows = rows;
  biasJob.outDim = outDim;
  parallel(biasBackwardChunk, chunksOf(outDim, biasColumns));
}

function biasBackwardChunk(chunk: i32): void {
  const outDim = biasJob.outDim;
  const begin = chunk * biasColumns;
  const columns = min(biasColumns, outDim - begin);
  const to = biasJob.dBias + ((<usize>begin) << 2);
  let from = biasJob.dOut + ((<usize>begin) << 2);
  for (let r = 0; r < biasJob.rows; r++, from += (<usize>outDim) << 2) {
    let i: usize = 0;
    for (; i < (<usize>(columns & ~3)) << 2; i += 16)
      v128.store(to + i, f32x4.add(v128.load(to + i), v128.load(from + i)));
    for (; i < (<usize>columns) << 2; i += 4) store<f32>(to + i, load<f32>(to + i) + load<f32>(from + i));
  }
}
