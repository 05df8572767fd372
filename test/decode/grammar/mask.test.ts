// Masks against brute force: at every step of random walks, the tokens that the mask leaves are those whose bytes, fed one
// by one, the recognizer reads. And never none: wherever a walk stands, it can go on or end. In the long run every
// token and five walks for each schema, else a part of the tokens and one walk.

import { beforeAll, describe, expect, test } from "vitest";
import type { Constraint } from "../../../src/decode/constraint.ts";
import {
  checked,
  compileGrammar,
  type Grammar,
  type GrammarSpec,
  written,
} from "../../../src/decode/grammar/grammar.ts";
import { read } from "../../../src/decode/grammar/matcher.ts";
import { type Vocabulary, vocabularyOf } from "../../../src/decode/grammar/token-trie.ts";
import { defaultModel } from "../../../src/plainformer.ts";
import { loadTokenizer } from "../../../src/tokenizer/load-tokenizer.ts";
import { long, times } from "../../long.ts";
import { generate, noiseSource } from "./generate.ts";
import { schemas } from "./schemas.ts";

let vocabulary: Vocabulary;
beforeAll(async () => {
  vocabulary = vocabularyOf(await loadTokenizer(defaultModel));
});

/** A different part of the vocabulary for each step: brute force over all of it at every step takes too long. */
function sample(step: number): number[] {
  const { tokenizer, size } = vocabulary;
  const ids: number[] = [];
  for (let id = 0; id < size; id++)
    if (tokenizer.tokenOf(id) !== undefined && (id + step) % (long ? 1 : 17) === 0) ids.push(id);
  return ids;
}

/** Walks by noise and compares the mask at each step. */
function compare(grammar: Grammar, random: () => number, steps: number): void {
  const { tokenizer, control, size } = vocabulary;
  const logits = new Float32Array(size + 3);
  let frames = grammar.recognizer.start;
  let readIds = 0;
  let compared = 0;
  const see = (constraint: Constraint, ids: readonly number[]) => {
    for (; readIds < ids.length; readIds++)
      frames = read(grammar.recognizer, frames, tokenizer.bytes(ids[readIds])).frames;
    logits.fill(0);
    constraint.mask(logits);
    for (const id of [...sample(compared), size, size + 2]) {
      const known = id < size && tokenizer.tokenOf(id) !== undefined && !control.includes(id);
      const bytes = known ? tokenizer.bytes(id) : new Uint8Array(0);
      const allowed = bytes.length > 0 && read(grammar.recognizer, frames, bytes).read === bytes.length;
      if (allowed !== logits[id] > -1) {
        const before = new TextDecoder().decode(Buffer.concat(ids.map((id) => tokenizer.bytes(id))));
        expect.fail(
          `after ${before}: token ${id} ${JSON.stringify(tokenizer.tokenOf(id))} is ${allowed ? "masked" : "let through"}`,
        );
      }
    }
    compared++;
  };
  generate(grammar, vocabulary, random, steps, see);
}

/** Everything may be escaped, and white space stand anywhere. */
const wordy = { ...checked, judged: false };

describe("the mask is the brute-force mask", () => {
  const random = noiseSource(11);
  const specs: GrammarSpec[] = [
    { kind: "json" },
    { kind: "json_object" },
    ...schemas.map((schema) => ({ kind: "json_schema", schema }) as const),
  ];
  test.each(specs.map((spec, i) => [i, JSON.stringify(spec).slice(0, 80), spec] as const))("%i %s", (_, __, spec) => {
    for (const style of [written, wordy]) {
      const grammar = compileGrammar(spec, style);
      for (let walk = 0; walk < times(1, 5); walk++) compare(grammar, random, 14);
    }
  });
});
