// What an importer sees.

export { pull } from "#hub";
export type { AttentionShape, CacheBuffers, Derivatives, Kernels, RowBuffers } from "../kernels/kernels.ts";
export { createOps, type Ops } from "../kernels/ops.ts";
export { type KernelOptions, type Selection, selectKernels } from "../kernels/select.ts";
export type { Tensor } from "../kernels/tensor.ts";
export { type Checkpoint, openSafetensors, type TensorEntry, writeSafetensors } from "../weights/safetensors.ts";
export { SafetensorsError } from "../weights/safetensors-header.ts";
export type { ChatOptions, ToolChoice } from "./chat.ts";
export type { ChatAnswer, ChatEnd, ChatEvent } from "./chat-reader.ts";
export type { Constraint } from "./decode/constraint.ts";
export type { DecodedToken, FinishReason } from "./decode/decoder.ts";
export type { DroppedKeyword, GrammarSpec } from "./decode/grammar/grammar.ts";
export type { LogProb } from "./decode/log-probs.ts";
export type { DecodeParameters } from "./decode/parameters.ts";
export { EngineBusyError, EngineClosedError } from "./engine/errors.ts";
export type { GenerateEnd, GenerateEvent, GenerateOptions, PromptLogProb, Usage } from "./engine/generate.ts";
export type { PlaceValue, Probe } from "./engine/probe.ts";
export type { CandidateScoreOptions, Score, ScoreOptions } from "./engine/score.ts";
export type { Trace, TraceOptions } from "./engine/trace.ts";
export { type FaultCode, FieldError } from "./field-error.ts";
export type { FimOptions } from "./fim.ts";
export { type Hook, placeWith } from "./hooks.ts";
export { type Batch, type BatchPart, createBatch } from "./model/batch.ts";
export type { ModelConfig, RopeConfig, RopeScaling } from "./model/config.ts";
export { forward } from "./model/forward.ts";
export { createKvCache, type KvCache } from "./model/kv-cache.ts";
export { loadModel } from "./model/load.ts";
export { type Model, tensorsOf } from "./model/model.ts";
export { type Place, type PlaceName, places } from "./model/places.ts";
export { defaultModel, load, loadInWorker, type Plainformer } from "./plainformer.ts";
export type { Candidate } from "./prompt/candidates.ts";
export type { ChatMessage, ContentPart, Tool, ToolCall } from "./prompt/chat-message.ts";
export type { Input, Segment } from "./prompt/segments.ts";
export { readSoftPrompt, writeSoftPrompt } from "./prompt/soft-prompt-file.ts";
export type { SoftPrompt } from "./prompt/soft-prompts.ts";
export type { ResponseFormat } from "./response-format.ts";
export type { ComputedModel, EngineLoad, LoadOptions, ServedModel } from "./served-model.ts";
export { loadTokenizer } from "./tokenizer/load-tokenizer.ts";
export { createTokenizer, type Tokenizer } from "./tokenizer/tokenizer.ts";
export { type AdamOptions, type AdamState, adamStep, clipGradients, createAdamState, warmup } from "./tune/adam.ts";
export type {
  BatchGradientsOptions,
  CandidateGradientsOptions,
  Gradients,
  GradientsOptions,
  GradientsUsage,
} from "./tune/gradients.ts";
export { parseExamples, splitExamples, type TuneExample } from "./tune/prompt-tuning/examples.ts";
export { writeAdapter } from "./tune/prompt-tuning/peft-adapter.ts";
export { type NearToken, nearestTokens, type StartRows } from "./tune/prompt-tuning/table.ts";
export {
  type TunableModel,
  type TunedPrompt,
  type TunePromptOptions,
  type TuneState,
  tunePrompt,
} from "./tune/prompt-tuning/tune-prompt.ts";
export { type Recording, type RecordingOptions, recording } from "./tune/recording.ts";
export { withSoftPrompt } from "./with-soft-prompt.ts";
