// What a prompt leaves of the context: the model's positions, and those that the engine's cache holds.

import { FieldError } from "../field-error.ts";

/**
 * Tokens that can come after a prompt of so many rows. The last of them is not fed back, so the cache has room for one more
 * than it has positions.
 * @param least tokens that must come
 * @throws FieldError of the code "context_length_exceeded", if fewer than `least` can
 */
export function roomAfter(rows: number, maxSeqLen: number, cacheTokens = maxSeqLen, least = 1): number {
  const most = Math.min(maxSeqLen - least, cacheTokens);
  if (rows > most)
    throw new FieldError(
      "input",
      `got ${rows} tokens, expected at most ${most}: the maximum context length is ${Math.min(maxSeqLen, cacheTokens)} tokens${cacheTokens < maxSeqLen ? " (option cacheTokens)" : ""}`,
      "context_length_exceeded",
    );
  return Math.min(maxSeqLen - rows, cacheTokens - rows + 1);
}
