// The end of a server: the first signal lets running requests finish for a while, the second ends them at once.

import type { App } from "./app.ts";
import type { Log } from "./log.ts";
import type { Listening } from "./serve.ts";

/** A second signal this soon is the first again: Ctrl-C reaches this process from the terminal and from npm. */
const echoMs = 250;

/** Resolves when SIGTERM or SIGINT came and every connection is closed. */
export async function untilSignal(app: App, listening: Listening, drainSeconds: number, log: Log): Promise<void> {
  let stopping: Promise<void> | undefined;
  let first = 0;
  let onSignal: (signal: string) => void = () => {};
  const stopped = new Promise<void>((resolve, reject) => {
    onSignal = (signal) => {
      if (stopping) {
        if (performance.now() - first < echoMs) return;
        log("info", "ending at once", { signal, in_flight: app.inFlight() });
        app.abort();
        return;
      }
      log("info", "ending", { signal, in_flight: app.inFlight(), drain_seconds: drainSeconds });
      first = performance.now();
      stopping = listening.stop(drainSeconds);
      stopping.then(resolve, reject);
    };
  });
  process.on("SIGTERM", onSignal).on("SIGINT", onSignal);
  await stopped.finally(() => process.off("SIGTERM", onSignal).off("SIGINT", onSignal));
}
