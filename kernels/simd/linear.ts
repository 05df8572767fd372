// out[r, o] = Σ_i x[r, i] · w[o, i] + bias[o]
//
// In what order products are summed is in linear-floats.ts and linear-blocks.ts. Both have two ways that give the same bits:
// few rows (GEMV) are memory-bound and go one by one, straight along the stored weights; many rows (GEMM) are compute-bound
// and go in tiles, against weights that each chunk unpacks first. Where a way wants x in another form, a job of its own
// packs it.

import { q8_0Code } from "./codes";
import { blocksPanelBytes, multiplyBlocks } from "./linear-blocks";
import {
  floatsPanelBytes,
  floatsRowBytes,
  floatsSliceBytes,
  floatsSumsBytes,
  floatsTiled,
  multiplyFloats,
  packFloats,
} from "./linear-floats";
import { job, tiledOuts } from "./linear-job";
import { blocksPackedBytes, blocksTiled, packBlocks } from "./quantized-rows";
import { chunksOf, ownNumber, parallel, startedThreads } from "./threads";
import { bytesOf } from "./widen";

/** Rows of x that a chunk packs. */
const packRows: i32 = 32;
/** Weights of a chunk of few rows, in bytes, about: long streams are read faster, but each thread should find several chunks. */
const leastChunkBytes: i32 = 1 << 16;
const mostChunkBytes: i32 = 1 << 20;
const chunksPerThread: i32 = 16;
/** Bytes of packed x that a chunk of tiles goes over again and again: they stay in the second-level cache. Of floats half, for sums. */
const residentBytes: i32 = 1 << 21;

/** Bytes of scratch memory that a call needs: x packed, and room for each thread. */
export function linearScratch(dtype: i32, rows: i32, inDim: i32, threads: i32): usize {
  if (dtype < q8_0Code && !floatsTiled(rows, inDim)) return 0;
  return packedBytes(dtype, rows, inDim) + <usize>threads * threadBytes(dtype, rows, inDim);
}

/** The same for calls of so many rows or fewer. */
export function linearScratchUpTo(dtype: i32, rows: i32, inDim: i32, threads: i32): usize {
  const most = min(mostRowsPerChunk(dtype, inDim) + 7, rows + 7) & ~7;
  const room = dtype >= q8_0Code ? blocksPanelBytes(inDim) : floatsPanelBytes() + floatsSumsBytes(most);
  return packedBytes(dtype, rows, inDim) + <usize>threads * room;
}

function packedBytes(dtype: i32, rows: i32, inDim: i32): usize {
  return dtype < q8_0Code ? <usize>rows * floatsRowBytes(inDim) : blocksPackedBytes(rows, inDim);
}

/** Bytes that each thread needs for its chunks. */
function threadBytes(dtype: i32, rows: i32, inDim: i32): usize {
  if (dtype >= q8_0Code) return blocksPanelBytes(inDim);
  return floatsPanelBytes() + floatsSumsBytes(rowsPerChunkOf(dtype, rows, inDim));
}

/** Rows of a chunk of tiles: as many as stay in the second-level cache, in shares as equal as whole tiles allow. */
function rowsPerChunkOf(dtype: i32, rows: i32, inDim: i32): i32 {
  return (chunksOf(rows, chunksOf(rows, mostRowsPerChunk(dtype, inDim))) + 7) & ~7;
}

function mostRowsPerChunk(dtype: i32, inDim: i32): i32 {
  return residentBytes / (dtype < q8_0Code ? 2 * <i32>floatsSliceBytes : <i32>(blocksPackedBytes(8, inDim) >> 3));
}

/** Outputs of a chunk of few rows. */
function streamedOuts(rowBytes: i32, outDim: i32): i32 {
  const share = chunksOf(outDim, chunksPerThread * startedThreads());
  return (max(8, min(mostChunkBytes / rowBytes, max(leastChunkBytes / rowBytes, share))) + 7) & ~7;
}

/** x [rows, inDim], w [outDim, inDim] in `dtype`, bias [outDim] or 0 → out [rows, outDim]; `scratch` as linearScratch says */
export function linear(
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
  const floats = dtype < q8_0Code;
  const tiled = floats ? floatsTiled(rows, inDim) : blocksTiled(rows);
  const outsPerChunk = tiled ? tiledOuts : streamedOuts(<i32>bytesOf(dtype, inDim), outDim);
  const rowsPerChunk = tiled ? rowsPerChunkOf(dtype, rows, inDim) : rows;
  job.out = out;
  job.x = x;
  job.w = w;
  job.dtype = dtype;
  job.bias = bias;
  job.rows = rows;
  job.inDim = inDim;
  job.outDim = outDim;
  job.packed = scratch;
  job.room = scratch + packedBytes(dtype, rows, inDim);
  job.roomBytes = threadBytes(dtype, rows, inDim);
  job.tiled = tiled;
  job.outsPerChunk = outsPerChunk;
  job.rowsPerChunk = rowsPerChunk;
  if (tiled || !floats) parallel(packChunk, chunksOf(rows, packRows));
  parallel(linearChunk, chunksOf(outDim, outsPerChunk) * chunksOf(rows, rowsPerChunk));
}

function packChunk(chunk: i32): void {
  const begin = chunk * packRows;
  const end = min(job.rows, begin + packRows);
  if (job.dtype < q8_0Code) packFloats(begin, end);
  else packBlocks(begin, end);
}

function linearChunk(chunk: i32): void {
  const outsPerChunk = job.outsPerChunk;
  const rowsPerChunk = job.rowsPerChunk;
  const chunks = chunksOf(job.outDim, outsPerChunk);
  // Chunks are taken from the last on; weights are read forwards, so that the processor prefetches into the next chunk.
  const begin = (chunks - 1 - (chunk % chunks)) * outsPerChunk;
  const end = min(job.outDim, begin + outsPerChunk);
  const from = (chunk / chunks) * rowsPerChunk;
  const to = min(job.rows, from + rowsPerChunk);
  const room = job.room + <usize>ownNumber() * job.roomBytes;
  if (job.dtype < q8_0Code) multiplyFloats(begin, end, from, to, room);
  else multiplyBlocks(begin, end, from, to, room);
}
