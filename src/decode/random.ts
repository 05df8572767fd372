// A seeded source of random numbers: PCG-XSH-RR with 64 bits of state and 32 of output.
// O'Neill 2014, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms", pcg-random.org (pcg32).

const multiplier = 6364136223846793005n;
const increment = (54n << 1n) | 1n; // stream 54, as in PCG's own demonstration program
const mask = (1n << 64n) - 1n;

/** Numbers in [0, 1), multiples of 2^−32: the same sequence for the same seed, an integer of 64 bits, on every machine. */
export function randomSource(seed: number | bigint): () => number {
  let state = 0n;
  const next = () => {
    const old = state;
    state = (old * multiplier + increment) & mask;
    const shifted = Number((((old >> 18n) ^ old) >> 27n) & 0xffffffffn);
    const rotation = Number(old >> 59n);
    return ((shifted >>> rotation) | (shifted << (-rotation & 31))) >>> 0;
  };
  next();
  state = (state + BigInt(seed)) & mask;
  next();
  return () => next() / 2 ** 32;
}
