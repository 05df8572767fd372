// From a directory in Hugging Face layout to a Model: config.json chooses the family, the family takes its tensors from
// the checkpoint, and nothing may be missing or left over. Each tensor is read from the file straight into its place.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Ops } from "../../kernels/ops.ts";
import { sizeOf, type Tensor } from "../../kernels/tensor.ts";
import { byteLengthOf, type DType, decodeF32, encodeF32, type FloatDType } from "../../weights/dtype.ts";
import { assertComplete } from "../../weights/hub.ts";
import { type Checkpoint, openSafetensors } from "../../weights/safetensors.ts";
import { fieldsOf, type Json } from "./families/config-json.ts";
import type { Family, Weights } from "./families/family.ts";
import { gpt2 } from "./families/gpt2.ts";
import { llama } from "./families/llama.ts";
import { qwen2, qwen3 } from "./families/qwen.ts";
import type { Linear, Model } from "./model.ts";

const families: readonly Family[] = [llama, qwen2, qwen3, gpt2];

export interface LoadOptions {
  /** Dtype of the matrices in memory; as in the file where not given. */
  dtype?: "f32" | "bf16" | "f16";
  /** Called after each tensor with the bytes read so far and in all. */
  onProgress?: (loaded: number, total: number) => void;
}

export interface LoadedModel {
  readonly model: Model;
  /** Ids that end a text: `eos_token_id` of generation_config.json, else of config.json. */
  readonly endIds: readonly number[];
  readonly files: readonly string[];
}

/**
 * Reads the model in `directory`.
 * @throws one sentence, if a file or tensor is missing, broken, left over or of another shape, or the family is unknown.
 */
export async function loadModel(ops: Ops, directory: string, options: LoadOptions = {}): Promise<LoadedModel> {
  await assertComplete(directory);
  const json = await readJson(join(directory, "config.json"));
  if (!json) throw new Error(`${directory}: config.json is missing, expected a model in Hugging Face layout`);
  const family = familyOf(json, join(directory, "config.json"));
  const fields = fieldsOf(json, join(directory, "config.json"));
  const config = family.config(fields);
  const generation = await readJson(join(directory, "generation_config.json"));

  const checkpoint = await openSafetensors(directory);
  try {
    const taken = new Set<string>();
    const model = await family.model(config, fields, weightsOf(ops, checkpoint, taken, options));
    const extra = [...checkpoint.tensors.keys()].filter((name) => !taken.has(name) && !family.ignores(name));
    if (extra.length > 0)
      throw new Error(
        `${directory}: ${extra.length} tensors have no place in a ${config.modelType} model: ${some(extra)}`,
      );
    return { model, endIds: endIdsOf(generation?.eos_token_id ?? json.eos_token_id), files: checkpoint.files };
  } finally {
    await checkpoint.close();
  }
}

function familyOf(json: Json, where: string): Family {
  const family = families.find((candidate) => candidate.modelTypes.includes(String(json.model_type)));
  if (family) return family;
  const known = families.flatMap((candidate) => candidate.modelTypes).join(", ");
  throw new Error(`${where}: model_type is ${JSON.stringify(json.model_type)}, expected one of ${known}`);
}

function weightsOf(ops: Ops, checkpoint: Checkpoint, taken: Set<string>, options: LoadOptions): Weights {
  let loaded = 0;

  function entryOf(name: string, shape: readonly number[]) {
    const entry = checkpoint.tensors.get(name);
    if (!entry) throw new Error(`${checkpoint.files[0]}: tensor ${name} is missing, expected shape [${shape}]`);
    if (entry.shape.length !== shape.length || shape.some((dim, i) => dim !== entry.shape[i]))
      throw new Error(`${entry.file}: tensor ${name} has shape [${entry.shape}], expected [${shape}]`);
    const dtype = floatDTypes[entry.dtype];
    if (!dtype)
      throw new Error(
        `${entry.file}: tensor ${name} has dtype ${entry.dtype}, expected ${Object.keys(floatDTypes).join(", ")}`,
      );
    taken.add(name);
    return { dtype, bytes: entry.end - entry.begin };
  }

  function report(bytes: number): void {
    loaded += bytes;
    options.onProgress?.(loaded, checkpoint.totalBytes);
  }

  /** Norms and biases are few and small: f32 saves every kernel a case. */
  function dtypeFor(fileDType: FloatDType, rank: number): FloatDType {
    if (rank === 1) return "f32";
    return options.dtype ?? (fileDType !== "f64" && ops.kernels.weightDTypes.includes(fileDType) ? fileDType : "f32");
  }

  const weights: Weights = {
    has: (name) => checkpoint.tensors.has(name),

    async take(name, shape) {
      const { dtype: fileDType, bytes } = entryOf(name, shape);
      const dtype = dtypeFor(fileDType, shape.length);
      const tensor = await ops.load(dtype, shape, async (into) => {
        if (dtype === fileDType) await checkpoint.read(name, into);
        else into.set(encodeF32(dtype, decodeF32(fileDType, await checkpoint.read(name))));
      });
      report(bytes);
      return tensor;
    },

    async linear(prefix, outDim, inDim, bias) {
      const weight = await weights.take(`${prefix}.weight`, [outDim, inDim]);
      return bias ? { weight, bias: await weights.take(`${prefix}.bias`, [outDim]) } : { weight };
    },

    async transposed(prefix, inDim, outDim, parts) {
      const matrix = entryOf(`${prefix}.weight`, [inDim, outDim]);
      const vector = entryOf(`${prefix}.bias`, [outDim]);
      const rows = decodeF32(matrix.dtype, await checkpoint.read(`${prefix}.weight`)); // [inDim, outDim]
      const biases = decodeF32(vector.dtype, await checkpoint.read(`${prefix}.bias`)); // [outDim]
      const width = outDim / parts;
      const linears: Linear[] = [];
      for (let part = 0; part < parts; part++) {
        const columns = new Float32Array(width * inDim); // [width, inDim]
        for (let o = 0; o < width; o++)
          for (let i = 0; i < inDim; i++) columns[o * inDim + i] = rows[i * outDim + part * width + o];
        const weight = await loadValues(ops, dtypeFor(matrix.dtype, 2), [width, inDim], columns);
        const bias = await loadValues(ops, "f32", [width], biases.slice(part * width, (part + 1) * width));
        linears.push({ weight, bias });
      }
      report(matrix.bytes + vector.bytes);
      return linears;
    },
  };
  return weights;
}

/** The dtypes of safetensors that hold weights, under our names. */
const floatDTypes: Readonly<Record<string, FloatDType>> = { F64: "f64", F32: "f32", BF16: "bf16", F16: "f16" };

function loadValues(ops: Ops, dtype: FloatDType, shape: number[], values: Float32Array): Promise<Tensor> {
  return ops.load(dtype, shape, async (into) => into.set(encodeF32(dtype, values)));
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
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${path}: not valid JSON (${(error as Error).message})`);
  }
}

function some(names: readonly string[]): string {
  return names.slice(0, 3).join(", ") + (names.length > 3 ? ", …" : "");
}

/** Bytes of a set of tensors in memory, by dtype. */
export function bytesByDType(tensors: Iterable<Tensor>): Map<DType, number> {
  const bytes = new Map<DType, number>();
  for (const { dtype, shape } of tensors)
    bytes.set(dtype, (bytes.get(dtype) ?? 0) + byteLengthOf(dtype, sizeOf(shape)));
  return bytes;
}
