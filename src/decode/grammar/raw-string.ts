// A string as text up to a mark, neither quoted nor escaped: `Rome</arg_value>`. The text is any content of the string that
// does not have the mark in it, so whoever reads up to the first mark reads exactly the content. White space before the
// mark (`lead`) belongs to the mark. It is built on the machine of the same string in JSON, which is given each byte as
// JSON spells it.

import { type ByteMachine, dead, tabulate } from "./byte-machine.ts";

export interface RawString extends ByteMachine {
  /** Whether the string may end here, before a control token. */
  mayLeave(state: number): boolean;
}

/** What ends a string: `lead`, then `core`, then, if there is one, a control token, whose text is `token`. */
export interface RawEnd {
  readonly lead: string;
  readonly core: string;
  readonly token?: string;
}

interface State {
  /** `kept[i]` is the JSON machine's state before the last `kept.length - 1 - i` bytes, with which the end begins. */
  readonly kept: readonly number[];
  /** How many of the last bytes begin the mark without its lead. */
  readonly marked: number;
  /** The whole end has come: the text is over. */
  readonly over: boolean;
}

const quote = 0x22;

/** So many states are looked at for a way to the end of a string; where there are more, there is taken to be one. */
const maxSearched = 5_000;

/**
 * The machine of a raw string; `json` reads the same string in JSON. It accepts once the whole end has come. Where a control
 * token ends the string, it never accepts, and nobody may spell that token out behind the core. undefined: no string of these
 * can be written, each has the mark in it.
 */
export function rawString(json: ByteMachine, { lead, core, token }: RawEnd): RawString | undefined {
  const bytes = (text: string) => [...new TextEncoder().encode(text)];
  const end = patternOf(bytes(lead + core));
  const mark = patternOf(bytes(core + (token ?? "")));
  const spelled = Array.from({ length: 128 }, (_, code) =>
    bytes(JSON.stringify(String.fromCharCode(code)).slice(1, -1)),
  );
  const feed = (state: number, byte: number) => {
    let at = state;
    for (const one of byte < 128 ? spelled[byte] : [byte]) if (at !== dead) at = json.next(at, one);
    return at;
  };
  const mayEnd = (state: number) => state !== dead && json.next(state, quote) !== dead;
  /** The lengths of the beginnings of the end with which the text ends, the longest first. */
  const lengths = (longest: number): number[] => (longest > 0 ? [longest, ...lengths(end.borders[longest - 1])] : [0]);
  const before = ({ kept }: State, length: number) => kept[kept.length - 1 - length];
  const isAlive = (state: State) =>
    before(state, 0) !== dead ||
    lengths(state.kept.length - 1).some((length) => length > 0 && mayEnd(before(state, length)));

  const start: State = { kept: [json.next(json.start, quote)], marked: 0, over: false };
  const key = ({ kept, marked, over }: State) => `${kept.join()} ${marked} ${over}`;
  const step = (state: State, byte: number): State | undefined => {
    if (state.over) return undefined;
    const all = [...state.kept, feed(before(state, 0), byte)];
    const length = end.after(state.kept.length - 1, byte);
    const marked = mark.after(state.marked, byte);
    if (token === undefined && length === end.length)
      return mayEnd(all[all.length - 1 - length]) ? { kept: [dead], marked: 0, over: true } : undefined;
    if (marked === mark.length) return undefined; // a mark that ends nothing
    const after: State = { kept: all.slice(all.length - 1 - Math.min(length, all.length - 1)), marked, over: false };
    return isAlive(after) ? after : undefined;
  };
  const mayLeave = (state: State) =>
    !state.over && lengths(state.kept.length - 1).includes(end.length) && mayEnd(before(state, end.length));
  // A string that may end here can be ended, unless the end begins like its own rest ("aa"): then it is looked for.
  const endsPlainly = end.borders[end.length - 1] === 0;
  const isEnding = (state: State) =>
    state.over || mayLeave(state) || (endsPlainly && before(state, 0) !== dead && mayEnd(before(state, 0)));

  const endable = new Map<string, boolean>();
  /** Whether the string can still end: a pattern may leave no way but through the mark. */
  function canEnd(state: State): boolean {
    const known = endable.get(key(state));
    if (known !== undefined) return known;
    const path: { state: State; byte: number }[] = [{ state, byte: -1 }];
    const seen = new Set([key(state)]);
    while (path.length > 0 && seen.size <= maxSearched) {
      const last = path[path.length - 1];
      if (isEnding(last.state) || endable.get(key(last.state))) {
        for (const { state } of path) endable.set(key(state), true);
        return true;
      }
      if (last.byte === 256) {
        path.pop();
        continue;
      }
      // The end itself first: what is on the way there is nearly always it.
      const byte = last.byte < 0 ? (end.bytes[last.state.kept.length - 1] ?? 0) : last.byte;
      last.byte++;
      const next = step(last.state, byte);
      if (!next || seen.has(key(next)) || endable.get(key(next)) === false) continue;
      seen.add(key(next));
      path.push({ state: next, byte: -1 });
    }
    const found = path.length > 0; // there are more than are looked at
    if (!found) for (const name of seen) endable.set(name, false);
    else endable.set(key(state), true);
    return found;
  }

  if (!canEnd(start)) return undefined;
  const machine = tabulate<State>({
    start,
    key,
    step(state, byte) {
      const after = step(state, byte);
      return after && canEnd(after) ? after : undefined;
    },
    accepts: ({ over }) => over,
  });
  return { ...machine, mayLeave: (number) => mayLeave(machine.described(number)) };
}

interface Pattern {
  readonly length: number;
  readonly bytes: readonly number[];
  /** For each beginning: the length of the longest shorter one that it ends with. */
  readonly borders: readonly number[];
  /** How much of it a text ends with, after one more byte (Knuth, Morris and Pratt 1977). */
  after(length: number, byte: number): number;
}

function patternOf(bytes: readonly number[]): Pattern {
  const borders: number[] = [];
  const after = (length: number, byte: number) => {
    let at = length;
    while (at > 0 && (at === bytes.length || bytes[at] !== byte)) at = borders[at - 1];
    return bytes[at] === byte ? at + 1 : 0;
  };
  for (const [i, byte] of bytes.entries()) borders.push(i === 0 ? 0 : after(borders[i - 1], byte));
  return { length: bytes.length, bytes, borders, after };
}
