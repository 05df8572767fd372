// Runs sequences of ids through a recording in one step, without an engine: what the tests of gradients share.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { type Hook, placeWith } from "../../src/hooks.ts";
import { createBatch } from "../../src/model/batch.ts";
import { forward } from "../../src/model/forward.ts";
import { createStepCache, pagesFor } from "../../src/model/kv-cache.ts";
import type { Model } from "../../src/model/model.ts";
import { embed } from "../../src/model/project.ts";
import { type Recording, recording } from "../../src/tune/recording.ts";

export interface Recorded {
  tape: Recording;
  /** Mean of −log p of the targets; call before `tape.end()`. */
  loss(): Promise<number>;
  /** Gradients of that loss; call before `tape.end()`. */
  backward(): Map<Tensor, Tensor>;
  /** The same in pieces. */
  pieces(): Generator<number, Map<Tensor, Tensor>, void>;
}

/**
 * Each sequence predicts its own last `targets` ids. `embedded` (all sequences' rows) takes the place of the ids' rows;
 * `hooks` are at the places of the forward pass.
 */
export function record(
  ops: Ops,
  model: Model,
  sequences: readonly (readonly number[])[],
  targets: number,
  leaves: readonly Tensor[],
  { embedded, recompute, hooks = [] }: { embedded?: Tensor; recompute?: boolean; hooks?: readonly Hook[] } = {},
): Recorded {
  let nPages = 0;
  const pages = sequences.map((ids) => Array.from({ length: pagesFor(ids.length) }, () => nPages++));
  const cache = createStepCache(ops, model.config, nPages);
  const tape = recording(ops, leaves, { recompute });
  const parts = sequences.map((ids, s) => ({
    start: 0,
    rows: ids.length,
    pages: pages[s],
    outputs: Array.from({ length: targets }, (_, i) => ids.length - targets - 1 + i),
  }));
  const x = embedded ?? embed(tape.ops, model, ops.upload(Int32Array.from(sequences.flat())));
  const place = placeWith(tape.ops, model, hooks);
  const logits = forward(tape.ops, model, x, createBatch(ops, model, cache, parts), place);
  const ids = Int32Array.from(sequences.flatMap((ids) => ids.slice(-targets)));
  const logProbs = tape.ops.logProbs(logits, ops.upload(ids));
  const n = ids.length;
  return {
    tape,
    loss: () => tape.ops.read(logProbs).then((values) => -values.reduce((sum, value) => sum + value, 0) / n),
    backward: () => tape.backward([[logProbs, ops.upload(new Float32Array(n).fill(-1 / n))]]),
    pieces: () => tape.pieces([[logProbs, ops.upload(new Float32Array(n).fill(-1 / n))]]),
  };
}
