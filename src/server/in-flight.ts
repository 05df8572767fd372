// Requests whose answer is not complete: how many, and how long they have waited.

export interface InFlight {
  count: number;
  /** Seconds since the oldest of them came; 0: there is none. */
  oldestSeconds: number;
  /** Those that have had no token yet, and the seconds since the oldest of these came. */
  waiting: number;
  longestWaitSeconds: number;
}

export interface InFlightCounter {
  /** A request comes now. */
  enter(): { hasToken(): void; leave(): void };
  now(): InFlight;
}

/** A counter; `clock` is in milliseconds. */
export function createInFlight(clock: () => number = performance.now.bind(performance)): InFlightCounter {
  const requests = new Set<{ came: number; told: boolean }>();
  const secondsOf = (some: { came: number }[]) =>
    some.reduce((most, { came }) => Math.max(most, clock() - came), 0) / 1000;
  return {
    enter() {
      const request = { came: clock(), told: false };
      requests.add(request);
      return {
        hasToken() {
          request.told = true;
        },
        leave: () => void requests.delete(request),
      };
    },
    now() {
      const all = [...requests];
      const silent = all.filter(({ told }) => !told);
      return {
        count: all.length,
        oldestSeconds: secondsOf(all),
        waiting: silent.length,
        longestWaitSeconds: secondsOf(silent),
      };
    },
  };
}
