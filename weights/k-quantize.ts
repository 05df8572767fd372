// Rounding to the "K" blocks, q4_K and q6_K: 256 elements, whose scales are themselves quantized. What a scale should be is
// searched for, which takes tens of times as long as the plain blocks do. The search is ggml's; its sums are in double here
// and in f32 there, so that now and then another of two equally good scales wins.
// Source: ggml-org/llama.cpp, ggml/src/ggml-quants.c: quantize_row_q4_K_ref and quantize_row_q6_K_ref.

import { putF16 } from "./half.ts";

const scales = new Float64Array(16);
const minima = new Float64Array(8);
const weights = new Float64Array(32);
const quants = new Uint8Array(256);
const trial = new Uint8Array(32);

/** Rounds 256 values of x, from `from` on, to one q4_K block. */
export function encodeQ4K(x: Float32Array, from: number, out: Uint8Array, at: number): void {
  let [maxScale, maxMinimum] = [0, 0];
  for (let j = 0; j < 8; j++) {
    searchScaleAndMinimum(x, from + 32 * j, j);
    maxScale = Math.max(maxScale, scales[j]);
    maxMinimum = Math.max(maxMinimum, minima[j]);
  }
  const d = putF16(out, at, maxScale / 63);
  const m = putF16(out, at + 2, maxMinimum / 63);
  out.fill(0, at + 4, at + 16);
  for (let j = 0; j < 8; j++) {
    const scale = maxScale > 0 ? Math.min(63, nearest((63 / maxScale) * scales[j])) : 0;
    const minimum = maxMinimum > 0 ? Math.min(63, nearest((63 / maxMinimum) * minima[j])) : 0;
    putScales(out, at + 4, j, scale, minimum);
    const step = d * scale;
    for (let i = 0; i < 32; i++) {
      const quant = step === 0 ? 0 : nearest((x[from + 32 * j + i] + m * minimum) / step);
      quants[32 * j + i] = limited(quant);
    }
  }
  for (let i = 0; i < 128; i++) {
    const low = 64 * (i >> 5) + (i & 31);
    out[at + 16 + i] = quants[low] | (quants[low + 32] << 4);
  }
}

/** Rounds 256 values of x, from `from` on, to one q6_K block. */
export function encodeQ6K(x: Float32Array, from: number, out: Uint8Array, at: number): void {
  let widest = 0;
  for (let j = 0; j < 16; j++) {
    scales[j] = searchScale(x, from + 16 * j);
    if (Math.abs(scales[j]) > Math.abs(widest)) widest = scales[j];
  }
  out.fill(0, at, at + 210);
  if (Math.abs(widest) < 1e-15) return;
  const d = putF16(out, at + 208, widest / -128);
  for (let j = 0; j < 16; j++) {
    const scale = Math.min(127, nearest((-128 / widest) * scales[j]));
    out[at + 192 + j] = scale;
    const step = d * scale;
    for (let i = 16 * j; i < 16 * j + 16; i++) {
      const quant = step === 0 ? 0 : nearest(x[from + i] / step);
      const stored = Math.max(-32, Math.min(31, quant)) + 32;
      // Four runs of 32 in each half: low nibbles in two runs of bytes, the two upper bits beside each other.
      const [half, run, within] = [i >> 7, (i >> 5) & 3, i & 31];
      out[at + half * 64 + (run & 1) * 32 + within] |= (stored & 15) << ((run >> 1) * 4);
      out[at + 128 + half * 32 + within] |= (stored >> 4) << (run * 2);
    }
  }
}

/**
 * Of 32 values: scale s and minimum m ≥ 0 for which Σ w · (s · q − m − x)² is least, q from 0 to 15, among 21 spacings. The
 * weight of a value is its magnitude and their root mean square. Writes scales[j] and minima[j].
 */
function searchScaleAndMinimum(x: Float32Array, from: number, j: number): void {
  let squares = 0;
  for (let i = 0; i < 32; i++) squares += x[from + i] ** 2;
  const mean = Math.sqrt(squares / 32);
  let [minimum, maximum] = [Math.min(0, x[from]), x[from]];
  let [sumW, sumX] = [0, 0];
  for (let i = 0; i < 32; i++) {
    const value = x[from + i];
    weights[i] = mean + Math.abs(value);
    minimum = Math.min(minimum, value);
    maximum = Math.max(maximum, value);
    sumW += weights[i];
    sumX += weights[i] * value;
  }
  if (maximum === minimum) {
    scales[j] = 0;
    minima[j] = -minimum;
    return;
  }
  let scale = (maximum - minimum) / 15;
  for (let i = 0; i < 32; i++) trial[i] = limited(nearest((x[from + i] - minimum) / scale));
  let best = errorOf(x, from, scale, minimum);
  for (let n = 0; n <= 20; n++) {
    const inverse = (14 + 0.1 * n) / (maximum - minimum); // of the best minimum so far, as ggml has it
    let [sumQ, sumQQ, sumXQ] = [0, 0, 0];
    for (let i = 0; i < 32; i++) {
      const quant = limited(nearest(inverse * (x[from + i] - minimum)));
      trial[i] = quant;
      sumQ += weights[i] * quant;
      sumQQ += weights[i] * quant * quant;
      sumXQ += weights[i] * quant * x[from + i];
    }
    const determinant = sumW * sumQQ - sumQ * sumQ;
    if (determinant <= 0) continue;
    let newScale = (sumW * sumXQ - sumX * sumQ) / determinant;
    let newMinimum = (sumQQ * sumX - sumQ * sumXQ) / determinant;
    if (newMinimum > 0) {
      newMinimum = 0;
      newScale = sumXQ / sumQQ;
    }
    const error = errorOf(x, from, newScale, newMinimum);
    if (error < best) [best, scale, minimum] = [error, newScale, newMinimum];
  }
  scales[j] = scale;
  minima[j] = -minimum;
}

/** Σ w · (scale · q + minimum − x)² with the quants in `trial`. */
function errorOf(x: Float32Array, from: number, scale: number, minimum: number): number {
  let error = 0;
  for (let i = 0; i < 32; i++) {
    const difference = scale * trial[i] + minimum - x[from + i];
    error += weights[i] * difference * difference;
  }
  return error;
}

function limited(quant: number): number {
  return quant < 0 ? 0 : quant > 15 ? 15 : quant;
}

/** Of 16 values: the scale for which Σ x² · (s · q − x)² is least, q from −32 to 31, among 19 spacings. */
function searchScale(x: Float32Array, from: number): number {
  let extreme = 0;
  for (let i = from; i < from + 16; i++) if (Math.abs(x[i]) > Math.abs(extreme)) extreme = x[i];
  if (Math.abs(extreme) < 1e-15) return 0;
  let [scale, best] = [0, 0];
  for (const n of [0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9]) {
    const inverse = -(32 + 0.1 * n) / extreme;
    let [sumXQ, sumQQ] = [0, 0];
    for (let i = from; i < from + 16; i++) {
      const quant = Math.max(-32, Math.min(31, nearest(inverse * x[i])));
      const weight = x[i] * x[i];
      sumXQ += weight * x[i] * quant;
      sumQQ += weight * quant * quant;
    }
    if (sumQQ > 0 && sumXQ * sumXQ > best * sumQQ) [scale, best] = [sumXQ / sumQQ, (sumXQ * sumXQ) / sumQQ];
  }
  return scale;
}

/** Scale and minimum of run j, six bits each; where they lie is said in blocks.ts, which reads them. */
function putScales(out: Uint8Array, at: number, j: number, scale: number, minimum: number): void {
  if (j < 4) {
    out[at + j] = scale;
    out[at + 4 + j] = minimum;
  } else {
    out[at + 4 + j] = (scale & 15) | ((minimum & 15) << 4);
    out[at + j - 4] |= (scale >> 4) << 6;
    out[at + j] |= (minimum >> 4) << 6;
  }
}

const half52 = 1.5 * 2 ** 52;

/** The nearest whole number, of two the even one. */
function nearest(value: number): number {
  return value + half52 - half52;
}
