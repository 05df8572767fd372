// Masks: which tokens may come next. The trie of the vocabulary is walked together with the recognizer, so that a refused
// byte skips every token that begins with it. Three things make that fast: inside strings, numbers and literals the walk is
// integers only; plain text inside a free string is not walked at all (its tokens are known beforehand, by length); and what
// was walked once is kept, by machine state and by stack. Where a token leaves a string (`",`), the walk goes on above it.

import { type ByteMachine, dead } from "./byte-machine.ts";
import type { UsedKeys } from "./keys.ts";
import { maxCachedTokens, maxMaskSteps } from "./limits.ts";
import { type Bytes, contentOf, type Frame, type Recognizer } from "./recognizer.ts";
import type { TokenTrie, Vocabulary } from "./token-trie.ts";

/** A set of token ids, listed from its smaller side. */
export interface TokenSet {
  readonly ids: Int32Array;
  /** The ids are those that may come; else those that may not. */
  readonly allowed: boolean;
}

export interface Masks {
  /** The tokens that may come next, control tokens of scripts included. */
  maskOf(frames: readonly Frame[]): TokenSet;
  /** A name that two stacks share if no token tells them apart. */
  nameOf(frame: Frame): number;
}

/** What a walk inside one machine found: the same for all stacks above it. */
interface MachineWalk {
  readonly ids: Int32Array;
  /** Plain tokens of up to this many code points may come as well. */
  readonly plain: number;
  /** Where tokens leave the machine: nodes with more bytes below, and the machine's state there. */
  readonly exits: readonly { node: number; state: number }[];
  readonly trie: TokenTrie;
}

type MachineFrame = Extract<Frame, { kind: "scalar" | "key" | "free" }>;
const machineOf = (frame: MachineFrame) => (frame.kind === "free" ? frame.script.machine : frame.machine);
const inMachine = (frame: Frame): frame is MachineFrame =>
  frame.kind === "scalar" || frame.kind === "key" || frame.kind === "free";

/** The masks of one recognizer over one vocabulary. */
export function createMasks(recognizer: Recognizer, vocabulary: Vocabulary): Masks {
  const { all, special, plain, size, control } = vocabulary;
  const bits = new Uint32Array(Math.ceil(size / 32));
  const states = new Int32Array(all.deepest + 1);
  const plainBits: Uint32Array[] = [];
  let walks = new Map<ByteMachine, Map<string | number, MachineWalk>>();
  let masks = new Map<string, TokenSet>();
  let cached = 0;
  let steps = 0;

  const add = (id: number) => {
    bits[id >> 5] |= 1 << (id & 31);
  };
  const addAt = (trie: TokenTrie, node: number) => {
    for (let i = trie.firstId[node]; i < trie.firstId[node + 1]; i++) add(trie.ids[i]);
  };
  /** Adds all plain tokens of up to `length` code points. */
  const addPlain = (length: number) => {
    const most = Math.min(length, plain.length - 1);
    for (let i = plainBits.length; i <= most; i++) {
      plainBits.push(i === 0 ? new Uint32Array(bits.length) : plainBits[i - 1].slice());
      for (const id of plain[i]) plainBits[i][id >> 5] |= 1 << (id & 31);
    }
    if (most < 0) return;
    const set = plainBits[most];
    for (let i = 0; i < bits.length; i++) bits[i] |= set[i];
  };
  const spend = (count: number) => {
    steps += count;
    if (steps > maxMaskSteps)
      throw new RangeError(`the grammar is too ambiguous: one mask takes more than ${maxMaskSteps} steps`);
  };

  /** Walks the tokens below a node inside one machine; calls back for each node reached. */
  const scan = (
    machine: ByteMachine,
    state: number,
    trie: TokenTrie,
    from: number,
    reached: (node: number, state: number) => void,
  ) => {
    const { byte, depth, skip } = trie;
    const end = skip[from];
    states[depth[from]] = state;
    let visited = 0;
    for (let node = from + 1; node < end; ) {
      visited++;
      const after = machine.next(states[depth[node] - 1], byte[node]);
      if (after === dead) {
        node = skip[node];
        continue;
      }
      states[depth[node]] = after;
      reached(node, after);
      node++;
    }
    spend(visited);
  };

  /** The walk from a machine's state over the whole vocabulary; from the cache if it was walked before. */
  const walkOf = (machine: ByteMachine, state: number): MachineWalk => {
    const name = machine.likeness?.(state, vocabulary.longest) ?? state;
    const ofMachine = walks.get(machine) ?? new Map<string | number, MachineWalk>();
    walks.set(machine, ofMachine);
    const known = ofMachine.get(name);
    if (known) return known;
    const room = machine.plainRoom?.(state);
    const trie = room === undefined ? all : special;
    const ids: number[] = [];
    const exits: { node: number; state: number }[] = [];
    scan(machine, state, trie, 0, (node, state) => {
      for (let i = trie.firstId[node]; i < trie.firstId[node + 1]; i++) ids.push(trie.ids[i]);
      if (trie.skip[node] > node + 1 && machine.accepts(state)) exits.push({ node, state });
    });
    const walk = { ids: Int32Array.from(ids), plain: room ?? -1, exits, trie };
    ofMachine.set(name, walk);
    cached += ids.length + 4 * exits.length;
    return walk;
  };

  const leave = (frame: MachineFrame, state: number, trie: TokenTrie, from: number, node: number): Frame =>
    recognizer.leave(frame, state, () => {
      // The key ends before the closing quote, which is this node's own byte.
      let text = frame.kind === "key" ? frame.text : undefined;
      for (const byte of pathTo(trie, from, node).slice(0, -1)) text = { byte, before: text };
      return contentOf(text);
    });

  /** Adds the tokens below a node that a stack allows. */
  const walk = (frame: Frame, trie: TokenTrie, from: number): void => {
    if (inMachine(frame)) {
      const machine = machineOf(frame);
      const exits: { node: number; state: number }[] = [];
      scan(machine, frame.state, trie, from, (node, state) => {
        addAt(trie, node);
        if (trie.skip[node] > node + 1 && machine.accepts(state)) exits.push({ node, state });
      });
      for (const { node, state } of exits) walk(leave(frame, state, trie, from, node), trie, node);
      return;
    }
    const { byte, skip } = trie;
    const end = skip[from];
    for (let node = from + 1; node < end; node = skip[node]) {
      spend(1);
      for (const after of recognizer.step(frame, byte[node])) {
        addAt(trie, node);
        if (skip[node] > node + 1) walk(after, trie, node);
      }
    }
  };

  const addFrame = (frame: Frame) => {
    if (!inMachine(frame)) {
      walk(frame, all, 0);
    } else {
      const { ids, plain, exits, trie } = walkOf(machineOf(frame), frame.state);
      for (const id of ids) add(id);
      addPlain(plain);
      for (const { node, state } of exits) walk(leave(frame, state, trie, 0, node), trie, node);
    }
    if (frame.kind === "free") for (const id of control) add(id);
    else if (frame.kind === "script")
      for (const id of control) if (recognizer.stepToken(frame, id).length > 0) add(id);
  };

  const { nameOf, clear } = createNames(vocabulary.longest);

  return {
    nameOf,
    maskOf(frames) {
      if (cached > maxCachedTokens) {
        walks = new Map();
        masks = new Map();
        cached = 0;
        clear();
      }
      const name = frames.map(nameOf).join();
      const known = masks.get(name);
      if (known) return known;
      bits.fill(0);
      steps = 0;
      for (const frame of frames) addFrame(frame);
      const mask = listed(bits, size);
      masks.set(name, mask);
      cached += mask.ids.length;
      return mask;
    },
  };
}

/** The bytes from below one node to another below it. */
function pathTo({ byte, skip }: TokenTrie, from: number, to: number): number[] {
  const path: number[] = [];
  for (let node = from; node !== to; ) {
    let child = node + 1;
    while (skip[child] <= to) child = skip[child];
    path.push(byte[child]);
    node = child;
  }
  return path;
}

function listed(bits: Uint32Array, size: number): TokenSet {
  let count = 0;
  for (const word of bits) count += ones(word);
  const allowed = count * 2 <= size;
  const ids = new Int32Array(allowed ? count : size - count);
  let at = 0;
  for (let i = 0; i < bits.length; i++) {
    let word = allowed ? bits[i] : ~bits[i];
    for (; word !== 0; word &= word - 1) {
      const id = i * 32 + 31 - Math.clz32(word & -word);
      if (id < size) ids[at++] = id;
    }
  }
  return { ids, allowed };
}

function ones(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Sets the logits of all tokens outside a set to -Infinity. */
export function applyMask({ ids, allowed }: TokenSet, size: number, logits: Float32Array): void {
  if (!allowed) {
    for (const id of ids) logits[id] = Number.NEGATIVE_INFINITY;
    logits.fill(Number.NEGATIVE_INFINITY, size); // rows beyond the vocabulary have no token
    return;
  }
  const kept = Float32Array.from(ids, (id) => logits[id]);
  logits.fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < ids.length; i++) logits[ids[i]] = kept[i];
}

/** Names for stacks: counters are cut at the length of the longest token, which is as far as one mask looks. */
function createNames(horizon: number): { nameOf(frame: Frame): number; clear(): void } {
  let objects = new Map<object, number>();
  let names = new Map<string, number>();
  let ofFrame = new WeakMap<Frame, number>();
  const numberOf = (object: object) => {
    let number = objects.get(object);
    if (number === undefined) {
      number = objects.size;
      objects.set(object, number);
    }
    return number;
  };
  const named = (name: string) => {
    let number = names.get(name);
    if (number === undefined) {
      number = names.size;
      names.set(name, number);
    }
    return number;
  };
  const cut = (count: number) => Math.min(Math.max(count, 0), horizon);
  const textOf = (text: Bytes | undefined) => {
    let out = "";
    for (let at = text; at; at = at.before) out += String.fromCharCode(at.byte);
    return out;
  };
  const usedName = (used: UsedKeys | undefined): number =>
    used ? named(`u ${usedName(used.before)} ${used.name()}`) : -1;

  const describe = (frame: Frame): string => {
    switch (frame.kind) {
      case "scalar":
        return `s ${numberOf(frame.machine)} ${frame.machine.likeness?.(frame.state, horizon) ?? frame.state} ${nameOf(frame.parent)}`;
      case "key":
        return `k ${numberOf(frame.machine)} ${frame.state} ${nameOf(frame.parent)} ${textOf(frame.text)}`;
      case "array": {
        const { form, phase, count, spaces, parent } = frame;
        const counters = `${Math.min(count, form.prefix.length)} ${cut(form.min - count)} ${cut(form.max - count)}`;
        return `a ${numberOf(form)} ${phase} ${counters} ${spaces} ${nameOf(parent)}`;
      }
      case "object": {
        const { form, phase, cursor, count, used, spaces, parent } = frame;
        const counters = `${cursor} ${cut(form.min - count)} ${cut(form.max - count)} ${usedName(used)}`;
        return `o ${numberOf(form)} ${phase} ${counters} ${spaces} ${nameOf(parent)}`;
      }
      case "colon":
        return `c ${frame.passed} ${numberOf(frame.value)} ${frame.spaces} ${nameOf(frame.parent)}`;
      case "script":
        return `t ${numberOf(frame.script)} ${frame.at}`;
      case "free":
        return `f ${numberOf(frame.script)} ${frame.state}`;
    }
  };
  const nameOf = (frame: Frame): number => {
    let name = ofFrame.get(frame);
    if (name === undefined) {
      name = named(describe(frame));
      ofFrame.set(frame, name);
    }
    return name;
  };
  return {
    nameOf,
    clear() {
      objects = new Map();
      names = new Map();
      ofFrame = new WeakMap();
    },
  };
}
