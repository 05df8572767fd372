// Somebody at the places of a forward pass (model/places.ts): reads, adds to or replaces what is there. Names and patterns
// are looked up here, the model knows nothing of it.

import type { Ops } from "../kernels/ops.ts";
import type { Tensor } from "../kernels/tensor.ts";
import { FieldError } from "./field-error.ts";
import type { Model } from "./model/model.ts";
import { type Place, type PlaceFacts, type PlaceName, places, verbs } from "./model/places.ts";
import { nearNames } from "./near-names.ts";

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
