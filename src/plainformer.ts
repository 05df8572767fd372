// load() and the object it returns: a thin face on tokenizer, model, prompt, decoder and engine. Nothing is computed here.

import { fileURLToPath } from "node:url";
import { createOps, type Ops } from "../kernels/ops.ts";
import { selectKernels } from "../kernels/select.ts";
import { pull } from "../weights/hub.ts";
import { createEngine } from "./engine/engine.ts";
import { EngineClosedError } from "./engine/errors.ts";
import { generate } from "./engine/generate.ts";
import { score } from "./engine/score.ts";
import type { ModelConfig } from "./model/config.ts";
import { bytesPerPosition, kvDTypes } from "./model/kv-cache.ts";
import { type LoadedModel, loadModel } from "./model/load.ts";
import type { Model } from "./model/model.ts";
import { readChatTemplate } from "./prompt/read-chat-template.ts";
import { checkIds } from "./prompt/segments.ts";
import { softPromptsIn } from "./prompt/soft-prompt-file.ts";
import type { LoadOptions, ServedModel } from "./served-model.ts";
import { ggufTokenizer } from "./tokenizer/from-gguf.ts";
import { loadTokenizer } from "./tokenizer/tokenizer.ts";
import { batchGradientsOf, type GradientsOptions, gradientsOf } from "./tune/gradients.ts";
import { withSoftPrompts } from "./with-soft-prompts.ts";
import { startWorker } from "./worker/client.ts";

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
  const { kernels, why } = await selectKernels(options.kernels, { threads: options.threads });
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
 * @throws as `load`; a TypeError for a probe, a FieldError for an open kernel set. If the thread fails later, everything
 * that waits for it is rejected.
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
    kernels: { name: kernels.name, about: kernels.about, sameBits: kernels.sameBits, why },
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
