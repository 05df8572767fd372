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
