// out[r, o] = Σ_i x[r, i] · w[o, i] + bias[o]
//
// Two jobs follow one another: the first brings the rows of x into the order in which the second reads them (and quantizes
// them, where the weights are quantized), the second multiplies. How, and in what order products are summed, is in
// linear-floats.ts and linear-blocks.ts: few rows go one by one, straight along the stored weights; the others in tiles of
// four, against weights that each chunk unpacks first. All give the same bits.

import { q8_0Code } from "./codes";
import { chunksOf, Job } from "./jobs";
import { blocksPanelBytes, blocksRowBytes, multiplyBlocks, packBlocks } from "./linear-blocks";
import { floatsPanelBytes, floatsRowBytes, multiplyFloats, packFloats } from "./linear-floats";
import { arg, parallel, setArg } from "./threads";
import { sumLanes } from "./vector";
import { bytesOf } from "./widen";

/** Rows of a tile. */
export const tileRows: i32 = 4;
/** Rows of x that a chunk packs; whole tiles. */
export const packRows: i32 = 32;
/** Outputs of a chunk of tiles: their unpacked weights stay in the second-level cache while all rows pass. */
export const panelOuts: i32 = 16;
/** Weights of a chunk of single rows, in bytes, about. */
const chunkBytes: i32 = 65536;

// Arguments of both jobs.
const outArg: i32 = 0;
export const xArg: i32 = 1;
export const wArg: i32 = 2;
export const dtypeArg: i32 = 3;
const biasArg: i32 = 4;
export const rowsArg: i32 = 5;
export const inDimArg: i32 = 6;
export const outDimArg: i32 = 7;
export const packedArg: i32 = 8;
export const panelsArg: i32 = 9;
export const outsPerChunkArg: i32 = 10;

/** Bytes of scratch memory that a call needs: x packed, and a panel of weights for each thread. */
export function linearScratch(dtype: i32, rows: i32, inDim: i32, threads: i32): usize {
  const panelBytes = dtype < q8_0Code ? floatsPanelBytes(rows, inDim) : blocksPanelBytes(rows, inDim);
  return <usize>rows * rowBytesOf(dtype, inDim) + <usize>threads * panelBytes;
}

/** Bytes of a packed row of x. */
function rowBytesOf(dtype: i32, inDim: i32): usize {
  return dtype < q8_0Code ? floatsRowBytes(inDim) : blocksRowBytes(inDim);
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
  const outsPerChunk = rows >= tileRows ? panelOuts : max(1, chunkBytes / <i32>bytesOf(dtype, inDim));
  setArg(outArg, out);
  setArg(xArg, x);
  setArg(wArg, w);
  setArg(dtypeArg, dtype);
  setArg(biasArg, bias);
  setArg(rowsArg, rows);
  setArg(inDimArg, inDim);
  setArg(outDimArg, outDim);
  setArg(packedArg, scratch);
  setArg(panelsArg, scratch + <usize>rows * rowBytesOf(dtype, inDim));
  setArg(outsPerChunkArg, outsPerChunk);
  parallel(Job.Pack, chunksOf(rows, packRows));
  parallel(Job.Linear, chunksOf(outDim, outsPerChunk));
}

export function packChunk(chunk: i32): void {
  if (<i32>arg(dtypeArg) < q8_0Code) packFloats(chunk);
  else packBlocks(chunk);
}

export function linearChunk(chunk: i32): void {
  if (<i32>arg(dtypeArg) < q8_0Code) multiplyFloats(chunk);
  else multiplyBlocks(chunk);
}

/** Stores an output: the lanes of its sum added up, and the bias. */
export function finish(r: i32, o: i32, sum: v128): void {
  const bias = arg(biasArg);
  let total = sumLanes(sum);
  if (bias) total += load<f32>(bias + ((<usize>o) << 2));
  store<f32>(arg(outArg) + ((<usize>r * <usize>arg(outDimArg) + <usize>o) << 2), total);
}
