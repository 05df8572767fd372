// What a place is said to be that no model can be read from.

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { load } from "../../src/plainformer.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "plainformer-none-"));
});
afterAll(() => rm(folder, { recursive: true }));

const bytes = (text: string) => Buffer.from(text, "latin1");

test.each<[string, Buffer, string]>([
  ["model.bin", bytes("PK\x03\x04\x00\x00"), "it is a zip file, as PyTorch writes pickles"],
  ["old.pt", bytes("\x80\x02}q\x00"), "it is a Python pickle"],
  ["weights", bytes("GGUF\x03\x00\x00\x00"), "it is a GGUF file, and its name must end in .gguf"],
  [
    "model.safetensors",
    bytes('\x10\x00\x00\x00\x00\x00\x00\x00{"a":{"dtype"'),
    "it is a safetensors file; give the folder in which config.json is",
  ],
  ["cat.png", bytes("\x89PNG\r\n\x1a\n"), "it is an image"],
  ["cat.jpg", bytes("\xff\xd8\xff\xe0"), "it is an image"],
  ["paper.pdf", bytes("%PDF-1.7"), "it is a PDF"],
  ["model.tar.gz", bytes("\x1f\x8b\x08"), "it is a compressed file"],
  ["config.json", bytes('{ "model_type": "llama" }'), "it is a JSON file; give the folder that it is in"],
  ["story.txt", bytes("Once upon a time\n"), "it is a text"],
  ["pointer", bytes("version https://git-lfs.github.com/spec/v1\n"), "it is a pointer of Git LFS"],
  ["empty", bytes(""), "it is an empty file"],
  ["noise", bytes("\x01\x02\xfe\xff\x03"), "it is a file of unknown kind"],
])("the file %s", async (name, content, words) => {
  const path = join(folder, name);
  await writeFile(path, content);
  await expect(load(path)).rejects.toThrow(`${path}: ${words.split(" ")[0]}`);
  await expect(load(path)).rejects.toThrow(words);
});

test.each<[string, Record<string, string>, string]>([
  ["empty", {}, "config.json is missing, expected a model in Hugging Face layout, or a .gguf file"],
  [
    "lora",
    { "adapter_config.json": '{"peft_type":"LORA","base_model_name_or_path":"a/b"}' },
    "it is an adapter of a/b (LORA): it changes a model and is none",
  ],
  ["soft prompt", { "adapter_config.json": '{"peft_type":"PROMPT_TUNING"}' }, "it is a soft prompt: give the model"],
  ["torn adapter", { "adapter_config.json": "{" }, "it is an adapter: it changes"],
  ["pickled", { "pytorch_model.bin": "" }, "its weights are in Python's pickle format"],
  ["bare weights", { "model.safetensors": "" }, "it has weights, whose shape config.json would tell"],
  ["images", { "model_index.json": "{}" }, "it is a pipeline of diffusers"],
  ["hub", { "refs/main": "abc" }, "the model is one of the folders in its snapshots"],
])("a folder: %s", async (name, files, words) => {
  const path = join(folder, `of ${name}`);
  await mkdir(path);
  for (const [file, content] of Object.entries(files)) {
    await mkdir(dirname(join(path, file)), { recursive: true });
    await writeFile(join(path, file), content);
  }
  await expect(load(path)).rejects.toThrow(`${path}: config.json is missing`);
  await expect(load(path)).rejects.toThrow(words);
});

test("nothing at all; a name of the Hub is taken for one", async () => {
  await expect(load("/nowhere/at/all")).rejects.toThrow(/^\/nowhere\/at\/all: there is no such file or directory$/);
  await expect(load("owner/name")).rejects.toThrow(
    "owner/name: there is no such file or directory; for a model of the Hugging Face Hub, give hf:owner/name",
  );
  await expect(load("HuggingFaceTB/SmolLM2-135M-Instruct")).rejects.toThrow("give hf:HuggingFaceTB/SmolLM2");
});
