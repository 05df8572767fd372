// From a directory in Hugging Face layout, or a GGUF file, to a Model: config.json chooses the family, the family takes its
// tensors from the checkpoint, and nothing may be missing or left over. Each tensor is read straight into its place.

import { readFile } from "node:fs/promises";
import { totalmem } from "node:os";
import { join } from "node:path";
import type { Ops } from "../../kernels/ops.ts";
import { decodeF32 } from "../../weights/dtype.ts";
import { fingerprintOf } from "../../weights/fingerprint.ts";
import type { GgufMetadata } from "../../weights/gguf-header.ts";
import { assertComplete } from "../../weights/manifest.ts";
import { openSafetensors } from "../../weights/safetensors.ts";
import type { ModelConfig } from "./config.ts";
import { fieldsOf, type Json } from "./families/config-json.ts";
import type { Family } from "./families/family.ts";
import { openGgufModel, ropeFactorsName } from "./families/from-gguf.ts";
import { gpt2 } from "./families/gpt2.ts";
import { llama } from "./families/llama.ts";
import { qwen2, qwen3 } from "./families/qwen.ts";
import { bytesInMemory, weightsOf } from "./families/take-weights.ts";
import type { Model } from "./model.ts";
import type { TensorSource } from "./tensor-source.ts";

const families: readonly Family[] = [llama, qwen2, qwen3, gpt2];

/** Dtypes that weights can be turned into at load. */
export const weightDTypes = ["f32", "bf16", "f16", "q8_0", "q4_0", "q4_1", "q4_K", "q6_K"] as const;
export type WeightDType = (typeof weightDTypes)[number];

export interface LoadOptions {
  /** Dtype of the matrices in memory; as in the file where not given. */
  dtype?: WeightDType;
  /** Called after each tensor with the bytes read so far and in all. */
  onProgress?: (loaded: number, total: number) => void;
}

export interface LoadedModel {
  readonly model: Model;
  /** Ids that end a text: `eos_token_id` of generation_config.json, else of config.json. */
  readonly endIds: readonly number[];
  readonly files: readonly string[];
  /** Tells the checkpoint from any other. */
  readonly fingerprint: string;
  /** Of a GGUF file, which holds its tokenizer too. */
  readonly metadata: GgufMetadata | undefined;
}

/**
 * Reads the model in a directory, or in a file whose name ends in .gguf.
 * @throws one sentence, if a file or tensor is missing, broken, left over or of another shape, the family is unknown, or
 * the kernels do not read the dtype that was asked for.
 */
export async function loadModel(ops: Ops, path: string, options: LoadOptions = {}): Promise<LoadedModel> {
  const { name, weightDTypes } = ops.kernels;
  if (options.dtype && !weightDTypes.includes(options.dtype))
    throw new RangeError(
      `dtype: the ${name} kernels do not read ${options.dtype}, expected ${weightDTypes.join(", ")}`,
    );

  const { json, where, source, endIds, metadata } = await openModel(path);
  try {
    const family = familyOf(json, where);
    assertFits(ops, path, source, options.dtype);
    const fields = fieldsOf(json, where);
    const config = await withRopeFactors(family.config(fields), source);
    const taken = new Set(config.rope?.scaling.type === "factors" ? [ropeFactorsName] : []);
    const model = await family.model(config, fields, weightsOf(ops, source, taken, options));
    const extra = [...source.tensors.keys()].filter((name) => !taken.has(name) && !family.ignores(name));
    if (extra.length > 0)
      throw new Error(`${path}: ${extra.length} tensors have no place in a ${config.modelType} model: ${some(extra)}`);
    const fingerprint = await fingerprintOf(config, source);
    return { model, endIds, files: source.files, fingerprint, metadata };
  } finally {
    await source.close();
  }
}

/** Complains before anything is read when the weights are more than the kernel set, or this machine, can hold. */
function assertFits(ops: Ops, path: string, source: TensorSource, dtype: WeightDType | undefined): void {
  const { name, maxBytes } = ops.kernels;
  const needed = bytesInMemory(ops, source, dtype);
  const most = Math.min(maxBytes, totalmem());
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  if (needed > most)
    throw new Error(
      `${path}: the weights need ${mebibytes(needed)} of memory, ${most === maxBytes ? `the ${name} kernels hold` : "this machine has"} ${mebibytes(most)} (dtype q8_0 or q4_0 makes them smaller)`,
    );
}

/** What a model is made of, read but not yet understood: config.json, where errors say it is, the tensors, and the ids that end a text. */
export interface OpenModel {
  readonly json: Json;
  readonly where: string;
  readonly source: TensorSource;
  readonly endIds: readonly number[];
  readonly metadata: GgufMetadata | undefined;
}

/** Opens a directory or a .gguf file; `source` is to be closed. @throws as `loadModel`. */
export async function openModel(path: string): Promise<OpenModel> {
  if (path.endsWith(".gguf")) return { ...(await openGgufModel(path)), where: `${path} (as config.json)` };
  await assertComplete(path);
  const where = join(path, "config.json");
  const json = await readJson(where);
  if (!json)
    throw new Error(`${path}: config.json is missing, expected a model in Hugging Face layout, or a .gguf file`);
  const generation = await readJson(join(path, "generation_config.json"));
  const endIds = endIdsOf(generation?.eos_token_id ?? json.eos_token_id);
  return { json, where, source: await openSafetensors(path), endIds, metadata: undefined };
}

/** GGUF files carry Llama 3's scaling as a tensor of divisors [ropeDim/2]. */
export async function withRopeFactors(config: ModelConfig, source: TensorSource): Promise<ModelConfig> {
  const entry = source.tensors.get(ropeFactorsName);
  if (!entry || !config.rope) return config;
  if (config.rope.scaling.type !== "none")
    throw new Error(
      `${entry.file}: both ${ropeFactorsName} and rope.scaling.type ${config.rope.scaling.type}, expected one`,
    );
  const half = config.rope.ropeDim / 2;
  if (entry.dtype !== "F32" || entry.shape.length !== 1 || entry.shape[0] !== half)
    throw new Error(
      `${entry.file}: tensor ${ropeFactorsName} is ${entry.dtype} [${entry.shape}], expected F32 [${half}]`,
    );
  const factors = [...decodeF32("f32", await source.read(ropeFactorsName))];
  return { ...config, rope: { ...config.rope, scaling: { type: "factors", factors } } };
}

/** The family that `model_type` names. @throws if there is none; the error lists those that we know. */
export function familyOf(json: Json, where: string): Family {
  const family = families.find((candidate) => candidate.modelTypes.includes(String(json.model_type)));
  if (family) return family;
  const known = families.flatMap((candidate) => candidate.modelTypes).join(", ");
  throw new Error(`${where}: model_type is ${JSON.stringify(json.model_type)}, expected one of ${known}`);
}

function endIdsOf(value: unknown): number[] {
  return [value].flat().filter((id): id is number => Number.isInteger(id));
}

/** The object in a JSON file, or undefined where there is no such file. */
export async function readJson(path: string): Promise<Json | undefined> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${path}: not valid JSON (${(error as Error).message})`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`${path}: expected an object, got ${text.trim().slice(0, 40)}`);
  return value as Json;
}

function some(names: readonly string[]): string {
  return names.slice(0, 3).join(", ") + (names.length > 3 ? ", …" : "");
}
