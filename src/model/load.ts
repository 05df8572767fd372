// From a directory in Hugging Face layout, or a GGUF file, to a Model: config.json chooses the family, the family takes its
// tensors from the checkpoint, and nothing may be missing or left over. Each tensor is read straight into its place.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Ops } from "../../kernels/ops.ts";
import { blockOf, decodeF32, encodeF32, type FloatDType, recode } from "../../weights/dtype.ts";
import type { GgufMetadata } from "../../weights/gguf-header.ts";
import { assertComplete } from "../../weights/hub.ts";
import { openSafetensors } from "../../weights/safetensors.ts";
import type { ModelConfig } from "./config.ts";
import { fieldsOf, type Json } from "./families/config-json.ts";
import type { Family, Weights } from "./families/family.ts";
import { gpt2 } from "./families/gpt2.ts";
import { llama } from "./families/llama.ts";
import { qwen2, qwen3 } from "./families/qwen.ts";
import { openGgufModel, ropeFactorsName } from "./from-gguf.ts";
import type { Linear, Model } from "./model.ts";
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
    const fields = fieldsOf(json, where);
    const config = await withRopeFactors(family.config(fields), source);
    const taken = new Set(config.rope?.scaling.type === "factors" ? [ropeFactorsName] : []);
    const model = await family.model(config, fields, weightsOf(ops, source, taken, options));
    const extra = [...source.tensors.keys()].filter((name) => !taken.has(name) && !family.ignores(name));
    if (extra.length > 0)
      throw new Error(`${path}: ${extra.length} tensors have no place in a ${config.modelType} model: ${some(extra)}`);
    return { model, endIds, files: source.files, metadata };
  } finally {
    await source.close();
  }
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

function weightsOf(ops: Ops, source: TensorSource, taken: Set<string>, options: LoadOptions): Weights {
  let loaded = 0;

  const shownName = (name: string) => source.storedName?.(name) ?? name;

  function entryOf(name: string, shape: readonly number[]) {
    const entry = source.tensors.get(name);
    const shown = shownName(name);
    if (!entry) throw new Error(`${source.files[0]}: tensor ${shown} is missing, expected shape [${shape}]`);
    if (entry.shape.length !== shape.length || shape.some((dim, i) => dim !== entry.shape[i]))
      throw new Error(`${entry.file}: tensor ${shown} has shape [${entry.shape}], expected [${shape}]`);
    const dtype = floatDTypes[entry.dtype];
    if (!dtype)
      throw new Error(
        `${entry.file}: tensor ${shown} has dtype ${entry.dtype}, expected ${Object.keys(floatDTypes).join(", ")}`,
      );
    taken.add(name);
    return { file: entry.file, dtype, bytes: entry.end - entry.begin, turned: entry.turned };
  }

  function report(bytes: number): void {
    loaded += bytes;
    options.onProgress?.(loaded, source.totalBytes);
  }

  /** Norms and biases are few and small: f32 saves every kernel a case. */
  function dtypeFor(name: string, file: string, fileDType: FloatDType, shape: readonly number[]): FloatDType {
    if (shape.length === 1) return "f32";
    const readable = fileDType !== "f64" && ops.kernels.weightDTypes.includes(fileDType);
    const dtype = options.dtype ?? (readable ? fileDType : "f32");
    const { elements } = blockOf(dtype);
    const width = shape[shape.length - 1];
    if (width % elements !== 0)
      throw new Error(
        `${file}: tensor ${shownName(name)} cannot be ${dtype}: its rows of ${width} are not whole blocks of ${elements}`,
      );
    return dtype;
  }

  const weights: Weights = {
    has: (name) => source.tensors.has(name),

    async take(name, shape) {
      const { file, dtype: fileDType, bytes } = entryOf(name, shape);
      const dtype = dtypeFor(name, file, fileDType, shape);
      const tensor = await ops.load(dtype, shape, async (into) => {
        if (dtype === fileDType) await source.read(name, into);
        else recode(await source.read(name), fileDType, dtype, into);
      });
      report(bytes);
      return tensor;
    },

    async linear(prefix, outDim, inDim, bias) {
      const weight = await weights.take(`${prefix}.weight`, [outDim, inDim]);
      return bias ? { weight, bias: await weights.take(`${prefix}.bias`, [outDim]) } : { weight };
    },

    async transposed(prefix, inDim, outDim, parts) {
      const name = `${prefix}.weight`;
      const turned = source.tensors.get(name)?.turned ?? false;
      const matrix = entryOf(name, turned ? [outDim, inDim] : [inDim, outDim]);
      const vector = entryOf(`${prefix}.bias`, [outDim]);
      const width = outDim / parts;
      const dtype = dtypeFor(name, matrix.file, matrix.dtype, [width, inDim]);
      const stored = await source.read(name);
      // Rows of the result, in the dtype of the file: cut out where they are stored so, else put together.
      const rowsOf = turned
        ? (part: number) => stored.subarray((part * stored.length) / parts, ((part + 1) * stored.length) / parts)
        : columnsOf(decodeF32(matrix.dtype, stored), inDim, outDim, width);
      const biases = decodeF32(vector.dtype, await source.read(`${prefix}.bias`)); // [outDim]
      const linears: Linear[] = [];
      for (let part = 0; part < parts; part++) {
        const weight = await ops.load(dtype, [width, inDim], async (into) => {
          recode(rowsOf(part), turned ? matrix.dtype : "f32", dtype, into);
        });
        const bias = await ops.load("f32", [width], async (into) =>
          into.set(encodeF32("f32", biases.slice(part * width, (part + 1) * width))),
        );
        linears.push({ weight, bias });
      }
      report(matrix.bytes + vector.bytes);
      return linears;
    },
  };
  return weights;
}

/** Columns part · width to (part + 1) · width of a matrix [inDim, outDim] as rows, f32. */
function columnsOf(matrix: Float32Array, inDim: number, outDim: number, width: number): (part: number) => Uint8Array {
  return (part) => {
    const columns = new Float32Array(width * inDim); // [width, inDim]
    for (let o = 0; o < width; o++)
      for (let i = 0; i < inDim; i++) columns[o * inDim + i] = matrix[i * outDim + part * width + o];
    return new Uint8Array(columns.buffer);
  };
}

/** The names that safetensors and GGUF give to dtypes that hold weights, and ours. */
export const floatDTypes: Readonly<Record<string, FloatDType>> = {
  F64: "f64",
  F32: "f32",
  BF16: "bf16",
  F16: "f16",
  Q8_0: "q8_0",
  Q4_0: "q4_0",
  Q4_1: "q4_1",
  Q4_K: "q4_K",
  Q6_K: "q6_K",
};

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
