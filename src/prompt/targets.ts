// The continuations that a request wants judged, as token ids.

import { FieldError } from "../field-error.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { checkIds } from "./segments.ts";

/**
 * Each target as token ids; texts are encoded as they stand.
 * @param room positions that are left after the longest input
 * @throws FieldError that names the target: none at all, an empty one, an unknown id, one longer than `room`.
 */
export function targetIds(
  targets: readonly (string | readonly number[])[],
  tokenizer: Tokenizer,
  vocabSize: number,
  room: number,
): (readonly number[])[] {
  if (!Array.isArray(targets) || targets.length === 0)
    throw new FieldError("targets", "expected a list of at least one text or list of token ids", "missing");
  return targets.map((target: string | readonly number[], i) => {
    const ids =
      typeof target === "string"
        ? tokenizer.encode(target, { addSpecialTokens: false })
        : checkIds(target, vocabSize, `targets[${i}]`);
    if (ids.length === 0) throw new FieldError(`targets[${i}]`, "it is empty, expected at least one token");
    if (ids.length > room)
      throw new FieldError(
        `targets[${i}]`,
        `${ids.length} tokens do not fit, expected at most ${room} after this input`,
      );
    return ids;
  });
}
