// What a loaded model is: a plain record of weights, in the order in which forward.ts uses them. What a family has or lacks
// is data here: a bias that is present, a norm on queries and keys, a kind of feed-forward.

import type { Tensor } from "../../kernels/tensor.ts";
import type { ModelConfig } from "./config.ts";

export interface Model {
  readonly config: ModelConfig;
  readonly embedding: Tensor; // [vocabSize, dModel]
  /** Learned positions, added to the input; null with rotary ones. */
  readonly positionTable: Tensor | null; // [maxSeqLen, dModel]
  readonly layers: readonly Layer[];
  readonly finalNorm: Norm;
  readonly head: Linear; // [vocabSize, dModel]; the embedding itself where the two are tied
}

export interface Layer {
  readonly attnNorm: Norm;
  readonly attn: Attention;
  readonly ffNorm: Norm;
  readonly ff: FeedForward;
}

export interface Linear {
  readonly weight: Tensor; // [outDim, inDim]
  readonly bias?: Tensor; // [outDim]
}

/** With a bias it is a layer norm, without one an RMS norm. */
export interface Norm {
  readonly weight: Tensor; // [dModel], or [headDim] on queries and keys
  readonly bias?: Tensor;
}

export type Attention = GroupedQuery;

/** As many key/value heads as query heads: the original attention; a single one: multi-query. */
export interface GroupedQuery {
  readonly kind: "grouped-query";
  /** What q·k is multiplied by before softmax, usually 1/√headDim. */
  readonly scale: number;
  /** Scores are kept within ±softCap by c · tanh(score / c), where the family does so. */
  readonly softCap?: number;
  /** A logit of each head that counts in softmax and has no value, where the family has them. */
  readonly sinks?: Tensor; // [nHeads]
  readonly q: Linear; // [nHeads · headDim, dModel]
  readonly k: Linear; // [nKvHeads · headDim, dModel]
  readonly v: Linear; // [nKvHeads · headDim, dModel]
  readonly o: Linear; // [dModel, nHeads · headDim]
  /** Norms over each head of q and k, where the family has them. */
  readonly qNorm?: Norm;
  readonly kNorm?: Norm;
}

export type FeedForward =
  | {
      readonly kind: "swiglu";
      readonly gate: Linear; // [dFf, dModel]
      readonly up: Linear; // [dFf, dModel]
      readonly down: Linear; // [dModel, dFf]
    }
  | {
      readonly kind: "gelu";
      readonly up: Linear; // [dFf, dModel]
      readonly down: Linear; // [dModel, dFf]
    };

/** Every tensor of a model with its place in the record, each once (a tied head is the embedding). */
export function tensorsOf(model: Model): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  const seen = new Set<Tensor>();
  const walk = (value: unknown, path: string): void => {
    if (value === null || typeof value !== "object") return;
    if ("buffer" in value) {
      const tensor = value as Tensor;
      if (!seen.has(tensor)) found.set(path, tensor);
      seen.add(tensor);
      return;
    }
    for (const [key, child] of Object.entries(value)) walk(child, path === "" ? key : `${path}.${key}`);
  };
  walk({ ...model, config: null }, "");
  return found;
}
