// Which experts a row goes to, and with what weights: scores of its logits, the best groups, the best experts in them.
// DeepSeek-V2, arXiv 2405.04434; DeepSeek-V3, arXiv 2412.19437, section 2.1.2

import type { RouteRule } from "../kernels.ts";
import type { Floats } from "./values.ts";

/** logits [rows, nExperts], bias [nExperts] or null → ids [rows, nActive] */
export function route(ids: Int32Array, logits: Floats, bias: Floats | null, rows: number, rule: RouteRule): void {
  const { nExperts, nActive, nGroups, nActiveGroups } = rule;
  const inGroup = nExperts / nGroups;
  for (let r = 0; r < rows; r++) {
    const choice = scoresOf(logits, r, rule).map((score, e) => score + (bias ? bias[e] : 0));
    const groups = Array.from({ length: nGroups }, (_, g) =>
      goodness(choice.subarray(g * inGroup, (g + 1) * inGroup), rule),
    );
    const open = best(groups, nActiveGroups, () => true);
    ids.set(
      best(choice, nActive, (e) => open.includes(Math.floor(e / inGroup))),
      r * nActive,
    );
  }
}

/** out[r, j] = scale · s of expert ids[r, j], normalized or not. logits [rows, nExperts], ids [rows, nActive] → out as ids */
export function routeWeights(out: Floats, logits: Floats, ids: Int32Array, rows: number, rule: RouteRule): void {
  const { nActive, normalize, scale } = rule;
  for (let r = 0; r < rows; r++) {
    const scores = scoresOf(logits, r, rule);
    const chosen = Array.from(ids.subarray(r * nActive, (r + 1) * nActive), (e) => scores[e]);
    const sum = normalize ? chosen.reduce((a, b) => a + b, 0) + 1e-20 : 1;
    for (const [j, score] of chosen.entries()) out[r * nActive + j] = (score / sum) * scale;
  }
}

/** dOut [rows, nActive] → dLogits [rows, nExperts] */
export function routeWeightsBackward(
  dLogits: Floats,
  dOut: Floats,
  logits: Floats,
  ids: Int32Array,
  rows: number,
  rule: RouteRule,
): void {
  const { nExperts, nActive, normalize, scale } = rule;
  for (let r = 0; r < rows; r++) {
    const scores = scoresOf(logits, r, rule);
    const chosen = ids.subarray(r * nActive, (r + 1) * nActive);
    const given = dOut.subarray(r * nActive, (r + 1) * nActive);
    let sum = 1;
    let mean = 0;
    if (normalize) {
      sum = chosen.reduce((all, e) => all + scores[e], 1e-20);
      mean = chosen.reduce((all, e, j) => all + given[j] * (scores[e] / sum), 0);
    }
    const dScores = new Float64Array(nExperts);
    for (const [j, e] of chosen.entries()) dScores[e] = ((given[j] - mean) / sum) * scale;
    const along = dScores.reduce((all, d, e) => all + d * scores[e], 0);
    for (let e = 0; e < nExperts; e++) {
      const slope = rule.score === "softmax" ? dScores[e] - along : dScores[e] * (1 - scores[e]);
      dLogits[r * nExperts + e] = scores[e] * slope;
    }
  }
}

function scoresOf(logits: Floats, r: number, { nExperts, score }: RouteRule): Float64Array {
  const row = Float64Array.from(logits.subarray(r * nExperts, (r + 1) * nExperts));
  if (score === "sigmoid") return row.map((logit) => 1 / (1 + Math.exp(-logit)));
  const largest = row.reduce((a, b) => Math.max(a, b));
  const weights = row.map((logit) => Math.exp(logit - largest));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

/** What a group's choices make it worth. */
function goodness(group: Float64Array, { groupScore }: RouteRule): number {
  const [first, second] = best(group, groupScore === "best two" && group.length > 1 ? 2 : 1, () => true);
  return second === undefined ? group[first] : group[first] + group[second];
}

/** The n places of the largest values among those that may be taken, the largest first; of equal ones the lower. */
function best(values: ArrayLike<number>, n: number, may: (i: number) => boolean): number[] {
  const taken: number[] = [];
  while (taken.length < n) {
    let found = -1;
    for (let i = 0; i < values.length; i++)
      if (may(i) && !taken.includes(i) && (found < 0 || values[i] > values[found])) found = i;
    taken.push(found);
  }
  return taken;
}
