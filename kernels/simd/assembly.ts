// What the host can call in the WebAssembly module.

export { add } from "./add";
export { attention, attentionProbs, attentionScratch } from "./attention";
export { attentionBackward, attentionBackwardScratch } from "./attention-backward";
export { copy } from "./copy";
export { gather, gatherBackward } from "./gather";
export { gelu, geluBackward } from "./gelu";
export { layerNorm } from "./layer-norm";
export { linear, linearScratch } from "./linear";
export { biasBackward, linearBackward, linearWeightBackward, productScratch } from "./linear-backward";
export { linearExact, linearExactScratch } from "./linear-exact";
export { logProbs, logProbsBackward } from "./log-probs";
export { normBackward, normWeightBackward } from "./norm-backward";
export { rmsNorm } from "./rms-norm";
export { multiplyAll, readAll } from "./roofline";
export { rope, ropeBackward } from "./rope";
export { swiglu, swigluBackward } from "./swiglu";
export { close, work } from "./threads";
