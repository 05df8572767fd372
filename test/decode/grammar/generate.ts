// Constrained text as a model with random weights would write it: each step's logits are noise, drawn through the masks.

import type { Constraint } from "../../../src/decode/constraint.ts";
import type { Grammar } from "../../../src/decode/grammar/grammar.ts";
import { createConstraint } from "../../../src/decode/grammar/matcher.ts";
import type { Vocabulary } from "../../../src/decode/grammar/token-trie.ts";

export interface Generated {
  text: string;
  ids: number[];
  finished: "stop" | "length";
}

/** Numbers in [0, 1), fast: tests draw millions (mulberry32). */
export function noiseSource(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Normally distributed noise. */
export function noise(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Samples with temperature 1.5 from noise, masked; the end is one more choice wherever the text may end. */
export function generate(
  grammar: Grammar,
  vocabulary: Vocabulary,
  random: () => number,
  maxTokens: number,
  see?: (constraint: Constraint, ids: readonly number[]) => void,
): Generated {
  const constraint = createConstraint(grammar, vocabulary);
  const logits = new Float32Array(vocabulary.size);
  const ids: number[] = [];
  while (ids.length < maxTokens && !constraint.finished) {
    see?.(constraint, ids);
    const forced = constraint.forced();
    if (forced.length > 0) {
      for (const id of forced) constraint.accept(id);
      ids.push(...forced);
      continue;
    }
    for (let id = 0; id < logits.length; id++) logits[id] = noise(random);
    constraint.mask(logits);
    // argmax of logits / t + Gumbel noise is a draw from softmax(logits / t)
    let chosen = -1;
    let best = constraint.complete ? (2 + noise(random)) / 1.5 - Math.log(-Math.log(random())) : -Infinity;
    for (let id = 0; id < logits.length; id++) {
      if (logits[id] === -Infinity) continue;
      const score = logits[id] / 1.5 - Math.log(-Math.log(random()));
      if (score > best) [chosen, best] = [id, score];
    }
    if (chosen < 0) {
      if (!constraint.complete) throw new Error("no token may come and the text is not complete");
      break;
    }
    constraint.accept(chosen);
    ids.push(chosen);
  }
  const finished = constraint.complete ? "stop" : "length";
  const text = new TextDecoder().decode(Buffer.concat(ids.map((id) => vocabulary.tokenizer.bytes(id))));
  return { text, ids, finished };
}
