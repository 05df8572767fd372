// The places of a forward pass: the intermediates that have a name, what may be done at each, and the one hook through which
// it is done, `x = place(name, x)`. Goldens, traces, gradients by an intermediate and steering are all somebody at a place;
// who that is says src/hooks.ts.

import type { Tensor } from "../../kernels/tensor.ts";
import type { ModelConfig } from "./config.ts";
import { cacheLayout } from "./kv-cache.ts";
import type { Layer } from "./model.ts";

export const verbs = ["replace", "add", "read"] as const;
export type Verb = (typeof verbs)[number];

export interface PlaceFacts {
  /** What may be done with the value. */
  readonly allows: readonly Verb[];
  /** Shape of one row's value; `positions` is how many a row may look at. */
  readonly shape: (config: ModelConfig, positions: number) => readonly number[];
  /** Whether a layer has it, where not all do. */
  readonly in?: (layer: Layer) => boolean;
}

const ofModel = ({ dModel }: ModelConfig) => [dModel];
const ofHeads = ({ nHeads, headDim, latent }: ModelConfig) => [nHeads * (latent?.vHeadDim ?? headDim)];
const ofQueries = (config: ModelConfig) => [config.nHeads * cacheLayout(config)[0].kDim];
const ofKeys = (config: ModelConfig) => [cacheLayout(config)[0].nCacheHeads * cacheLayout(config)[0].kDim];
const ofChoices = ({ experts }: ModelConfig) => [experts?.rule.nActive ?? 0];
const withExperts = ({ ff }: Layer) => ff.kind === "experts";
const withoutExperts = ({ ff }: Layer) => ff.kind !== "experts";
const ofFeedForward = ({ dFf }: ModelConfig) => [dFf];

/** Every place; `*` is the number of a layer from 0. All have the step's rows, `final` and `logits` its output rows. */
export const places = {
  /** The residual stream: 0 is what enters the first block, i + 1 what block i leaves. */
  "residual.*": { allows: verbs, shape: ofModel },
  /** What attention reads: the normalized stream. */
  "layers.*.attentionNorm": { allows: verbs, shape: ofModel },
  /** Queries and keys after norms and rotation, and values: k and v as they go into the cache. Latent attention has no v there. */
  "layers.*.q": { allows: verbs, shape: ofQueries },
  "layers.*.k": { allows: verbs, shape: ofKeys },
  "layers.*.v": { allows: verbs, shape: ofKeys, in: ({ attn }) => attn.kind !== "latent" },
  /** Attention probabilities. Attention never stores them: they are computed again for who reads them, and nothing depends on that. */
  "layers.*.probs": { allows: ["read"], shape: ({ nHeads }, positions) => [nHeads, positions] },
  /** Each head's own output: its mixture of values, before the output projection. */
  "layers.*.heads": { allows: verbs, shape: ofHeads },
  /** What attention adds to the stream; the stream after that. */
  "layers.*.attention": { allows: verbs, shape: ofModel },
  "layers.*.between": { allows: verbs, shape: ofModel },
  /** What the feed-forward reads: the normalized stream. */
  "layers.*.feedForwardNorm": { allows: verbs, shape: ofModel },
  /** The projections into the feed-forward, and what goes into the one out of it. */
  "layers.*.gate": { allows: verbs, shape: ofFeedForward, in: ({ ff }) => "gate" in ff && ff.kind !== "experts" },
  "layers.*.up": { allows: verbs, shape: ofFeedForward, in: withoutExperts },
  "layers.*.activation": { allows: verbs, shape: ofFeedForward, in: withoutExperts },
  /** Where experts are: the router's logits, the experts chosen (their numbers), and what each one's output is multiplied by. */
  "layers.*.router": { allows: verbs, shape: ({ experts }) => [experts?.rule.nExperts ?? 0], in: withExperts },
  "layers.*.experts": { allows: ["read"], shape: ofChoices, in: withExperts },
  "layers.*.expertWeights": { allows: verbs, shape: ofChoices, in: withExperts },
  /** What the feed-forward adds to the stream. */
  "layers.*.feedForward": { allows: verbs, shape: ofModel },
  /** Output rows after the last norm, and their logits. */
  final: { allows: verbs, shape: ofModel },
  logits: { allows: verbs, shape: ({ vocabSize }) => [vocabSize] },
} as const satisfies Record<string, PlaceFacts>;

export type PlaceName = keyof typeof places;
type LayerPlaceName = Extract<PlaceName, `${string}*${string}`>;

/** The hook: gets the value at a place and gives the one that the rest of the forward pass goes on with. */
export interface Place {
  (name: Exclude<PlaceName, LayerPlaceName>, x: Tensor): Tensor;
  (name: LayerPlaceName, x: Tensor, layer: number): Tensor;
  /** Whether a value that is only computed for its readers has any. */
  isRead(name: LayerPlaceName, layer: number): boolean;
}

/** Nobody is at any place. */
export const nobody: Place = Object.assign((_: PlaceName, x: Tensor) => x, { isRead: () => false });
