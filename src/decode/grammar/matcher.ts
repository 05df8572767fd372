// One sequence's place in a grammar: the constraint that the decoder asks. It holds the stacks that the text so far leaves
// open, has them masked, and moves them on. Not the grammar (compiled once and shared), not the model.

import { FieldError } from "../../field-error.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { Constraint } from "../constraint.ts";
import { forcedBytes, forcedTokens } from "./forced.ts";
import { type Grammar, type GrammarSpec, grammarOf } from "./grammar.ts";
import { maxStacks } from "./limits.ts";
import { applyMask, type Masks } from "./mask.ts";
import { type Frame, mayEnd, type Recognizer } from "./recognizer.ts";
import { type Vocabulary, vocabularyOf } from "./token-trie.ts";

/** Reads `bytes`; the stacks after them, or how many of them could be read. */
export function read(
  recognizer: Recognizer,
  frames: readonly Frame[],
  bytes: Iterable<number>,
): { frames: readonly Frame[]; read: number } {
  let now = frames;
  let count = 0;
  for (const byte of bytes) {
    const after = new Set<Frame>();
    for (const frame of now) for (const next of recognizer.step(frame, byte)) after.add(next);
    if (after.size === 0) return { frames: now, read: count };
    now = [...after];
    count++;
  }
  return { frames: now, read: count };
}

/** The constraint of one sequence that is to be what `spec` says. @throws FieldError as `grammarOf` and `createConstraint` */
export function constraintOf(spec: GrammarSpec, tokenizer: Tokenizer, prefix?: string): Constraint {
  return createConstraint(grammarOf(spec), vocabularyOf(tokenizer), prefix);
}

/**
 * The constraint of one sequence. `prefix` is text that stands before it and belongs to the grammar.
 * @throws FieldError of `prefix` that says which byte of it is refused
 */
export function createConstraint(grammar: Grammar, vocabulary: Vocabulary, prefix = ""): Constraint {
  const { recognizer } = grammar;
  const { tokenizer } = vocabulary;
  const masks = grammar.masks(vocabulary);
  const control = new Set(vocabulary.control);
  const start = new TextEncoder().encode(prefix);
  const begun = read(recognizer, recognizer.start, start);
  if (begun.read < start.length)
    throw new FieldError(
      "prefix",
      `the prefix ${JSON.stringify(prefix)} does not begin any valid text: byte ${begun.read} is refused`,
    );
  let frames = distinct(begun.frames, masks);
  /** The last tokens, for the tokenization of forced text. */
  let recent: number[] = [];

  return {
    mask: (logits) => applyMask(masks.maskOf(frames), vocabulary, logits),
    accept(id) {
      const after = control.has(id)
        ? frames.flatMap((frame) => recognizer.stepToken(frame, id))
        : readWhole(recognizer, frames, tokenizer.bytes(id));
      if (after.length === 0) throw new Error(`token ${id} may not come here`);
      frames = distinct(after, masks);
      recent = control.has(id) ? [] : [...recent.slice(-7), id];
    },
    forced: () => forcedTokens(vocabulary, recognizer, frames, recent, forcedBytes(recognizer, frames)),
    get complete() {
      return frames.some(mayEnd);
    },
    get finished() {
      return frames.every((frame) => mayEnd(frame) && frame.kind === "script") && forcedBytes(recognizer, frames).ended;
    },
  };
}

function readWhole(recognizer: Recognizer, frames: readonly Frame[], bytes: Uint8Array): readonly Frame[] {
  const after = read(recognizer, frames, bytes);
  return after.read === bytes.length ? after.frames : [];
}

/** Stacks that no further text tells apart are kept once, and only so many. */
function distinct(frames: readonly Frame[], masks: Masks): readonly Frame[] {
  if (frames.length === 1) return frames;
  const byName = new Map<number, Frame>();
  for (const frame of frames) {
    const name = masks.nameOf(frame);
    if (!byName.has(name)) byName.set(name, frame);
  }
  return [...byName.values()].slice(0, maxStacks);
}
