// Log-probabilities as the two routes say them: a list of tokens (chat), parallel lists (completions). They are the true
// ones, whatever their size; a token that cannot come has none.

import { z } from "zod";
import type { LogProb } from "../../decode/log-probs.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";

/** A token of prompt or continuation, with what was asked for about it. The first token of a prompt has no log-probability. */
export interface ScoredToken {
  readonly id: number;
  readonly logprob?: number;
  readonly topLogprobs?: readonly LogProb[];
}

const tokenSchema = z.object({ token: z.string(), logprob: z.number().nullable(), bytes: z.array(z.int()) });

export const chatLogprobSchema = tokenSchema.extend({ top_logprobs: z.array(tokenSchema) });

export const textLogprobsSchema = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number().nullable()),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()),
  text_offset: z.array(z.int()),
});

export type ChatLogprob = z.infer<typeof chatLogprobSchema>;
export type TextLogprobs = z.infer<typeof textLogprobsSchema>;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }); // made once: making it takes longer than using it

/**
 * A token's text. One that is part of a character is written as its bytes, "bytes:\xe2\x80", so that two tokens have two
 * names.
 */
export function tokenText(tokenizer: Tokenizer, id: number): string {
  const bytes = bytesOf(tokenizer, id);
  try {
    return utf8.decode(bytes);
  } catch {
    return `bytes:${Array.from(bytes, (byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
  }
}

/** One token as chat says it. */
export function chatLogprob(tokenizer: Tokenizer, { id, logprob, topLogprobs = [] }: ScoredToken): ChatLogprob {
  const named = (id: number, logprob: number | undefined) => ({
    token: tokenText(tokenizer, id),
    logprob: finite(logprob),
    bytes: [...bytesOf(tokenizer, id)],
  });
  const top = topLogprobs.filter((other) => Number.isFinite(other.logprob));
  return { ...named(id, logprob), top_logprobs: top.map((other) => named(other.id, other.logprob)) };
}

/**
 * Tokens as completions say them; the token itself is always among its alternatives. `offsets` say where in the text each
 * begins.
 */
export function textLogprobs(
  tokenizer: Tokenizer,
  tokens: readonly ScoredToken[],
  offsets: readonly number[],
): TextLogprobs {
  return {
    tokens: tokens.map(({ id }) => tokenText(tokenizer, id)),
    token_logprobs: tokens.map(({ logprob }) => finite(logprob)),
    top_logprobs: tokens.map((token) => alternatives(tokenizer, token)),
    text_offset: [...offsets],
  };
}

function alternatives(
  tokenizer: Tokenizer,
  { id, logprob, topLogprobs = [] }: ScoredToken,
): Record<string, number> | null {
  if (logprob === undefined) return null;
  const named: Record<string, number> = Object.create(null); // a token may be called __proto__
  for (const other of [...topLogprobs, { id, logprob }])
    if (Number.isFinite(other.logprob)) named[tokenText(tokenizer, other.id)] ??= other.logprob;
  return named;
}

function finite(logprob: number | undefined): number | null {
  return logprob !== undefined && Number.isFinite(logprob) ? logprob : null;
}

/** Rows of padding beyond the vocabulary have no bytes. */
function bytesOf(tokenizer: Tokenizer, id: number): Uint8Array {
  return tokenizer.tokenOf(id) === undefined ? new Uint8Array() : tokenizer.bytes(id);
}
