// Which experts a row goes to, and with what weights: scores of its logits, the best groups, the best experts in them. A chunk
// is one row. The order of a softmax's sum: one accumulator, from the first expert to the last.

import { argumentsAt, parallel } from "./threads";
import { exp } from "./vector";

/** The arguments of all three jobs (threads.ts). */
@unmanaged
class Route {
  ids: usize;
  logits: usize;
  bias: usize;
  nExperts: i32;
  nActive: i32;
  softmax: bool;
  nGroups: i32;
  nActiveGroups: i32;
  bestTwo: bool;
  normalize: bool;
  scale: f32;
  /** `routeScratch` for each row */
  scratch: usize;
  /** Weights of the experts, or their gradients */
  weights: usize;
  dLogits: usize;
}
const job = changetype<Route>(argumentsAt);

/** Bytes of scratch memory for each row: scores of experts and of groups, and which are taken. */
export function routeScratch(nExperts: i32, nGroups: i32): usize {
  return (<usize>(nExperts + nGroups)) << 3;
}

/** The rule, for all three. */
function setRule(
  logits: usize,
  ids: usize,
  nExperts: i32,
  nActive: i32,
  softmax: bool,
  normalize: bool,
  scale: f32,
  scratch: usize,
): void {
  job.logits = logits;
  job.ids = ids;
  job.nExperts = nExperts;
  job.nActive = nActive;
  job.softmax = softmax;
  job.normalize = normalize;
  job.scale = scale;
  job.scratch = scratch;
}

/** logits [rows, nExperts], bias [nExperts] or 0 → ids [rows, nActive] */
export function route(
  ids: usize,
  logits: usize,
  bias: usize,
  rows: i32,
  nExperts: i32,
  nActive: i32,
  softmax: bool,
  nGroups: i32,
  nActiveGroups: i32,
  bestTwo: bool,
  scratch: usize,
): void {
  setRule(logits, ids, nExperts, nActive, softmax, false, 1, scratch);
  job.bias = bias;
  job.nGroups = nGroups;
  job.nActiveGroups = nActiveGroups;
  job.bestTwo = bestTwo;
  parallel(routeChunk, rows);
}

function routeChunk(r: i32): void {
  const nExperts = job.nExperts;
  const nGroups = job.nGroups;
  const inGroup = nExperts / nGroups;
  const choices = job.scratch + <usize>r * routeScratch(nExperts, nGroups);
  const taken = choices + ((<usize>nExperts) << 2);
  const groups = taken + ((<usize>nExperts) << 2);
  const groupsTaken = groups + ((<usize>nGroups) << 2);
  scoresOf(choices, r);
  const bias = job.bias;
  if (bias)
    for (let i: usize = 0; i < (<usize>nExperts) << 2; i += 4)
      store<f32>(choices + i, load<f32>(choices + i) + load<f32>(bias + i));

  for (let g = 0; g < nGroups; g++) {
    const group = (<usize>(g * inGroup)) << 2;
    memory.fill(taken + group, 0, (<usize>inGroup) << 2);
    let good = load<f32>(choices + group + ((<usize>takeBest(choices + group, taken + group, inGroup)) << 2));
    if (job.bestTwo && inGroup > 1)
      good += load<f32>(choices + group + ((<usize>takeBest(choices + group, taken + group, inGroup)) << 2));
    store<f32>(groups + ((<usize>g) << 2), good);
  }
  // Of groups that are not chosen all experts count as taken.
  memory.fill(groupsTaken, 0, (<usize>nGroups) << 2);
  memory.fill(taken, 0xff, (<usize>nExperts) << 2);
  for (let i = 0; i < job.nActiveGroups; i++)
    memory.fill(taken + ((<usize>(takeBest(groups, groupsTaken, nGroups) * inGroup)) << 2), 0, (<usize>inGroup) << 2);
  const ids = job.ids + ((<usize>(r * job.nActive)) << 2);
  for (let j: usize = 0; j < <usize>job.nActive; j++) store<i32>(ids + (j << 2), takeBest(choices, taken, nExperts));
}

/** The largest of n values that are not taken, of equal ones the first; it is taken then. */
function takeBest(values: usize, taken: usize, n: i32): i32 {
  let best = -1;
  let largest: f32 = 0;
  for (let i = 0; i < n; i++) {
    const at = (<usize>i) << 2;
    if (load<i32>(taken + at) !== 0) continue;
    const value = load<f32>(values + at);
    if (best < 0 || value > largest) {
      best = i;
      largest = value;
    }
  }
  store<i32>(taken + ((<usize>best) << 2), 1);
  return best;
}

/** Scores of a row's experts. */
function scoresOf(out: usize, r: i32): void {
  const n = (<usize>job.nExperts) << 2;
  const logits = job.logits + <usize>r * n;
  if (!job.softmax) {
    for (let i: usize = 0; i < n; i += 4) store<f32>(out + i, 1 / (1 + expOf(-load<f32>(logits + i))));
    return;
  }
  let largest: f32 = -Infinity;
  for (let i: usize = 0; i < n; i += 4) largest = max(largest, load<f32>(logits + i));
  let sum: f32 = 0;
  for (let i: usize = 0; i < n; i += 4) {
    const weight = expOf(load<f32>(logits + i) - largest);
    store<f32>(out + i, weight);
    sum += weight;
  }
  for (let i: usize = 0; i < n; i += 4) store<f32>(out + i, load<f32>(out + i) / sum);
}

function expOf(x: f32): f32 {
  return f32x4.extract_lane(exp(f32x4.splat(x)), 0);
}

/** logits [rows, nExperts], ids [rows, nActive] → out as ids */
export function routeWeights(
  out: usize,
  logits: usize,
  ids: usize,
  rows: i32,
  nExperts: i32,
  nActive: i32,
  softmax: bool,
  normalize: bool,
  scale: f32,
  scratch: usize,
): void {
  setRule(logits, ids, nExperts, nActive, softmax, normalize, scale, scratch);
  job.weights = out;
  parallel(routeWeightsChunk, rows);
}

function routeWeightsChunk(r: i32): void {
  const scores = job.scratch + <usize>r * routeScratch(job.nExperts, 0);
  const begin = (<usize>(r * job.nActive)) << 2;
  const end = begin + ((<usize>job.nActive) << 2);
  scoresOf(scores, r);
  const sum = job.normalize ? sumOfChosen(scores, begin, end) : 1;
  for (let i = begin; i < end; i += 4) {
    const score = load<f32>(scores + ((<usize>load<i32>(job.ids + i)) << 2));
    store<f32>(job.weights + i, (score / sum) * job.scale);
  }
}

function sumOfChosen(scores: usize, begin: usize, end: usize): f32 {
  let sum: f32 = 0;
  for (let i = begin; i < end; i += 4) sum += load<f32>(scores + ((<usize>load<i32>(job.ids + i)) << 2));
  return sum + 1e-20;
}

/** dOut and ids [rows, nActive], logits [rows, nExperts] → dLogits as logits */
export function routeWeightsBackward(
  dLogits: usize,
  dOut: usize,
  logits: usize,
  ids: usize,
  rows: i32,
  nExperts: i32,
  nActive: i32,
  softmax: bool,
  normalize: bool,
  scale: f32,
  scratch: usize,
): void {
  setRule(logits, ids, nExperts, nActive, softmax, normalize, scale, scratch);
  job.weights = dOut;
  job.dLogits = dLogits;
  parallel(routeWeightsBackwardChunk, rows);
}

function routeWeightsBackwardChunk(r: i32): void {
  const n = (<usize>job.nExperts) << 2;
  const scores = job.scratch + <usize>r * routeScratch(job.nExperts, 0);
  const begin = (<usize>(r * job.nActive)) << 2;
  const end = begin + ((<usize>job.nActive) << 2);
  const dOut = job.weights;
  const dLogits = job.dLogits + <usize>r * n;
  scoresOf(scores, r);
  let sum: f32 = 1;
  let mean: f32 = 0;
  if (job.normalize) {
    sum = sumOfChosen(scores, begin, end);
    for (let i = begin; i < end; i += 4)
      mean += load<f32>(dOut + i) * (load<f32>(scores + ((<usize>load<i32>(job.ids + i)) << 2)) / sum);
  }
  memory.fill(dLogits, 0, n);
  let along: f32 = 0; // Σ of score · its gradient
  for (let i = begin; i < end; i += 4) {
    const e = (<usize>load<i32>(job.ids + i)) << 2;
    const slope = ((load<f32>(dOut + i) - mean) / sum) * job.scale;
    store<f32>(dLogits + e, slope);
    along += slope * load<f32>(scores + e);
  }
  for (let e: usize = 0; e < n; e += 4) {
    const score = load<f32>(scores + e);
    const slope = load<f32>(dLogits + e);
    store<f32>(dLogits + e, score * (job.softmax ? slope - along : slope * (1 - score)));
  }
}
