// The plan of the training run: the model's shape, what each step reads and at which rate it learns. A step's batch is a
// function of its number alone, so a run that was stopped goes on as if it had not been, and two trainers see the same.

import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { type Document, document, firstMix, functionsMix, lateMix, type Mix, mainMix, wideMix } from "./corpus.ts";
import { chance, type Random, seeded, whole } from "./draw.ts";

/** config.json of the model, without its vocabulary size. */
export const shape = {
  hidden_size: 256,
  intermediate_size: 640,
  num_hidden_layers: 6,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 64,
  tie_word_embeddings: true,
  max_position_embeddings: 8192,
  rope_theta: 10000,
  rms_norm_eps: 1e-5,
  bos_token_id: 0,
  eos_token_id: 1,
  pad_token_id: 2,
} as const;

/** A stretch of the run: `steps` batches of `sequences` rows of `positions` tokens. */
export interface Phase {
  steps: number;
  sequences: number;
  positions: number;
  mix: Mix;
  /** Share of documents that are random tokens, said twice: the plainest copying there is. */
  echo: number;
}

export const phases: readonly Phase[] = [
  { steps: 1200, sequences: 16, positions: 256, mix: firstMix, echo: 0.1 },
  { steps: 1000, sequences: 8, positions: 512, mix: mainMix, echo: 0.01 },
  { steps: 2200, sequences: 16, positions: 256, mix: lateMix, echo: 0.08 },
  { steps: 2000, sequences: 8, positions: 512, mix: wideMix, echo: 0.03 },
  { steps: 4000, sequences: 8, positions: 512, mix: functionsMix, echo: 0.03 },
];

export const steps = phases.reduce((sum, phase) => sum + phase.steps, 0);

export const rates = {
  /** Muon, for the matrices of the blocks */
  matrix: 2e-2,
  matrixDecay: 0.1,
  momentum: 0.95,
  /** AdamW, for the embedding table and the norms */
  rest: 5e-3,
  betas: [0.9, 0.95],
  eps: 1e-8,
  /** Gradients of the embedding table and the norms are scaled down to this length. */
  clip: 1,
  /** Share of the full rates at some steps; between them a line. */
  share: [
    [0, 0.01],
    [99, 1],
    [1200, 1],
    [2199, 0.02],
    [2200, 0.4],
    [2900, 0.01],
    [2950, 0.4],
    [4400, 0.4],
    [6400, 0.3093],
    [7937, 0.2173],
    [10400, 0.01],
  ],
} as const;

/** Share of the full learning rates at a step. */
export function rateAt(step: number): number {
  const next = rates.share.findIndex(([at]) => at > step);
  if (next < 0) return rates.share[rates.share.length - 1][1];
  const [[from, low], [to, high]] = [rates.share[next - 1], rates.share[next]];
  return low + ((high - low) * (step - from)) / (to - from);
}

/** Token ids [sequences, positions] and which of them count in the loss. */
export interface Batch {
  sequences: number;
  positions: number;
  ids: Uint16Array;
  learned: Uint8Array;
}

/** The phase that a step belongs to; the last one has no end. */
export function phaseOf(step: number): Phase {
  let left = step;
  for (const phase of phases) {
    if (left < phase.steps) return phase;
    left -= phase.steps;
  }
  return phases[phases.length - 1];
}

/** The batch of a step. */
export function batchAt(step: number, tokenizer: Tokenizer): Batch {
  const { sequences, positions, mix, echo } = phaseOf(step);
  const random = seeded(`train ${step}`);
  const draw = () => (chance(random, echo) ? echoed(random, tokenizer) : encoded(document(random, mix), tokenizer));
  return packed(draw, sequences, positions);
}

interface Encoded {
  ids: number[];
  learned: boolean[];
}

const begin = 0;
const end = 1;

/** Start token, text, end token. */
export function encoded({ text, learn }: Document, tokenizer: Tokenizer): Encoded {
  const ids = [begin, ...tokenizer.encode(text, { addSpecialTokens: false, parseSpecialTokens: true })];
  if (ids[ids.length - 1] !== end) ids.push(end);
  const opens = new Set(
    ["<｜Assistant｜>", "<｜fim▁end｜>", "<｜tool▁outputs▁end｜>"].map((token) => tokenizer.idOf(token)),
  );
  let on = learn === "all";
  const learned = ids.map((id) => {
    const counts = on && id !== begin;
    if (learn === "answers") on = opens.has(id) || (on && id !== end);
    return counts;
  });
  return { ids, learned };
}

/** Random tokens, two or three times over; all but the first time count. */
function echoed(random: Random, tokenizer: Tokenizer): Encoded {
  const highest = tokenizer.vocabSize - 16; // the special tokens are at both ends
  const once = Array.from({ length: whole(random, 5, 60) }, () => whole(random, 3, highest));
  const times = whole(random, 2, 3);
  const ids = [begin, ...Array.from({ length: times }, () => once).flat(), end];
  return { ids, learned: ids.map((_, i) => i > once.length && i < ids.length - 1) };
}

/** Fills rows with whole documents as well as they fit; what is left of a row gets the beginning of one more. */
function packed(draw: () => Encoded, sequences: number, positions: number): Batch {
  const ids = new Uint16Array(sequences * positions);
  const learned = new Uint8Array(sequences * positions);
  const pool = Array.from({ length: 24 }, draw);
  for (let row = 0; row < sequences; row++) {
    for (let at = 0; at < positions; ) {
      const room = positions - at;
      let best = -1;
      if (at > 0) {
        pool.forEach((one, i) => {
          if (one.ids.length <= room && (best < 0 || one.ids.length > pool[best].ids.length)) best = i;
        });
      }
      const one = pool.splice(Math.max(best, 0), 1)[0]; // the oldest if it is the row's first, or if none fits
      pool.push(draw());
      const count = Math.min(one.ids.length, room);
      for (let i = 0; i < count; i++) {
        ids[row * positions + at + i] = one.ids[i];
        learned[row * positions + at + i] = one.learned[i] ? 1 : 0;
      }
      at += count;
    }
  }
  return { sequences, positions, ids, learned };
}
