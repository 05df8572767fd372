// What the host can call in the WebAssembly module.

export { add } from "./add";
export { attention, attentionProbs, attentionScratch } from "./attention";
export { attentionBackward, attentionBackwardScratch } from "./attention-backward";
export { copy } from "./copy";
export { copyColumns } from "./copy-columns";
export {
  expertLinear,
  expertLinearBackward,
  expertLinearExact,
  expertLinearScratch,
  expertLinearWeightBackward,
} from "./expert-linear";
export { gather, gatherBackward } from "./gather";
export { gelu, geluBackward } from "./gelu";
export { layerNorm } from "./layer-norm";
export { linear, linearScratch } from "./linear";
export { biasBackward, linearBackward, linearWeightBackward, productScratch } from "./linear-backward";
export { linearExact, linearExactScratch } from "./linear-exact";
export { logProbs, logProbsBackward } from "./log-probs";
export { multiply } from "./multiply";
export { normBackward, normWeightBackward } from "./norm-backward";
export { rmsNorm } from "./rms-norm";
export { multiplyAll, readAll } from "./roofline";
export { rope, ropeBackward } from "./rope";
export { route, routeScratch, routeWeights, routeWeightsBackward } from "./route";
export { scale } from "./scale";
export { swiglu, swigluBackward } from "./swiglu";
export { close, work } from "./threads";
export { weightedSum, weightedSumBackward } from "./weighted-sum";
