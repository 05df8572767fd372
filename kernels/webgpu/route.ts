// Which experts a row goes to, and with what weights: scores of its logits, the best groups, the best experts in them. A
// thread for each row: there is little to do.
// DeepSeek-V2, arXiv 2405.04434; DeepSeek-V3, arXiv 2412.19437, section 2.1.2

import type { RouteRule } from "../kernels.ts";
import { made } from "./attention.ts";
import type { Place, Recorder } from "./recorder.ts";

/** WGSL: `scores`, those of a row's logits. */
const scoring = ({ nExperts, score }: RouteRule) => `
  let r = group * 64u + thread;
  if (r >= p.rows) { return; }
  var scores: array<f32, ${nExperts}>;
${
  score === "sigmoid"
    ? `  for (var e = 0u; e < ${nExperts}u; e++) { scores[e] = 1.0 / (1.0 + exp(min(-logits(r * ${nExperts}u + e), 80.0))); }`
    : `
  var most = logits(r * ${nExperts}u);
  for (var e = 1u; e < ${nExperts}u; e++) { most = max(most, logits(r * ${nExperts}u + e)); }
  var total = 0.0;
  for (var e = 0u; e < ${nExperts}u; e++) {
    scores[e] = exp(logits(r * ${nExperts}u + e) - most);
    total += scores[e];
  }
  for (var e = 0u; e < ${nExperts}u; e++) { scores[e] /= total; }`
}`;

const nameOf = ({ nExperts, nActive, score, nGroups, nActiveGroups, groupScore }: RouteRule) =>
  `${nActive} of ${nExperts} by ${score}, ${nActiveGroups} of ${nGroups} groups by ${groupScore}`;

const choice = (rule: RouteRule, biased: boolean) =>
  made(`route, ${nameOf(rule)}${biased ? ", bias" : ""}`, () => {
    const { nExperts, nActive, nGroups, nActiveGroups, groupScore } = rule;
    const inGroup = nExperts / nGroups;
    return {
      operands: { ids: "write i32" as const, logits: "f32" as const, ...(biased ? { bias: "f32" as const } : {}) },
      numbers: ["rows"],
      threads: 64,
      body: `${scoring(rule)}
  ${biased ? `for (var e = 0u; e < ${nExperts}u; e++) { scores[e] += bias(e); }` : ""}
  var worth: array<f32, ${nGroups}>;
  for (var g = 0u; g < ${nGroups}u; g++) {
    var first = scores[g * ${inGroup}u];
    var second = -1.0e30;
    for (var e = g * ${inGroup}u + 1u; e < (g + 1u) * ${inGroup}u; e++) {
      if (scores[e] > first) { second = first; first = scores[e]; } else { second = max(second, scores[e]); }
    }
    worth[g] = ${groupScore === "best two" && inGroup > 1 ? "first + second" : "first"};
  }
  var isOpen: array<bool, ${nGroups}>;
  for (var g = 0u; g < ${nGroups}u; g++) {
    var better = 0u;
    for (var other = 0u; other < ${nGroups}u; other++) {
      if (worth[other] > worth[g] || (worth[other] == worth[g] && other < g)) { better++; }
    }
    isOpen[g] = better < ${nActiveGroups}u;
  }
  var taken: array<bool, ${nExperts}>;
  for (var j = 0u; j < ${nActive}u; j++) {
    var best = ${nExperts}u;
    for (var e = 0u; e < ${nExperts}u; e++) {
      if (isOpen[e / ${inGroup}u] && !taken[e] && (best == ${nExperts}u || scores[e] > scores[min(best, ${nExperts - 1}u)])) { best = e; }
    }
    taken[best] = true;
    setIds(r * ${nActive}u + j, i32(best));
  }`,
    };
  });

/** logits [rows, nExperts], bias [nExperts] or null → ids [rows, nActive] */
export function route(
  { run }: Recorder,
  ids: Place,
  logits: Place,
  bias: Place | null,
  rows: number,
  rule: RouteRule,
): void {
  const operands: Record<string, Place> = { ids, logits };
  if (bias) operands.bias = bias;
  run(choice(rule, bias !== null), operands, { rows }, Math.ceil(rows / 64));
}

const weights = (rule: RouteRule) =>
  made(`routeWeights, ${nameOf(rule)}${rule.normalize ? ", normalized" : ""}`, () => ({
    operands: { out: "write f32", logits: "f32", ids: "i32" },
    numbers: ["rows", "scale"],
    floats: ["scale"],
    threads: 64,
    body: `${scoring(rule)}
  var sum = ${rule.normalize ? "0.0" : "1.0"};
  ${rule.normalize ? `for (var j = 0u; j < ${rule.nActive}u; j++) { sum += scores[u32(ids(r * ${rule.nActive}u + j))]; }` : ""}
  ${rule.normalize ? "sum += 1.0e-20;" : ""}
  for (var j = r * ${rule.nActive}u; j < (r + 1u) * ${rule.nActive}u; j++) { setOut(j, scores[u32(ids(j))] / sum * p.scale); }`,
  }));

/** out[r, j] = scale · s of expert ids[r, j], normalized or not. logits [rows, nExperts], ids [rows, nActive] → out as ids */
export function routeWeights(
  { run }: Recorder,
  out: Place,
  logits: Place,
  ids: Place,
  rows: number,
  rule: RouteRule,
): void {
  run(weights(rule), { out, logits, ids }, { rows, scale: rule.scale }, Math.ceil(rows / 64));
}

const backward = (rule: RouteRule) =>
  made(`routeWeightsBackward, ${nameOf(rule)}${rule.normalize ? ", normalized" : ""}`, () => {
    const { nExperts, nActive, normalize, score } = rule;
    const each = (text: string) => `for (var j = r * ${nActive}u; j < (r + 1u) * ${nActive}u; j++) { ${text} }`;
    return {
      operands: { dLogits: "write f32", dOut: "f32", logits: "f32", ids: "i32" },
      numbers: ["rows", "scale"],
      floats: ["scale"],
      threads: 64,
      body: `${scoring(rule)}
  var sum = ${normalize ? "0.0" : "1.0"};
  var mean = 0.0;
  ${normalize ? `${each("sum += scores[u32(ids(j))];")} sum += 1.0e-20; ${each("mean += dOut(j) * (scores[u32(ids(j))] / sum);")}` : ""}
  var dScores: array<f32, ${nExperts}>;
  ${each("dScores[u32(ids(j))] = (dOut(j) - mean) / sum * p.scale;")}
  var along = 0.0;
  for (var e = 0u; e < ${nExperts}u; e++) { along += dScores[e] * scores[e]; }
  for (var e = 0u; e < ${nExperts}u; e++) {
    setDLogits(r * ${nExperts}u + e, scores[e] * (${score === "softmax" ? "dScores[e] - along" : "dScores[e] * (1.0 - scores[e])"}));
  }`,
    };
  });

/** dOut [rows, nActive] → dLogits [rows, nExperts] */
export function routeWeightsBackward(
  { run }: Recorder,
  dLogits: Place,
  dOut: Place,
  logits: Place,
  ids: Place,
  rows: number,
  rule: RouteRule,
): void {
  run(backward(rule), { dLogits, dOut, logits, ids }, { rows, scale: rule.scale }, Math.ceil(rows / 64));
}
