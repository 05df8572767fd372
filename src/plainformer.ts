// load() and the object it returns: a thin face on tokenizer, model, prompt, decoder and engine. Nothing is computed here.

import { fileURLToPath } from "node:url";
import { createOps, type Ops } from "../kernels/ops.ts";
import { selectKernels } from "../kernels/select.ts";
import { pull } from "../weights/hub.ts";
import { createEngine, type EngineCounters } from "./engine/engine.ts";
import { EngineClosedError } from "./engine/errors.ts";
import { type GenerateEvent, type GenerateOptions, generate } from "./engine/generate.ts";
import { type Score, type ScoreOptions, score } from "./engine/score.ts";
import { startWorker } from "./engine/worker/client.ts";
import type { ModelConfig } from "./model/config.ts";
import { type LoadedModel, loadModel, type WeightDType } from "./model/load.ts";
import type { Model } from "./model/model.ts";
import type { Probe } from "./model/probe.ts";
import { readChatTemplate } from "./prompt/read-chat-template.ts";
import { checkIds } from "./prompt/segments.ts";
import { ggufTokenizer } from "./tokenizer/from-gguf.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer/tokenizer.ts";

export type { GenerateEnd, GenerateEvent, GenerateOptions, PromptLogProb, Usage } from "./engine/generate.ts";
export type { Score, ScoreOptions } from "./engine/score.ts";

export interface LoadOptions {
  /** Kernel set: "auto" (default) takes the best that works; a name takes that one or fails. */
  kernels?: string;
  /** Threads of a kernel set that has any, this one included. Default: all cores */
  threads?: number;
  /** Dtype of the matrices in memory; as in the file where not given. */
  dtype?: WeightDType;
  /** Positions that the key/value cache holds, of all sequences together. Default: the model's context, at most 8192. */
  cacheTokens?: number;
  /** Most requests that are computed in turns; the others wait. Default 32 */
  maxRunning?: number;
  /** Most requests that wait; further ones are refused with an EngineBusyError. Default: no limit */
  maxWaiting?: number;
  /** Most rows that one step of the engine computes. Default 512 */
  stepRows?: number;
  /** Most prompt rows of a step in which texts are being continued, which all wait for them. Default 64 */
  promptRowsBesideText?: number;
  /** Keep the keys and values of what was computed, for requests that begin with the same 64 tokens or more. Default: true, but not under a probe. */
  prefixCache?: boolean;
  /** Sees every intermediate of every step. */
  probe?: Probe;
  /** Bytes read so far and in all; `file` while something is downloaded. */
  onProgress?: (progress: { loaded: number; total: number; file?: string }) => void;
}

/** The engine's counters, and the tokens generated so far. */
export interface EngineLoad extends EngineCounters {
  generatedTokens: number;
}

/** A model that answers requests, wherever it is computed: in this thread, or in a worker of its own. */
export interface ServedModel {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** Which kernel set runs, and why. */
  readonly kernels: { name: string; about: string; why: string };
  /** Token ids that end a text. */
  readonly endIds: readonly number[];
  readonly cacheTokens: number;
  readonly directory: string;
  readonly files: readonly string[];
  /** Tells this checkpoint from any other: SHA-256 over dimensions, tensors and a sample of their bytes, hexadecimal. */
  readonly fingerprint: string;
  /** The checkpoint's chat template (Jinja), null where it has none. */
  readonly chatTemplate: string | null;
  /** Rows of the embedding table: [ids.length, dModel]. @throws if an id is outside the vocabulary. */
  embed(ids: readonly number[]): Promise<Float32Array>;
  /**
   * Continues the input, token by token. Leaving the loop early, or aborting `signal`, ends the work within one step.
   * @throws one sentence that names the field, before anything is computed; the signal's reason when aborted; an
   * EngineBusyError when all places are taken, an EngineClosedError when the model is closed.
   */
  generate(options: GenerateOptions): AsyncGenerator<GenerateEvent, void, undefined>;
  /** Log-probabilities of given continuations. @throws as `generate`. */
  score(options: ScoreOptions): Promise<Score[]>;
  /** The engine's counters. */
  load(): Promise<EngineLoad>;
  /** Takes no more requests, lets those inside go on for `drainMs` (default 0), ends the rest, and frees the weights. */
  close(options?: { drainMs?: number }): Promise<void>;
}

/** A model in this thread. */
export interface Plainformer extends ServedModel {
  /** The weights, for those who look inside. */
  readonly model: Model;
}

/** The model that ships with the package. */
export const defaultModel = fileURLToPath(new URL("../weights/default", import.meta.url));

/**
 * Loads a model: a directory in Hugging Face layout, a .gguf file, "hf:owner/name@revision" (downloaded once), or the one
 * that ships.
 * @throws one sentence that names the file, tensor or field, if anything is missing, broken or unknown.
 */
export async function load(source: string = defaultModel, options: LoadOptions = {}): Promise<Plainformer> {
  const { onProgress } = options;
  const directory = source.startsWith("hf:")
    ? await pull(source, {
        onProgress: ({ file, allLoaded, allTotal }) => onProgress?.({ file, loaded: allLoaded, total: allTotal }),
      })
    : source;
  const { kernels, why } = selectKernels(options.kernels, { threads: options.threads });
  try {
    const ops = createOps(kernels);
    const loaded = await loadModel(ops, directory, {
      dtype: options.dtype,
      onProgress: (loaded, total) => onProgress?.({ loaded, total }),
    });
    const tokenizer = loaded.metadata ? ggufTokenizer(directory, loaded.metadata) : await loadTokenizer(directory);
    const chatTemplate = await readChatTemplate(directory, loaded.metadata);
    return assemble(ops, loaded, { tokenizer, chatTemplate, directory, why }, options);
  } catch (error) {
    kernels.close();
    throw error;
  }
}

/**
 * Loads a model as `load` does, in a worker thread that also computes: this thread stays free. An idle model does not keep
 * the process alive.
 * @throws as `load`; a TypeError for a probe. If the thread fails later, everything that waits for it is rejected.
 */
export function loadInWorker(source?: string, options: LoadOptions = {}): Promise<ServedModel> {
  return startWorker(source, options);
}

function assemble(
  ops: Ops,
  { model, endIds, files, fingerprint }: LoadedModel,
  {
    tokenizer,
    chatTemplate,
    directory,
    why,
  }: { why: string } & Pick<Plainformer, "tokenizer" | "chatTemplate" | "directory">,
  options: LoadOptions,
): Plainformer {
  const { kernels } = ops;
  const { config } = model;
  const cacheTokens = cacheTokensOf(options.cacheTokens, config);
  const engine = createEngine(ops, model, { ...options, cacheTokens });
  const served = { engine, config, tokenizer, endIds, generatedTokens: 0 };
  let closed = false;
  return {
    config,
    tokenizer,
    model,
    kernels: { name: kernels.name, about: kernels.about, why },
    endIds,
    cacheTokens,
    directory,
    files,
    fingerprint,
    chatTemplate,
    async embed(ids) {
      checkIds(ids, config.vocabSize, "ids");
      if (closed) throw new EngineClosedError("the model is closed");
      const rows = ops.read(ops.gather(model.embedding, ops.upload(Int32Array.from(ids))));
      ops.endStep(); // what `read` promised was taken when it was called
      return rows;
    },
    generate: (options) => generate(served, options),
    score: (options) => score(served, options),
    load: async () => ({ ...engine.load(), generatedTokens: served.generatedTokens }),
    async close(options) {
      await engine.close(options);
      if (!closed) kernels.close();
      closed = true;
    },
  };
}

function cacheTokensOf(asked: number | undefined, config: ModelConfig): number {
  if (asked === undefined) return Math.min(config.maxSeqLen, 8192);
  if (!Number.isSafeInteger(asked) || asked < 1)
    throw new RangeError(`cacheTokens: got ${asked}, expected a whole number ≥ 1`);
  return asked;
}
