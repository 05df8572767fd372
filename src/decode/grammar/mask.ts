// Masks: which tokens may come next. The trie of the vocabulary is walked together with the recognizer, so that a refused
// byte skips every token that begins with it. Three things make that fast: inside strings, numbers and literals the walk is
// integers only; plain text inside a free string is not walked at all (its tokens are known beforehand, by length); and what
// was walked once is kept, by machine state and by stack. Where a token leaves a string (`",`), the walk goes on above it.

import { FieldError } from "../../field-error.ts";
import { type ByteMachine, dead, unknown } from "./byte-machine.ts";
import type { Value } from "./forms.ts";
import type { UsedKeys } from "./key-choice.ts";
import type { KeyMachine } from "./keys.ts";
import { maxCachedTokens, maxMaskSteps, maxWalkedTokens } from "./limits.ts";
import { type Bytes, bytesOf, contentOf, type Frame, type Recognizer, type Seen } from "./recognizer.ts";
import { keyOf } from "./schema/presence.ts";
import { shortText, textClasses } from "./text-classes.ts";
import type { MachineWalk, TokenTrie, Vocabulary } from "./token-trie.ts";

/** The tokens that may come: those listed, all plain ones of up to so many code points (-1: none), and those of a class. */
export interface TokenSet {
  readonly ids: Int32Array;
  readonly plain: number;
  /** The index of a class of the vocabulary; -1: none. */
  readonly textClass: number;
}

export interface Masks {
  /** The tokens that may come next, control tokens of scripts included. */
  maskOf(frames: readonly Frame[]): TokenSet;
  /** A name that two stacks share if no token tells them apart. */
  nameOf(frame: Frame): number;
  /** Nodes of tries that have been looked at for all masks so far: work, where time would be noise. */
  visited(): number;
}

type ColonFrame = Extract<Frame, { kind: "colon" }>;

interface Member {
  readonly ids: Int32Array;
  readonly exits: readonly number[];
}

type MachineFrame = Extract<Frame, { kind: "scalar" | "key" | "free" }>;
type Machine = ByteMachine & Partial<Pick<KeyMachine, "others" | "isReleased" | "closed">>;
const machineOf = (frame: MachineFrame): Machine => (frame.kind === "free" ? frame.script.machine : frame.machine);
const inMachine = (frame: Frame): frame is MachineFrame =>
  frame.kind === "scalar" || frame.kind === "key" || frame.kind === "free";

/** The masks of one recognizer over one vocabulary. */
export function createMasks(recognizer: Recognizer, vocabulary: Vocabulary): Masks {
  const { all, special, control, walks, scratch } = vocabulary;
  let masks = new Map<string, TokenSet>();
  let beyond = new Map<number, Map<number, Int32Array>>();
  let members = new Map<string, Member>();
  /** A stack that is not walked any further: the nodes at which it is reached are what is asked for. */
  let hole: Frame | undefined;
  let throughHole = new Set<number>();
  let cached = 0;
  let steps = 0;
  let visited = 0;
  const { found } = scratch;

  const { nameOf, nameOfValue, clear } = createNames(vocabulary);

  const addAt = (trie: TokenTrie, node: number) => {
    for (let i = trie.firstId[node]; i < trie.firstId[node + 1]; i++) found.push(trie.ids[i]);
  };
  const spend = (count: number) => {
    steps += count;
    visited += count;
    if (steps > maxMaskSteps)
      throw new FieldError("", `the grammar is too ambiguous: one mask takes more than ${maxMaskSteps} steps`);
  };

  /** Walks the tokens below a node inside one machine, those of a class (-1: of none) left out. */
  const scan = (machine: Machine, state: number, trie: TokenTrie, from: number, textClass: number): MachineWalk => {
    // Keys that an object has nothing to say of are looked up in what is known of all such keys.
    const others = machine.others?.(state);
    const known = others && walkOf(others.machine, others.state, trie, from, textClass);
    const { byte, depth, skip, firstId, ids, classes, places } = trie;
    const { states, ids: inside, exitNodes, exitStates } = scratch;
    const { table } = machine;
    const end = skip[from];
    const isLeftOut = textClass < 0 ? textClasses.length : textClass;
    states[depth[from]] = state;
    let visited = 0;
    let idCount = 0;
    let exitCount = 0;
    for (let node = from + 1; node < end; visited++) {
      const before = states[depth[node] - 1];
      let after = classes[node] > isLeftOut ? dead : table.next[before * 256 + byte[node]];
      if (after === unknown) after = machine.next(before, byte[node]);
      if (after === dead) {
        node = skip[node];
        continue;
      }
      states[depth[node]] = after;
      for (let i = firstId[node]; i < firstId[node + 1]; i++) inside[idCount++] = ids[i];
      const isLeaf = skip[node] === node + 1;
      if (table.accepting[after] === 1 && !isLeaf) {
        exitNodes[exitCount] = node;
        exitStates[exitCount++] = after;
      }
      if (known && !isLeaf && machine.isReleased?.(after)) {
        const idsBelow = firstId[skip[node]];
        for (let i = firstAt(known.ids, places, firstId[node + 1]); places[known.ids[i]] < idsBelow; i++)
          inside[idCount++] = known.ids[i];
        for (let i = firstAt(known.exitNodes, undefined, node + 1); known.exitNodes[i] < skip[node]; i++) {
          exitNodes[exitCount] = known.exitNodes[i];
          exitStates[exitCount++] = machine.closed?.(known.exitStates[i]) as number;
        }
        node = skip[node];
      } else node++;
    }
    spend(visited);
    return {
      ids: inside.slice(0, idCount),
      exitNodes: exitNodes.slice(0, exitCount),
      exitStates: exitStates.slice(0, exitCount),
    };
  };

  /** The walk from a machine's state over the tokens below a node, a class left out; from the cache if it was walked before. */
  const walkOf = (machine: Machine, state: number, trie: TokenTrie, from: number, textClass: number): MachineWalk => {
    const like = machine.likeness?.(state, trie === special ? vocabulary.specialReach + 1 : trie.deepest) ?? state;
    const where = from * 2 + (trie === special ? 1 : 0);
    const name = textClass < 0 && where === 0 ? like : `${where} ${textClass} ${like}`;
    let ofMachine = walks.of.get(machine.table);
    let walk = ofMachine?.get(name);
    if (walk) return walk;
    walk = scan(machine, state, trie, from, textClass);
    walks.tokens += walk.ids.length + 2 * walk.exitNodes.length + 8;
    if (walks.tokens > maxWalkedTokens) {
      walks.of = new WeakMap();
      walks.tokens = 0;
    }
    ofMachine = walks.of.get(machine.table) ?? new Map();
    walks.of.set(machine.table, ofMachine.set(name, walk));
    return walk;
  };

  const leave = (frame: MachineFrame, state: number, trie: TokenTrie, from: number, node: number): Frame =>
    recognizer.leave(frame, state, () => {
      let text = frame.kind === "free" ? undefined : frame.text;
      const path = pathTo(trie, from, node);
      // A key ends before the closing quote, which is this node's own byte.
      for (const byte of frame.kind === "key" ? path.slice(0, -1) : path) text = { byte, before: text };
      return frame.kind === "key" ? contentOf(text) : bytesOf(text);
    });

  /** The tokens below a node from a colon on, and the nodes at which a value has ended: the same in all objects. */
  const memberOf = (frame: ColonFrame, trie: TokenTrie, from: number): Member => {
    const { passed, spaces, value, parent } = frame;
    const name = `${nameOfValue(value)} ${parent.depth} ${passed} ${spaces} ${from} ${trie === all}`;
    let member = members.get(name);
    if (!member) {
      const before = found.length;
      const outer = { hole, throughHole };
      hole = parent;
      throughHole = new Set();
      walkOpen(frame, trie, from);
      member = { ids: found.list(before), exits: [...throughHole] };
      ({ hole, throughHole } = outer);
      found.length = before;
      members.set(name, member);
      cached += member.ids.length + member.exits.length + 8;
    }
    return member;
  };

  /** Adds the tokens below a node that a stack allows. */
  const walk = (frame: Frame, trie: TokenTrie, from: number): void => {
    if (frame === hole) {
      throughHole.add(from);
      return;
    }
    if (frame.kind === "colon") {
      const { ids, exits } = memberOf(frame, trie, from);
      found.pushAll(ids);
      for (const node of exits) walk(frame.parent, trie, node);
      return;
    }
    walkOpen(frame, trie, from);
  };

  const walkOpen = (frame: Frame, trie: TokenTrie, from: number): void => {
    if (inMachine(frame)) {
      follow(frame, walkOf(machineOf(frame), frame.state, trie, from, -1), trie, from);
      return;
    }
    const { byte, skip, first } = trie;
    if (from === 0) {
      for (const byte of recognizer.candidates(frame)) if (first[byte] > 0) enter(frame, trie, first[byte], byte);
      return;
    }
    for (let node = from + 1; node < skip[from]; node = skip[node]) enter(frame, trie, node, byte[node]);
  };

  const enter = (frame: Frame, trie: TokenTrie, node: number, byte: number) => {
    spend(1);
    for (const after of recognizer.step(frame, byte)) {
      addAt(trie, node);
      if (trie.skip[node] > node + 1) walk(after, trie, node);
    }
  };

  /** Adds what a walk inside a machine found, and goes on above the machine where tokens leave it. */
  const follow = (frame: MachineFrame, { ids, exitNodes, exitStates }: MachineWalk, trie: TokenTrie, from: number) => {
    found.pushAll(ids);
    // Below a hole, what was found is not all that there is.
    const beyond = frame.kind === "scalar" && !frame.text && !hole ? beyondOf(frame.parent, trie) : undefined;
    for (let i = 0; i < exitNodes.length; i++) {
      const node = exitNodes[i];
      const known = beyond?.get(node);
      if (known) {
        found.pushAll(known);
        continue;
      }
      const before = found.length;
      walk(leave(frame, exitStates[i], trie, from, node), trie, node);
      if (!beyond) continue;
      const ids = found.list(before);
      beyond.set(node, ids);
      cached += ids.length + 4;
    }
  };

  /** What tokens do after they leave a scalar at a node: the same at every place inside the scalar. */
  const beyondOf = (parent: Frame, trie: TokenTrie): Map<number, Int32Array> => {
    const name = nameOf(parent) * 2 + (trie === all ? 0 : 1);
    let ofParent = beyond.get(name);
    if (!ofParent) {
      ofParent = new Map();
      beyond.set(name, ofParent);
    }
    return ofParent;
  };

  /** The widest class of which every short text may come in a machine's state; -1: none. */
  const classIn = (machine: ByteMachine, state: number): number => {
    if (!machine.classRoom) return -1;
    for (let i = 0; i < textClasses.length; i++) if (machine.classRoom(state, i) >= shortText) return i;
    return -1;
  };

  /** Adds the tokens of one stack; tells those that are not listed. */
  const addFrame = (frame: Frame): { plain: number; textClass: number } => {
    if (frame.kind === "free" || frame.kind === "script")
      for (const id of control) if (recognizer.stepToken(frame, id).length > 0) found.push(id);
    if (!inMachine(frame)) {
      walk(frame, all, 0);
      return { plain: -1, textClass: -1 };
    }
    const machine = machineOf(frame);
    const plain = machine.plainRoom?.(frame.state) ?? -1;
    const textClass = plain < 0 ? classIn(machine, frame.state) : -1;
    const trie = plain >= 0 ? special : all;
    follow(frame, walkOf(machine, frame.state, trie, 0, textClass), trie, 0);
    return { plain, textClass };
  };

  return {
    nameOf,
    visited: () => visited,
    maskOf(frames) {
      if (cached > maxCachedTokens) {
        masks = new Map();
        beyond = new Map();
        members = new Map();
        cached = 0;
        clear();
      }
      const name = frames.map(nameOf).join();
      const known = masks.get(name);
      if (known) return known;
      found.length = 0;
      steps = 0;
      let plain = -1;
      let textClass = -1;
      for (const frame of frames) {
        const more = addFrame(frame);
        plain = Math.max(plain, more.plain);
        // Each class is within the one before.
        if (more.textClass >= 0) textClass = textClass < 0 ? more.textClass : Math.min(textClass, more.textClass);
      }
      if (plain >= 0 && textClass >= 0) {
        if (plain < shortText) found.pushAll(vocabulary.classOf(textClass).ids);
        textClass = -1;
      }
      const mask = { ids: found.list(), plain, textClass };
      masks.set(name, mask);
      cached += mask.ids.length;
      return mask;
    },
  };
}

/** The first place in an ascending list (of ids: by their places) whose entry is not below a value. */
function firstAt(list: Int32Array, places: Int32Array | undefined, value: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((places ? places[list[middle]] : list[middle]) < value) low = middle + 1;
    else high = middle;
  }
  return low;
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

/** Sets the logits of all tokens outside a set to -Infinity. */
export function applyMask({ ids, plain, textClass }: TokenSet, vocabulary: Vocabulary, logits: Float32Array): void {
  const { size, notPlain, scratch } = vocabulary;
  const tokens = textClass < 0 ? undefined : vocabulary.classOf(textClass);
  const listed = tokens?.ids;
  // It takes fewer steps to put back what may come than to take out what may not, or the other way round.
  const putsBack = plain < 0 && (!listed || listed.length < size / 3);
  if (scratch.kept.length < size + ids.length) scratch.kept = new Float32Array(size + ids.length);
  const { kept } = scratch;
  for (let i = 0; i < ids.length; i++) kept[i] = logits[ids[i]];
  if (putsBack) {
    if (listed) for (let i = 0; i < listed.length; i++) kept[ids.length + i] = logits[listed[i]];
    logits.fill(Number.NEGATIVE_INFINITY);
    if (listed) for (let i = 0; i < listed.length; i++) logits[listed[i]] = kept[ids.length + i];
  } else {
    logits.fill(Number.NEGATIVE_INFINITY, size); // rows beyond the vocabulary have no token
    if (tokens) remove(tokens.others, logits);
    else {
      remove(notPlain, logits);
      for (let length = plain + 1; length < vocabulary.plain.length; length++) remove(vocabulary.plain[length], logits);
    }
  }
  for (let i = 0; i < ids.length; i++) logits[ids[i]] = kept[i];
}

function remove(ids: Int32Array, logits: Float32Array): void {
  for (let i = 0; i < ids.length; i++) logits[ids[i]] = Number.NEGATIVE_INFINITY;
}

/** Names for stacks: counters are cut at the length of the longest token, which is as far as one mask looks. */
function createNames({ longest: horizon, spansKeys }: Vocabulary): {
  nameOf(frame: Frame): number;
  nameOfValue(value: Value): number;
  clear(): void;
} {
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

  const seenName = (seen: Seen | undefined): number =>
    seen ? named(`v ${seenName(seen.before)} ${JSON.stringify(seen.value())}`) : -1;
  const placeOf = ({ parent, depth }: { parent: Frame | undefined; depth: number }) =>
    parent ? `${depth} ${nameOf(parent)}` : "";

  /** Values share it if they have the same forms. */
  const nameOfValue = ({ forms }: Value): number => named(`w ${forms.map(numberOf).join()}`);

  const describe = (frame: Frame): string => {
    switch (frame.kind) {
      case "scalar":
        return `s ${numberOf(frame.machine.table)} ${frame.machine.likeness?.(frame.state, horizon) ?? frame.state} ${nameOf(frame.parent)} ${textOf(frame.text)}`;
      case "key":
        return `k ${numberOf(frame.machine.table)} ${frame.state} ${nameOf(frame.parent)} ${spansKeys ? textOf(frame.text) : ""}`;
      case "array": {
        const { form, phase, count, hits, seen, spaces, parent } = frame;
        const counters = `${Math.min(count, form.prefix.length)} ${cut(form.min - count)} ${cut(form.max - count)}`;
        const more = form.contains ? hits : form.unique ? seenName(seen) : "";
        return `a ${numberOf(form)} ${phase} ${counters} ${more} ${spaces} ${nameOf(parent)}`;
      }
      case "object": {
        const { form, phase, cursor, count, left, used, spaces, parent } = frame;
        const counters = `${cursor} ${cut(form.min - count)} ${cut(form.max - count)} ${keyOf(left)} ${usedName(used)}`;
        return `o ${numberOf(form)} ${phase} ${counters} ${spaces} ${nameOf(parent)}`;
      }
      case "colon":
        return `c ${frame.passed} ${numberOf(frame.value)} ${frame.spaces} ${nameOf(frame.parent)}`;
      case "script":
        return `t ${numberOf(frame.script)} ${frame.at} ${placeOf(frame)}`;
      case "free":
        return `f ${numberOf(frame.script)} ${frame.state} ${placeOf(frame)}`;
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
    nameOfValue,
    clear() {
      objects = new Map();
      names = new Map();
      ofFrame = new WeakMap();
    },
  };
}
