// A vocabulary as a trie over the bytes of its tokens, laid out flat in depth-first order: the subtree of a node is the run
// of nodes after it, so that refusing a byte skips thousands of tokens with one addition. Control tokens are not in it: they
// have no bytes, they are steps of a script. Source of the layout: guidance-ai/llguidance docs/toktrie.md.

import { byteText, compareBytes } from "../../../weights/bytes.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { dead, type TransitionTable } from "./byte-machine.ts";
import { includesCodePoint } from "./code-points.ts";
import { IdList } from "./id-list.ts";
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
  /** Per id: its place in `ids`. */
  readonly places: Int32Array;
  /** Per node: the least number of classes (text-classes.ts) that a token of its subtree is in. */
  readonly classes: Uint8Array;
  /** The node of each first byte; 0: there is none. */
  readonly first: Int32Array;
  readonly deepest: number;
}

/** The tokens that are short texts of a class, and all other ids, control tokens and unused ones too. */
export interface TokenClass {
  readonly ids: Int32Array;
  readonly others: Int32Array;
}

/** What a walk over a trie inside one machine found, in the order of the trie: the same for all stacks above it. */
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
  /** The tokens of a class of text-classes.ts. */
  classOf(textClass: number): TokenClass;
  /** Ids of control tokens. */
  readonly control: readonly number[];
  /** Bytes of the longest token. */
  readonly longest: number;
  /** Whether some token can end one key of an object and hold the whole next one. */
  readonly spansKeys: boolean;
  /** Room for one walk: the machine's states by depth, and what is found, copied out at the end. */
  readonly scratch: {
    readonly found: IdList;
    kept: Float32Array;
    readonly states: Int32Array;
    readonly ids: Int32Array;
    readonly exitNodes: Int32Array;
    readonly exitStates: Int32Array;
  };
  /** What was walked from the states of machines; machines that grammars share are walked once. */
  readonly walks: { of: WeakMap<TransitionTable, Map<string | number, MachineWalk>>; tokens: number };
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
  /** Classes (text-classes.ts) that it is in: the first ones, each of which is within the one before. */
  readonly classes: number;
}

function makeVocabulary(tokenizer: Tokenizer): Vocabulary {
  const controlIds = new Set(
    tokenizer.addedTokens.filter((token) => token.control || token.special).map(({ id }) => id),
  );
  const entries: Entry[] = [];
  const byLength: number[][] = [];
  const special: Entry[] = [];
  const isPlain = new Uint8Array(tokenizer.vocabSize);
  const classCounts = new Uint8Array(tokenizer.vocabSize);
  for (let id = 0; id < tokenizer.vocabSize; id++) {
    if (controlIds.has(id) || tokenizer.tokenOf(id) === undefined) continue;
    const bytes = tokenizer.bytes(id);
    if (bytes.length === 0) continue; // a token without bytes could come for ever
    const text = plainText(bytes);
    const entry = { id, bytes, classes: !text || text.length > shortText ? 0 : text.classes };
    entries.push(entry);
    classCounts[id] = entry.classes;
    if (text) {
      isPlain[id] = 1;
      byLength[text.length] ??= [];
      byLength[text.length].push(id);
    } else special.push(entry);
  }
  entries.sort((a, b) => compareBytes(a.bytes, b.bytes) || a.id - b.id);
  special.sort((a, b) => compareBytes(a.bytes, b.bytes) || a.id - b.id);
  const all = makeTrie(entries);
  const classes: TokenClass[] = [];
  return {
    tokenizer,
    size: tokenizer.vocabSize,
    all,
    special: makeTrie(special),
    specialReach: special.reduce((most, { bytes }) => Math.max(most, reachOf(bytes)), 0),
    plain: Array.from(byLength, (ids) => Int32Array.from(ids ?? [])),
    notPlain: idsWhere(isPlain, (plain) => plain === 0),
    classOf(textClass) {
      classes[textClass] ??= {
        ids: idsWhere(classCounts, (count) => count > textClass),
        others: idsWhere(classCounts, (count) => count <= textClass),
      };
      return classes[textClass];
    },
    control: [...controlIds],
    longest: all.deepest,
    spansKeys: special.some(({ bytes }) => spansKeys(bytes)),
    scratch: {
      found: new IdList(),
      kept: new Float32Array(tokenizer.vocabSize),
      states: new Int32Array(all.deepest + 1),
      ids: new Int32Array(all.ids.length),
      exitNodes: new Int32Array(all.byte.length),
      exitStates: new Int32Array(all.byte.length),
    },
    walks: { of: new WeakMap(), tokens: 0 },
  };
}

function idsWhere(list: Uint8Array, isWanted: (value: number) => boolean): Int32Array {
  const ids = new IdList();
  for (let id = 0; id < list.length; id++) if (isWanted(list[id])) ids.push(id);
  return ids.list();
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The length in code points of a token that is plain text, and how many classes it is in; undefined if it is not. */
function plainText(bytes: Uint8Array): { length: number; classes: number } | undefined {
  let classes = textClasses.length;
  let isAscii = true;
  for (const byte of bytes) {
    if (byte < 0x20 || byte === 0x22 || byte === 0x5c) return undefined;
    if (byte < 0x80) classes = Math.min(classes, classesOfAscii[byte]);
    else isAscii = false;
  }
  if (isAscii) return { length: bytes.length, classes };
  let length = 0;
  try {
    for (const char of utf8.decode(bytes)) {
      classes = Math.min(classes, classesOf(char.codePointAt(0) as number));
      length++;
    }
  } catch {
    return undefined;
  }
  return { length, classes };
}

function classesOf(codePoint: number): number {
  const without = textClasses.findIndex((set) => !includesCodePoint(set, codePoint));
  return without < 0 ? textClasses.length : without;
}

const classesOfAscii = Array.from({ length: 0x80 }, (_, codePoint) => classesOf(codePoint));

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
  const room = 1 + entries.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const byte = new Uint8Array(room);
  const skip = new Int32Array(room);
  const depth = new Uint16Array(room);
  const firstId = new Int32Array(room + 1);
  const classes = new Uint8Array(room).fill(textClasses.length);
  const ids = new Int32Array(entries.length);
  const places = new Int32Array(entries.reduce((most, { id }) => Math.max(most, id + 1), 0));
  let size = 1;
  let deepest = 0;
  /** The nodes down to the last one. */
  const path = [0];
  const close = (length: number) => {
    while (path.length > length) {
      const node = path.pop() as number;
      const parent = path[path.length - 1];
      skip[node] = size;
      if (parent !== undefined) classes[parent] = Math.min(classes[parent], classes[node]);
    }
  };
  for (const [index, { id, bytes, classes: own }] of entries.entries()) {
    let shared = 0;
    while (shared + 1 < path.length && shared < bytes.length && byte[path[shared + 1]] === bytes[shared]) shared++;
    close(shared + 1);
    for (let i = shared; i < bytes.length; i++) {
      byte[size] = bytes[i];
      depth[size] = i + 1;
      firstId[size] = index;
      path.push(size++);
    }
    deepest = Math.max(deepest, bytes.length);
    const node = path[path.length - 1];
    classes[node] = Math.min(classes[node], own);
    ids[index] = id;
    places[id] = index;
  }
  close(0);
  firstId[size] = entries.length;
  const first = new Int32Array(256);
  for (let node = 1; node < size; node = skip[node]) first[byte[node]] = node;
  return {
    first,
    byte: byte.slice(0, size),
    skip: skip.slice(0, size),
    depth: depth.slice(0, size),
    firstId: firstId.slice(0, size + 1),
    ids,
    places,
    classes: classes.slice(0, size),
    deepest,
  };
}
