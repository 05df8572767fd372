// out[r, o] = Σ_i x[r, i] · w[o, i] + bias[o]
//
// In what order products are summed is in linear-floats.ts and linear-blocks.ts. Both have two ways that give the same bits:
// few rows go one by one, straight along the stored weights, for memory is their limit; many rows go in tiles, against
// weights that each chunk unpacks first, for arithmetic is theirs. Where a way wants x in another form, a job of its own
// brings it there.

import { q8_0Code } from "./codes";
import { chunksOf, Job } from "./jobs";
import { blocksPackedBytes, blocksPanelBytes, blocksTiled, multiplyBlocks, packBlocks } from "./linear-blocks";
import {
  floatsPanelBytes,
  floatsRowBytes,
  floatsSliceBytes,
  floatsSumsBytes,
  floatsTiled,
  multiplyFloats,
  packFloats,
} from "./linear-floats";
import { arg, ownNumber, parallel, setArg, startedThreads } from "./threads";
import { bytesOf } from "./widen";

/** Rows of x that a chunk packs. */
export const packRows: i32 = 32;
/** Outputs of a chunk of tiles: a multiple of 8. */
export const tiledOuts: i32 = 48;
/** Weights of a chunk of few rows, in bytes, about: long streams are read faster, but each thread should find several chunks. */
const leastChunkBytes: i32 = 1 << 16;
const mostChunkBytes: i32 = 1 << 20;
const chunksPerThread: i32 = 16;
/** Bytes of packed x that a chunk of tiles goes over again and again: they stay in the second-level cache. Of floats half, for sums. */
const residentBytes: i32 = 1 << 21;

// Arguments of both jobs.
export const outArg: i32 = 0;
export const xArg: i32 = 1;
export const wArg: i32 = 2;
export const dtypeArg: i32 = 3;
export const biasArg: i32 = 4;
export const rowsArg: i32 = 5;
export const inDimArg: i32 = 6;
export const outDimArg: i32 = 7;
export const packedArg: i32 = 8;
const roomArg: i32 = 9;
const roomBytesArg: i32 = 10;
export const tiledArg: i32 = 11;
const outsPerChunkArg: i32 = 12;
const rowsPerChunkArg: i32 = 13;

/** Bytes of scratch memory that a call needs: x packed, and room for each thread. */
export function linearScratch(dtype: i32, rows: i32, inDim: i32, threads: i32): usize {
  if (dtype < q8_0Code && !floatsTiled(rows, inDim)) return 0;
  return packedBytes(dtype, rows, inDim) + <usize>threads * threadBytes(dtype, rows, inDim);
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
  const most = residentBytes / (dtype < q8_0Code ? 2 * <i32>floatsSliceBytes : <i32>(blocksPackedBytes(8, inDim) >> 3));
  return (chunksOf(rows, chunksOf(rows, most)) + 7) & ~7;
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
  setArg(outArg, out);
  setArg(xArg, x);
  setArg(wArg, w);
  setArg(dtypeArg, dtype);
  setArg(biasArg, bias);
  setArg(rowsArg, rows);
  setArg(inDimArg, inDim);
  setArg(outDimArg, outDim);
  setArg(packedArg, scratch);
  setArg(roomArg, scratch + packedBytes(dtype, rows, inDim));
  setArg(roomBytesArg, threadBytes(dtype, rows, inDim));
  setArg(tiledArg, <usize>tiled);
  setArg(outsPerChunkArg, outsPerChunk);
  setArg(rowsPerChunkArg, rowsPerChunk);
  if (tiled || !floats) parallel(Job.Pack, chunksOf(rows, packRows));
  parallel(Job.Linear, chunksOf(outDim, outsPerChunk) * chunksOf(rows, rowsPerChunk));
}

export function packChunk(chunk: i32): void {
  const begin = chunk * packRows;
  const end = min(<i32>arg(rowsArg), begin + packRows);
  if (<i32>arg(dtypeArg) < q8_0Code) packFloats(begin, end);
  else packBlocks(begin, end);
}

export function linearChunk(chunk: i32): void {
  const outsPerChunk = <i32>arg(outsPerChunkArg);
  const rowsPerChunk = <i32>arg(rowsPerChunkArg);
  const chunks = chunksOf(<i32>arg(outDimArg), outsPerChunk);
  // Chunks are taken from the last on; weights are read forwards, for processors fetch ahead into the next chunk.
  const begin = (chunks - 1 - (chunk % chunks)) * outsPerChunk;
  const end = min(<i32>arg(outDimArg), begin + outsPerChunk);
  const from = (chunk / chunks) * rowsPerChunk;
  const to = min(<i32>arg(rowsArg), from + rowsPerChunk);
  const room = arg(roomArg) + <usize>ownNumber() * arg(roomBytesArg);
  if (<i32>arg(dtypeArg) < q8_0Code) multiplyFloats(begin, end, from, to, room);
  else multiplyBlocks(begin, end, from, to, room);
}

/** Stores outputs o to o + 3 of row r, those before `end`, with their biases. */
export function finishNext(r: i32, o: i32, end: i32, sums: v128): void {
  if (o + 4 > end) {
    finishFour(r, o, 1, end, sums);
    return;
  }
  const bias = arg(biasArg);
  if (bias) sums = f32x4.add(sums, v128.load(bias + ((<usize>o) << 2)));
  v128.store(arg(outArg) + ((<usize>r * <usize>arg(outDimArg) + <usize>o) << 2), sums);
}

/** Stores outputs o, o + step, o + 2 · step and o + 3 · step, likewise. */
export function finishFour(r: i32, o: i32, step: i32, end: i32, sums: v128): void {
  finish(r, o, f32x4.extract_lane(sums, 0));
  if (o + step < end) finish(r, o + step, f32x4.extract_lane(sums, 1));
  if (o + 2 * step < end) finish(r, o + 2 * step, f32x4.extract_lane(sums, 2));
  if (o + 3 * step < end) finish(r, o + 3 * step, f32x4.extract_lane(sums, 3));
}

/** Stores output o of rows r to r + 3. */
export function finishRows(r: i32, o: i32, sums: v128): void {
  finish(r, o, f32x4.extract_lane(sums, 0));
  finish(r + 1, o, f32x4.extract_lane(sums, 1));
  finish(r + 2, o, f32x4.extract_lane(sums, 2));
  finish(r + 3, o, f32x4.extract_lane(sums, 3));
}

function finish(r: i32, o: i32, sum: f32): void {
  const bias = arg(biasArg);
  if (bias) sum += load<f32>(bias + ((<usize>o) << 2));
  store<f32>(arg(outArg) + ((<usize>r * <usize>arg(outDimArg) + <usize>o) << 2), sum);
}
