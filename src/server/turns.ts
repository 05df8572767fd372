// Long steps on the thread that answers everybody: one at a time, with a pause after each in which all else is served.

import { setTimeout as sleep } from "node:timers/promises";

/** Does a piece of work; its result comes in an object, so that nobody waits for a promise that the work gives. */
export type Step = <Result>(work: () => Result) => Promise<{ result: Result }>;

/** Does it now: for short work. */
export const atOnce: Step = async (work) => ({ result: work() });

/** Time enough to take a connection, read a request and answer it. */
const pauseMs = 30;

/** Does each piece when those before it are done and have been paused after. */
export function createTurns(): Step {
  let free = Promise.resolve();
  return async (work) => {
    const before = free;
    let leave = () => {};
    free = new Promise((resolve) => {
      leave = resolve;
    });
    await before;
    try {
      return { result: work() };
    } finally {
      void sleep(pauseMs).then(leave);
    }
  };
}
