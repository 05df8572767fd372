// out[r] = table[ids[r]]; a chunk is a few rows.

import { argumentsAt, chunksOf, parallel } from "./threads";
import { bytesOf, widenRow } from "./widen";

/** The arguments of a job (threads.ts). */
@unmanaged
class Gather {
  out: usize;
  table: usize;
  dtype: i32;
  ids: usize;
  rows: i32;
  dim: i32;
  rowsPerChunk: i32;
}
const job = changetype<Gather>(argumentsAt);

/** Elements of one chunk, about: whole rows. */
const chunkLength: i32 = 32768;

/** table [n, dim] in `dtype`, ids [rows] → out [rows, dim] */
export function gather(out: usize, table: usize, dtype: i32, ids: usize, rows: i32, dim: i32): void {
  const rowsPerChunk = max(1, chunkLength / dim);
  job.out = out;
  job.table = table;
  job.dtype = dtype;
  job.ids = ids;
  job.rows = rows;
  job.dim = dim;
  job.rowsPerChunk = rowsPerChunk;
  parallel(gatherChunk, chunksOf(rows, rowsPerChunk));
}

function gatherChunk(chunk: i32): void {
  const dtype = job.dtype;
  const dim = job.dim;
  const rowBytes = bytesOf(dtype, dim);
  const begin = chunk * job.rowsPerChunk;
  const end = min(job.rows, begin + job.rowsPerChunk);
  for (let r = begin; r < end; r++) {
    const id = load<i32>(job.ids + ((<usize>r) << 2));
    widenRow(job.out + ((<usize>r * dim) << 2), job.table + <usize>id * rowBytes, dtype, dim);
  }
}

/** The arguments of its derivative. */
@unmanaged
class GatherBackward {
  dTable: usize;
  dOut: usize;
  ids: usize;
  rows: i32;
  dim: i32;
}
const backwardJob = changetype<GatherBackward>(argumentsAt);

/** Columns of a chunk of the derivative: whole columns, because one row of the table may be taken many times. */
const chunkColumns: i32 = 128;

/** dTable[ids[r]] += dOut[r], r = 0, 1, … dOut [rows, dim] → dTable [n, dim] */
export function gatherBackward(dTable: usize, dOut: usize, ids: usize, rows: i32, dim: i32): void {
  backwardJob.dTable = dTable;
  backwardJob.dOut = dOut;
  backwardJob.ids = ids;
  backwardJob.rows = rows;
  backwardJob.dim = dim;
  parallel(gatherBackwardChunk, chunksOf(dim, chunkColumns));
}

function gatherBackwardChunk(chunk: i32): void {
  const dTable = backwardJob.dTable;
  const dOut = backwardJob.dOut;
  const ids = backwardJob.ids;
  const rows = backwardJob.rows;
  const dim = backwardJob.dim;
  const begin = chunk * chunkColumns;
  const columns = min(chunkColumns, dim - begin);
  const whole = (<usize>(columns & ~3)) << 2;
  const end = (<usize>columns) << 2;
  for (let r = 0; r < rows; r++) {
    const id = load<i32>(ids + ((<usize>r) << 2));
    const to = dTable + ((<usize>id * <usize>dim + <usize>begin) << 2);
    const from = dOut + ((<usize>r * <usize>dim + <usize>begin) << 2);
    let i: usize = 0;
    for (; i < whole; i += 16) v128.store(to + i, f32x4.add(v128.load(to + i), v128.load(from + i)));
    for (; i < end; i += 4) store<f32>(to + i, load<f32>(to + i) + load<f32>(from + i));
  }
}
