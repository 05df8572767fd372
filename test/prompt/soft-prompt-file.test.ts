// Soft prompts as PEFT keeps them: what is rows before the text is read, every other kind of adapter is refused by name.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { adapterFile, readSoftPrompt } from "../../src/prompt/soft-prompt-file.ts";
import { encodeF32 } from "../../weights/dtype.ts";
import { writeSafetensors } from "../../weights/safetensors.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "soft-prompt-"));
});
afterAll(() => rm(folder, { recursive: true }));

const rows = Float32Array.of(1, 2, 3, 4, 5, 6);

/** A directory as PEFT writes it, with more tensors where asked for. */
async function adapter(config: object | undefined, more: readonly string[] = []): Promise<string> {
  const directory = await mkdtemp(join(folder, "adapter-"));
  const tensors = ["prompt_embeddings", ...more].map((name) => ({
    name,
    dtype: "F32" as const,
    shape: [2, 3],
    data: encodeF32("f32", rows),
  }));
  await writeSafetensors(join(directory, adapterFile), tensors, { format: "pt" });
  if (config) await writeFile(join(directory, "adapter_config.json"), JSON.stringify(config));
  return directory;
}

test.each([
  undefined,
  { peft_type: "PROMPT_TUNING", num_transformer_submodules: 1 },
  { peft_type: "P_TUNING", encoder_hidden_size: 8, num_transformer_submodules: null },
])("%j: rows before the text", async (config) => {
  const directory = await adapter(config);
  for (const path of [directory, join(directory, adapterFile)])
    expect(await readSoftPrompt(path)).toMatchObject({ embeds: rows, shape: [2, 3] });
});

describe("what is refused", () => {
  test.each(["MULTITASK_PROMPT_TUNING", "PREFIX_TUNING", "ADAPTION_PROMPT", "CPT", "LORA", 7])(
    "%s, by the name that adapter_config.json has for it",
    async (peft_type) => {
      const directory = await adapter({ peft_type });
      for (const path of [directory, join(directory, adapterFile)])
        await expect(readSoftPrompt(path)).rejects.toThrow(
          `adapter_config.json: peft_type is ${JSON.stringify(peft_type)}, expected PROMPT_TUNING or P_TUNING`,
        );
    },
  );

  test("rows of an encoder and a decoder", async () => {
    const directory = await adapter({ peft_type: "PROMPT_TUNING", num_transformer_submodules: 2 });
    await expect(readSoftPrompt(directory)).rejects.toThrow("num_transformer_submodules is 2, expected 1");
  });

  test("multitask prompt tuning without its configuration", async () => {
    const directory = await adapter(undefined, ["prefix_task_cols", "prefix_task_rows"]);
    await expect(readSoftPrompt(directory)).rejects.toThrow(
      "it holds prefix_task_cols, prefix_task_rows beside prompt_embeddings (PEFT's MULTITASK_PROMPT_TUNING)",
    );
  });

  test("trained weights of the model beside the rows", async () => {
    const directory = await adapter({ peft_type: "PROMPT_TUNING" }, ["base_model.model.lm_head.weight"]);
    await expect(readSoftPrompt(directory)).rejects.toThrow("it holds base_model.model.lm_head.weight beside prompt_");
  });

  test("a configuration that is no JSON", async () => {
    const directory = await adapter(undefined);
    await writeFile(join(directory, "adapter_config.json"), "{");
    await expect(readSoftPrompt(directory)).rejects.toThrow("adapter_config.json");
  });
});
