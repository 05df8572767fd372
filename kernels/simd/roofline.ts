// Not an op: the two limits that every op is measured against (bench/kernels.ts), as these instructions can reach them:
// bytes read from memory and multiply-adds done in registers, each on all threads.

import { argumentsAt, chunksOf, ownScratch, parallel } from "./threads";
import { madd } from "./vector";

/** The arguments of a job (threads.ts). */
@unmanaged
class ReadAll {
  from: usize;
}
const job = changetype<ReadAll>(argumentsAt);

const chunkBytes: i32 = 1 << 20;

/** Reads `bytes`, a multiple of a MiB, once. */
export function readAll(from: usize, bytes: i32): void {
  job.from = from;
  parallel(readAllChunk, chunksOf(bytes, chunkBytes));
}

function readAllChunk(chunk: i32): void {
  // Four streams at once: processors prefetch within each, and one alone does not reach the memory bandwidth.
  const stream = chunkBytes >> 2;
  let at = job.from + <usize>chunk * chunkBytes;
  const end = at + stream;
  let a = i32x4.splat(0);
  let b = a;
  let c = a;
  let d = a;
  for (; at < end; at += 32) {
    a = i32x4.add(i32x4.add(a, v128.load(at)), v128.load(at, 16));
    b = i32x4.add(i32x4.add(b, v128.load(at, stream)), v128.load(at, stream + 16));
    c = i32x4.add(i32x4.add(c, v128.load(at, 2 * stream)), v128.load(at, 2 * stream + 16));
    d = i32x4.add(i32x4.add(d, v128.load(at, 3 * stream)), v128.load(at, 3 * stream + 16));
  }
  v128.store(ownScratch(), i32x4.add(i32x4.add(a, b), i32x4.add(c, d))); // or the loop would be left out
}

/** `chunks` times 4096 · 12 vectors of multiply-adds: 98304 · 4 operations each. */
export function multiplyAll(chunks: i32): void {
  parallel(multiplyAllChunk, chunks);
}

function multiplyAllChunk(_chunk: i32): void {
  const x = f32x4.splat(0.9999);
  let a = x;
  let b = x;
  let c = x;
  let d = x;
  let e = x;
  let f = x;
  let g = x;
  let h = x;
  let i = x;
  let j = x;
  let k = x;
  let l = x;
  for (let n = 0; n < 4096; n++) {
    a = madd(a, x, x);
    b = madd(b, x, x);
    c = madd(c, x, x);
    d = madd(d, x, x);
    e = madd(e, x, x);
    f = madd(f, x, x);
    g = madd(g, x, x);
    h = madd(h, x, x);
    i = madd(i, x, x);
    j = madd(j, x, x);
    k = madd(k, x, x);
    l = madd(l, x, x);
  }
  const sums = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(f32x4.add(e, f), f32x4.add(g, h)));
  v128.store(ownScratch(), f32x4.add(sums, f32x4.add(f32x4.add(i, j), f32x4.add(k, l))));
}
