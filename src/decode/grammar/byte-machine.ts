// A byte machine: a deterministic automaton over bytes whose states are small integers, tabulated as they are met. Strings,
// numbers and literals are byte machines; what nests (arrays, objects) is not: that takes the stack in recognizer.ts.

/** The state that no text leads to. */
export const dead = -1;

/** What is known of a machine so far, for loops that cannot afford a call for each byte. Both arrays are replaced as they grow. */
export interface TransitionTable {
  /** [states, 256]: the state after each byte, `dead`, or `unknown`. */
  next: Int32Array;
  /** [states]: 1 where the text may end. */
  accepting: Uint8Array;
}

export interface ByteMachine {
  readonly start: number;
  readonly table: TransitionTable;
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
  /** As `plainRoom`, for text of a class (text-classes.ts); absent or 0: it is not known. */
  classRoom?(state: number, textClass: number): number;
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

/** The texts of either machine. */
export function either<A, B>(
  one: MachineDescription<A> | undefined,
  other: MachineDescription<B> | undefined,
): MachineDescription<{ one?: A; other?: B }> | undefined {
  if (!one && !other) return undefined;
  return {
    start: { one: one?.start, other: other?.start },
    key: (state) => `${state.one && one?.key(state.one)}|${state.other && other?.key(state.other)}`,
    step(state, byte) {
      const after = {
        one: state.one && one?.step(state.one, byte),
        other: state.other && other?.step(state.other, byte),
      };
      return after.one || after.other ? after : undefined;
    },
    accepts: (state) =>
      (state.one !== undefined && one?.accepts(state.one) === true) ||
      (state.other !== undefined && other?.accepts(state.other) === true),
  };
}

/** A transition that nobody has asked for yet. */
export const unknown = -2;

/** The machine of a description, and what each of its states stands for. */
export function tabulate<State>({
  start,
  key,
  step,
  accepts,
}: MachineDescription<State>): ByteMachine & { described(state: number): State; numberOf(state: State): number } {
  const states: State[] = [];
  const known = new Map<string | number, number>();
  const table: TransitionTable = { next: new Int32Array(0), accepting: new Uint8Array(0) };
  const numberOf = (state: State) => {
    const name = key(state);
    const found = known.get(name);
    if (found !== undefined) return found;
    const number = states.push(state) - 1;
    known.set(name, number);
    if (number >= table.accepting.length) grow(table);
    table.accepting[number] = accepts(state) ? 1 : 0;
    return number;
  };
  const next = (state: number, byte: number) => {
    const tabulated = table.next[state * 256 + byte];
    if (tabulated !== unknown) return tabulated;
    const after = step(states[state], byte);
    const number = after === undefined ? dead : numberOf(after);
    table.next[state * 256 + byte] = number;
    return number;
  };
  return {
    start: numberOf(start),
    table,
    next,
    accepts: (state) => table.accepting[state] === 1,
    ended(state) {
      if (table.accepting[state] === 0) return false;
      for (let byte = 0; byte < 256; byte++) if (next(state, byte) !== dead) return false;
      return true;
    },
    described: (state) => states[state],
    numberOf,
  };
}

function grow(table: TransitionTable): void {
  const capacity = Math.max(1, table.accepting.length * 2);
  const next = new Int32Array(capacity * 256).fill(unknown, table.next.length);
  next.set(table.next);
  const accepting = new Uint8Array(capacity);
  accepting.set(table.accepting);
  table.next = next;
  table.accepting = accepting;
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
