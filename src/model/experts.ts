// A feed-forward of experts: a router chooses a few of many small feed-forwards for each row, and adds what they make, each
// by its weight; some families have one more that every row goes to (Shazeer et al. 2017, arXiv 1701.06538; DeepSeekMoE,
// arXiv 2401.06066). The choice is a tensor like any other: nothing here looks at it.

import type { Ops } from "../../kernels/ops.ts";
import type { Tensor } from "../../kernels/tensor.ts";
import type { Experts } from "./model.ts";
import type { Place } from "./places.ts";
import { project } from "./project.ts";

/** h [rows, dModel] → [rows, dModel], what the chosen experts of layer i make together */
export function routedExperts(ops: Ops, weights: Experts, h: Tensor, i: number, place: Place): Tensor {
  const { rule, router, choiceBias, gate, up, down } = weights;
  const logits = place("layers.*.router", project(ops, router, h), i); // [rows, nExperts]
  const ids = place("layers.*.experts", ops.route(logits, choiceBias, rule), i); // [rows, nActive]
  const shares = place("layers.*.expertWeights", ops.routeWeights(logits, ids, rule), i); // [rows, nActive]

  const gates = ops.expertLinear(h, ids, gate); // [rows · nActive, expertFf]
  const ups = ops.expertLinear(h, ids, up); // [rows · nActive, expertFf]
  const made = ops.expertLinear(ops.swiglu(gates, ups), ids, down); // [rows · nActive, dModel]
  return ops.weightedSum(made, shares); // [rows, dModel]
}
