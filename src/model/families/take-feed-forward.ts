// The feed-forwards that several families take under the same names: one with a gate, and experts behind a router.

import type { RouteRule } from "../../../kernels/kernels.ts";
import type { Experts, Gated } from "../model.ts";
import type { Weights } from "./family.ts";

/** `prefix`.gate_proj, up_proj and down_proj. */
export async function takeGated(
  weights: Weights,
  prefix: string,
  kind: Gated["kind"],
  dFf: number,
  dModel: number,
  bias: boolean,
): Promise<Gated> {
  return {
    kind,
    gate: await weights.linear(`${prefix}.gate_proj`, dFf, dModel, bias),
    up: await weights.linear(`${prefix}.up_proj`, dFf, dModel, bias),
    down: await weights.linear(`${prefix}.down_proj`, dModel, dFf, bias),
  };
}

/** `prefix`.gate, the router, which keeps its dtype, and `prefix`.experts. */
export async function takeExperts(
  weights: Weights,
  prefix: string,
  rule: RouteRule,
  expertFf: number,
  dModel: number,
): Promise<Experts> {
  const { nExperts } = rule;
  const experts = `${prefix}.experts`;
  return {
    kind: "experts",
    rule,
    router: await weights.linear(`${prefix}.gate`, nExperts, dModel, false, { asStored: true }),
    gate: await weights.stack(experts, "gate_proj", nExperts, expertFf, dModel),
    up: await weights.stack(experts, "up_proj", nExperts, expertFf, dModel),
    down: await weights.stack(experts, "down_proj", nExperts, dModel, expertFf),
  };
}
