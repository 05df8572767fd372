// load() and the object it returns: a thin face on tokenizer, model, prompt, decoder and engine. Nothing is computed here.

import { locationOf, mayHaveGpu, totalMemory } from "#platform";
import { createOps, type Ops } from "../kernels/ops.ts";
import { fasterOnGpu, selectKernels } from "../kernels/select.ts";
import { sizeOf } from "../kernels/tensor.ts";
import { byteLengthOf } from "../weights/dtype.ts";
import { type Capacity, capacityOf } from "./engine/capacity.ts";
import { createEngine } from "./engine/engine.ts";
import { EngineClosedError } from "./engine/errors.ts";
import { droppedOf, generate } from "./engine/generate.ts";
import { probePlace } from "./engine/probe.ts";
import { candidateScores, score } from "./engine/score.ts";
import { traceOf } from "./engine/trace.ts";
import { checkNames, FieldError, shown } from "./field-error.ts";
import { kvDTypes } from "./model/kv-cache.ts";
import { buildModel, type LoadedModel } from "./model/load.ts";
import { type Model, tensorsOf } from "./model/model.ts";
import { type OpenModel, openModel } from "./model/open.ts";
import { embed } from "./model/project.ts";
import { endOfTurnIds } from "./prompt/end-of-turn.ts";
import { readChatTemplate } from "./prompt/read-chat-template.ts";
import { checkIds } from "./prompt/segments.ts";
import { softPromptsIn } from "./prompt/soft-prompt-file.ts";
import {
  type ComputedModel,
  closeOptionNames,
  type LoadOptions,
  loadOptionNames,
  type ServedModel,
} from "./served-model.ts";
import { loadTokenizer } from "./tokenizer/load-tokenizer.ts";
import { batchGradientsOf, candidateGradientsOf, gradientsOf } from "./tune/gradients.ts";
import { withChat } from "./with-chat.ts";
import { withSoftPrompts } from "./with-soft-prompts.ts";

/** A model in this thread. */
export interface Plainformer extends ServedModel {
  /** The weights, for those who look inside. */
  readonly model: Model;
  /** What was read otherwise than the files have it, in sentences. */
  readonly notes: readonly string[];
}

/** The model that ships with the package. */
export const defaultModel = locationOf(new URL("../weights/default", import.meta.url));

/**
 * Loads a model: a directory in Hugging Face layout or a .gguf file, by its path or its URL; "hf:owner/name@revision"
 * (downloaded once); or the one that ships, which options alone are of.
 * @throws FieldError for options; one sentence that names the file or tensor, if anything is missing, broken or unknown.
 */
export async function load(from?: string | LoadOptions, given?: LoadOptions): Promise<Plainformer> {
  const { source = defaultModel, options } = argumentsOf(from, given);
  const directory = source.startsWith("hf:") ? await fromHub(source, options) : source;
  let selection = await selectKernels(options.kernels, { threads: options.threads, exact: options.exact });
  try {
    const opened = await openModel(directory);
    if ((options.kernels ?? "auto") === "auto" && mayHaveGpu())
      selection = await fasterOnGpu(selection, nWeightsOf(opened));
    const ops = createOps(selection.kernels);
    const loaded = await buildModel(ops, opened, {
      dtype: options.dtype,
      onProgress: (loaded, total) => options.onProgress?.({ loaded, total }),
    }).finally(opened.source.close);
    const tokenizer = await loadTokenizer(directory, opened.metadata);
    const chatTemplate = await readChatTemplate(directory, opened.metadata);
    const { vocabSize } = loaded.model.config;
    const turnEnds = endOfTurnIds(chatTemplate, tokenizer).filter((id) => id < vocabSize);
    const endIds = [...new Set([...loaded.endIds, ...turnEnds])];
    return assemble(ops, { ...loaded, endIds }, { tokenizer, chatTemplate, directory, why: selection.why }, options);
  } catch (error) {
    selection.kernels.close();
    throw error;
  }
}

function nWeightsOf({ source }: OpenModel): number {
  return [...source.tensors.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** The arguments of `load`, whichever of them there are. @throws FieldError for those that it does not take */
function argumentsOf(source: string | LoadOptions | undefined, options: LoadOptions = {}) {
  const alone = typeof source === "object" && source !== null;
  if (!alone && source !== undefined && typeof source !== "string")
    throw new FieldError("source", `got ${shown(source)}, expected a path, a URL or hf:owner/name`, "invalid_type");
  const given = alone ? source : options;
  checkNames(given, loadOptionNames);
  return { source: alone ? undefined : source, options: given };
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
export async function loadInWorker(from?: string | LoadOptions, given?: LoadOptions): Promise<ServedModel> {
  const { source, options } = argumentsOf(from, given);
  const { startWorker } = await import("./worker/client.ts");
  return startWorker(source, options);
}

function assemble(
  ops: Ops,
  { model, endIds, files, notes, fingerprint }: LoadedModel,
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
  const { cacheTokens, maxRunning } = capacityHere(ops, model, options);
  const probe = options.probe && probePlace(ops, model, options.probe);
  const engine = createEngine(ops, model, { ...options, cacheTokens, maxRunning, probe });
  const served = { engine, config, tokenizer, endIds, generatedTokens: 0 };
  let closed = false;
  const context = { ops, model, tokenizer, cacheTokens };
  const plain: ComputedModel & Pick<Plainformer, "model" | "notes"> = {
    config,
    tokenizer,
    model,
    notes,
    kernels: {
      name: kernels.name,
      about: kernels.about,
      sameBits: kernels.sameBits,
      roundsRows: kernels.roundsRows ?? false,
      why,
    },
    endIds,
    cacheTokens,
    maxRunning,
    directory,
    files,
    fingerprint,
    chatTemplate,
    async embed(ids) {
      checkIds(ids, config.vocabSize, "ids");
      if (closed) throw new EngineClosedError("the model is closed");
      return ops.step(() => ops.read(embed(ops, model, ops.upload(Int32Array.from(ids)))));
    },
    generate: (options) => generate(served, options),
    droppedOf,
    score: (options) => score(served, options),
    candidateScores: (options) => candidateScores(served, options),
    gradients: async (options) => engine.work(gradientsOf(context, options), options.signal),
    candidateGradients: async (options) => engine.work(candidateGradientsOf(context, options), options.signal),
    batchGradients: async (options) => engine.work(batchGradientsOf(context, options), options.signal),
    trace: async (options) => engine.work(traceOf(context, options), options.signal),
    load: async () => ({ ...engine.load(), generatedTokens: served.generatedTokens }),
    async close(options = {}) {
      checkNames(options, closeOptionNames);
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

/** What the machine, and the kernel set, have for weights and cache. */
function capacityHere(ops: Ops, model: Model, options: LoadOptions): Capacity {
  const { kv = "f32" } = options;
  if (!kvDTypes.includes(kv))
    throw new FieldError("kv", `got ${JSON.stringify(kv)}, expected ${kvDTypes.join(" or ")}`);
  const weights = [...tensorsOf(model).values()].reduce(
    (sum, { dtype, shape }) => sum + byteLengthOf(dtype, sizeOf(shape)),
    0,
  );
  return capacityOf(model.config, options, { memory: Math.min(totalMemory(), ops.kernels.maxBytes), weights });
}
