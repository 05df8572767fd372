// The one hook into a forward pass: every intermediate worth seeing is offered by name, and nothing is computed for it
// unless it is wanted. Goldens, explanations and pictures use it.

import type { Tensor } from "../../kernels/tensor.ts";

/**
 * Names, for layer i from 0:
 * `residual.0` the input of the first block, `residual.{i+1}` the residual stream after block i, each [rows, dModel];
 * `layers.{i}.q` [rows, nHeads · headDim] and `layers.{i}.k` [rows, nKvHeads · headDim] as attention gets them (after rotation);
 * `layers.{i}.probs` attention probabilities [rows, nHeads, pages · 64];
 * `layers.{i}.attention` and `layers.{i}.feedForward` what each branch adds, [rows, dModel];
 * `final` output rows after the last norm [outputs, dModel]; `logits` [outputs, vocabSize].
 */
export interface Probe {
  wants(name: string): boolean;
  /** The tensor lives until its block ends: read it at once. */
  see(name: string, tensor: Tensor): void;
}

/** Offers a tensor to a probe; it is only made when it is wanted. */
export function offer(probe: Probe | undefined, name: string, tensor: () => Tensor): void {
  if (probe?.wants(name)) probe.see(name, tensor());
}
