// Products with block-quantized weights. The op is linear.ts, the formats are in blocks.ts.
//
// Integers are multiplied as integers: each row of x is quantized too, 32 elements at a time, to xq = x / dx rounded, with
// dx = (largest magnitude of the 32) / 127 (quantized-rows.ts). With weights scale · q + minimum (blocks.ts), 32 elements add
//   dx · scale · Σ q·xq + dx · minimum · Σ xq.
// What that costs in accuracy: x is off by at most dx/2, so the normalized mean squared error of a product is about
// (largest / rms)² / (12 · 127²), some 3e-5 for values of a normal distribution.
//
// The order of summation. The sums of integers are exact, whatever their order. An output is one f32 to which the first term
// of each unit of 32 is added, unit after unit, and then, where there are minima, the second term of each. All kernels below
// keep to it: they compute four outputs at once, transpose their lanes and go on with one output in each lane.
//
// Few rows go one by one along four outputs that lie far apart (why: linear-floats.ts), as they are stored: q8_0 here, the
// other formats in linear-nibbles.ts. Many rows go in tiles of eight, a row in each lane, along four outputs, unpacked.
//
// 16-bit products of values widened from 8 bits, because they are exact on every engine and cost no more for q8_0 than the
// 8-bit product of relaxed SIMD, whose left operand alone may have a sign: moving signs to one side takes what it would save.
// Tried for tiles: lanes along the elements, transposed at the end (15 % slower); a loop of more than one pair of elements
// (20 % slower: the compiler loads everything first and runs out of registers); unpacking four outputs by turns. For one row
// of q8_0: fetching (5 to 15 % slower), products by way of memory, so that fewer wait in registers (3 % faster).

import { blockBytesOf, fourHalves, unitBytes, unpackUnits } from "./blocks";
import { q4_1Code, q4_KCode, q8_0Code } from "./codes";
import { finishFour, finishNext, job, rowOf } from "./linear-job";
import { multiplyNibbles } from "./linear-nibbles";
import { packedRow, packedTile, tileRows, tileUnitBytes } from "./quantized-rows";
import { ownScratch } from "./threads";
import { madd, sumsOf4 } from "./vector";

/** Outputs that are computed together. */
const panelOuts: i32 = 4;

/** Bytes of the unpacked weights of four outputs. */
export function blocksPanelBytes(inDim: i32): usize {
  return <usize>(inDim >> 5) * (panelOuts * unitBytes);
}

export function multiplyBlocks(begin: i32, end: i32, from: i32, to: i32, panel: usize): void {
  if (job.tiled) {
    tiles(begin, end, from, to, panel);
    return;
  }
  if (job.dtype !== q8_0Code) {
    multiplyNibbles(begin, end, from, to, panel);
    return;
  }
  // Outputs are `step` apart, four times; where there are none left, the last one is computed again and not stored.
  const step = (end - begin + 3) >> 2;
  for (let o = begin; o < begin + step; o++) {
    for (let r = from; r < to; r++) finishFour(r, o, step, end, fourQ8_0(r, o, step, end));
  }
}

/** Unpacks the weights of outputs o to o + 3. */
function unpackFour(panel: usize, o: i32, end: i32): void {
  const dtype = job.dtype;
  const units = job.inDim >> 5;
  const rowBytes = blockBytesOf(dtype, job.inDim);
  for (let i = 0; i < panelOuts; i++)
    unpackUnits(panel + <usize>(i * units * unitBytes), rowOf(o + i, end, rowBytes), dtype, 0, units);
}

/** Whether weights of the dtype have minima. */
function withMinima(): bool {
  return job.dtype === q4_1Code || job.dtype === q4_KCode;
}

/** Row r times outputs o, o + step … of q8_0. */
function fourQ8_0(r: i32, o: i32, step: i32, end: i32): v128 {
  let x = packedRow(r);
  const rowBytes = blockBytesOf(q8_0Code, job.inDim);
  let a = rowOf(o, end, rowBytes);
  let b = rowOf(o + step, end, rowBytes);
  let c = rowOf(o + 2 * step, end, rowBytes);
  let d = rowOf(o + 3 * step, end, rowBytes);
  let sum = f32x4.splat(0);
  const last = packedRow(r + 1);
  for (; x < last; x += unitBytes) {
    const all = sumsOf4(productOfBytes(x, a), productOfBytes(x, b), productOfBytes(x, c), productOfBytes(x, d));
    sum = addScaled(sum, all, x, fourHalves(a, b, c, d));
    a += 34;
    b += 34;
    c += 34;
    d += 34;
  }
  return sum;
}

/** q·xq of 32 elements in four lanes, from a block of q8_0. */
function productOfBytes(x: usize, block: usize): v128 {
  return product(
    x,
    v128.load_ext<i8>(block, 2),
    v128.load_ext<i8>(block, 10),
    v128.load_ext<i8>(block, 18),
    v128.load_ext<i8>(block, 26),
  );
}

/** q·xq of 32 elements in four lanes. */
function product(x: usize, q0: v128, q1: v128, q2: v128, q3: v128): v128 {
  const first = i32x4.add(i32x4.dot_i16x8_s(v128.load(x), q0), i32x4.dot_i16x8_s(v128.load(x, 16), q1));
  const last = i32x4.add(i32x4.dot_i16x8_s(v128.load(x, 32), q2), i32x4.dot_i16x8_s(v128.load(x, 48), q3));
  return i32x4.add(first, last);
}

/** sum + dx · scale · integers, dx from the unit at x. */
function addScaled(sum: v128, integers: v128, x: usize, scale: v128): v128 {
  return madd(f32x4.convert_i32x4_s(integers), f32x4.mul(v128.load_splat<f32>(x, 64), scale), sum);
}

// ---- tiles

/** Rows `from`, a multiple of 8, to `to` times outputs begin to end. */
function tiles(begin: i32, end: i32, from: i32, to: i32, panel: usize): void {
  const minima = withMinima();
  const sums = ownScratch();
  for (let o = begin; o < end; o += panelOuts) {
    unpackFour(panel, o, end);
    for (let r = from; r < to; r += tileRows) {
      tile(packedTile(r), panel, sums);
      if (minima) addMinima(packedTile(r), panel, sums);
      finishTile(r, min(to, r + tileRows), o, end, sums);
    }
  }
}

/** Eight rows at x times four outputs: [output][row]. */
function tile(x: usize, panel: usize, sums: usize): void {
  const rowBytes = <usize>(job.inDim >> 5) * unitBytes;
  let w0 = panel;
  let w1 = w0 + rowBytes;
  let w2 = w1 + rowBytes;
  let w3 = w2 + rowBytes;
  let a = f32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  let e = a;
  let f = a;
  let g = a;
  let h = a;
  const last = w1;
  while (w0 < last) {
    let ia = i32x4.splat(0);
    let ib = ia;
    let ic = ia;
    let id = ia;
    let ie = ia;
    let jf = ia;
    let ig = ia;
    let ih = ia;
    for (const end = x + 16 * tileRows * 4; x < end; x += tileRows * 4) {
      const low = v128.load(x);
      const high = v128.load(x, 16);
      const pair0 = v128.load32_splat(w0);
      ia = i32x4.add(ia, i32x4.dot_i16x8_s(low, pair0));
      ib = i32x4.add(ib, i32x4.dot_i16x8_s(high, pair0));
      const pair1 = v128.load32_splat(w1);
      ic = i32x4.add(ic, i32x4.dot_i16x8_s(low, pair1));
      id = i32x4.add(id, i32x4.dot_i16x8_s(high, pair1));
      const pair2 = v128.load32_splat(w2);
      ie = i32x4.add(ie, i32x4.dot_i16x8_s(low, pair2));
      jf = i32x4.add(jf, i32x4.dot_i16x8_s(high, pair2));
      const pair3 = v128.load32_splat(w3);
      ig = i32x4.add(ig, i32x4.dot_i16x8_s(low, pair3));
      ih = i32x4.add(ih, i32x4.dot_i16x8_s(high, pair3));
      w0 += 4;
      w1 += 4;
      w2 += 4;
      w3 += 4;
    }
    const low = v128.load(x);
    const high = v128.load(x, 16);
    const scale0 = v128.load32_splat(w0);
    a = madd(f32x4.convert_i32x4_s(ia), f32x4.mul(low, scale0), a);
    b = madd(f32x4.convert_i32x4_s(ib), f32x4.mul(high, scale0), b);
    const scale1 = v128.load32_splat(w1);
    c = madd(f32x4.convert_i32x4_s(ic), f32x4.mul(low, scale1), c);
    d = madd(f32x4.convert_i32x4_s(id), f32x4.mul(high, scale1), d);
    const scale2 = v128.load32_splat(w2);
    e = madd(f32x4.convert_i32x4_s(ie), f32x4.mul(low, scale2), e);
    f = madd(f32x4.convert_i32x4_s(jf), f32x4.mul(high, scale2), f);
    const scale3 = v128.load32_splat(w3);
    g = madd(f32x4.convert_i32x4_s(ig), f32x4.mul(low, scale3), g);
    h = madd(f32x4.convert_i32x4_s(ih), f32x4.mul(high, scale3), h);
    x += tileRows * 8; // over dx and Σ xq
    w0 += 16;
    w1 += 16;
    w2 += 16;
    w3 += 16;
  }
  v128.store(sums, a);
  v128.store(sums, b, 16);
  v128.store(sums, c, 32);
  v128.store(sums, d, 48);
  v128.store(sums, e, 64);
  v128.store(sums, f, 80);
  v128.store(sums, g, 96);
  v128.store(sums, h, 112);
}

/** sums + dx · minimum · Σ xq, unit after unit. */
function addMinima(tile: usize, panel: usize, sums: usize): void {
  const units = job.inDim >> 5;
  for (let i = 0; i < panelOuts; i++, sums += 32) {
    let x = tile + 16 * tileRows * 4;
    let low = v128.load(sums);
    let high = v128.load(sums, 16);
    for (let b = 0; b < units; b++, panel += unitBytes, x += tileUnitBytes) {
      const minimum = v128.load_splat<f32>(panel, 68);
      low = madd(f32x4.mul(v128.load(x), f32x4.convert_i32x4_s(v128.load(x, 32))), minimum, low);
      high = madd(f32x4.mul(v128.load(x, 16), f32x4.convert_i32x4_s(v128.load(x, 48))), minimum, high);
    }
    v128.store(sums, low);
    v128.store(sums, high, 16);
  }
}

/** Stores rows r to `to` of a tile. */
function finishTile(r: i32, to: i32, o: i32, end: i32, sums: usize): void {
  for (; r < to; r++, sums += 4)
    finishNext(r, o, end, f32x4(load<f32>(sums), load<f32>(sums, 32), load<f32>(sums, 64), load<f32>(sums, 96)));
}
