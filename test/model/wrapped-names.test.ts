// Checkpoints whose tensor names a wrapper has changed: each is the same model, and the prefix is said; a mixture is refused.

import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { loadModel } from "../../src/model/load.ts";
import { tensorsOf } from "../../src/model/model.ts";
import { openSafetensors, writeSafetensors } from "../../weights/safetensors.ts";
import { readGolden } from "../golden/golden.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "wrapped-"));
});
afterAll(() => rm(folder, { recursive: true }));

const ops = createOps(referenceKernels());

/** A golden checkpoint with other tensor names; undefined leaves a tensor out, an array writes it several times. */
async function renamed(golden: string, nameOf: (name: string) => string | string[] | undefined): Promise<string> {
  const { directory } = await readGolden(golden);
  const path = await mkdtemp(join(folder, "model-"));
  await cp(join(directory, "config.json"), join(path, "config.json"));
  const checkpoint = await openSafetensors(directory);
  const tensors = [];
  for (const { name, dtype, shape } of checkpoint.tensors.values()) {
    const data = await checkpoint.read(name);
    for (const other of [nameOf(name) ?? []].flat()) tensors.push({ name: other, dtype, shape, data });
  }
  await writeSafetensors(join(path, "model.safetensors"), tensors);
  await checkpoint.close();
  return path;
}

const bare = (name: string) => name.replace(/^(model|transformer)\./, "");

describe.each<[what: string, golden: string, nameOf: (name: string) => string, note: string]>([
  ["the bare model", "llama-tied", bare, 'tensor names have no prefix where this family has "model."'],
  ["the bare model beside its head", "llama-gqa", bare, "tensor names have no prefix"],
  ["a compiled model", "llama-gqa", (name) => `_orig_mod.${name}`, 'have "_orig_mod.model." where this family'],
  ["data parallel", "qwen2", (name) => `module.${name}`, '"module.model."'],
  ["both", "qwen3", (name) => `module._orig_mod.${name}`, '"module.model."'],
  ["PEFT's", "llama-gqa", (name) => `base_model.model.${name}`, '"base_model.model.model."'],
  ["PEFT's round the bare model", "llama-tied", (name) => `base_model.model.${bare(name)}`, '"base_model.model."'],
  ["a name of someone's own", "llama-gqa", (name) => `student.${name}`, '"student.model."'],
  [
    "GPT-2 in a wrapper",
    "gpt2",
    (name) => `module.${name}`,
    '"module.transformer." where this family has "transformer."',
  ],
  ["layers compiled one by one", "llama-gqa", (name) => name.replace(/(layers\.\d+\.)/, "$1_orig_mod."), "_orig_mod"],
])("%s", (_, golden, nameOf, note) => {
  test("is the same model, and the names are said", async () => {
    const { directory } = await readGolden(golden);
    const expected = await loadModel(ops, directory);
    const loaded = await loadModel(ops, await renamed(golden, nameOf));
    expect(expected.notes).toEqual([]);
    expect(loaded.notes.join("; ")).toContain(note);
    expect(loaded.fingerprint).toBe(expected.fingerprint);
    const tensors = tensorsOf(loaded.model);
    expect([...tensors.keys()]).toEqual([...tensorsOf(expected.model).keys()]);
    for (const [name, tensor] of tensorsOf(expected.model))
      expect(await ops.read(tensors.get(name) ?? tensor), name).toEqual(await ops.read(tensor));
  });
});

test("GPT-2 with its first names and with its later ones needs no note", async () => {
  for (const nameOf of [bare, (name: string) => `transformer.${bare(name)}`])
    expect((await loadModel(ops, await renamed("gpt2", nameOf))).notes).toEqual([]);
});

describe("what is refused", () => {
  const loading = async (nameOf: Parameters<typeof renamed>[1], golden = "llama-gqa") =>
    loadModel(ops, await renamed(golden, nameOf));
  const wrapped = (name: string) => `_orig_mod.${name}`;

  test("a mixture of prefixes, with one name of each", async () => {
    await expect(loading((name) => (name.includes("layers.1.") ? wrapped(name) : name))).rejects.toThrow(
      /tensors stand under "(_orig_mod\.)?model\." \(.*\) and under "(_orig_mod\.)?model\." \(.*\), expected one prefix/,
    );
  });

  test("two models in one file", async () => {
    await expect(loading((name) => [`teacher.${name}`, `student.${name}`])).rejects.toThrow(
      /under "(student|teacher)\.model\." .* and under "(student|teacher)\.model\."/,
    );
  });

  test("a tensor twice, in a wrapper and without it", async () => {
    const twice = (name: string) => (name.includes("up_proj") ? [name, name.replace("mlp.", "mlp._orig_mod.")] : name);
    await expect(loading(twice)).rejects.toThrow(/tensors .* are both model\.layers\.0\.mlp\.up_proj\.weight/);
  });

  test("a missing tensor and one too many, by the names of the file", async () => {
    await expect(
      loading((name) => (name.includes("layers.0.mlp.up_proj") ? undefined : wrapped(name))),
    ).rejects.toThrow("tensor _orig_mod.model.layers.0.mlp.up_proj.weight is missing");
    await expect(
      loading((name) => [wrapped(name), ...(name.startsWith("model.norm") ? ["_orig_mod.model.surprise"] : [])]),
    ).rejects.toThrow("1 tensors have no place in a llama model: _orig_mod.model.surprise");
    await expect(loading((name) => (name.startsWith("lm_head") ? undefined : bare(name)))).rejects.toThrow(
      "tensor lm_head.weight is missing",
    );
  });
});
