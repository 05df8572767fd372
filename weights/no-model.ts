// What a place holds that no model can be read from, for the sentence that says so: told by names and first bytes, never by
// anything that would have to be run.

import { join, kindOf } from "#platform";
import { fileSource, isUrl } from "./byte-source.ts";
import { folderAt, readJson } from "./folder.ts";

const expected = "expected a model in Hugging Face layout, or a .gguf file";

/** Files that tell what a folder without config.json is, most telling first. */
const signs: readonly (readonly [file: string, is: string])[] = [
  ["adapter_model.bin", "it is an adapter in Python's pickle format; nothing is ever unpickled"],
  ["model_index.json", "it is a pipeline of diffusers, which makes images"],
  ["params.json", "it is a checkpoint in Meta's or Mistral's own layout; take the one in Hugging Face layout"],
  ["pytorch_model.bin", "its weights are in Python's pickle format; nothing is ever unpickled"],
  ["model.safetensors", "it has weights, whose shape config.json would tell"],
  ["tokenizer.json", "it has a tokenizer alone"],
  ["refs", "it is a download of the Hugging Face Hub: the model is one of the folders in its snapshots"],
  ["snapshots", "it is a download of the Hugging Face Hub: the model is one of the folders in its snapshots"],
  ["package.json", "it is the folder of a program"],
];

/** First bytes of files: as text of one character a byte. */
// biome-ignore-start lint/suspicious/noControlCharactersInRegex: what binary files begin with
const beginnings: readonly (readonly [pattern: RegExp, is: string])[] = [
  [/^GGUF/, "it is a GGUF file, and its name must end in .gguf"],
  [/^gg(ml|jt|mf)|^lmgg|^tjgg|^fmgg/, "it is a file in GGML's old format; convert it to GGUF"],
  [/^.{8}\{"/s, "it is a safetensors file; give the folder in which config.json is beside it"],
  [/^PK\x03\x04/, "it is a zip file, as PyTorch writes pickles (.pt, .bin); nothing is ever unpickled"],
  [/^\x80[\x02-\x05]/, "it is a Python pickle (.pkl, .bin, .pt); nothing is ever unpickled"],
  [/^\x89PNG|^\xff\xd8\xff|^GIF8|^RIFF.{4}WEBP|^BM/s, "it is an image"],
  [/^%PDF/, "it is a PDF"],
  [/^\x1f\x8b|^BZh|^\xfd7zXZ|^\x28\xb5\x2f\xfd/, "it is a compressed file; unpack it"],
  [/^\x89HDF/, "it is an HDF5 file"],
  [/^\x08[\x01-\x0f]\x12/, "it is an ONNX file"],
  [/^\x7fELF|^MZ|^\xcf\xfa\xed\xfe/, "it is a program"],
  [/^version https:\/\/git-lfs/, "it is a pointer of Git LFS, not the file; fetch it with git lfs pull"],
  [/^\s*[{[]/, "it is a JSON file; give the folder that it is in"],
  [/^[\t\n\r\x20-\x7e]+$/, "it is a text"],
];
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: what binary files begin with

/** One sentence on a place that has no config.json. */
export async function noModel(place: string): Promise<string> {
  const missing = `${place}: config.json is missing, ${expected}`;
  if (isUrl(place)) return missing;
  const kind = await kindOf(place);
  if (kind === undefined)
    return /^[\w-][\w.-]*\/[\w.-]+$/.test(place)
      ? `${place}: there is no such file or directory; for a model of the Hugging Face Hub, give hf:${place}`
      : `${place}: there is no such file or directory`;
  if (kind === "file") return `${place}: ${await fileAt(place)}; ${expected}`;
  const adapter = await readJson(folderAt(place), "adapter_config.json").catch(() => ({}));
  if (adapter) return `${missing}; ${adapterWords(adapter)}`;
  for (const [file, is] of signs) if (await kindOf(join(place, file))) return `${missing}; ${is}`;
  return missing;
}

function adapterWords({ peft_type, base_model_name_or_path: base }: Record<string, unknown>): string {
  const of = typeof base === "string" && base !== "" ? ` of ${base}` : "";
  if (peft_type === "PROMPT_TUNING" || peft_type === "P_TUNING")
    return `it is a soft prompt${of}: give the model, and this folder as softPrompt (--soft-prompt)`;
  return `it is an adapter${of}${typeof peft_type === "string" ? ` (${peft_type})` : ""}: it changes a model and is none`;
}

async function fileAt(path: string): Promise<string> {
  try {
    const source = await fileSource(path);
    const bytes = await source.read(0, Math.min(source.size, 64)).finally(source.close);
    if (bytes.length === 0) return "it is an empty file";
    const text = String.fromCharCode(...bytes);
    return beginnings.find(([pattern]) => pattern.test(text))?.[1] ?? "it is a file of unknown kind";
  } catch (error) {
    return `it cannot be read: ${(error as Error).message}`;
  }
}
