// Time for tests that say how long something may take at most: what other processes do meanwhile does not count.

/** Starts a clock of the CPU time of this process, all its threads together; it says the milliseconds since. */
export function cpuClock(): () => number {
  const began = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(began);
    return (user + system) / 1000;
  };
}
