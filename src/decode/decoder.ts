// One sequence's state machine: what a row says in, tokens out, with the text that they complete. One token, as a rule; where
// a constraint leaves no choice, all those that must follow come with it. It knows nothing of the model or of other
// sequences.

import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { Constraint } from "./constraint.ts";
import { type LogProb, logProbOf, topLogProbs } from "./log-probs.ts";
import { allFinite, notFinite, type Output, type Want } from "./outputs.ts";
import type { Decoding } from "./parameters.ts";
import { randomSource } from "./random.ts";
import { repeatDetector } from "./repeats.ts";
import { choose, distribution, penalize } from "./sampler.ts";
import { stopMatcher } from "./stop-strings.ts";

/** Why a text ended: an end-of-text token, a stop string or a finished constraint; or it is cut: the most tokens that were asked for, repeats. */
export type FinishReason = "stop" | "length";

/** One step of a sequence. */
export interface DecodedToken {
  id: number;
  /** The text that is complete with this token; "" while a character or a possible stop string is unfinished. */
  text: string;
  /** log p of the token under the model, among those that a constraint allows; present when log-probabilities were asked for. */
  logprob?: number;
  /** The most likely tokens at this step, when asked for. */
  topLogprobs?: LogProb[];
  /** Set on the last token. */
  finishReason?: FinishReason;
}

/** Takes what the sequence's last row says, logits or what `wantOf` asks for; changes logits. Gives at least one token. */
export type Decoder = (output: Output) => DecodedToken[];

const brokenLogits = "the model's logits are not finite numbers: its weights or input are broken";

/** What a decoder needs of a row: no more than the choice, where the most likely token is taken as the model gives it. */
export function wantOf(decoding: Decoding, constraint?: Constraint, unspoken: readonly number[] = []): Want {
  const { temperature, repetitionPenalty, frequencyPenalty, presencePenalty, logitBias, logprobs } = decoding;
  const changed = repetitionPenalty !== 1 || frequencyPenalty !== 0 || presencePenalty !== 0 || logitBias.size > 0;
  if (temperature > 0 || changed || constraint) return "logits";
  if (unspoken.length > 0) return logprobs === undefined ? { except: unspoken } : "logits";
  return logprobs === undefined ? "id" : { top: Math.max(1, logprobs) };
}

/**
 * A decoder for one sequence. `promptIds` are the prompt's tokens: seen by the repetition penalty, and what the text continues.
 * A constraint masks the logits between penalties and temperature; end-of-text tokens pass where it is complete. `unspoken`
 * are ids that are never chosen without a constraint; log-probabilities are told as if they could be.
 */
export function createDecoder(
  decoding: Decoding,
  tokenizer: Tokenizer,
  endIds: readonly number[],
  promptIds: readonly number[],
  constraint?: Constraint,
  unspoken: readonly number[] = [],
): Decoder {
  const random = randomSource(decoding.seed);
  const seen = new Set(promptIds);
  const generated = new Map<number, number>();
  const characters = tokenizer.stream({ skipSpecialTokens: !decoding.specialTokens });
  // Tables are often padded beyond the vocabulary; those rows have no text.
  const textOf = (id: number) => (tokenizer.tokenOf(id) === undefined ? "" : characters.push(id));
  for (const id of promptIds) textOf(id); // some tokenizers drop the space that begins a text: this text has begun
  const stops = stopMatcher(decoding.stop);
  const repeats = decoding.stopRepeats ? repeatDetector() : undefined;
  let count = 0;

  return (output) => {
    const tokens: DecodedToken[] = [];
    const ended = () => tokens.at(-1)?.finishReason !== undefined;
    if (!constraint?.forced().length) tokens.push(chosen(output));
    while (!ended()) {
      const forced = constraint?.forced() ?? [];
      if (forced.length === 0) break;
      for (const id of forced) if (!ended()) tokens.push(follow(certain(id)));
    }
    return tokens;
  };

  /** The token that the row says, or that is drawn from its logits. */
  function chosen(output: Output): DecodedToken {
    if (output instanceof Float32Array) return drawn(output);
    const [best] = typeof output === "number" ? [{ id: output }] : output;
    if (best === undefined || best.id === notFinite) throw new Error(brokenLogits);
    const token: DecodedToken = { ...best, text: "" };
    if (typeof output !== "number" && decoding.logprobs) token.topLogprobs = [...output];
    return follow(token);
  }

  function drawn(logits: Float32Array): DecodedToken {
    if (!allFinite(logits)) throw new Error(brokenLogits);
    const raw = decoding.logprobs === undefined ? undefined : logits.slice();
    penalize(logits, decoding, { seen, generated });
    if (constraint) mask(logits, constraint, raw);
    else for (const id of unspoken) logits[id] = -Infinity;
    const id = choose(distribution(logits, decoding), decoding.temperature === 0 ? 0 : random());
    const token: DecodedToken = { id, text: "" };
    if (raw) token.logprob = logProbOf(raw, id);
    if (raw && decoding.logprobs) token.topLogprobs = topLogProbs(raw, decoding.logprobs);
    return follow(token);
  }

  /** A token that had to come: of what is allowed it has probability 1. */
  function certain(id: number): DecodedToken {
    const token: DecodedToken = { id, text: "" };
    if (decoding.logprobs !== undefined) token.logprob = 0;
    if (decoding.logprobs) token.topLogprobs = [{ id, logprob: 0 }];
    return token;
  }

  /** Leaves the tokens that the constraint allows, in `raw` too, whose log-probabilities are reported. */
  function mask(logits: Float32Array, constraint: Constraint, raw: Float32Array | undefined): void {
    const ends = endIds.map((id) => logits[id]);
    constraint.mask(logits);
    const mayEnd = constraint.complete && !decoding.ignoreEnd;
    for (const [i, id] of endIds.entries()) logits[id] = mayEnd ? ends[i] : -Infinity;
    if (!logits.some((logit) => logit > -Infinity))
      throw new Error("the constraint on the output allows no token here");
    if (raw) for (let id = 0; id < raw.length; id++) if (logits[id] === -Infinity) raw[id] = -Infinity;
  }

  /** Takes a token into the sequence: its text, and whether the sequence ends with it. */
  function follow(token: DecodedToken): DecodedToken {
    const { id } = token;
    seen.add(id);
    generated.set(id, (generated.get(id) ?? 0) + 1);
    count++;

    if (endIds.includes(id) && !decoding.ignoreEnd) token.finishReason = "stop";
    const piece = token.finishReason ? "" : textOf(id);
    if (!token.finishReason) {
      constraint?.accept(id);
      if (constraint?.finished) token.finishReason = "stop";
      else if (repeats?.(id) || count === decoding.maxTokens) token.finishReason = "length";
    }

    const { text, stopped } = stops.push(token.finishReason ? piece + characters.end() : piece);
    token.text = text;
    if (stopped) token.finishReason = "stop";
    else if (token.finishReason) token.text += stops.end();
    return token;
  }
}
