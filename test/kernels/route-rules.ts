// Rules of routers for tests of kernel sets.

import type { RouteRule } from "../../kernels/kernels.ts";

/** Rules of each kind for so many experts. */
export function* routeRules(nExperts: number): Generator<RouteRule> {
  const groups = { nGroups: 2, nActiveGroups: 1, groupScore: "best" } as const;
  for (const score of ["softmax", "sigmoid"] as const)
    for (const normalize of [false, true])
      yield { ...groups, nExperts, nActive: Math.min(3, nExperts / 2), score, normalize, scale: 2.5 };
}
