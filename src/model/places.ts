// The places of a forward pass: the intermediates that have a name, what may be done at each, and the one hook through which
// it is done, `x = place(name, x)`. Goldens, traces, gradients by an intermediate and steering are all somebody at a place.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { FieldError } from "../field-error.ts";
import { nearNames } from "../near-names.ts";
import type { ModelConfig } from "./config.ts";
import { cacheLayout } from "./kv-cache.ts";
import type { Layer, Model } from "./model.ts";

export const verbs = ["replace", "add", "read"] as const;
export type Verb = (typeof verbs)[number];

interface PlaceFacts {
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

/** Somebody at the places that `at` names: what is given is done in this order. */
export interface Hook {
  /** A name such as `layers.0.probs`, or a pattern: `*` is any one part between dots. */
  readonly at: string;
  /** → what takes the value's place, of its shape */
  replace?(x: Tensor, name: string): Tensor;
  /** → what is added to the value, of its shape */
  add?(x: Tensor, name: string): Tensor;
  /** Sees the value, which lives until its block ends: `ops.read` it at once. */
  read?(x: Tensor, name: string): void;
}

/**
 * A place with somebody at it; of several hooks at one place, each gets what the one before it left. With the ops of a
 * recording, gradients go through what hooks add and replace: the gradient by a place is that by zeros added there. (If
 * layers are computed again on the way back, tensors that hooks give are ones from before the step, or made of such by ops.)
 * @throws FieldError, if `at` names no place of the model or one that does not allow what is to be done.
 */
export function placeWith(ops: Ops, model: Model, hooks: readonly Hook[]): Place {
  const at = new Map<string, Hook[]>();
  for (const [i, hook] of hooks.entries())
    for (const { name, facts } of placesAt(model, hook.at, `hooks[${i}].at`)) {
      const refused = verbs.find((verb) => hook[verb] && !facts.allows.includes(verb));
      if (refused)
        throw new FieldError(
          `hooks[${i}].${refused}`,
          `${name} does not allow it, expected ${facts.allows.join(" or ")}`,
          "unsupported",
        );
      at.set(name, [...(at.get(name) ?? []), hook]);
    }

  function place(pattern: PlaceName, x: Tensor, layer = 0): Tensor {
    const name = nameOf(pattern, layer);
    for (const hook of at.get(name) ?? []) {
      if (hook.replace) x = fitting(name, hook.replace(x, name), x);
      if (hook.add) x = ops.add(x, fitting(name, hook.add(x, name), x));
      hook.read?.(x, name);
    }
    return x;
  }
  return Object.assign(place, { isRead: (pattern: PlaceName, layer: number) => at.has(nameOf(pattern, layer)) });
}

function fitting(name: string, given: Tensor, { shape }: Tensor): Tensor {
  if (String(given.shape) !== String(shape))
    throw new Error(`${name}: a hook gave a tensor of shape [${given.shape}], expected [${shape}]`);
  return given;
}

/** A place of one model, by its full name. */
export interface NamedPlace {
  readonly name: string;
  readonly place: PlaceName;
  readonly facts: PlaceFacts;
}

/** The places of a model in the order of its forward pass. */
export function placesOf({ layers }: Model): NamedPlace[] {
  const named = (place: PlaceName, layer = 0) => ({ name: nameOf(place, layer), place, facts: places[place] });
  const ofLayers = (Object.keys(places) as PlaceName[]).filter((place) => place.startsWith("layers."));
  return [
    named("residual.*", 0),
    ...layers.flatMap((layer, i) => [
      ...ofLayers.map((place) => named(place, i)).filter(({ facts }: NamedPlace) => facts.in?.(layer) ?? true),
      named("residual.*", i + 1),
    ]),
    named("final"),
    named("logits"),
  ];
}

/** The places of a model that a pattern names. @throws FieldError of `field` if there are none; it lists near ones. */
export function placesAt(model: Model, pattern: string, field: string): NamedPlace[] {
  if (typeof pattern !== "string")
    throw new FieldError(field, `got ${typeof pattern}, expected a name`, "invalid_type");
  const all = placesOf(model);
  const parts = pattern.split(".");
  const found = all.filter(({ name }) => {
    const own = name.split(".");
    return own.length === parts.length && parts.every((part, i) => part === "*" || part === own[i]);
  });
  if (found.length > 0) return found;
  const known = pattern.includes("*") ? new Set(all.map(({ place }) => place)) : all.map(({ name }) => name);
  const near = nearNames(pattern, known);
  const expected = near.length > 0 ? near : new Set(all.map(({ place }) => place));
  throw new FieldError(
    field,
    `no place is called ${JSON.stringify(pattern.slice(0, 80))}, expected one such as ${[...expected].join(", ")}`,
    "unknown",
  );
}

function nameOf(place: PlaceName, layer: number): string {
  return place.replace("*", String(layer));
}
