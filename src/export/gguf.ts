// Any model that we load as a GGUF file: what model/families/from-gguf.ts undoes, done. The family says which tensors the model has; each
// is read, turned to GGUF's order, put into the dtype that was asked for and written, one at a time.
// Source: ggml-org/llama.cpp, convert_hf_to_gguf.py.

import { basename } from "#platform";
import {
  blockOf,
  byteLengthOf,
  type DType,
  decodeF32,
  encodeF32,
  type FloatDType,
  recode,
} from "../../weights/dtype.ts";
import type { GgufField, GgufMetadata, GgufTensorType } from "../../weights/gguf-header.ts";
import { type GgufTensorToWrite, writeGguf } from "../../weights/gguf-write.ts";
import type { SourceTensor, TensorSource } from "../../weights/tensor-source.ts";
import { FieldError } from "../field-error.ts";
import type { ModelConfig } from "../model/config.ts";
import { fieldsOf } from "../model/families/config-json.ts";
import type { Weights } from "../model/families/family.ts";
import {
  type GgufArchitecture,
  ggufArchitectures,
  partsOf,
  rowInHuggingFace,
  translate,
} from "../model/families/gguf-architectures.ts";
import { putExtras } from "../model/families/gguf-extras.ts";
import { familyOf } from "../model/families/known-families.ts";
import { ropeFactorsName, withRopeFactors } from "../model/families/rope-json.ts";
import { floatDTypes } from "../model/families/take-weights.ts";
import type { WeightDType } from "../model/load.ts";
import { openModel } from "../model/open.ts";
import { ropeFrequencies, yarnMagnitude } from "../model/rope.ts";
import { tokenizerMetadata } from "./gguf-tokenizer.ts";

export interface ToGgufOptions {
  /** Dtype of the matrices; as they are in the model where not given. Vectors are f32 always. */
  readonly dtype?: WeightDType;
  /** The tokenizer's metadata, for a vocabulary of so many rows. `endIds` are the ids that end a text. Default: the model's */
  readonly tokenizer?: (vocabSize: number, endIds: readonly number[]) => GgufMetadata | Promise<GgufMetadata>;
  /** Called with the bytes written so far and in all. */
  readonly onProgress?: (written: number, total: number) => void;
}

/**
 * Writes the model at `path` (a folder in Hugging Face layout or a .gguf file, by path or URL) to the file `out`, which appears only when
 * it is complete.
 * @throws one sentence, if the model cannot be read, GGUF has no way to say what it is, or its rows are not whole blocks.
 */
export async function convertToGguf(path: string, out: string, options: ToGgufOptions = {}): Promise<void> {
  const { tokenizer = (vocabSize, endIds) => tokenizerMetadata(path, vocabSize, endIds) } = options;
  const { json, where, source, endIds } = await openModel(path);
  try {
    const typesOf = ({ name, modelTypes }: GgufArchitecture) => modelTypes ?? [name];
    const architecture = ggufArchitectures.find((candidate) => typesOf(candidate).includes(String(json.model_type)));
    if (!architecture) {
      const known = ggufArchitectures.flatMap(typesOf).join(", ");
      throw new Error(`${where}: model_type is ${JSON.stringify(json.model_type)}, GGUF is written for ${known}`);
    }
    const family = familyOf(json, where);
    const fields = fieldsOf(json, where);
    const config = await withRopeFactors(family.config(fields), source);
    const wanted: Wanted[] = [];
    const { layers } = await family.model(config, fields, wish(source, wanted));
    if (json.rope_interleave === false)
      throw new FieldError("rope_interleave", "false, which GGUF has no key for", "unsupported");
    const extra = [...source.tensors.keys()].find(
      (name) =>
        name !== ropeFactorsName &&
        !family.ignores(name, fields) &&
        !wanted.some((tensor) => tensor.name === name || tensor.parts?.includes(name)),
    );
    if (extra !== undefined) throw new Error(`${path}: tensor ${extra} has no place in a ${config.modelType} model`);

    const tensors = wanted.map((tensor) => tensorToWrite(tensor, source, architecture, config, options.dtype));
    const factors = ropeFactorsOf(config);
    if (factors)
      tensors.push({ name: ropeFactorsName, dtype: "F32", shape: [factors.length], data: encodeF32("f32", factors) });
    const metadata = new Map<string, GgufField>([
      ["general.architecture", { type: "string", value: architecture.name }],
      ["general.name", { type: "string", value: basename(path, ".gguf") }],
      ["general.file_type", { type: "u32", value: fileTypeOf(tensors) }],
      ["general.quantization_version", { type: "u32", value: 2 }],
      ...configFields(config, architecture, layers[0].attn.scale, where),
      ...(await tokenizer(config.vocabSize, endIds)),
    ]);
    await writeGguf(out, metadata, tensors, options.onProgress);
  } finally {
    await source.close();
  }
}

interface Wanted {
  readonly name: string;
  readonly shape: readonly number[];
  /** Of a stack of matrices: the tensors that it is made of. */
  readonly parts?: readonly string[];
}

/** Weights that only note what the family takes, in its order. */
function wish(source: TensorSource, wanted: Wanted[]): Weights {
  const nothing = {};
  const weights: Weights = {
    has: (name) => source.tensors.has(name),
    async take(name, shape) {
      wanted.push({ name, shape });
      return { dtype: "f32", shape, buffer: nothing };
    },
    async linear(prefix, outDim, inDim, bias) {
      const weight = await weights.take(`${prefix}.weight`, [outDim, inDim]);
      return bias ? { weight, bias: await weights.take(`${prefix}.bias`, [outDim]) } : { weight };
    },
    async stack(prefix, name, n, outDim, inDim) {
      const stack = await weights.take(`${prefix}.${name}.weight`, [n, outDim, inDim]);
      if (weights.has(`${prefix}.${name}.weight`)) return stack;
      const parts = Array.from({ length: n }, (_, i) => `${prefix}.${i}.${name}.weight`);
      wanted.push({ ...(wanted.pop() as Wanted), parts });
      return stack;
    },
    async headParts(name, heads, keyDim, valueDim, inDim) {
      const whole = await weights.take(name, [heads * (keyDim + valueDim), inDim]);
      return [whole, whole];
    },
    async transposed(prefix, inDim, outDim, parts) {
      const turned = source.tensors.get(`${prefix}.weight`)?.turned;
      const weight = await weights.take(`${prefix}.weight`, turned ? [outDim, inDim] : [inDim, outDim]);
      const bias = await weights.take(`${prefix}.bias`, [outDim]);
      return Array.from({ length: parts }, () => ({ weight, bias }));
    },
  };
  return weights;
}

function tensorToWrite(
  { name, shape, parts }: Wanted,
  source: TensorSource,
  architecture: GgufArchitecture,
  config: ModelConfig,
  asked: ToGgufOptions["dtype"],
): GgufTensorToWrite {
  const stored = parts ?? [name];
  const storedShape = parts ? shape.slice(1) : shape;
  const missing = stored.find((part) => !source.tensors.has(part));
  if (missing) throw new Error(`${source.files[0]}: tensor ${missing} is missing, expected shape [${storedShape}]`);
  const entries = stored.map((part) => source.tensors.get(part) as SourceTensor);
  const [entry] = entries;
  const other = entries.findIndex(({ shape, dtype }) => shape.join() !== storedShape.join() || dtype !== entry.dtype);
  if (other >= 0)
    throw new Error(
      `${entries[other].file}: tensor ${stored[other]} is ${entries[other].dtype} [${entries[other].shape}], expected ${entry.dtype} [${storedShape}]`,
    );
  const from = floatDTypes[entry.dtype];
  if (!from) throw new Error(`${entry.file}: tensor ${name} has dtype ${entry.dtype}, which is not computed here`);
  const ggufName = translate(name, architecture, "gguf");
  if (ggufName === undefined) throw new Error(`${entry.file}: tensor ${name} has no name in GGUF`);

  const turns = !entry.turned && shape.length === 2 && architecture.turned.includes(partsOf(name).module);
  const written = turns ? [shape[1], shape[0]] : shape;
  const dtype = dtypeFor(ggufName, written, entry.held ?? from, asked);
  const { elements } = blockOf(dtype);
  const width = written[written.length - 1];
  if (width % elements !== 0)
    throw new Error(
      `${entry.file}: tensor ${name} cannot be ${dtype}: its rows of ${width} are not whole blocks of ${elements}`,
    );
  const pairs = architecture.neighborPairs && /\.attn_[qk]\.(weight|bias)$/.test(ggufName);
  return {
    name: ggufName,
    dtype: typeNames[dtype],
    shape: written,
    async data() {
      if (parts) {
        const rows = await Promise.all(parts.map(async (part) => sameRows(await source.read(part), from, dtype)));
        const all = new Uint8Array(rows.reduce((sum, { length }) => sum + length, 0));
        for (const [i, part] of rows.entries()) all.set(part, i * part.length);
        return all;
      }
      const whole = await source.read(name);
      const raised = architecture.plusOne && shape.length === 1 && !entry.plusOne;
      if (raised)
        return encodeF32(
          dtype,
          decodeF32(from, whole).map((value) => 1 + value),
        );
      const bytes = turns ? turned(whole, entry, from, dtype) : sameRows(whole, from, dtype);
      return pairs ? toNeighbors(bytes, written[0], config.headDim) : bytes;
    },
  };
}

/** Vectors and positions stay f32, as llama.cpp wants them. */
function dtypeFor(
  ggufName: string,
  shape: readonly number[],
  from: FloatDType,
  asked: FloatDType | undefined,
): FloatDType {
  if (shape.length === 1 || ggufName === "position_embd.weight") return "f32";
  return asked ?? (from === "f64" ? "f32" : from);
}

function sameRows(bytes: Uint8Array, from: FloatDType, to: FloatDType): Uint8Array {
  if (from === to) return bytes;
  const elements = (bytes.length / blockOf(from).bytes) * blockOf(from).elements;
  return recode(bytes, from, to, new Uint8Array(byteLengthOf(to, elements)));
}

function turned(bytes: Uint8Array, { shape }: SourceTensor, from: FloatDType, to: FloatDType): Uint8Array {
  const values = decodeF32(from, bytes);
  const [rows, columns] = shape;
  const out = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = values[r * columns + c];
  return encodeF32(to, out);
}

/** Rows of q or k from Hugging Face's order to GGUF's. */
function toNeighbors(bytes: Uint8Array, rows: number, headDim: number): Uint8Array {
  const rowBytes = bytes.length / rows;
  const out = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row++) {
    const from = rowInHuggingFace(row, headDim) * rowBytes;
    out.set(bytes.subarray(from, from + rowBytes), row * rowBytes);
  }
  return out;
}

/** Our dtypes under GGUF's names. */
const typeNames = Object.fromEntries(Object.entries(floatDTypes).map(([name, dtype]) => [dtype, name])) as Record<
  FloatDType,
  GgufTensorType
>;

// `general.file_type`: what most matrices are. llama.cpp only shows it.
const fileTypes: Readonly<Partial<Record<DType, number>>> = {
  f32: 0,
  f16: 1,
  q4_0: 2,
  q4_1: 3,
  q8_0: 7,
  q4_K: 15,
  q6_K: 18,
  bf16: 32,
};

function fileTypeOf(tensors: readonly GgufTensorToWrite[]): number {
  const matrix = tensors.findLast(({ name, shape }) => shape.length === 2 && name.startsWith("blk."));
  return fileTypes[floatDTypes[matrix?.dtype ?? "F32"]] ?? 0;
}

function configFields(
  config: ModelConfig,
  architecture: GgufArchitecture,
  scale: number,
  where: string,
): [string, GgufField][] {
  const fields: [string, GgufField][] = [];
  const put = (name: string, type: "u32" | "f32" | "string" | "bool", value: number | string | boolean) =>
    fields.push([`${architecture.name}.${name}`, { type, value } as GgufField]);
  putExtras(architecture.name, config, scale, put);
  for (const { gguf, config: key } of architecture.fields) put(gguf, key === "normEps" ? "f32" : "u32", config[key]);
  put("vocab_size", "u32", config.vocabSize);
  const { rope, headDim } = config;
  if (!rope) return fields;

  if (rope.ropeDim !== headDim && !config.latent)
    throw new Error(
      `${where}: ${rope.ropeDim} of ${headDim} values of a head are turned, GGUF is written for all of them`,
    );
  put("attention.head_count_kv", "u32", config.nKvHeads);
  put("attention.key_length", "u32", headDim);
  put("attention.value_length", "u32", config.latent?.vHeadDim ?? headDim);
  put("rope.dimension_count", "u32", rope.ropeDim);
  put("rope.freq_base", "f32", rope.ropeTheta);
  const { scaling } = rope;
  if (scaling.type === "linear" || scaling.type === "yarn") {
    put("rope.scaling.type", "string", scaling.type);
    put("rope.scaling.factor", "f32", scaling.factor);
  }
  if (scaling.type === "yarn") {
    if (!scaling.truncate) throw new Error(`${where}: rope_scaling.truncate is false, which GGUF has no key for`);
    put("rope.scaling.original_context_length", "u32", scaling.originalMaxSeqLen);
    // Latent attention does without llama.cpp's own factor.
    const own = config.latent ? 1 : yarnMagnitude(scaling.factor);
    put("rope.scaling.attn_factor", "f32", scaling.attentionFactor / own);
    put("rope.scaling.yarn_beta_fast", "f32", scaling.betaFast);
    put("rope.scaling.yarn_beta_slow", "f32", scaling.betaSlow);
  }
  return fields;
}

/** By how much each frequency is divided, where the model has Llama 3's scaling. */
function ropeFactorsOf({ rope }: ModelConfig): Float32Array | undefined {
  if (rope?.scaling.type === "factors") return Float32Array.from(rope.scaling.factors);
  if (rope?.scaling.type !== "llama3") return undefined;
  const plain = ropeFrequencies({ ...rope, scaling: { type: "none" } }).perPosition;
  return ropeFrequencies(rope).perPosition.map((frequency, i) => plain[i] / frequency);
}
