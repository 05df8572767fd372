// The platform in a browser: in a page, or in a worker of one.

import type { Platform } from "./platform.ts";

const waiting: (() => void)[] = [];
let ring: (() => void) | undefined;

/** By a message to ourselves: nested timeouts would take 4 ms each. */
export const yieldToHost: Platform["yieldToHost"] = () =>
  new Promise((resolve) => {
    waiting.push(resolve);
    ring ??= createBell(() => waiting.shift()?.());
    ring();
  });

/** A function that has the host call `onRing` in a turn of its own. */
function createBell(onRing: () => void): () => void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = onRing;
  return () => port2.postMessage(null);
}

// What a browser has and the types of Node do not say.
declare const MessageChannel: new () => {
  readonly port1: { onmessage: () => void };
  readonly port2: { postMessage(message: unknown): void };
};
