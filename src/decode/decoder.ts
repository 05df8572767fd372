// One sequence's state machine: a row of logits in, a token out, with the text that it completes. It knows nothing of the
// model or of other sequences.

import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { type LogProb, logProbOf, topLogProbs } from "./log-probs.ts";
import type { Decoding } from "./parameters.ts";
import { randomSource } from "./random.ts";
import { choose, distribution, penalize } from "./sampler.ts";
import { stopMatcher } from "./stop-strings.ts";

/** Why a text ended: an end-of-text token or stop string, or the most tokens that were asked for. */
export type FinishReason = "stop" | "length";

/** One step of a sequence. */
export interface DecodedToken {
  id: number;
  /** The text that is complete with this token; "" while a character or a possible stop string is unfinished. */
  text: string;
  /** log p of the token under the model; present when log-probabilities were asked for. */
  logprob?: number;
  /** The most likely tokens at this step, when asked for. */
  topLogprobs?: LogProb[];
  /** Set on the last token. */
  finishReason?: FinishReason;
}

/** Takes logits [vocabSize] of the sequence's last position; changes them. */
export type Decoder = (logits: Float32Array) => DecodedToken;

/** A decoder for one sequence. `promptIds` are the prompt's tokens: seen by the repetition penalty, and what the text continues. */
export function createDecoder(
  decoding: Decoding,
  tokenizer: Tokenizer,
  endIds: readonly number[],
  promptIds: readonly number[],
): Decoder {
  const random = randomSource(decoding.seed);
  const seen = new Set(promptIds);
  const generated = new Map<number, number>();
  const characters = tokenizer.stream({ skipSpecialTokens: true });
  // Tables are often padded beyond the vocabulary; those rows have no text.
  const textOf = (id: number) => (tokenizer.tokenOf(id) === undefined ? "" : characters.push(id));
  for (const id of promptIds) textOf(id); // some tokenizers drop the space that begins a text: this text has begun
  const stops = stopMatcher(decoding.stop);
  let count = 0;

  return (logits) => {
    if (!allFinite(logits))
      throw new Error("the model's logits are not finite numbers: its weights or input are broken");
    const raw = decoding.logprobs === undefined ? undefined : logits.slice();
    penalize(logits, decoding, { seen, generated });
    const id = choose(distribution(logits, decoding), decoding.temperature === 0 ? 0 : random());
    seen.add(id);
    generated.set(id, (generated.get(id) ?? 0) + 1);
    count++;

    const token: DecodedToken = { id, text: "" };
    if (raw) token.logprob = logProbOf(raw, id);
    if (raw && decoding.logprobs) token.topLogprobs = topLogProbs(raw, decoding.logprobs);

    if (endIds.includes(id) && !decoding.ignoreEnd) token.finishReason = "stop";
    const piece = token.finishReason ? "" : textOf(id);
    if (!token.finishReason && count === decoding.maxTokens) token.finishReason = "length";

    const { text, stopped } = stops.push(token.finishReason ? piece + characters.end() : piece);
    token.text = text;
    if (stopped) token.finishReason = "stop";
    else if (token.finishReason) token.text += stops.end();
    return token;
  };
}

function allFinite(values: Float32Array): boolean {
  let zero = 0;
  for (const value of values) zero += value * 0; // ∞ · 0 and NaN · 0 are NaN
  return zero === 0;
}
