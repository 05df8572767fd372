// What the server needs of a model, wherever it is computed: a worker thread, or this one.

import type { DecodedToken } from "../decode/decoder.ts";
import type { DecodeParameters } from "../decode/parameters.ts";
import type { ModelConfig } from "../model/config.ts";
import type { GenerateEnd, Score, ScoreOptions, Usage } from "../plainformer.ts";
import type { Input } from "../prompt/segments.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** Usage with the rows taken from the prefix cache, a multiple of 64. */
export type ServedUsage = Usage & { cachedTokens: number };

export interface ServedGenerateOptions extends DecodeParameters {
  input: Input;
  signal?: AbortSignal;
  /** Isolates the prefix cache. */
  tenant?: string;
  /** Also report log-probabilities of the prompt's tokens: 0 the tokens alone, k that many alternatives each. */
  promptLogprobs?: number;
  /** Keep control tokens as text. Default false: they are dropped */
  specialTokens?: boolean;
}

export interface PromptLogProb {
  id: number;
  logprob?: number;
  topLogprobs?: { id: number; logprob: number }[];
}

export type ServedEvent =
  | { type: "prompt"; promptTokens: number; embedTokens: number; cachedTokens: number; logprobs?: PromptLogProb[] }
  | ({ type: "token" } & DecodedToken)
  | (Omit<GenerateEnd, "usage"> & { usage: ServedUsage });

/** Counters of the engine. */
export interface EngineLoad {
  freePages: number;
  pages: number;
  cachedPages: number;
  running: number;
  waiting: number;
  /** Steps computed so far. */
  steps: number;
}

export interface ServedModel {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly kernels: { name: string; about: string; why: string };
  readonly endIds: readonly number[];
  readonly cacheTokens: number;
  readonly directory: string;
  readonly files: readonly string[];
  /** Tells this model's weights from any other's; hexadecimal, stable. */
  readonly fingerprint: string;
  readonly chatTemplate: string | null;
  embed(ids: readonly number[]): Promise<Float32Array>;
  generate(options: ServedGenerateOptions): AsyncGenerator<ServedEvent, void, undefined>;
  score(options: ScoreOptions): Promise<Score[]>;
  load(): Promise<EngineLoad>;
  close(options?: { drainMs?: number }): Promise<void>;
}
