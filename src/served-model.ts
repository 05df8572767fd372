// A model as everything above the engine sees it, wherever it is computed, and what can be said when it is loaded.

import type { Kernels } from "../kernels/kernels.ts";
import type { ChatOptions } from "./chat.ts";
import type { ChatEvent } from "./chat-reader.ts";
import type { DroppedKeyword, GrammarSpec } from "./decode/grammar/grammar.ts";
import type { EngineCounters } from "./engine/engine.ts";
import type { GenerateEvent, GenerateOptions } from "./engine/generate.ts";
import type { Probe } from "./engine/probe.ts";
import type { CandidateScoreOptions, Score, ScoreOptions } from "./engine/score.ts";
import type { Trace, TraceOptions } from "./engine/trace.ts";
import type { Names } from "./field-error.ts";
import type { FimOptions } from "./fim.ts";
import type { ModelConfig } from "./model/config.ts";
import type { KvDType } from "./model/kv-cache.ts";
import type { WeightDType } from "./model/load.ts";
import type { SoftPrompt } from "./prompt/soft-prompts.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";
import type {
  BatchGradientsOptions,
  CandidateGradientsOptions,
  Gradients,
  GradientsOptions,
  GradientsUsage,
} from "./tune/gradients.ts";

export interface LoadOptions {
  /**
   * Kernel set: "auto" (default) takes the best that works; a name takes that one or fails. A set that is open already is
   * taken as it is, and belongs to the model from then on: `close` closes it.
   */
  kernels?: string | Kernels;
  /** Threads of a kernel set that has any, this one included. Default: all cores */
  threads?: number;
  /** Dtype of the matrices in memory; as in the file where not given. */
  dtype?: WeightDType;
  /**
   * Multiply quantized weights with activations as they are. Default false: a set may round these to 8 bits first, 32 numbers
   * at a time, as llama.cpp does, which is several times as fast (`model.kernels.roundsRows` says whether it does).
   */
  exact?: boolean;
  /**
   * Positions that the key/value cache holds, of all sequences together. Default: the model's context, at most 8192 and at
   * most 1 GiB; "many": as many as are good for 128 requests at a time, as far as a quarter of the memory goes, at most 1 GiB.
   */
  cacheTokens?: number | "many";
  /** Dtype of cached keys and values. Default f32; f16 takes half the memory and reads faster in long contexts, and rounds. */
  kv?: KvDType;
  /** Most requests that are computed in turns; the others wait. Default: one for each 512 positions of the cache, 32 to 128 */
  maxRunning?: number;
  /** Most requests that wait; further ones are refused with an EngineBusyError. Default: no limit */
  maxWaiting?: number;
  /** Most rows that one step of the engine computes. Default 512 */
  stepRows?: number;
  /** Most prompt rows of a step in which texts are being continued, which all wait for them. Default 64 */
  promptRowsBesideText?: number;
  /** Keep the keys and values of what was computed, for requests that begin with the same 64 tokens or more. Default: true, but not under a probe. */
  prefixCache?: boolean;
  /** What `{ softPrompt: name }` stands for: a folder of files as PEFT writes them, or rows by name. */
  softPrompts?: string | ReadonlyMap<string, SoftPrompt>;
  /** Sees what lies at places of the forward pass, in every step. */
  probe?: Probe;
  /** Bytes read so far and in all; `file` while something is downloaded. */
  onProgress?: (progress: { loaded: number; total: number; file?: string }) => void;
}

/** Every name of `LoadOptions`. */
export const loadOptionNames = {
  kernels: true,
  threads: true,
  dtype: true,
  exact: true,
  cacheTokens: true,
  kv: true,
  maxRunning: true,
  maxWaiting: true,
  stepRows: true,
  promptRowsBesideText: true,
  prefixCache: true,
  softPrompts: true,
  probe: true,
  onProgress: true,
} satisfies Names<LoadOptions>;

export interface CloseOptions {
  /** Milliseconds that what is inside may go on. Default 0 */
  drainMs?: number;
}

/** Every name of `CloseOptions`. */
export const closeOptionNames = { drainMs: true } satisfies Names<CloseOptions>;

/** The engine's counters, and the tokens generated so far. */
export interface EngineLoad extends EngineCounters {
  generatedTokens: number;
}

/** What a model computes, wherever: in this thread, or in a worker of its own. */
export interface ComputedModel {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** Which kernel set runs, and why. */
  readonly kernels: Pick<Kernels, "name" | "about" | "sameBits" | "roundsRows"> & { why: string };
  /** Token ids that end a text. */
  readonly endIds: readonly number[];
  readonly cacheTokens: number;
  /** Requests that are computed in turns. */
  readonly maxRunning: number;
  readonly directory: string;
  readonly files: readonly string[];
  /** Tells this checkpoint from any other: SHA-256 over dimensions, tensors and a sample of their bytes, hexadecimal. */
  readonly fingerprint: string;
  /** The checkpoint's chat template (Jinja), null where it has none. */
  readonly chatTemplate: string | null;
  /** Rows of the embedding table: [ids.length, dModel]. @throws FieldError if an id is outside the vocabulary. */
  embed(ids: readonly number[]): Promise<Float32Array>;
  /**
   * Continues the input, token by token. Leaving the loop early, or aborting `signal`, ends the work within one step.
   * @throws FieldError, before anything is computed; the signal's reason when aborted; an
   * EngineBusyError when all places are taken, an EngineClosedError when the model is closed.
   */
  generate(options: GenerateOptions): AsyncGenerator<GenerateEvent, void, undefined>;
  /**
   * What `generate` will not hold an answer to, of a grammar that asks for the nearest to its schemas.
   * @throws FieldError inside of `grammar`, as `generate` does
   */
  droppedOf(grammar: GrammarSpec): Promise<readonly DroppedKeyword[]>;
  /** Log-probabilities of given continuations. @throws as `generate`. */
  score(options: ScoreOptions): Promise<Score[]>;
  /** The same after each of several candidates for the embeddings in the input, as one request. → by candidate, then target */
  candidateScores(options: CandidateScoreOptions): Promise<Score[][]>;
  /**
   * Loss and its gradient by each segment of embeddings in the input, at the price of about one more forward. Texts go on
   * meanwhile.
   * @throws as `generate`; one sentence that names the kernel set if it has no derivatives.
   */
  gradients(options: GradientsOptions): Promise<Gradients & { usage: GradientsUsage }>;
  /** The same for each of several candidates for the embeddings in the input. */
  candidateGradients(options: CandidateGradientsOptions): Promise<{ candidates: Gradients[]; usage: GradientsUsage }>;
  /** The same for inputs that differ, whose loss is one: what a step of training takes. Each has a share of the loss. */
  batchGradients(options: BatchGradientsOptions): Promise<{ examples: Gradients[]; usage: GradientsUsage }>;
  /**
   * Intermediates of the forward pass over the input, by name.
   * @throws as `generate`; FieldError for a name that no place has, and for more values than `maxBytes`.
   */
  trace(options: TraceOptions): Promise<Trace>;
  /** The engine's counters. */
  load(): Promise<EngineLoad>;
  /** Takes no more requests, lets those inside go on for `drainMs` (default 0), ends the rest, and frees the weights. */
  close(options?: CloseOptions): Promise<void>;
}

/** A model that answers requests: conversations and gaps beside what it computes. */
export interface ServedModel extends ComputedModel {
  /**
   * Answers a conversation, part by part.
   * @throws as `generate`; FieldError that names the message or tool; one sentence if the checkpoint has no chat template
   */
  chat(options: ChatOptions): AsyncGenerator<ChatEvent, void, undefined>;
  /** Fills the gap between two texts. @throws as `generate`; one sentence if the vocabulary has no tokens for it */
  fim(options: FimOptions): AsyncGenerator<GenerateEvent, void, undefined>;
}
