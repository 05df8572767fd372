// Opens a checkpoint: a folder in Hugging Face layout, or a GGUF file, by its path or its URL. What a model is made of is
// found and read as JSON here; what it means is load.ts's.

import { kindOf } from "#platform";
import { hasExtension, isUrl } from "../../weights/byte-source.ts";
import { type Folder, folderAt, type Json, readJson } from "../../weights/folder.ts";
import { withoutFp8 } from "../../weights/fp8.ts";
import type { GgufMetadata } from "../../weights/gguf-header.ts";
import { assertComplete } from "../../weights/manifest.ts";
import { noModel } from "../../weights/no-model.ts";
import { openSafetensors } from "../../weights/safetensors.ts";
import type { TensorSource } from "../../weights/tensor-source.ts";
import { FieldError } from "../field-error.ts";
import { familyOf } from "./families/known-families.ts";
import { withFamilyNames } from "./families/wrapped-names.ts";

/** What a model is made of, read but not yet understood. */
export interface OpenModel {
  /** The path or URL, as it was given. */
  readonly place: string;
  /** config.json, and what errors call it. */
  readonly json: Json;
  readonly where: string;
  /** The tensors; to be closed. */
  readonly source: TensorSource;
  /** Ids that end a text: `eos_token_id` of generation_config.json, else of config.json. */
  readonly endIds: readonly number[];
  /** Of a GGUF file, which holds its tokenizer too. */
  readonly metadata: GgufMetadata | undefined;
  /** What is read otherwise than the files have it, in sentences. */
  readonly notes: readonly string[];
}

/**
 * Opens the model at a path or a URL of http(s): a folder, or a file whose name ends in .gguf.
 * @throws one sentence that names the file, if one is missing or broken.
 */
export async function openModel(place: string): Promise<OpenModel> {
  if (hasExtension(place, ".gguf")) {
    const { openGgufModel } = await import("./families/from-gguf.ts");
    return { ...(await openGgufModel(place)), place, where: `${place} (as config.json)` };
  }
  if (!isUrl(place) && (await kindOf(place)) !== "directory") throw new Error(await noModel(place));
  await assertComplete(place);
  const folder = folderAt(place);
  const json = await readJson(folder, "config.json");
  if (!json) throw new Error(await noModel(place));
  const endIds = await endIdsOf(folder, json);
  const where = folder.placeOf("config.json");
  const { names } = familyOf(json, where);
  const checkpoint = await openSafetensors(folder);
  try {
    const plain = withoutFp8(checkpoint, blockSizeOf(json));
    const { source, notes } = withFamilyNames(plain.source, names);
    return { place, json, where, endIds, metadata: undefined, source, notes: [...plain.notes, ...notes] };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

/** How many numbers share a scale, where weights are 8-bit floats. @throws FieldError, if they are kept in another way. */
function blockSizeOf({ quantization_config }: Json): readonly number[] | undefined {
  if (!quantization_config) return undefined;
  const { quant_method, weight_block_size } = quantization_config as Json;
  const isBlock = Array.isArray(weight_block_size) && weight_block_size.length === 2;
  if (quant_method === "fp8" && isBlock && weight_block_size.every((size) => Number.isInteger(size) && size > 0))
    return weight_block_size;
  const given = JSON.stringify({ quant_method, weight_block_size });
  throw new FieldError("quantization_config", `${given}, expected fp8 with a weight_block_size`, "unsupported");
}

async function endIdsOf(folder: Folder, json: Json): Promise<number[]> {
  const generation = await readJson(folder, "generation_config.json");
  const value = generation?.eos_token_id ?? json.eos_token_id;
  return [value].flat().filter((id): id is number => Number.isInteger(id));
}
