// How much one key may ask at once and per minute: a token bucket and a counter each.

import { ApiError } from "./errors.ts";

export interface RateLimits {
  /** Requests per minute and key; a burst of as many is let through. 0: as many as they like */
  perMinute: number;
  /** Requests of one key that are worked on at once. 0: as many as they like */
  concurrent: number;
}

export interface Rates {
  /** Counts a request in; call what it returns when the request is over. @throws ApiError 429 with the seconds to wait. */
  enter(tenant: string): () => void;
}

/** `now` is a clock in milliseconds. */
export function createRates(
  { perMinute, concurrent }: RateLimits,
  now: () => number = performance.now.bind(performance),
): Rates {
  const tenants = new Map<string, { left: number; at: number; running: number }>();
  return {
    enter(tenant) {
      const state = tenants.get(tenant) ?? { left: perMinute, at: now(), running: 0 };
      tenants.set(tenant, state);
      if (concurrent > 0 && state.running >= concurrent)
        throw new ApiError(429, `Too many requests at once: this key may have ${concurrent}`, { retryAfter: 1 });
      if (perMinute > 0) {
        const time = now();
        state.left = Math.min(perMinute, state.left + ((time - state.at) / 60_000) * perMinute);
        state.at = time;
        if (state.left < 1)
          throw new ApiError(429, `Rate limit reached: this key may send ${perMinute} requests a minute`, {
            retryAfter: Math.ceil(((1 - state.left) / perMinute) * 60),
          });
        state.left -= 1;
      }
      state.running++;
      let over = false;
      return () => {
        if (!over) state.running--;
        over = true;
      };
    },
  };
}
