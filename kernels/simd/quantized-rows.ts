// The rows of x as products with block-quantized weights take them (linear-blocks.ts says why): 32 elements at a time, xq =
// x / dx rounded, with dx = (largest magnitude of the 32) / 127, as llama.cpp does for its products (ggml-quants.c,
// quantize_row_q8_0; there dx is rounded to f16, here it is not). Few rows lie one by one, many in tiles of eight.

import { unitBytes } from "./blocks";
import { job } from "./linear-job";
import { ownScratch } from "./threads";
import { maxLanes, sumsOf4 } from "./vector";

/** From so many rows on they go in tiles. */
const leastTiled: i32 = 5;
/** Rows of a tile. */
export const tileRows: i32 = 8;
/** Bytes of 32 quantized elements of a tile's rows: [pair of elements][row] 2 × i16, then dx and Σ xq (i32) of each row. */
export const tileUnitBytes: i32 = tileRows * 72;

/** Whether so many rows go in tiles. */
export function blocksTiled(rows: i32): bool {
  return rows >= leastTiled;
}

/** Bytes of packed rows of x; one alone lies as an unpacked row of weights does, with dx and Σ xq (i32) for scale and minimum. */
export function blocksPackedBytes(rows: i32, inDim: i32): usize {
  if (rows < leastTiled) return <usize>(rows * (inDim >> 5)) * unitBytes;
  return <usize>(((rows + tileRows - 1) / tileRows) * (inDim >> 5)) * tileUnitBytes;
}

/** Quantizes rows of x. */
export function packBlocks(begin: i32, end: i32): void {
  const inDim = job.inDim;
  const units = inDim >> 5;
  const unit = ownScratch();
  for (let r = begin; r < end; r++) {
    let x = job.x + ((<usize>r * <usize>inDim) << 2);
    if (!job.tiled) {
      const out = packedRow(r);
      for (let b = 0; b < units; b++, x += 128) quantize(out + <usize>(b * unitBytes), x);
    } else {
      const row = r % tileRows;
      const out = packedTile(r) + ((<usize>row) << 2);
      for (let b = 0; b < units; b++, x += 128) {
        quantize(unit, x);
        const to = out + <usize>(b * tileUnitBytes);
        for (let i = 0; i < 72; i += 4) store<i32>(to + <usize>(i * tileRows), load<i32>(unit + i));
      }
    }
  }
}

/** Where row r lies, when rows go one by one. */
export function packedRow(r: i32): usize {
  return job.packed + <usize>(r * (job.inDim >> 5)) * unitBytes;
}

/** Where the tile of row r begins. */
export function packedTile(r: i32): usize {
  return job.packed + <usize>((r / tileRows) * (job.inDim >> 5)) * tileUnitBytes;
}

/** 32 values of x: xq as i16, dx, Σ xq. */
function quantize(out: usize, x: usize): void {
  let largest = f32x4.abs(v128.load(x));
  for (let i: usize = 16; i < 128; i += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(x + i)));
  const most = maxLanes(largest);
  // 127 / 1e-37 would be infinite, and xq more than 8 bits: what is so small counts as 0.
  const inverse = f32x4.splat(most > 1e-36 ? 127 / most : 0);
  let sums = i32x4.splat(0);
  for (let i: usize = 0; i < 4; i++) {
    const low = rounded(v128.load(x + (i << 5)), inverse);
    const high = rounded(v128.load(x + (i << 5), 16), inverse);
    v128.store(out + (i << 4), i16x8.narrow_i32x4_s(low, high));
    sums = i32x4.add(sums, i32x4.add(low, high));
  }
  store<f32>(out, most / 127, 64);
  store<i32>(out, i32x4.extract_lane(sumsOf4(sums, sums, sums, sums), 0), 68);
}

function rounded(x: v128, inverse: v128): v128 {
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(x, inverse)));
}
