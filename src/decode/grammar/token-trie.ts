// A vocabulary as a trie over the bytes of its tokens, laid out flat in depth-first order: the subtree of a node is the run
// of nodes after it, so that refusing a byte skips thousands of tokens with one addition. Control tokens are not in it: they
// have no bytes, they are steps of a script. Source of the layout: guidance-ai/llguidance docs/toktrie.md.

import { byteText, compareBytes } from "../../../weights/bytes.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { dead, type TransitionTable } from "./byte-machine.ts";
import { type CodePoints, includesCodePoint } from "./code-points.ts";
import { lengths } from "./language.ts";
import { stringMachine } from "./string.ts";
import { shortText, textClasses } from "./text-classes.ts";

export interface TokenTrie {
  /** Per node: its last byte, the node after its subtree, and the range of `ids` whose bytes end here. Node 0 is the root. */
  readonly byte: Uint8Array;
  readonly skip: Int32Array;
  readonly depth: Uint16Array;
  readonly firstId: Int32Array;
  readonly ids: Int32Array;
  /** The node of each first byte; 0: there is none. */
  readonly first: Int32Array;
  readonly deepest: number;
}

/** The tokens that are short texts of a class, and the trie of all others. */
export interface TokenClass {
  readonly ids: Int32Array;
  readonly rest: TokenTrie;
  /** The ids of all others, control tokens and unused ones too. */
  readonly others: Int32Array;
}

/** What a walk over a trie inside one machine found: the same for all stacks above it. */
export interface MachineWalk {
  /** Tokens that stay inside, or end where it accepts. */
  readonly ids: Int32Array;
  /** Where longer tokens leave the machine: nodes, and the machine's state at each. */
  readonly exitNodes: Int32Array;
  readonly exitStates: Int32Array;
}

export interface Vocabulary {
  readonly tokenizer: Tokenizer;
  readonly size: number;
  readonly all: TokenTrie;
  /** Only the tokens that are not plain text: with a quote, backslash, control character, or a cut UTF-8 sequence. */
  readonly special: TokenTrie;
  /** The most code points of a string that a special token can be a part of, with one that it may leave unfinished. */
  readonly specialReach: number;
  /** The plain tokens, by their length in code points. */
  readonly plain: readonly Int32Array[];
  /** All other ids: special, control, unused. */
  readonly notPlain: Int32Array;
  /** For each class of text-classes.ts. */
  readonly classes: readonly TokenClass[];
  /** Ids of control tokens. */
  readonly control: readonly number[];
  /** Bytes of the longest token. */
  readonly longest: number;
  /** Whether some token can end one key of an object and hold the whole next one. */
  readonly spansKeys: boolean;
  /** Room for one walk: the machine's states by depth, and what is found, copied out at the end. */
  readonly scratch: {
    readonly states: Int32Array;
    readonly ids: Int32Array;
    readonly exitNodes: Int32Array;
    readonly exitStates: Int32Array;
  };
  /** What was walked from the states of machines; machines that grammars share are walked once. */
  readonly walks: WeakMap<TransitionTable, Map<string | number, MachineWalk>>;
}

const made = new WeakMap<Tokenizer, Vocabulary>();

/** The vocabulary of a tokenizer; made once for each. */
export function vocabularyOf(tokenizer: Tokenizer): Vocabulary {
  let vocabulary = made.get(tokenizer);
  if (!vocabulary) {
    vocabulary = makeVocabulary(tokenizer);
    made.set(tokenizer, vocabulary);
  }
  return vocabulary;
}

interface Entry {
  readonly id: number;
  readonly bytes: Uint8Array;
}

function makeVocabulary(tokenizer: Tokenizer): Vocabulary {
  const controlIds = new Set(
    tokenizer.addedTokens.filter((token) => token.control || token.special).map(({ id }) => id),
  );
  const entries: Entry[] = [];
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    if (controlIds.has(id) || tokenizer.tokenOf(id) === undefined) continue;
    const bytes = tokenizer.bytes(id);
    if (bytes.length > 0) entries.push({ id, bytes }); // a token without bytes could come for ever
  }
  entries.sort((a, b) => compareBytes(a.bytes, b.bytes) || a.id - b.id);
  const byLength: number[][] = [];
  const special: Entry[] = [];
  for (const entry of entries) {
    const length = plainLength(entry.bytes);
    if (length === undefined) special.push(entry);
    else {
      byLength[length] ??= [];
      byLength[length].push(entry.id);
    }
  }
  const all = makeTrie(entries);
  const isPlain = new Uint8Array(tokenizer.vocabSize);
  for (const ids of byLength) for (const id of ids ?? []) isPlain[id] = 1;
  return {
    tokenizer,
    size: tokenizer.vocabSize,
    all,
    special: makeTrie(special),
    specialReach: special.reduce((most, { bytes }) => Math.max(most, reachOf(bytes)), 0),
    plain: Array.from(byLength, (ids) => Int32Array.from(ids ?? [])),
    notPlain: Int32Array.from([...isPlain.keys()].filter((id) => isPlain[id] === 0)),
    classes: textClasses.map((set) => classOf(entries, set, tokenizer.vocabSize)),
    control: [...controlIds],
    longest: all.deepest,
    spansKeys: special.some(({ bytes }) => spansKeys(bytes)),
    scratch: {
      states: new Int32Array(all.deepest + 1),
      ids: new Int32Array(all.ids.length),
      exitNodes: new Int32Array(all.byte.length),
      exitStates: new Int32Array(all.byte.length),
    },
    walks: new WeakMap(),
  };
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function classOf(entries: readonly Entry[], set: CodePoints, size: number): TokenClass {
  const isOf = ({ bytes }: Entry) => {
    const length = plainLength(bytes);
    if (length === undefined || length > shortText) return false;
    for (const char of utf8.decode(bytes)) if (!includesCodePoint(set, char.codePointAt(0) as number)) return false;
    return true;
  };
  const inClass = new Uint8Array(size);
  const rest: Entry[] = [];
  for (const entry of entries)
    if (isOf(entry)) inClass[entry.id] = 1;
    else rest.push(entry);
  const ids = (wanted: number) => Int32Array.from([...inClass.keys()].filter((id) => inClass[id] === wanted));
  return { ids: ids(1), rest: makeTrie(rest), others: ids(0) };
}

/** Code points of a token that is plain text; undefined if it is not. */
function plainLength(bytes: Uint8Array): number | undefined {
  for (const byte of bytes) if (byte < 0x20 || byte === 0x22 || byte === 0x5c) return undefined;
  try {
    return Array.from(utf8.decode(bytes)).length;
  } catch {
    return undefined;
  }
}

const anyString = stringMachine(lengths(0, Number.MAX_SAFE_INTEGER)); // its state counts code points

/** Code points that a token adds to a string that it continues; 0 if no string goes on like it. */
function reachOf(bytes: Uint8Array): number {
  let state = anyString.next(anyString.start, 0x22);
  for (const byte of bytes) {
    const after = anyString.next(state, byte);
    if (after === dead) return anyString.accepts(state) ? anyString.content(state) : 0;
    state = after;
  }
  return anyString.content(state) + 1;
}

/** As `":1,"a"` does; rare enough that most vocabularies have no such token. */
function spansKeys(bytes: Uint8Array): boolean {
  return /"\s*:.*,\s*"[^"]*"/s.test(byteText(bytes));
}

/** The trie of tokens sorted by their bytes. */
export function makeTrie(entries: readonly Entry[]): TokenTrie {
  const byte = [0];
  const skip = [0];
  const depth = [0];
  const firstId = [0];
  const path: { node: number; byte: number }[] = [];
  const close = (length: number) => {
    while (path.length > length) skip[(path.pop() as { node: number }).node] = byte.length;
  };
  const ids: number[] = [];
  for (const { id, bytes } of entries) {
    let shared = 0;
    while (shared < path.length && shared < bytes.length && path[shared].byte === bytes[shared]) shared++;
    close(shared);
    for (let i = shared; i < bytes.length; i++) {
      path.push({ node: byte.length, byte: bytes[i] });
      byte.push(bytes[i]);
      skip.push(0);
      depth.push(i + 1);
      firstId.push(ids.length);
    }
    ids.push(id);
  }
  close(0);
  skip[0] = byte.length;
  firstId.push(ids.length);
  const first = new Int32Array(256);
  for (let node = 1; node < byte.length; node = skip[node]) first[byte[node]] = node;
  return {
    first,
    byte: Uint8Array.from(byte),
    skip: Int32Array.from(skip),
    depth: Uint16Array.from(depth),
    firstId: Int32Array.from(firstId),
    ids: Int32Array.from(ids),
    deepest: depth.reduce((a, b) => Math.max(a, b), 0),
  };
}
