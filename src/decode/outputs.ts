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
  const rows = [...wants.keys()];
  const whole = rows.filter((row) => largestFor(wants[row]) === 0);
  const most = wants.reduce((most, want) => Math.max(most, largestFor(want)), 0);
  const chosen = whole.length < rows.length ? ops.choose(logits, most) : null; // [rows, 2 + 2 · most]
  if (!chosen) {
    const values = await ops.read(logits);
    return wants.map((want, row) => outputOf(values.subarray(row * vocabSize, (row + 1) * vocabSize), want));
  }
  const [few, many] = await Promise.all([
    ops.read(chosen),
    whole.length > 0 ? ops.read(ops.gather(logits, ops.upload(Int32Array.from(whole)))) : new Float32Array(),
  ]);
  return wants.map((want, row) => {
    if (want !== "logits" && largestFor(want) > 0)
      return outputOfChosen(few.subarray(row * chosen.shape[1]), want, most);
    const at = whole.indexOf(row) * vocabSize;
    return outputOf(many.subarray(at, at + vocabSize), want);
  });
}

/** How many of the largest logits tell what is wanted; 0: all are read, as a set is no faster with so many. */
function largestFor(want: Want): number {
  if (want === "logits") return 0;
  if (want === "id") return 1;
  if ("top" in want) return want.top;
  return want.except.length < 32 ? want.except.length + 1 : 0;
}

/** What a row says of which the set chose the largest: whether all are finite, log Σ e^logits, then `most` times id and logit. */
function outputOfChosen(row: Float32Array, want: Exclude<Want, "logits">, most: number): Output {
  const [finite, total] = row;
  if (want === "id") return finite ? row[2] : notFinite;
  if ("except" in want) {
    let at = 2;
    while (want.except.includes(row[at])) at += 2;
    return finite ? row[at] : notFinite;
  }
  if (!finite) return [];
  const all = Array.from({ length: Math.min(want.top, most) }, (_, i) => ({
    id: row[2 + 2 * i],
    logprob: row[3 + 2 * i] - total,
  }));
  return all.filter(({ id }) => id >= 0);
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
