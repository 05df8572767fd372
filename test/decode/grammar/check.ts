// What a grammar says about a whole text; for tests.

import type { Grammar } from "../../../src/decode/grammar/grammar.ts";
import { read } from "../../../src/decode/grammar/matcher.ts";
import { mayEnd } from "../../../src/decode/grammar/recognizer.ts";

/** "accepted", or where the first byte that cannot stand there is (the length of the text: it is not complete). */
export function check(grammar: Grammar, text: string | Uint8Array): "accepted" | number {
  const bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  const { recognizer } = grammar;
  const after = read(recognizer, recognizer.start, bytes);
  return after.read === bytes.length && after.frames.some(mayEnd) ? "accepted" : after.read;
}
