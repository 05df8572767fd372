// What an importer sees.

export type { Kernels } from "../kernels/kernels.ts";
export { createOps, type Ops } from "../kernels/ops.ts";
export { selectKernels } from "../kernels/select.ts";
export type { Tensor } from "../kernels/tensor.ts";
export { pull } from "../weights/hub.ts";
export { type Checkpoint, openSafetensors, type TensorEntry, writeSafetensors } from "../weights/safetensors.ts";
export { SafetensorsError } from "../weights/safetensors-header.ts";
export type { DecodedToken, FinishReason } from "./decode/decoder.ts";
export type { LogProb } from "./decode/log-probs.ts";
export type { DecodeParameters } from "./decode/parameters.ts";
export { type Batch, type BatchPart, createBatch } from "./model/batch.ts";
export type { ModelConfig, RopeConfig, RopeScaling } from "./model/config.ts";
export { forward } from "./model/forward.ts";
export { createKvCache, type KvCache } from "./model/kv-cache.ts";
export { loadModel } from "./model/load.ts";
export { type Model, tensorsOf } from "./model/model.ts";
export type { Probe } from "./model/probe.ts";
export {
  defaultModel,
  type GenerateEnd,
  type GenerateEvent,
  type GenerateOptions,
  type LoadOptions,
  load,
  type Plainformer,
  type Score,
  type ScoreOptions,
  type Usage,
} from "./plainformer.ts";
export type { Input, Segment } from "./prompt/segments.ts";
export { createTokenizer, loadTokenizer, type Tokenizer } from "./tokenizer/tokenizer.ts";
export { type AdamOptions, type AdamState, adamStep, clipGradients, createAdamState, warmup } from "./tune/adam.ts";
export type { Candidate, Gradients, GradientsOptions, GradientsUsage } from "./tune/gradients.ts";
export { type Recording, type RecordingOptions, recording } from "./tune/recording.ts";
