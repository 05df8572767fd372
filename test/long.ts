// The long run (npm run test:long, with PLAINFORMER_LONG=1) takes all of what the short one takes a sample of. It consists of
// the test files that import this one; what each samples, its own text says.

export const long = process.env.PLAINFORMER_LONG !== undefined;

/** Every `n`th of `items`, from the first on; all of them in the long run. */
export function sampled<T>(items: readonly T[], n: number): T[] {
  return long ? [...items] : items.filter((_, i) => i % n === 0);
}

/** How often something random is tried: `short` times, `full` times in the long run. */
export function times(short: number, full: number): number {
  return long ? full : short;
}
