// Candidates: embeddings to try, one after another, in the place of one segment of an input. What a search for a soft prompt
// asks about: the rest of the input is the same for all of them.

import { FieldError, inField } from "../field-error.ts";
import { checkRows, type Input, type Segment } from "./segments.ts";

/** Embeddings to try in place of those in the input. */
export interface Candidate {
  readonly embeds: Float32Array; // [n, dModel], row-major
  readonly shape: readonly [n: number, dModel: number];
}

/**
 * The input with each candidate in the place of its one segment of embeddings that is not frozen.
 * @throws FieldError if there is no candidate, a candidate has no rows or wrong ones, or the input not one such segment.
 */
export function inputsWith(input: Input, candidates: readonly Candidate[], dModel: number): Segment[][] {
  if (!Array.isArray(candidates) || candidates.length === 0)
    throw new FieldError("candidates", "expected a list of at least one { embeds, shape }", "missing");
  const segments: readonly Segment[] = Array.isArray(input) ? input : [];
  const places = [...segments.keys()].filter((i) => {
    const segment = segments[i];
    return typeof segment === "object" && segment !== null && "embeds" in segment && !segment.frozen;
  });
  if (places.length !== 1)
    throw new FieldError(
      "candidates",
      `the input has ${places.length} embeds segments, expected one that they take the place of`,
    );
  const [at] = places;
  return candidates.map((candidate: Candidate, i) => {
    if (candidate?.shape?.[0] === 0)
      throw new FieldError(`candidates[${i}].shape`, "it has no rows, expected at least one");
    inField(`candidates[${i}]`, () => checkRows(candidate, dModel));
    const { embeds, shape } = candidate;
    return segments.map((segment, s) => (s === at ? { ...segment, embeds, shape } : segment));
  });
}
