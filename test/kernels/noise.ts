// Numbers for tests, the same on every run.

/** Numbers near the normal distribution that depend on the seed alone (sum of four of a linear congruential generator). */
export function noise(length: number, seed: number): Float32Array {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const values = new Float32Array(length); // a loop: Float32Array.from takes ten times as long
  for (let i = 0; i < length; i++) values[i] = (next() + next() + next() + next()) * 1.7;
  return values;
}
