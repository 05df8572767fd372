// load() and the object it returns: a thin face on tokenizer, model, prompt, decoder and engine. Nothing is computed here.

import { locationOf } from "#platform";
import { createOps, type Ops } from "../kernels/ops.ts";
import { selectKernels } from "../kernels/select.ts";
import { createEngine } from "./engine/engine.ts";
import { EngineClosedError } from "./engine/errors.ts";
import { generate } from "./engine/generate.ts";
import { probePlace } from "./engine/probe.ts";
import { candidateScores, score } from "./engine/score.ts";
import { traceOf } from "./engine/trace.ts";
import { checkNames, FieldError } from "./field-error.ts";
import type { ModelConfig } from "./model/config.ts";
import { bytesPerPosition, kvDTypes } from "./model/kv-cache.ts";
import { buildModel, type LoadedModel } from "./model/load.ts";
import type { Model } from "./model/model.ts";
import { openModel } from "./model/open.ts";
import { readChatTemplate } from "./prompt/read-chat-template.ts";
import { checkIds } from "./prompt/segments.ts";
import { softPromptsIn } from "./prompt/soft-prompt-file.ts";
import { type ComputedModel, type LoadOptions, loadOptionNames, type ServedModel } from "./served-model.ts";
import { loadTokenizer } from "./tokenizer/load-tokenizer.ts";
import { batchGradientsOf, candidateGradientsOf, gradientsOf } from "./tune/gradients.ts";
import { withChat } from "./with-chat.ts";
import { withSoftPrompts } from "./with-soft-prompts.ts";

/** A model in this thread. */
export interface Plainformer extends ServedModel {
  /** The weights, for those who look inside. */
  readonly model: Model;
}

/** The model that ships with the package. */
export const defaultModel = locationOf(new URL("../weights/default", import.meta.url));

/**
 * Loads a model: a directory in Hugging Face layout or a .gguf file, by its path or its URL; "hf:owner/name@revision"
 * (downloaded once); or the one that ships.
 * @throws FieldError for options; one sentence that names the file or tensor, if anything is missing, broken or unknown.
 */
export async function load(source: string = defaultModel, options: LoadOptions = {}): Promise<Plainformer> {
  checkNames(options, loadOptionNames);
  const directory = source.startsWith("hf:") ? await fromHub(source, options) : source;
  const { kernels, why } = await selectKernels(options.kernels, { threads: options.threads });
  try {
    const ops = createOps(kernels);
    const opened = await openModel(directory);
    const loaded = await buildModel(ops, opened, {
      dtype: options.dtype,
      onProgress: (loaded, total) => options.onProgress?.({ loaded, total }),
    }).finally(opened.source.close);
    const tokenizer = await loadTokenizer(directory, opened.metadata);
    const chatTemplate = await readChatTemplate(directory, opened.metadata);
    return assemble(ops, loaded, { tokenizer, chatTemplate, directory, why }, options);
  } catch (error) {
    kernels.close();
    throw error;
  }
}

async function fromHub(reference: string, { onProgress }: LoadOptions): Promise<string> {
  const { pull } = await import("#hub");
  return pull(reference, {
    onProgress: ({ file, allLoaded, allTotal }) => onProgress?.({ file, loaded: allLoaded, total: allTotal }),
  });
}

/**
 * Loads a model as `load` does, in a worker thread that also computes: this thread stays free. An idle model does not keep
 * the process alive.
 * @throws as `load`; a FieldError for an open kernel set. If the thread fails later, everything that waits for it is
 * rejected.
 */
export async function loadInWorker(source?: string, options: LoadOptions = {}): Promise<ServedModel> {
  const { startWorker } = await import("./worker/client.ts");
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
  const probe = options.probe && probePlace(ops, model, options.probe);
  const engine = createEngine(ops, model, { ...options, cacheTokens, probe });
  const served = { engine, config, tokenizer, endIds, generatedTokens: 0 };
  let closed = false;
  const context = { ops, model, tokenizer, cacheTokens };
  const plain: ComputedModel & Pick<Plainformer, "model"> = {
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
      return ops.step(() => ops.read(ops.gather(model.embedding, ops.upload(Int32Array.from(ids)))));
    },
    generate: (options) => generate(served, options),
    score: (options) => score(served, options),
    candidateScores: (options) => candidateScores(served, options),
    gradients: async (options) => engine.work(gradientsOf(context, options), options.signal),
    candidateGradients: async (options) => engine.work(candidateGradientsOf(context, options), options.signal),
    batchGradients: async (options) => engine.work(batchGradientsOf(context, options), options.signal),
    trace: async (options) => engine.work(traceOf(context, options), options.signal),
    load: async () => ({ ...engine.load(), generatedTokens: served.generatedTokens }),
    async close(options) {
      await engine.close(options);
      if (!closed) kernels.close();
      closed = true;
    },
  };
  const { softPrompts } = options;
  if (softPrompts === undefined) return withChat(plain);
  const find =
    typeof softPrompts === "string" ? softPromptsIn(softPrompts) : async (name: string) => softPrompts.get(name);
  return withChat(withSoftPrompts(plain, find));
}

function cacheTokensOf({ cacheTokens, kv = "f32" }: LoadOptions, config: ModelConfig): number {
  if (!kvDTypes.includes(kv))
    throw new FieldError("kv", `got ${JSON.stringify(kv)}, expected ${kvDTypes.join(" or ")}`);
  if (cacheTokens === undefined)
    return Math.min(config.maxSeqLen, 8192, Math.floor(2 ** 30 / bytesPerPosition(config, kv)));
  if (!Number.isSafeInteger(cacheTokens) || cacheTokens < 1)
    throw new FieldError("cacheTokens", `got ${cacheTokens}, expected a whole number ≥ 1`);
  return cacheTokens;
}
