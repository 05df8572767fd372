// Runs sequences of ids through a recording in one step, without an engine: what the tests of gradients share.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { createBatch } from "../../src/model/batch.ts";
import { forward } from "../../src/model/forward.ts";
import { type KvCache, pagesFor } from "../../src/model/kv-cache.ts";
import type { Model } from "../../src/model/model.ts";
import { type Recording, recording } from "../../src/tune/recording.ts";

/** A cache that lives as long as the step, with pages for each of the sequences. */
function stepCache(ops: Ops, { config }: Model, lengths: readonly number[]): { cache: KvCache; pages: number[][] } {
  let nPages = 0;
  const pages = lengths.map((length) => Array.from({ length: pagesFor(length) }, () => nPages++));
  const shape = [nPages, 64, config.nKvHeads, config.headDim];
  const zeros = () => ops.upload(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
  const layers = Array.from({ length: config.nLayers }, () => ({ k: zeros(), v: zeros() }));
  return { cache: { layers, nPages, free: [] }, pages };
}

export interface Recorded {
  tape: Recording;
  /** Mean of −log p of the targets. */
  loss: Promise<number>;
  /** Gradients of that loss; call before `tape.end()`. */
  backward(): Map<Tensor, Tensor>;
}

/** Each sequence predicts its own last `targets` ids. `embedded` (all sequences' rows) takes the place of the ids' rows. */
export function record(
  ops: Ops,
  model: Model,
  sequences: readonly (readonly number[])[],
  targets: number,
  leaves: readonly Tensor[],
  { embedded, recompute, layers = recompute }: { embedded?: Tensor; recompute?: boolean; layers?: boolean } = {},
): Recorded {
  const { cache, pages } = stepCache(
    ops,
    model,
    sequences.map((ids) => ids.length),
  );
  const tape = recording(ops, leaves, { recompute });
  const parts = sequences.map((ids, s) => ({
    start: 0,
    rows: ids.length,
    pages: pages[s],
    outputs: Array.from({ length: targets }, (_, i) => ids.length - targets - 1 + i),
  }));
  const x = embedded ?? tape.ops.gather(model.embedding, ops.upload(Int32Array.from(sequences.flat())));
  const logits = forward(tape.ops, model, x, createBatch(ops, model, cache, parts), layers ? tape.layers() : undefined);
  const ids = Int32Array.from(sequences.flatMap((ids) => ids.slice(-targets)));
  const logProbs = tape.ops.logProbs(logits, ops.upload(ids));
  const n = ids.length;
  return {
    tape,
    loss: tape.ops.read(logProbs).then((values) => -values.reduce((sum, value) => sum + value, 0) / n),
    backward: () => tape.backward([[logProbs, ops.upload(new Float32Array(n).fill(-1 / n))]]),
  };
}
