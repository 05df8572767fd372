// load() and the object it returns: a thin face on tokenizer, model, prompt, decoder and engine. Nothing is computed here.

import { fileURLToPath } from "node:url";
import { createOps, type Ops } from "../kernels/ops.ts";
import { selectKernels } from "../kernels/select.ts";
import { pull } from "../weights/hub.ts";
import { createEngine, type EngineCounters } from "./engine/engine.ts";
import { EngineClosedError } from "./engine/errors.ts";
import { type GenerateEvent, type GenerateOptions, generate } from "./engine/generate.ts";
import { type Score, type ScoreOptions, score } from "./engine/score.ts";
import { withSoftPrompts } from "./engine/with-soft-prompts.ts";
import { startWorker } from "./engine/worker/client.ts";
import type { ModelConfig } from "./model/config.ts";
import { bytesPerPosition, type KvDType, kvDTypes } from "./model/kv-cache.ts";
import { type LoadedModel, loadModel, type WeightDType } from "./model/load.ts";
import type { Model } from "./model/model.ts";
import type { Probe } from "./model/probe.ts";
import { readChatTemplate } from "./prompt/read-chat-template.ts";
import { checkIds } from "./prompt/segments.ts";
import { softPromptsIn } from "./prompt/soft-prompt-file.ts";
import type { SoftPrompt } from "./prompt/soft-prompts.ts";
import { ggufTokenizer } from "./tokenizer/from-gguf.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer/tokenizer.ts";
import {
  type BatchGradientsOptions,
  batchGradientsOf,
  type Gradients,
  type GradientsOptions,
  type GradientsUsage,
  gradientsOf,
} from "./tune/gradients.ts";

export type { GenerateEnd, GenerateEvent, GenerateOptions, PromptLogProb, Usage } from "./engine/generate.ts";
export type { Score, ScoreOptions } from "./engine/score.ts";

export interface LoadOptions {
  /** Kernel set: "auto" (default) takes the best that works; a name takes that one or fails. */
  kernels?: string;
  /** Threads of a kernel set that has any, this one included. Default: all cores */
  threads?: number;
  /** Dtype of the matrices in memory; as in the file where not given. */
  dtype?: WeightDType;
  /** Positions that the key/value cache holds, of all sequences together. Default: the model's context, at most 8192 and at most 1 GiB. */
  cacheTokens?: number;
  /** Dtype of cached keys and values. Default f32; f16 takes half the memory and reads faster in long contexts, and rounds. */
  kv?: KvDType;
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
  /** What `{ softPrompt: name }` stands for: a folder of files as PEFT writes them, or rows by name. */
  softPrompts?: string | ReadonlyMap<string, SoftPrompt>;
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
  /**
   * Loss and its gradient by each segment of embeddings in the input, at the price of about one more forward.
   * @throws one sentence that names the field, or the kernel set if it has no derivatives.
   */
  gradients(options: GradientsOptions & { candidates?: undefined }): Promise<Gradients & { usage: GradientsUsage }>;
  /** The same for each of several candidates for the embeddings. */
  gradients(
    options: GradientsOptions & { candidates: NonNullable<GradientsOptions["candidates"]> },
  ): Promise<{ candidates: Gradients[]; usage: GradientsUsage }>;
  /** The same for inputs that differ, whose loss is one: what a step of training takes. Each has a share of the loss. */
  batchGradients(options: BatchGradientsOptions): Promise<{ examples: Gradients[]; usage: GradientsUsage }>;
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
  const cacheTokens = cacheTokensOf(options, config);
  const engine = createEngine(ops, model, { ...options, cacheTokens });
  const served = { engine, config, tokenizer, endIds, generatedTokens: 0 };
  let closed = false;
  const closing = new AbortController();
  const until = (signal?: AbortSignal) => (signal ? AbortSignal.any([signal, closing.signal]) : closing.signal);
  async function gradients(options: GradientsOptions): Promise<never> {
    closing.signal.throwIfAborted();
    const signal = until(options.signal);
    const { candidates, usage } = await gradientsOf({ ops, model, tokenizer }, { ...options, signal });
    return (options.candidates ? { candidates, usage } : { ...candidates[0], usage }) as never; // by the overloads
  }
  const plain: Plainformer = {
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
    gradients,
    async batchGradients(options) {
      closing.signal.throwIfAborted();
      return batchGradientsOf({ ops, model, tokenizer }, { ...options, signal: until(options.signal) });
    },
    load: async () => ({ ...engine.load(), generatedTokens: served.generatedTokens }),
    async close(options) {
      closing.abort(new EngineClosedError("the model is closed")); // gradients end before their next step
      await engine.close(options);
      if (!closed) kernels.close();
      closed = true;
    },
  };
  const { softPrompts } = options;
  if (softPrompts === undefined) return plain;
  const find =
    typeof softPrompts === "string" ? softPromptsIn(softPrompts) : async (name: string) => softPrompts.get(name);
  return withSoftPrompts(plain, find);
}

function cacheTokensOf({ cacheTokens, kv = "f32" }: LoadOptions, config: ModelConfig): number {
  if (!kvDTypes.includes(kv)) throw new RangeError(`kv: got ${JSON.stringify(kv)}, expected ${kvDTypes.join(" or ")}`);
  if (cacheTokens === undefined)
    return Math.min(config.maxSeqLen, 8192, Math.floor(2 ** 30 / bytesPerPosition(config, kv)));
  if (!Number.isSafeInteger(cacheTokens) || cacheTokens < 1)
    throw new RangeError(`cacheTokens: got ${cacheTokens}, expected a whole number ≥ 1`);
  return cacheTokens;
}
