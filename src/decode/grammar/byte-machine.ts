// A byte machine: a deterministic automaton over bytes whose states are small integers, tabulated as they are met. Strings,
// numbers and literals are byte machines; what nests (arrays, objects) is not: that takes the stack in recognizer.ts.

/** The state that no text leads to. */
export const dead = -1;

export interface ByteMachine {
  readonly start: number;
  /** The state after one more byte, or `dead`. Every other state can still reach an accepting one. */
  next(state: number, byte: number): number;
  /** The text may end in this state. */
  accepts(state: number): boolean;
  /** The text must end in this state: no byte leads on. */
  ended(state: number): boolean;
  /**
   * How many code points of plain text (no quote, backslash or control character) are certain to be fine from here;
   * undefined where that is not known. It lets a mask take most of a vocabulary at once.
   */
  plainRoom?(state: number): number | undefined;
  /** A name that two states share if no text of up to `horizon` bytes tells them apart; the state itself when absent. */
  likeness?(state: number, horizon: number): string;
}

/** What describes one machine: states of any type, told apart by a key. */
export interface MachineDescription<State> {
  readonly start: State;
  key(state: State): string | number;
  /** undefined: no accepted text goes on like this. */
  step(state: State, byte: number): State | undefined;
  accepts(state: State): boolean;
}

const unknown = -2;

/** The machine of a description, and what each of its states stands for. */
export function tabulate<State>({
  start,
  key,
  step,
  accepts,
}: MachineDescription<State>): ByteMachine & { described(state: number): State } {
  const states: State[] = [];
  const rows: (Int32Array | undefined)[] = [];
  const known = new Map<string | number, number>();
  const numberOf = (state: State) => {
    const name = key(state);
    const found = known.get(name);
    if (found !== undefined) return found;
    known.set(name, states.length);
    return states.push(state) - 1;
  };
  const first = numberOf(start);
  const next = (state: number, byte: number) => {
    rows[state] ??= new Int32Array(256).fill(unknown);
    const row = rows[state];
    if (row[byte] === unknown) {
      const after = step(states[state], byte);
      row[byte] = after === undefined ? dead : numberOf(after);
    }
    return row[byte];
  };
  return {
    start: first,
    next,
    accepts: (state) => accepts(states[state]),
    ended(state) {
      if (!accepts(states[state])) return false;
      for (let byte = 0; byte < 256; byte++) if (next(state, byte) !== dead) return false;
      return true;
    },
    described: (state) => states[state],
  };
}

/** Accepts exactly the given texts: `null`, the numbers of an enum. */
export function literals(texts: readonly string[]): ByteMachine {
  const encoded = texts.map((text) => new TextEncoder().encode(text));
  // A state is a position and the indices of the texts that agree with everything before it.
  return tabulate<{ at: number; left: readonly number[] }>({
    start: { at: 0, left: encoded.map((_, index) => index) },
    key: ({ at, left }) => `${at} ${left[0]}`,
    step({ at, left }, byte) {
      const after = left.filter((index) => encoded[index][at] === byte);
      return after.length === 0 ? undefined : { at: at + 1, left: after };
    },
    accepts: ({ at, left }) => left.some((index) => encoded[index].length === at),
  });
}
