// plainformer inspect: what a model is, what it takes in memory, and what will run it.

import type { Command } from "commander";
import { sizeOf } from "../../kernels/tensor.ts";
import { byteLengthOf } from "../../weights/dtype.ts";
import { tensorsOf } from "../model/model.ts";
import type { Plainformer } from "../plainformer.ts";
import { loadFrom, type ModelOptions, withModel } from "./options.ts";
import { bytesText } from "./progress.ts";

export function addInspect(program: Command): void {
  const command = program
    .command("inspect")
    .description("Shape, parameters, dtypes, memory and kernel set of a model.");
  withModel(command).option("--json", "one object").action(inspect);
}

async function inspect(options: ModelOptions & { json?: true }): Promise<void> {
  const model = await loadFrom(options);
  const facts = factsOf(model);
  console.log(options.json ? JSON.stringify(facts) : describe(facts));
  await model.close();
}

/** Everything that `inspect` says, as data. */
export function factsOf({ config, model, kernels, tokenizer, directory, files, cacheTokens }: Plainformer) {
  const tensors = [...tensorsOf(model).values()];
  const dtypes: Record<string, number> = {};
  for (const { dtype, shape } of tensors) dtypes[dtype] = (dtypes[dtype] ?? 0) + sizeOf(shape);
  const cacheElements = 2 * config.nLayers * Math.ceil(cacheTokens / 64) * 64 * config.nKvHeads * config.headDim;
  return {
    directory,
    files,
    config,
    tokenizer: { vocab_size: tokenizer.vocabSize, added_tokens: tokenizer.addedTokens.length },
    parameters: tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    parameters_by_dtype: dtypes,
    weight_bytes: tensors.reduce((sum, { dtype, shape }) => sum + byteLengthOf(dtype, sizeOf(shape)), 0),
    cache_tokens: cacheTokens,
    cache_bytes: byteLengthOf("f32", cacheElements),
    kernels,
  };
}

/** The facts as aligned lines. */
export function describe(facts: ReturnType<typeof factsOf>): string {
  const { config, kernels } = facts;
  const bits = kernels.sameBits ? "" : ", bits depend on what is computed together";
  const rope = config.rope ? `rotary, theta ${config.rope.ropeTheta}, scaling ${config.rope.scaling.type}` : "learned";
  const dtypes = Object.entries(facts.parameters_by_dtype).map(([dtype, n]) => `${n.toLocaleString("en-US")} ${dtype}`);
  return [
    ["model", facts.directory],
    ["family", `${config.modelType}, ${config.nLayers} layers, ${config.dModel} wide, feed-forward ${config.dFf}`],
    ["attention", `${config.nHeads} heads of ${config.headDim} on ${config.nKvHeads} key/value heads`],
    ["positions", `${config.maxSeqLen}, ${rope}`],
    ["vocabulary", `${config.vocabSize}${config.tiedHead ? ", head tied to the embedding" : ""}`],
    ["parameters", `${facts.parameters.toLocaleString("en-US")} (${dtypes.join(", ")})`],
    [
      "memory",
      `weights ${bytesText(facts.weight_bytes)}, cache ${bytesText(facts.cache_bytes)} for ${facts.cache_tokens} positions`,
    ],
    ["kernels", `${kernels.name}: ${kernels.about}${bits} (${kernels.why})`],
  ]
    .map(([name, value]) => `${name.padEnd(11)} ${value}`)
    .join("\n");
}
