// The feed-forward part of a block: two projections with GELU between them, three with a gate (SwiGLU, GEGLU), or experts.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import { routedExperts } from "./experts.ts";
import type { FeedForward, Gated } from "./model.ts";
import { nobody, type Place } from "./places.ts";
import { project, projectAll } from "./project.ts";

/** h [rows, dModel] → [rows, dModel], what the feed-forward of layer i adds to the residual stream */
export function feedForward(ops: Ops, weights: FeedForward, h: Tensor, i: number, place: Place): Tensor {
  switch (weights.kind) {
    case "swiglu":
    case "geglu":
      return gated(ops, weights, h, i, place);
    case "gelu": {
      const up = place("layers.*.up", project(ops, weights.up, h), i); // [rows, dFf]
      const activation = place("layers.*.activation", ops.gelu(up), i); // [rows, dFf]
      return project(ops, weights.down, activation); // [rows, dModel]
    }
    case "experts": {
      const routed = routedExperts(ops, weights, h, i, place); // [rows, dModel]
      return weights.shared ? ops.add(routed, gated(ops, weights.shared, h, i, nobody)) : routed; // [rows, dModel]
    }
  }
}

function gated(ops: Ops, weights: Gated, h: Tensor, i: number, place: Place): Tensor {
  const [g, u] = projectAll(ops, [weights.gate, weights.up], h); // each [rows, dFf]
  const gate = place("layers.*.gate", g, i); // [rows, dFf]
  const up = place("layers.*.up", u, i); // [rows, dFf]
  const product = weights.kind === "swiglu" ? ops.swiglu(gate, up) : ops.multiply(ops.gelu(gate), up); // [rows, dFf]
  return project(ops, weights.down, place("layers.*.activation", product, i)); // [rows, dModel]
}
