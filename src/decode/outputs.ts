// What a row of logits says to a task that asks: everything, or only what it needs of it, so that a set with a device can
// choose there and read back a few bytes instead of a vocabulary. The host's choice, here, is the definition.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { type LogProb, topLogProbs } from "./log-probs.ts";
import { argmax } from "./sampler.ts";

/** What a task wants of each of its rows: the logits, the id of the largest, of all or all `except` some, or the `top` most likely ids. */
export type Want = "logits" | "id" | { readonly except: readonly number[] } | { readonly top: number };

/**
 * What it then gets. Logits [vocabSize] are its own to change. Of equal logits the one with the lowest id comes first; the
 * sum in log-probabilities runs over ids in order, in double. Where a logit is not a finite number the id is `notFinite` and
 * the list is empty: a row that nobody believes in must not end what it was tried for.
 */
export type Output<W extends Want = Want> = W extends "logits"
  ? Float32Array
  : W extends "id" | { readonly except: readonly number[] }
    ? number
    : readonly LogProb[];

/** The id where logits are not finite. */
export const notFinite = -1;

/** Reads what each row of logits [rows, vocabSize] says. The values are those at the moment of the call. */
export async function readOutputs(ops: Ops, logits: Tensor, wants: readonly Want[]): Promise<Output[]> {
  const [, vocabSize] = logits.shape;
  const values = await ops.read(logits);
  return wants.map((want, row) => outputOf(values.subarray(row * vocabSize, (row + 1) * vocabSize), want));
}

/** What one row of logits [vocabSize] says; changes them. */
export function outputOf(logits: Float32Array, want: Want): Output {
  if (want === "logits") return logits;
  const finite = allFinite(logits);
  if (want !== "id" && "top" in want) return finite ? topLogProbs(logits, want.top) : [];
  if (!finite) return notFinite;
  if (want !== "id") for (const id of want.except) logits[id] = -Infinity;
  return argmax(logits);
}

/** Whether all values are finite numbers. */
export function allFinite(values: Float32Array): boolean {
  let zero = 0;
  for (let i = 0; i < values.length; i++) zero += values[i] * 0; // ∞ · 0 and NaN · 0 are NaN
  return zero === 0;
}
