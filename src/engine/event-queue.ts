// A queue between a loop that produces and a `for await` that consumes. It is not closed to a producer that goes on, but says
// when its consumer has fallen behind: so what nobody reads is not computed.

export interface EventQueue<T> extends AsyncIterable<T> {
  push(event: T): void;
  /** No more events; the consumer gets what is left, then the end. */
  end(): void;
  /** The consumer gets what is left, then the error. */
  fail(error: unknown): void;
  /** Whether so many events wait that producing should pause, until half of them are taken. */
  isBehind(): boolean;
  /** Resolves when the consumer is not behind, or has left. */
  caughtUp(): Promise<void>;
}

/** Events that wait for a consumer before it counts as behind. */
const mostWaiting = 128;

/** A queue for one consumer; `onChange` hears when it falls behind and when it has caught up. */
export function eventQueue<T>(onChange: (behind: boolean) => void = () => {}, most = mostWaiting): EventQueue<T> {
  const events: T[] = [];
  let outcome: { error?: unknown } | undefined;
  let wake = () => {};
  let behind = false;
  let left = false;
  const waiters: (() => void)[] = [];

  function look(): void {
    const now = !left && events.length >= (behind ? most / 2 : most);
    if (now === behind) return;
    behind = now;
    if (!behind) for (const resolve of waiters.splice(0)) resolve();
    onChange(behind);
  }

  return {
    push(event) {
      events.push(event);
      look();
      wake();
    },
    end() {
      outcome ??= {};
      wake();
    },
    fail(error) {
      outcome ??= { error };
      wake();
    },
    isBehind: () => behind,
    caughtUp: () => (behind ? new Promise((resolve) => waiters.push(resolve)) : Promise.resolve()),
    async *[Symbol.asyncIterator]() {
      try {
        for (;;) {
          while (events.length > 0) {
            const event = events.shift() as T;
            look();
            yield event;
          }
          if (outcome) {
            if ("error" in outcome) throw outcome.error;
            return;
          }
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      } finally {
        left = true;
        look();
      }
    },
  };
}
