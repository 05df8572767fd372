// The feed-forward part of a block: two projections with GELU between them, or three with a gate (SwiGLU).

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { FeedForward } from "./model.ts";

/** h [rows, dModel] → [rows, dModel], what the feed-forward adds to the residual stream */
export function feedForward(ops: Ops, weights: FeedForward, h: Tensor): Tensor {
  const up = ops.linear(h, weights.up.weight, weights.up.bias); // [rows, dFf]
  switch (weights.kind) {
    case "swiglu": {
      const gate = ops.linear(h, weights.gate.weight, weights.gate.bias); // [rows, dFf]
      return ops.linear(ops.swiglu(gate, up), weights.down.weight, weights.down.bias); // [rows, dModel]
    }
    case "gelu":
      return ops.linear(ops.gelu(up), weights.down.weight, weights.down.bias); // [rows, dModel]
  }
}
