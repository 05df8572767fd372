// Every tolerance of the tests, and how closeness is judged.

import { expect } from "vitest";

/** Relative tolerances; see each user. */
export const tolerance = {
  /** Residual stream and logits against PyTorch in f32, of the largest magnitude. */
  forward: 1e-4,
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
