// plainformer convert, from a model directory to a file that the same program runs.

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { addConvert } from "../../src/cli/convert.ts";
import { load } from "../../src/index.ts";
import { readGgufMetadata } from "../../weights/gguf.ts";
import { stories260k } from "../outside-data.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "convert-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** What the command prints. */
async function convert(...args: string[]): Promise<string[]> {
  const printed = vi.spyOn(console, "log").mockImplementation(() => {});
  try {
    const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
    addConvert(program);
    for (const command of program.commands) command.exitOverride().configureOutput({ writeErr: () => {} });
    await program.parseAsync(["convert", ...args], { from: "user" });
    return printed.mock.calls.flat();
  } finally {
    printed.mockRestore();
  }
}

async function story(path: string, dtype?: "f16" | "f32"): Promise<{ ids: number[]; text: string }> {
  const model = await load(path, { kernels: "reference", dtype });
  for await (const event of model.generate({ input: "Once upon a time", maxTokens: 40, temperature: 0 }))
    if (event.type === "end") {
      model.close();
      return { ids: event.ids, text: event.text };
    }
  throw new Error("no end");
}

describe("stories260k", () => {
  test("as a GGUF file it tells the same story", async (context) => {
    if (stories260k.missing) return context.skip(stories260k.missing);
    const out = join(folder, "stories.gguf");
    expect(await convert("--model", stories260k.directory, "--out", out)).toEqual([out]);
    expect(await story(out)).toEqual(await story(stories260k.directory));
    expect(await readdir(folder)).toEqual(["stories.gguf"]);
    const metadata = await readGgufMetadata(out);
    expect(metadata.get("general.architecture")?.value).toBe("llama");
    expect(metadata.get("tokenizer.ggml.model")?.value).toBe("llama");
    expect(metadata.get("tokenizer.ggml.eos_token_id")?.value).toBe(2);
  });

  test("in f16, and from that file again in f32", async (context) => {
    if (stories260k.missing) return context.skip(stories260k.missing);
    const [half, full] = [join(folder, "half.gguf"), join(folder, "full.gguf")];
    await convert("--model", stories260k.directory, "--out", half, "--dtype", "f16");
    await convert("--model", half, "--out", full, "--dtype", "f32");
    const expected = await story(stories260k.directory, "f16");
    expect(await story(half)).toEqual(expected);
    expect(await story(full)).toEqual(expected);
  });

  test("rows that are not whole blocks end it, and no file is left", async (context) => {
    if (stories260k.missing) return context.skip(stories260k.missing);
    const before = await readdir(folder);
    const out = join(folder, "blocks.gguf");
    const error = convert("--model", stories260k.directory, "--out", out, "--dtype", "q8_0");
    await expect(error).rejects.toThrow("cannot be q8_0: its rows of 172 are not whole blocks of 32");
    expect(await readdir(folder)).toEqual(before);
  });
});

test("a directory without a tokenizer, and wrong use", async () => {
  const directory = join(import.meta.dirname, "../golden/llama-gqa");
  const out = join(folder, "none.gguf");
  await expect(convert("--model", directory, "--out", out)).rejects.toThrow("tokenizer.json is missing");
  await expect(convert("--model", directory)).rejects.toThrow("required option '--out <file>' not specified");
  await expect(convert("--out", out, "--dtype", "q3")).rejects.toThrow("Allowed choices are f32, bf16, f16, q8_0");
});
