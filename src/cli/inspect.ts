// plainformer inspect: what a model is, what it takes in memory, and what will run it.

import type { Command } from "commander";
import { pageSize } from "../../kernels/kernels.ts";
import { sizeOf } from "../../kernels/tensor.ts";
import { byteLengthOf, type DType, isBlockDType } from "../../weights/dtype.ts";
import { FieldError } from "../field-error.ts";
import type { ExpertsConfig, ModelConfig } from "../model/config.ts";
import { bytesPerPosition, type KvDType, pagesFor } from "../model/kv-cache.ts";
import { tensorsOf } from "../model/model.ts";
import type { Plainformer } from "../plainformer.ts";
import { describeTrace, traceJson } from "./inspect-trace.ts";
import { loadFrom, type ModelOptions, withModel } from "./options.ts";
import { bytesText } from "./progress.ts";

export function addInspect(program: Command): void {
  const command = program
    .command("inspect")
    .description("Shape, parameters, dtypes, memory and kernel set of a model.");
  withModel(command)
    .option("--trace <name>", "instead: values at a place of the forward pass; layers.*.probs: at all of these")
    .option("--prompt <text>", `what the forward pass of --trace is over (default: "${defaultPrompt}")`)
    .option("--json", "one object; of a trace, all values")
    .action(inspect);
}

const defaultPrompt = "Once upon a time";

interface InspectOptions extends ModelOptions {
  trace?: string;
  prompt?: string;
  json?: true;
}

async function inspect(options: InspectOptions): Promise<void> {
  const { trace: name, prompt: input = defaultPrompt, json } = options;
  if (options.prompt !== undefined && name === undefined)
    throw new FieldError("prompt", "nothing is computed of it, expected a name to --trace");
  const model = await loadFrom(options);
  try {
    if (name === undefined) {
      const facts = factsOf(model, options.kv);
      console.log(json ? JSON.stringify(facts) : describe(facts));
    } else {
      const trace = await model.trace({ input, names: [name] });
      console.log(json ? traceJson(trace) : describeTrace(trace));
    }
  } finally {
    await model.close();
  }
}

/** Everything that `inspect` says, as data; `kv` is the dtype of cached keys and values. */
export function factsOf(
  { config, model, kernels, tokenizer, endIds, directory, files, notes, cacheTokens }: Plainformer,
  kv: KvDType = "f32",
) {
  const tensors = [...tensorsOf(model).values()];
  const dtypes: Record<string, number> = {};
  for (const { dtype, shape } of tensors) dtypes[dtype] = (dtypes[dtype] ?? 0) + sizeOf(shape);
  return {
    directory,
    files,
    config,
    notes,
    tokenizer: {
      vocab_size: tokenizer.vocabSize,
      added_tokens: tokenizer.addedTokens.length,
      end_tokens: endIds.map((id) => ({ id, text: tokenizer.tokenOf(id) ?? null })),
      warnings: tokenizer.warnings,
    },
    parameters: tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    parameters_by_dtype: dtypes,
    weight_bytes: tensors.reduce((sum, { dtype, shape }) => sum + byteLengthOf(dtype, sizeOf(shape)), 0),
    cache_tokens: cacheTokens,
    cache_dtype: kv,
    cache_bytes: pagesFor(cacheTokens) * pageSize * bytesPerPosition(config, kv),
    kernels,
  };
}

/** What is rounded before products with quantized weights, and what not to round would take. */
function productsOf({ kernels, parameters_by_dtype }: ReturnType<typeof factsOf>): string {
  const quantized = Object.keys(parameters_by_dtype).filter((dtype) => isBlockDType(dtype as DType));
  if (quantized.length === 0) return "of numbers as they are: no weights are quantized";
  const list = quantized.join(", ");
  return kernels.roundsRows
    ? `activations are rounded to 8 bits before they meet ${list}, 32 at a time, as llama.cpp does (--exact: not, slower, in the same memory)`
    : `exact: activations meet ${list} as they are; the weights stay quantized in memory`;
}

function attentionText({ nHeads, nKvHeads, headDim, latent, windows }: ModelConfig): string {
  const on = latent ? `one compressed vector of ${latent.kvRank}` : `${nKvHeads} key/value heads`;
  const windowed = windows?.filter((window) => window > 0) ?? [];
  const within = windowed.length > 0 ? `, ${windowed.length} layers within ${windowed[0]} positions` : "";
  return `${nHeads} heads of ${headDim} on ${on}${within}`;
}

function expertsText({ rule, expertFf, nSharedExperts, layers }: ExpertsConfig): string {
  const shared = nSharedExperts > 0 ? `, ${nSharedExperts} for every row` : "";
  return `${rule.nActive} of ${rule.nExperts}, ${expertFf} wide, in ${layers.length} layers${shared}`;
}

/** The facts as aligned lines. */
export function describe(facts: ReturnType<typeof factsOf>): string {
  const { config, kernels } = facts;
  const bits = kernels.sameBits ? "" : ", bits depend on what is computed together";
  const rope = config.rope ? `rotary, theta ${config.rope.ropeTheta}, scaling ${config.rope.scaling.type}` : "learned";
  const ends = facts.tokenizer.end_tokens.map(({ id, text }) => `${text ?? "no text"} (${id})`);
  const dtypes = Object.entries(facts.parameters_by_dtype).map(([dtype, n]) => `${n.toLocaleString("en-US")} ${dtype}`);
  return [
    ["model", facts.directory],
    ["family", `${config.modelType}, ${config.nLayers} layers, ${config.dModel} wide, feed-forward ${config.dFf}`],
    ["attention", attentionText(config)],
    ...(config.experts ? [["experts", expertsText(config.experts)]] : []),
    ["positions", `${config.maxSeqLen}, ${rope}`],
    ["vocabulary", `${config.vocabSize}${config.tiedHead ? ", head tied to the embedding" : ""}`],
    ["ends at", ends.join(", ") || "no token"],
    ["parameters", `${facts.parameters.toLocaleString("en-US")} (${dtypes.join(", ")})`],
    [
      "memory",
      `weights ${bytesText(facts.weight_bytes)}, cache ${bytesText(facts.cache_bytes)} (${facts.cache_dtype}) for ${facts.cache_tokens} positions`,
    ],
    ["products", productsOf(facts)],
    ["kernels", `${kernels.name}: ${kernels.about}${bits} (${kernels.why})`],
    ...facts.notes.map((note) => ["note", note]),
    ...facts.tokenizer.warnings.map((warning) => ["warning", warning]),
  ]
    .map(([name, value]) => `${name.padEnd(11)} ${value}`)
    .join("\n");
}
