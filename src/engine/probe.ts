// What lies at the places of a forward pass, as values: tensors are handles of a kernel set and never leave it.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { FieldError } from "../field-error.ts";
import { type NamedPlace, placesAt, placesOf, placeWith } from "../hooks.ts";
import type { Model } from "../model/model.ts";
import type { Place } from "../model/places.ts";

/** The value at a place, row-major. */
export interface PlaceValue {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Somebody who sees values in every step of an engine. */
export interface Probe {
  /** Names of places (src/model/places.ts), or patterns: `*` is any one part between dots. */
  readonly names: readonly string[];
  /**
   * Gets the values of a step in the order of the forward pass, before the tokens that come of it. Rows are in the order of
   * the step; `probs` has columns for whole pages of the longest sequence.
   */
  see(name: string, value: PlaceValue): void;
}

/** The hook of a probe. @throws FieldError, if a name is not one of the model's places. */
export function probePlace(ops: Ops, model: Model, probe: Probe): Place {
  const hooks = placesNamed(model, probe.names, "probe.names").map(({ name: at }) => ({
    at,
    read(x: Tensor) {
      const { shape } = x;
      // A read that fails does so for the step's logits too, which say it.
      ops.read(x).then(
        (data) => probe.see(at, { shape, data }),
        () => {},
      );
    },
  }));
  return placeWith(ops, model, hooks);
}

/** The places that a list of names and patterns means, each once, in the order of the forward pass. @throws FieldError in `field`. */
export function placesNamed(model: Model, names: readonly string[], field: string): NamedPlace[] {
  if (!Array.isArray(names) || names.length === 0)
    throw new FieldError(field, `got ${JSON.stringify(names)}, expected a list of at least one name`, "invalid_type");
  const wanted = new Set(names.flatMap((name, i) => placesAt(model, name, `${field}[${i}]`).map(({ name }) => name)));
  return placesOf(model).filter(({ name }) => wanted.has(name));
}
