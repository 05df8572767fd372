// The feed-forward part of a block: two projections with GELU between them, or three with a gate (SwiGLU).

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { FeedForward } from "./model.ts";
import type { Place } from "./places.ts";
import { project, projectAll } from "./project.ts";

/** h [rows, dModel] → [rows, dModel], what the feed-forward of layer i adds to the residual stream */
export function feedForward(ops: Ops, weights: FeedForward, h: Tensor, i: number, place: Place): Tensor {
  switch (weights.kind) {
    case "swiglu": {
      const [g, u] = projectAll(ops, [weights.gate, weights.up], h); // each [rows, dFf]
      const gate = place("layers.*.gate", g, i); // [rows, dFf]
      const up = place("layers.*.up", u, i); // [rows, dFf]
      const activation = place("layers.*.activation", ops.swiglu(gate, up), i); // [rows, dFf]
      return project(ops, weights.down, activation); // [rows, dModel]
    }
    case "gelu": {
      const up = place("layers.*.up", project(ops, weights.up, h), i); // [rows, dFf]
      const activation = place("layers.*.activation", ops.gelu(up), i); // [rows, dFf]
      return project(ops, weights.down, activation); // [rows, dModel]
    }
  }
}
