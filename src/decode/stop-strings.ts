// Stop strings in a stream of text pieces: a stop string may begin in one piece and end in another, so text that could
// still become one is held back.

export interface StopMatcher {
  /** Takes the next piece; gives the text that is now sure to be part of the output, and whether a stop string ended it. */
  push(piece: string): { text: string; stopped: boolean };
  /** The text that was held back, when no more comes. */
  end(): string;
}

/**
 * Ends the text before the stop string that is complete first, of two that end together the longer one: so the result
 * does not depend on how the text was cut into pieces.
 */
export function stopMatcher(stops: readonly string[]): StopMatcher {
  let held = "";
  return {
    push(piece) {
      held += piece;
      const found = stops
        .map((stop) => ({ start: held.indexOf(stop), length: stop.length }))
        .filter((f) => f.start >= 0);
      if (found.length > 0) {
        const end = Math.min(...found.map((f) => f.start + f.length));
        const start = Math.min(...found.filter((f) => f.start + f.length === end).map((f) => f.start));
        const text = held.slice(0, start);
        held = "";
        return { text, stopped: true };
      }
      const keep = Math.max(0, ...stops.map((stop) => overlap(held, stop)));
      const text = held.slice(0, held.length - keep);
      held = held.slice(held.length - keep);
      return { text, stopped: false };
    },
    end() {
      const text = held;
      held = "";
      return text;
    },
  };
}

/** Length of the longest end of `text` that is a beginning of `stop`. */
function overlap(text: string, stop: string): number {
  for (let n = Math.min(text.length, stop.length - 1); n > 0; n--) if (text.endsWith(stop.slice(0, n))) return n;
  return 0;
}
