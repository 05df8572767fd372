// What the host can call in the WebAssembly module.

export { add } from "./add";
export { attention, attentionProbs, attentionScratch } from "./attention";
export { copy } from "./copy";
export { gather } from "./gather";
export { gelu } from "./gelu";
export { layerNorm } from "./layer-norm";
export { linear, linearScratch } from "./linear";
export { rmsNorm } from "./rms-norm";
export { multiplyAll, readAll } from "./roofline";
export { rope } from "./rope";
export { swiglu } from "./swiglu";
export { close, work } from "./threads";
