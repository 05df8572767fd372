// The feed-forward part of a block: two projections with GELU between them, or three with a gate (SwiGLU).

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { FeedForward } from "./model.ts";
import { project } from "./project.ts";

/** h [rows, dModel] → [rows, dModel], what the feed-forward adds to the residual stream */
export function feedForward(ops: Ops, weights: FeedForward, h: Tensor): Tensor {
  switch (weights.kind) {
    case "swiglu": {
      const up = project(ops, weights.up, h); // [rows, dFf]
      const gate = project(ops, weights.gate, h); // [rows, dFf]
      return project(ops, weights.down, ops.swiglu(gate, up)); // [rows, dModel]
    }
    case "gelu": {
      const up = project(ops, weights.up, h); // [rows, dFf]
      return project(ops, weights.down, ops.gelu(up)); // [rows, dModel]
    }
  }
}
