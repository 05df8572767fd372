// A soft prompt as PEFT keeps it: one tensor `prompt_embeddings` [n, dModel] in a safetensors file, called
// adapter_model.safetensors in a directory of its own. What PEFT has no word for, the model's fingerprint and whether
// special tokens stand behind the rows, is in the file's metadata, which PEFT ignores; a file without it fits every model of
// its width.
// Source: huggingface/peft, src/peft/utils/save_and_load.py.

import { join, kindOf } from "#platform";
import type { ByteSource } from "../../weights/byte-source.ts";
import { encodeF32 } from "../../weights/dtype.ts";
import { folderAt, readJson } from "../../weights/folder.ts";
import { openSafetensors, readF32, writeSafetensors } from "../../weights/safetensors.ts";
import type { FindSoftPrompt, SoftPrompt } from "./soft-prompts.ts";

/** The name of the file in a directory that PEFT wrote. */
export const adapterFile = "adapter_model.safetensors";
const tensorName = "prompt_embeddings";
const configFile = "adapter_config.json";

/** The kinds of PEFT whose whole effect is rows before the text. Others keep rows too, and do something else with them. */
const kindsOfRows = ["PROMPT_TUNING", "P_TUNING"];

/**
 * Reads a file, open or by its path, or the directory that it is in.
 * @throws one sentence that names the file, if it is not there, is no safetensors file, is another kind of adapter, or does
 * not hold rows of finite numbers.
 */
export async function readSoftPrompt(place: string | ByteSource): Promise<SoftPrompt> {
  const inFolder = typeof place === "string" && (await kindOf(place)) === "directory";
  const source = inFolder ? join(place, adapterFile) : place;
  const file = typeof source === "string" ? source : source.name;
  if (typeof source === "string" && file.endsWith(adapterFile))
    await refuseOtherKinds(file.slice(0, -adapterFile.length) || ".");
  const checkpoint = await openSafetensors(source);
  try {
    const entry = checkpoint.tensors.get(tensorName);
    if (!entry) {
      const names = [...checkpoint.tensors.keys()].slice(0, 5).join(", ");
      throw new Error(
        `${file}: it holds ${names || "no tensors"}, expected ${tensorName}, as PEFT's prompt tuning saves it`,
      );
    }
    const others = [...checkpoint.tensors.keys()].filter((name) => name !== tensorName);
    if (others.length > 0) {
      const kind = others.some((name) => name.startsWith("prefix_task_")) ? " (PEFT's MULTITASK_PROMPT_TUNING)" : "";
      throw new Error(
        `${file}: it holds ${others.slice(0, 5).join(", ")} beside ${tensorName}${kind}, expected that alone, as prompt tuning saves it`,
      );
    }
    const [n, width] = entry.shape;
    if (entry.shape.length !== 2 || n === 0 || width === 0)
      throw new Error(`${file}: ${tensorName} has shape [${entry.shape}], expected [rows, width]`);
    const embeds = await readF32(checkpoint, tensorName);
    const bad = embeds.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0)
      throw new Error(
        `${file}: ${tensorName}, row ${Math.floor(bad / width)}, column ${bad % width} is ${embeds[bad]}, expected finite numbers`,
      );
    const { fingerprint, special_tokens } = checkpoint.metadata;
    const told = special_tokens === undefined ? {} : { specialTokens: special_tokens === "true" };
    return { embeds, shape: [n, width], fingerprint, ...told };
  } finally {
    await checkpoint.close();
  }
}

/** @throws one sentence that names the kind, if the adapter_config.json in a directory says that its rows are not all. */
async function refuseOtherKinds(directory: string): Promise<void> {
  const folder = folderAt(directory);
  const config = (await readJson(folder, configFile)) ?? {};
  const wrong = (field: string, expected: string) =>
    new Error(`${folder.placeOf(configFile)}: ${field} is ${JSON.stringify(config[field])}, expected ${expected}`);
  const { peft_type: kind, num_transformer_submodules: submodules } = config;
  if (kind !== undefined && !kindsOfRows.includes(String(kind)))
    throw wrong("peft_type", `${kindsOfRows.join(" or ")}: only these are rows before the text`);
  if ((submodules ?? 1) !== 1) throw wrong("num_transformer_submodules", "1: rows for a decoder alone");
}

/** Writes a file, which appears under its name only when it is complete. @throws one sentence that names the file. */
export async function writeSoftPrompt(
  file: string,
  { embeds, shape, fingerprint, specialTokens }: SoftPrompt,
): Promise<void> {
  const data = encodeF32("f32", embeds);
  const metadata = {
    format: "pt",
    ...(fingerprint === undefined ? {} : { fingerprint }),
    ...(specialTokens === undefined ? {} : { special_tokens: String(specialTokens) }),
  };
  await writeSafetensors(file, [{ name: tensorName, dtype: "F32", shape, data }], metadata);
}

/** Soft prompts of a folder: `name` is a directory that PEFT or `plainformer tune` wrote, or the file name.safetensors. */
export function softPromptsIn(folder: string): FindSoftPrompt {
  return async (name) => {
    for (const path of [join(folder, name), join(folder, `${name}.safetensors`)])
      if (await kindOf(path)) return readSoftPrompt(path);
    return undefined;
  };
}
