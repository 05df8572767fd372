// load() and the object it returns: a thin face on tokenizer, model, prompt, decoder and engine. Nothing is computed here.

import { fileURLToPath } from "node:url";
import { createOps, type Ops } from "../kernels/ops.ts";
import { selectKernels } from "../kernels/select.ts";
import { pull } from "../weights/hub.ts";
import { createDecoder, type DecodedToken, type FinishReason } from "./decode/decoder.ts";
import { logProbOf } from "./decode/log-probs.ts";
import { type DecodeParameters, decodingOf } from "./decode/parameters.ts";
import { createEngine } from "./engine/engine.ts";
import { eventQueue } from "./engine/event-queue.ts";
import type { ModelConfig } from "./model/config.ts";
import { type LoadedModel, loadModel, type WeightDType } from "./model/load.ts";
import type { Model } from "./model/model.ts";
import type { Probe } from "./model/probe.ts";
import { checkIds, type Input, idsOf, promptOf } from "./prompt/segments.ts";
import { ggufTokenizer } from "./tokenizer/from-gguf.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer/tokenizer.ts";
import { type Gradients, type GradientsOptions, type GradientsUsage, gradientsOf } from "./tune/gradients.ts";

export interface LoadOptions {
  /** Kernel set: "auto" (default) takes the best that works; a name takes that one or fails. */
  kernels?: string;
  /** Threads of a kernel set that has any, this one included. Default: all cores */
  threads?: number;
  /** Dtype of the matrices in memory; as in the file where not given. */
  dtype?: WeightDType;
  /** Positions that the key/value cache holds, of all sequences together. Default: the model's context, at most 8192. */
  cacheTokens?: number;
  /** Most rows that one step of the engine computes. Default 512 */
  stepRows?: number;
  /** Sees every intermediate of every step. */
  probe?: Probe;
  /** Bytes read so far and in all; `file` while something is downloaded. */
  onProgress?: (progress: { loaded: number; total: number; file?: string }) => void;
}

export interface GenerateOptions extends DecodeParameters {
  input: Input;
  signal?: AbortSignal;
}

/** What `generate` yields: a token each, then one end. */
export type GenerateEvent = ({ type: "token" } & DecodedToken) | GenerateEnd;

export interface GenerateEnd {
  type: "end";
  /** The whole continuation. */
  text: string;
  /** Its token ids, an end-of-text token included. */
  ids: number[];
  finishReason: FinishReason;
  usage: Usage;
  /** Milliseconds from the call to the first token, and from the first token to the last. */
  timings: { firstTokenMs: number; decodeMs: number };
}

export interface Usage {
  /** Rows of the prompt, embeddings included: a virtual token counts as a token. */
  promptTokens: number;
  /** Of these, rows that came as embeddings. */
  embedTokens: number;
  completionTokens: number;
  totalTokens: number;
}

export interface ScoreOptions {
  input: Input;
  /** Continuations to judge, each as text or token ids. */
  targets: readonly (string | readonly number[])[];
  signal?: AbortSignal;
}

/** Natural log-probabilities of one target's tokens, each after the input and the target's earlier tokens. */
export interface Score {
  ids: number[];
  logprobs: number[];
  /** Σ logprobs: log p(target | input) */
  sum: number;
}

export interface Plainformer {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  /** The weights, for those who look inside. */
  readonly model: Model;
  /** Which kernel set runs, and why. */
  readonly kernels: { name: string; about: string; why: string };
  /** Token ids that end a text. */
  readonly endIds: readonly number[];
  readonly cacheTokens: number;
  readonly directory: string;
  readonly files: readonly string[];
  /** Rows of the embedding table: [ids.length, dModel]. @throws if an id is outside the vocabulary. */
  embed(ids: readonly number[]): Promise<Float32Array>;
  /**
   * Continues the input, token by token. Leaving the loop early, or aborting `signal`, ends the work within one step.
   * @throws one sentence that names the field, before anything is computed; the signal's reason when aborted.
   */
  generate(options: GenerateOptions): AsyncGenerator<GenerateEvent, void, undefined>;
  /** Log-probabilities of given continuations. @throws one sentence that names the field. */
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
  /** Frees the weights and ends what runs. */
  close(): void;
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
    return assemble(ops, why, directory, loaded, tokenizer, options);
  } catch (error) {
    kernels.close();
    throw error;
  }
}

function assemble(
  ops: Ops,
  why: string,
  directory: string,
  { model, endIds, files }: LoadedModel,
  tokenizer: Tokenizer,
  options: LoadOptions,
): Plainformer {
  const { kernels } = ops;
  const { config } = model;
  const cacheTokens = cacheTokensOf(options.cacheTokens, config);
  const engine = createEngine(ops, model, { cacheTokens, stepRows: options.stepRows, probe: options.probe });

  /** Tokens that fit after a prompt of so many rows. */
  function roomAfter(rows: number): number {
    const room = config.maxSeqLen - rows;
    if (room < 1)
      throw new RangeError(
        `input: ${rows} tokens leave no room, expected at most ${config.maxSeqLen - 1} (the model's context is ${config.maxSeqLen})`,
      );
    return room;
  }

  async function* generate(options: GenerateOptions): AsyncGenerator<GenerateEvent, void, undefined> {
    const began = performance.now();
    const prompt = promptOf(options.input, tokenizer, config);
    const decoding = decodingOf(
      options,
      config.vocabSize,
      Math.min(roomAfter(prompt.rows), cacheTokens - prompt.rows + 1),
    );
    const decode = createDecoder(decoding, tokenizer, endIds, idsOf(prompt));
    const tokens = eventQueue<DecodedToken>();
    const left = new AbortController(); // the consumer left the loop
    const work = engine.run({
      runs: prompt.runs,
      maxRows: prompt.rows + decoding.maxTokens - 1, // the last token is not fed back
      firstOutput: prompt.rows - 1,
      accept(logits) {
        const token = decode(logits);
        tokens.push(token);
        return token.finishReason ? undefined : token.id;
      },
      signal: options.signal ? AbortSignal.any([options.signal, left.signal]) : left.signal,
    });
    work.then(tokens.end, tokens.fail);

    let text = "";
    const ids: number[] = [];
    let finishReason: FinishReason = "stop";
    let first = began;
    try {
      for await (const token of tokens) {
        if (ids.length === 0) first = performance.now();
        text += token.text;
        ids.push(token.id);
        finishReason = token.finishReason ?? finishReason;
        yield { type: "token", ...token };
      }
    } finally {
      left.abort();
    }
    yield {
      type: "end",
      text,
      ids,
      finishReason,
      usage: usageOf(prompt.rows, prompt.embedRows, ids.length),
      timings: { firstTokenMs: first - began, decodeMs: performance.now() - first },
    };
  }

  async function score({ input, targets, signal }: ScoreOptions): Promise<Score[]> {
    if (!Array.isArray(targets) || targets.length === 0)
      throw new TypeError("targets: expected a list of at least one text or list of token ids");
    const prompt = promptOf(input, tokenizer, config);
    const lists = targets.map((target, i) => targetIds(target, i));
    return Promise.all(
      lists.map(async (ids) => {
        const logprobs: number[] = [];
        await engine.run({
          runs: [...prompt.runs, { ids: ids.slice(0, -1) }],
          maxRows: prompt.rows + ids.length - 1,
          firstOutput: prompt.rows - 1,
          accept(logits) {
            logprobs.push(logProbOf(logits, ids[logprobs.length]));
            return undefined;
          },
          signal,
        });
        return { ids, logprobs, sum: logprobs.reduce((sum, logprob) => sum + logprob, 0) };
      }),
    );

    function targetIds(target: string | readonly number[], i: number): number[] {
      const ids =
        typeof target === "string"
          ? tokenizer.encode(target, { addSpecialTokens: false })
          : [...checkIds(target, config.vocabSize, `targets[${i}]`)];
      if (ids.length === 0) throw new RangeError(`targets[${i}]: it is empty, expected at least one token`);
      if (ids.length > roomAfter(prompt.rows))
        throw new RangeError(
          `targets[${i}]: ${ids.length} tokens do not fit, expected at most ${roomAfter(prompt.rows)} after this input`,
        );
      return ids;
    }
  }

  async function gradients(options: GradientsOptions): Promise<never> {
    const { candidates, usage } = await gradientsOf({ ops, model, tokenizer }, options);
    return (options.candidates ? { candidates, usage } : { ...candidates[0], usage }) as never; // by the overloads
  }

  return {
    config,
    tokenizer,
    model,
    kernels: { name: kernels.name, about: kernels.about, why },
    endIds,
    cacheTokens,
    directory,
    files,
    async embed(ids) {
      checkIds(ids, config.vocabSize, "ids");
      const rows = ops.read(ops.gather(model.embedding, ops.upload(Int32Array.from(ids))));
      ops.endStep(); // what `read` promised was taken when it was called
      return rows;
    },
    generate,
    score,
    gradients,
    close() {
      engine.close();
      kernels.close();
    },
  };
}

function usageOf(promptTokens: number, embedTokens: number, completionTokens: number): Usage {
  return { promptTokens, embedTokens, completionTokens, totalTokens: promptTokens + completionTokens };
}

function cacheTokensOf(asked: number | undefined, config: ModelConfig): number {
  if (asked === undefined) return Math.min(config.maxSeqLen, 8192);
  if (!Number.isSafeInteger(asked) || asked < 1)
    throw new RangeError(`cacheTokens: got ${asked}, expected a whole number ≥ 1`);
  return asked;
}
