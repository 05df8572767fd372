// A queue between a loop that produces and a `for await` that consumes.

export interface EventQueue<T> extends AsyncIterable<T> {
  push(event: T): void;
  /** No more events; the consumer gets what is left, then the end. */
  end(): void;
  /** The consumer gets what is left, then the error. */
  fail(error: unknown): void;
}

/** An unbounded queue for one consumer. */
export function eventQueue<T>(): EventQueue<T> {
  const events: T[] = [];
  let outcome: { error?: unknown } | undefined;
  let wake = () => {};
  return {
    push(event) {
      events.push(event);
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
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (events.length > 0) yield events.shift() as T;
        if (outcome) {
          if ("error" in outcome) throw outcome.error;
          return;
        }
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
