// Every tolerance of the tests, and how closeness is judged.

import { expect } from "vitest";

/** Relative tolerances; see each user. */
export const tolerance = {
  /** Residual stream and logits against PyTorch in f32, of the largest magnitude. */
  forward: 1e-4,
  /** The same with keys and values kept in f16, which have 11 bits. */
  forwardHalfCache: 2e-3,
  /** A kernel against its golden, NMSE. */
  kernel: 1e-12,
  /** A kernel that computes in f32 against its golden or the reference set, NMSE. */
  fastKernel: 1e-7,
  /** A derivative of the reference set in f64 against central differences, of the largest. */
  derivative: 1e-6,
  /** Gradients of a loss by embeddings and weights against PyTorch in f32, of the largest of each tensor; losses of training. */
  gradient: 1e-4,
  /** Probabilities against transformers' f64. */
  probability: 1e-6,
  /** Log-probabilities against f64 log-softmax of PyTorch's f32 logits, absolute. */
  logprob: 1e-4,
} as const;

/** Every value within `relative` of the expected one, measured by the largest expected magnitude. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  relative: number,
  what: string,
): void {
  expect(actual.length, `${what}: length`).toBe(expected.length);
  let largest = 0;
  let worst = 0;
  let at = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    const error = Math.abs(actual[i] - expected[i]);
    if (!(error <= worst)) [worst, at] = [error, i];
  }
  if (!(worst <= relative * largest))
    expect.fail(
      `${what}: element ${at} is ${actual[at]}, expected ${expected[at]} within ${relative} of ${largest} (error ${worst / largest})`,
    );
}

/** Normalized mean squared error Σ (a − e)² / Σ e² at most `limit`. */
export function expectNmse(actual: ArrayLike<number>, expected: ArrayLike<number>, limit: number, what: string): void {
  expect(actual.length, `${what}: length`).toBe(expected.length);
  let errors = 0;
  let squares = 0;
  for (let i = 0; i < expected.length; i++) {
    errors += (actual[i] - expected[i]) ** 2;
    squares += expected[i] ** 2;
  }
  if (!(errors <= limit * squares)) expect.fail(`${what}: NMSE is ${errors / squares}, expected at most ${limit}`);
}

/** The same values to the bit. Buffers are compared first: `toEqual` takes a hundred times as long, and is for the message. */
export function expectSameBits(
  actual: Float32Array | Uint32Array,
  expected: Float32Array | Uint32Array,
  what?: string,
): void {
  const bytes = ({ buffer, byteOffset, byteLength }: Float32Array | Uint32Array) =>
    new Uint8Array(buffer, byteOffset, byteLength);
  if (Buffer.compare(bytes(actual), bytes(expected)) === 0) return;
  expect(actual, what).toEqual(expected);
  expect.fail(`${what}: other bits of equal numbers`); // 0 and -0, or NaNs
}
