// Jump-forward: text that must come now, whatever the model says (the rest of a key once its first letters are there), and
// the tokens that a tokenizer would make of it. A model has seen keys as its tokenizer cuts them, so the text is cut in its
// context, and tokens at its end that a longer token could still replace are left for the model to choose.
// Source of the rule: guidance-ai/llguidance docs/fast_forward.md.

import { concatBytes } from "../../../weights/bytes.ts";
import { maxForcedBytes } from "./limits.ts";
import { type Frame, mayEnd, type Recognizer } from "./recognizer.ts";
import type { TokenTrie, Vocabulary } from "./token-trie.ts";

export interface Forced {
  readonly bytes: readonly number[];
  /** The stacks after them. */
  readonly frames: readonly Frame[];
  /** Nothing may come after the stacks: the text is over. */
  readonly ended: boolean;
}

/** The bytes that must come, up to the first choice, possible end or control token. */
export function forcedBytes(recognizer: Recognizer, frames: readonly Frame[]): Forced {
  const bytes: number[] = [];
  let now = frames;
  while (bytes.length < maxForcedBytes) {
    const only = onlyByte(recognizer, now);
    if (only === undefined || now.some(mayEnd))
      return { bytes, frames: now, ended: only === undefined && isOver(recognizer, now) };
    bytes.push(only);
    now = [...new Set(now.flatMap((frame) => recognizer.step(frame, only)))];
  }
  return { bytes, frames: now, ended: false };
}

/** The one byte that may come; undefined if there are none or several, or if a control token may. */
function onlyByte(recognizer: Recognizer, frames: readonly Frame[]): number | undefined {
  let only: number | undefined;
  for (const frame of frames) {
    if (frame.kind === "free" || recognizer.tokenOf(frame) !== undefined) return undefined;
    for (let byte = 0; byte < 256; byte++) {
      if (byte === only || recognizer.step(frame, byte).length === 0) continue;
      if (only !== undefined) return undefined;
      only = byte;
    }
  }
  return only;
}

function isOver(recognizer: Recognizer, frames: readonly Frame[]): boolean {
  return frames.every((frame) => {
    if (frame.kind === "free" || recognizer.tokenOf(frame) !== undefined) return false;
    for (let byte = 0; byte < 256; byte++) if (recognizer.step(frame, byte).length > 0) return false;
    return true;
  });
}

/**
 * The tokens of forced bytes, as far as their tokenization is certain: not beyond the place where a token may begin that
 * goes on past the end. `recent` are the tokens before. A forced control token is a result by itself.
 */
export function forcedTokens(
  vocabulary: Vocabulary,
  recognizer: Recognizer,
  frames: readonly Frame[],
  recent: readonly number[],
  forced: Forced,
): readonly number[] {
  if (forced.bytes.length === 0) {
    const [frame] = frames;
    if (frames.length !== 1 || frame.kind !== "script" || frame.script.kind !== "token") return [];
    return [frame.script.id];
  }
  const bytes = Uint8Array.from(forced.bytes);
  const end = certainEnd(vocabulary.all, recognizer, forced.frames, bytes);
  const kept: number[] = [];
  let length = 0;
  for (const id of tokenize(vocabulary, recent, bytes)) {
    length += vocabulary.tokenizer.bytes(id).length;
    if (length > end) break;
    kept.push(id);
  }
  return kept;
}

/** The first place from which a token could reach beyond the end of `bytes` and go on as the stacks allow. */
function certainEnd(trie: TokenTrie, recognizer: Recognizer, frames: readonly Frame[], bytes: Uint8Array): number {
  if (frames.every((frame) => frame.kind === "script" && recognizer.tokenOf(frame) !== undefined)) return bytes.length;
  for (let from = Math.max(0, bytes.length - trie.deepest); from < bytes.length; from++) {
    const node = nodeOf(trie, bytes.subarray(from));
    if (node !== undefined && reachesToken(trie, recognizer, frames, node)) return from;
  }
  return bytes.length;
}

function nodeOf({ byte, skip }: TokenTrie, bytes: Uint8Array): number | undefined {
  let node = 0;
  for (const wanted of bytes) {
    const end = skip[node];
    let child = node + 1;
    while (child < end && byte[child] !== wanted) child = skip[child];
    if (child >= end) return undefined;
    node = child;
  }
  return node;
}

/** Whether some token below a node goes on as the stacks allow. */
function reachesToken(trie: TokenTrie, recognizer: Recognizer, frames: readonly Frame[], from: number): boolean {
  const { byte, skip, firstId } = trie;
  for (let node = from + 1; node < skip[from]; node = skip[node]) {
    const after = frames.flatMap((frame) => recognizer.step(frame, byte[node]));
    if (after.length === 0) continue;
    if (firstId[node + 1] > firstId[node] || reachesToken(trie, recognizer, after, node)) return true;
  }
  return false;
}

/** The tokenizer's tokens for bytes that follow `recent`; none if it cannot give exactly these bytes. */
function tokenize({ tokenizer }: Vocabulary, recent: readonly number[], bytes: Uint8Array): number[] {
  const decode = (parts: readonly Uint8Array[]): string | undefined => {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(concatBytes(parts));
    } catch {
      return undefined;
    }
  };
  const length = (ids: readonly number[]) => ids.reduce((sum, id) => sum + tokenizer.bytes(id).length, 0);
  // A Metaspace tokenizer puts a space before whatever begins a text: so a line ends before it, and is left out again.
  const lead = tokenizer.encode("\n", { addSpecialTokens: false });
  const encodeWithin = (text: string) => {
    const ids = tokenizer.encode(`\n${text}`, { addSpecialTokens: false });
    return lead.every((id, i) => ids[i] === id) ? ids.slice(lead.length) : [];
  };
  const encode =
    length(lead) === 1 ? (text: string) => tokenizer.encode(text, { addSpecialTokens: false }) : encodeWithin;
  // With as much of the text before as its own tokens agree with.
  for (let count = recent.length; count >= 0; count--) {
    const before = recent.slice(recent.length - count);
    const text = decode([...before.map((id) => tokenizer.bytes(id)), bytes]);
    if (text === undefined) continue;
    const ids = encode(text);
    const after = ids.slice(count);
    if (before.every((id, i) => ids[i] === id) && length(after) === bytes.length) return after;
  }
  return [];
}
