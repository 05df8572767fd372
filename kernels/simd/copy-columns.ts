// out[r, begin + i] = x[r, from + i], i = 0 … width − 1: the engine's own memory copy, row by row.

import { argumentsAt, chunksOf, parallel } from "./threads";

/** The arguments of a job (threads.ts). */
@unmanaged
class CopyColumns {
  out: usize;
  outBytes: usize;
  x: usize;
  inBytes: usize;
  bytes: usize;
  rows: i32;
  rowsPerChunk: i32;
}
const job = changetype<CopyColumns>(argumentsAt);

/** Elements of one chunk, about: whole rows. */
const chunkLength: i32 = 32768;

/** x [rows, inDim] → columns of out [rows, outDim] */
export function copyColumns(
  out: usize,
  outDim: i32,
  begin: i32,
  x: usize,
  inDim: i32,
  from: i32,
  width: i32,
  rows: i32,
): void {
  const rowsPerChunk = max(1, chunkLength / width);
  job.out = out + ((<usize>begin) << 2);
  job.outBytes = (<usize>outDim) << 2;
  job.x = x + ((<usize>from) << 2);
  job.inBytes = (<usize>inDim) << 2;
  job.bytes = (<usize>width) << 2;
  job.rows = rows;
  job.rowsPerChunk = rowsPerChunk;
  parallel(copyColumnsChunk, chunksOf(rows, rowsPerChunk));
}

function copyColumnsChunk(chunk: i32): void {
  const begin = chunk * job.rowsPerChunk;
  const end = min(job.rows, begin + job.rowsPerChunk);
  for (let r = begin; r < end; r++)
    memory.copy(job.out + <usize>r * job.outBytes, job.x + <usize>r * job.inBytes, job.bytes);
}
