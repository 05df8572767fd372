// What a loaded model is: a plain record of weights, in the order in which forward.ts uses them. What a family has or lacks
// is data here: a bias that is present, a norm on queries and keys, a kind of feed-forward.

import type { RouteRule } from "../../kernels/kernels.ts";
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
  /** Of what attention found, before it is added, where the family has one. */
  readonly attnAfterNorm?: Norm;
  readonly ffNorm: Norm;
  readonly ff: FeedForward;
  /** Of what the feed-forward made, likewise. */
  readonly ffAfterNorm?: Norm;
}

export interface Linear {
  readonly weight: Tensor; // [outDim, inDim]
  readonly bias?: Tensor; // [outDim]
}

/** With a bias it is a layer norm, without one an RMS norm. */
export interface Norm {
  readonly weight: Tensor; // [dModel], or [headDim] on queries and keys
  readonly bias?: Tensor;
  /** Where it is not the model's. */
  readonly eps?: number;
}

export type Attention = GroupedQuery | Latent;

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

/** One compressed vector a position, of which every head makes its keys and values: latent-attention.ts. */
export interface Latent {
  readonly kind: "latent";
  /** What q·k is multiplied by before softmax. */
  readonly scale: number;
  /** The compressed query and its norm, where the family has one. */
  readonly qDown?: Linear; // [qRank, dModel]
  readonly qNorm?: Norm; // [qRank]
  readonly q: Linear; // [nHeads · (nopeDim + ropeDim), qRank or dModel]
  /** The compressed vector, which has a norm, and the part of all keys that is turned, which has none. */
  readonly kv: Linear; // [kvRank + ropeDim, dModel]
  readonly kvNorm: Norm; // [kvRank]
  /** What each head makes keys (transposed) and values of the compressed vector with. */
  readonly headK: Tensor; // [nHeads, kvRank, nopeDim]
  readonly headV: Tensor; // [nHeads, vHeadDim, kvRank]
  readonly o: Linear; // [dModel, nHeads · vHeadDim]
}

export type FeedForward = Gated | Plain | Experts;

/** swiglu: silu(gate) · up; geglu: gelu(gate) · up. */
export interface Gated {
  readonly kind: "swiglu" | "geglu";
  readonly gate: Linear; // [dFf, dModel]
  readonly up: Linear; // [dFf, dModel]
  readonly down: Linear; // [dModel, dFf]
}

interface Plain {
  readonly kind: "gelu";
  readonly up: Linear; // [dFf, dModel]
  readonly down: Linear; // [dModel, dFf]
}

/** Many small feed-forwards, of which each row goes to a few: experts.ts. */
export interface Experts {
  readonly kind: "experts";
  readonly rule: RouteRule;
  readonly router: Linear; // [nExperts, dModel]
  /** Added to scores when experts are chosen, where the family has one. */
  readonly choiceBias?: Tensor; // [nExperts]
  readonly gate: Tensor; // [nExperts, expertFf, dModel]
  readonly up: Tensor; // [nExperts, expertFf, dModel]
  readonly down: Tensor; // [nExperts, dModel, expertFf]
  /** The one that every row goes to, where the family has it. */
  readonly shared?: Gated; // nSharedExperts · expertFf wide
}

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
