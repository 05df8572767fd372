// out[r] = table[ids[r]]; a chunk is a few rows.

import { chunksOf, Job } from "./jobs";
import { arg, parallel, setArg } from "./threads";
import { bytesOf, widenRow } from "./widen";

/** Elements of one chunk, about: whole rows. */
const chunkLength: i32 = 32768;

/** table [n, dim] in `dtype`, ids [rows] → out [rows, dim] */
export function gather(out: usize, table: usize, dtype: i32, ids: usize, rows: i32, dim: i32): void {
  const rowsPerChunk = max(1, chunkLength / dim);
  setArg(0, out);
  setArg(1, table);
  setArg(2, dtype);
  setArg(3, ids);
  setArg(4, rows);
  setArg(5, dim);
  setArg(6, rowsPerChunk);
  parallel(Job.Gather, chunksOf(rows, rowsPerChunk));
}

export function gatherChunk(chunk: i32): void {
  const dtype = <i32>arg(2);
  const dim = <i32>arg(5);
  const rowBytes = bytesOf(dtype, dim);
  const begin = chunk * <i32>arg(6);
  const end = min(<i32>arg(4), begin + <i32>arg(6));
  for (let r = begin; r < end; r++) {
    const id = load<i32>(arg(3) + ((<usize>r) << 2));
    widenRow(arg(0) + ((<usize>r * dim) << 2), arg(1) + <usize>id * rowBytes, dtype, dim);
  }
}

/** Columns of a chunk of the derivative: whole columns, because one row of the table may be taken many times. */
const chunkColumns: i32 = 64;

/** dTable[ids[r]] += dOut[r], r = 0, 1, … dOut [rows, dim] → dTable [n, dim] */
export function gatherBackward(dTable: usize, dOut: usize, ids: usize, rows: i32, dim: i32): void {
  setArg(0, dTable);
  setArg(1, dOut);
  setArg(2, ids);
  setArg(3, rows);
  setArg(4, dim);
  parallel(Job.GatherBackward, chunksOf(dim, chunkColumns));
}

export function gatherBackwardChunk(chunk: i32): void {
  const dim = <i32>arg(4);
  const begin = chunk * chunkColumns;
  const columns = min(chunkColumns, dim - begin);
  const whole = (<usize>(columns & ~3)) << 2;
  const end = (<usize>columns) << 2;
  for (let r = 0; r < <i32>arg(3); r++) {
    const id = load<i32>(arg(2) + ((<usize>r) << 2));
    const to = arg(0) + ((<usize>id * <usize>dim + <usize>begin) << 2);
    const from = arg(1) + ((<usize>r * <usize>dim + <usize>begin) << 2);
    let i: usize = 0;
    for (; i < whole; i += 16) v128.store(to + i, f32x4.add(v128.load(to + i), v128.load(from + i)));
    for (; i < end; i += 4) store<f32>(to + i, load<f32>(to + i) + load<f32>(from + i));
  }
}
