// A GGUF file as the loader wants it: the config.json that its metadata came from, and its tensors under Hugging Face names
// with their rows in Hugging Face order. So every family reads GGUF without knowing it. Only what is computed here passes:
// a key that would change the forward pass in a way we do not have is an error.
// Source: ggml-org/llama.cpp, src/llama-model.cpp (what the keys do), convert_hf_to_gguf.py (how they are made).

import type { Json } from "../../../weights/folder.ts";
import { type GgufFile, openGguf } from "../../../weights/gguf.ts";
import { GgufError, type GgufMetadata, isNoToken } from "../../../weights/gguf-header.ts";
import type { SourceTensor, TensorSource } from "../../../weights/tensor-source.ts";
import { isUnpacked, unpackBlocks, unpackings } from "../../../weights/unpack.ts";
import { yarnMagnitude } from "../rope.ts";
import {
  type GgufArchitecture,
  ggufArchitectures,
  partsOf,
  rowInHuggingFace,
  translate,
} from "./gguf-architectures.ts";
import { extraFields } from "./gguf-extras.ts";

export interface GgufModel {
  /** As config.json would say it. */
  readonly json: Json;
  readonly source: TensorSource;
  readonly endIds: readonly number[];
  readonly metadata: GgufMetadata;
  /** What was read otherwise than the file has it, in sentences. */
  readonly notes: readonly string[];
}

/**
 * Opens a .gguf file as a model.
 * @throws a GgufError, if a rule of the format is broken, the architecture is unknown, or a key is missing or asks for
 * what is not computed here.
 */
export async function openGgufModel(path: string): Promise<GgufModel> {
  const file = await openGguf(path);
  try {
    const architecture = architectureOf(file);
    const json = configOf(file, architecture);
    const source = sourceOf(file, architecture, json);
    return { json, source, endIds: endIdsOf(file), metadata: file.metadata, notes: unpackedIn(file) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

function architectureOf({ file, metadata }: GgufFile): GgufArchitecture {
  const name = metadata.get("general.architecture")?.value;
  const architecture = ggufArchitectures.find((candidate) => candidate.name === name);
  if (!architecture) {
    const known = ggufArchitectures.map((candidate) => candidate.name).join(", ");
    const problem = `${name === undefined ? "missing" : JSON.stringify(name)}, expected one of ${known}`;
    throw new GgufError(file, "metadata", problem, "general.architecture");
  }
  const parts = numberOf({ file, metadata }, "split.count") ?? 1;
  if (parts > 1) throw new GgufError(file, "metadata", `one of ${parts} parts, expected a whole file`, "split.count");
  return architecture;
}

// What changes the forward pass and is not computed here, with the value that changes nothing.
const refused: Readonly<Record<string, number>> = {
  expert_count: 0,
  logit_scale: 0,
  residual_scale: 0,
  embedding_scale: 0,
  "attention.scale": 0,
  "attention.sliding_window": 0,
  "attention.clamp_kqv": 0,
  "attention.max_alibi_bias": 0,
  final_logit_softcapping: 0,
  attn_logit_softcapping: 0,
  "rope.scaling.yarn_log_multiplier": 0,
  "rope.scaling.yarn_attn_factor": 1,
  "rope.scaling.yarn_ext_factor": 1,
};

// What llama.cpp lets a file say layer by layer. A model here has one number, so they must be equal.
const perLayer = ["attention.head_count", "attention.head_count_kv", "feed_forward_length"];

function configOf(opened: GgufFile, architecture: GgufArchitecture): Json {
  const { file, tensors } = opened;
  const key = (name: string) => `${architecture.name}.${name}`;
  const read = (name: string) =>
    (perLayer.includes(name) ? equalInLayers(opened, key(name), key("block_count")) : undefined) ??
    numberOf(opened, key(name));
  for (const [name, harmless] of Object.entries(refused)) {
    const value = read(name);
    if (value !== undefined && value !== harmless && !architecture.reads?.includes(name)) {
      throw new GgufError(file, "metadata", `${value}, expected ${harmless} (it is not computed here)`, key(name));
    }
  }
  const modelType = architecture.modelTypes?.[0] ?? architecture.name;
  const json: Json = { model_type: modelType, tie_word_embeddings: !tensors.has("output.weight") };
  for (const { gguf, huggingFace } of architecture.fields) {
    const value = read(gguf);
    if (value === undefined) throw new GgufError(file, "metadata", "missing, expected a number", key(gguf));
    json[huggingFace] = value;
  }
  json.vocab_size = tensors.get("token_embd.weight")?.shape[0];
  if (architecture.name === "gpt2") return json;

  const need = (name: string) => {
    const value = read(name);
    if (value === undefined) throw new GgufError(file, "metadata", "missing, expected a number", key(name));
    return value;
  };
  const flag = (name: string) => {
    const value = opened.metadata.get(key(name))?.value;
    return value === undefined ? undefined : Boolean(value);
  };
  const extra = extraFields(architecture.name, read, need, flag);
  const rope_scaling = ropeScalingOf(opened, key);
  if (architecture.name === "deepseek2") {
    const { mscale, ...fields } = extra;
    const magnitudes = mscale === undefined ? {} : { mscale, mscale_all_dim: mscale };
    return {
      ...json,
      ...fields,
      attention_bias: tensors.has("blk.0.attn_kv_a_mqa.bias"),
      rope_theta: read("rope.freq_base") ?? 10000,
      rope_scaling: rope_scaling && {
        ...rope_scaling,
        attention_factor: read("rope.scaling.attn_factor") ?? 1,
        ...magnitudes,
      },
    };
  }
  const heads = json.num_attention_heads as number;
  const headDim = read("attention.key_length") ?? (json.hidden_size as number) / heads;
  for (const name of ["attention.value_length", "rope.dimension_count"]) {
    const value = read(name) ?? headDim;
    if (value === headDim) continue;
    throw new GgufError(file, "metadata", `${value}, expected ${headDim}: the width of a head`, key(name));
  }
  return {
    ...json,
    head_dim: headDim,
    num_key_value_heads: read("attention.head_count_kv") ?? heads,
    attention_bias: tensors.has("blk.0.attn_q.bias"),
    attention_output_bias: tensors.has("blk.0.attn_output.bias"),
    mlp_bias: tensors.has("blk.0.ffn_up.bias"),
    rope_theta: read("rope.freq_base") ?? 10000,
    rope_scaling,
    ...extra,
  };
}

function ropeScalingOf(opened: GgufFile, key: (name: string) => string): Json | null {
  const { file, metadata } = opened;
  const type = metadata.get(key("rope.scaling.type"))?.value ?? "linear";
  const read = (name: string) => numberOf(opened, key(`rope.scaling.${name}`));
  // Files from before 2023-10 have one number for it. 0 stands for none.
  const factor = read("factor") ?? numberOf(opened, key("rope.scale_linear"));
  if (type === "none" || (type === "linear" && !factor)) return null;
  if (type === "linear") return { type, factor };
  if (type !== "yarn") {
    const problem = `${JSON.stringify(type)}, expected none, linear or yarn`;
    throw new GgufError(file, "metadata", problem, key("rope.scaling.type"));
  }
  return {
    type,
    factor,
    original_max_position_embeddings: read("original_context_length"),
    attention_factor: (read("attn_factor") ?? 1) * yarnMagnitude(factor ?? 1),
    beta_fast: read("yarn_beta_fast"),
    beta_slow: read("yarn_beta_slow"),
  };
}

function sourceOf(opened: GgufFile, architecture: GgufArchitecture, json: Json): TensorSource {
  const { file } = opened;
  const ggufNames = new Map<string, string>();
  const tensors = new Map<string, SourceTensor>();
  for (const [ggufName, entry] of opened.tensors) {
    const name = translate(ggufName, architecture, "huggingFace") ?? ggufName;
    const turned = architecture.turned.includes(partsOf(name).module);
    const dtype = isUnpacked(entry.dtype) ? unpackings[entry.dtype].to : entry.dtype;
    const plusOne = architecture.plusOne && entry.shape.length === 1;
    ggufNames.set(name, ggufName);
    tensors.set(name, { ...entry, file, dtype, ...(turned ? { turned } : {}), ...(plusOne ? { plusOne } : {}) });
  }
  const readStored = async (ggufName: string, into?: Uint8Array) => {
    const { dtype } = opened.tensors.get(ggufName) ?? {};
    if (dtype === undefined || !isUnpacked(dtype)) return opened.read(ggufName, into);
    return unpackBlocks(dtype, await opened.read(ggufName), into);
  };
  return {
    tensors,
    files: [file],
    totalBytes: opened.totalBytes,
    readRange: opened.readRange,
    close: opened.close,
    storedName: (name) => translate(name, architecture, "gguf") ?? name,
    async read(name, into) {
      const ggufName = ggufNames.get(name) ?? name;
      if (!architecture.neighborPairs || !/\.attn_[qk]\.(weight|bias)$/.test(ggufName))
        return readStored(ggufName, into);
      const stored = await readStored(ggufName);
      const [rows] = (opened.tensors.get(ggufName) as { shape: readonly number[] }).shape;
      return toHalves(stored, into ?? new Uint8Array(stored.length), rows, json.head_dim as number);
    },
  };
}

/** Rows of q or k from GGUF's order to Hugging Face's; whole rows move, so it does for every dtype. */
function toHalves(stored: Uint8Array, into: Uint8Array, rows: number, headDim: number): Uint8Array {
  const rowBytes = stored.length / rows;
  for (let row = 0; row < rows; row++) {
    const to = rowInHuggingFace(row, headDim) * rowBytes;
    into.set(stored.subarray(row * rowBytes, (row + 1) * rowBytes), to);
  }
  return into;
}

/** How many tensors are unpacked as they are read, and to what. */
function unpackedIn({ tensors }: GgufFile): string[] {
  const counts = new Map<string, number>();
  for (const { dtype } of tensors.values())
    if (isUnpacked(dtype)) {
      const change = `${dtype} in the file, held as ${unpackings[dtype].to} with the same values`;
      counts.set(change, (counts.get(change) ?? 0) + 1);
    }
  return [...counts].map(([change, count]) => `${count} ${count === 1 ? "tensor is" : "tensors are"} ${change}`);
}

function endIdsOf(opened: GgufFile): number[] {
  // End of text, of turn, of message: files name those that they have.
  const keys = ["eos", "eot", "eom"].map((name) => `tokenizer.ggml.${name}_token_id`);
  const named = keys.filter((key) => !isNoToken(opened.metadata.get(key)?.value));
  return [...new Set(named.map((key) => numberOf(opened, key)).filter((id) => id !== undefined))];
}

/** The number that every layer has, where a key holds one for each. */
function equalInLayers({ file, metadata }: GgufFile, key: string, countKey: string): number | undefined {
  const field = metadata.get(key);
  if (field?.type !== "array") return undefined;
  const layers = numberOf({ file, metadata }, countKey);
  const values = Array.from(field.value, Number);
  if (values.length !== layers)
    throw new GgufError(
      file,
      "metadata",
      `an array of ${values.length}, expected one number or ${layers}: one a layer`,
      key,
    );
  const other = values.find((value) => value !== values[0]);
  if (other === undefined && Number.isSafeInteger(values[0])) return values[0];
  const problem = `${values[0]} in one layer, ${other ?? "no whole number"} in another, expected the same in all (layers that differ are not computed here)`;
  throw new GgufError(file, "metadata", problem, key);
}

/** The number under a key, undefined where there is none. */
function numberOf({ file, metadata }: { file: string; metadata: GgufMetadata }, key: string): number | undefined {
  const field = metadata.get(key);
  if (field === undefined) return undefined;
  if (typeof field.value === "number") return field.value;
  if (typeof field.value === "bigint" && BigInt.asIntN(54, field.value) === field.value) return Number(field.value);
  const what = field.type === "array" ? `an array of ${field.value.length}` : String(field.value).slice(0, 80);
  throw new GgufError(file, "metadata", `${what}, expected one number`, key);
}
