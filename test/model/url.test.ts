// A model by its URL is the model that the same files are by their path: the same tensors and fingerprint, whole or in shards
// or as a GGUF file; and a server's faults name the file.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createOps } from "../../kernels/ops.ts";
import { referenceKernels } from "../../kernels/reference/reference.ts";
import { convertToGguf } from "../../src/export/gguf.ts";
import { defaultModel, load, loadInWorker, type ServedModel } from "../../src/index.ts";
import { loadModel } from "../../src/model/load.ts";
import { tensorsOf } from "../../src/model/model.ts";
import { readGolden } from "../golden/golden.ts";
import { long } from "../long.ts";
import { type FileServer, serveFiles } from "../weights/file-server.ts";

const ops = createOps(referenceKernels());
let folder: string;
let server: FileServer | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "url-"));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  await rm(folder, { recursive: true });
});

async function serve(directory: string): Promise<FileServer> {
  server = await serveFiles(directory);
  return server;
}

async function expectSame(url: string, path: string): Promise<void> {
  const [there, here] = [await loadModel(ops, url), await loadModel(ops, path)];
  expect(there.fingerprint).toBe(here.fingerprint);
  expect(there.endIds).toEqual(here.endIds);
  expect(there.model.config).toEqual(here.model.config);
  const expected = tensorsOf(here.model);
  for (const [name, tensor] of tensorsOf(there.model))
    expect(await ops.read(tensor)).toEqual(await ops.read(expected.get(name) ?? tensor));
}

test.each(["llama-gqa", "llama-sharded", "gpt2"])("%s", async (name) => {
  const { directory } = await readGolden(name);
  const { url } = await serve(directory);
  await expectSame(url, directory);
  const { files } = await loadModel(ops, url.slice(0, -1));
  expect(files).toEqual((await loadModel(ops, directory)).files.map((file) => file.replace(`${directory}/`, url)));
});

test.each(["llama-gqa", "gpt2"])("%s as a GGUF file", async (name) => {
  const file = join(folder, "model.gguf");
  await convertToGguf((await readGolden(name)).directory, file, { tokenizer: () => new Map() });
  const { url } = await serve(folder);
  await expectSame(`${url}model.gguf`, file);
  await expectSame(`${url}model.gguf?download=true`, file);
});

test.runIf(long)(
  "the whole library, in this thread and in a worker; in one thread as in a GGUF file (test:long)",
  async () => {
    const { url } = await serve(defaultModel);
    const text = async (model: ServedModel) => {
      for await (const event of model.generate({ input: "Once upon a time", maxTokens: 8, temperature: 0 }))
        if (event.type === "end") {
          await model.close();
          return event.text;
        }
      throw new Error("no end");
    };
    const expected = await text(await load());
    const remote = await load(url);
    expect(remote.directory).toBe(url);
    expect(remote.files).toEqual([`${url}model.safetensors`]);
    expect(remote.chatTemplate).toEqual(expect.any(String));
    expect(await text(remote)).toBe(expected);
    expect(await text(await loadInWorker(url))).toBe(expected);
    await convertToGguf(url, join(folder, "model.gguf"));
    const gguf = await serveFiles(folder);
    expect(await text(await loadInWorker(`${gguf.url}model.gguf`))).toBe(expected);
    await gguf.close();
  },
);

test("what is not there, or breaks off, is named", async () => {
  const { directory } = await readGolden("llama-gqa");
  const { url } = await serve(directory);
  await expect(load(`${url}nowhere`)).rejects.toThrow(
    `${url}nowhere: config.json is missing, expected a model in Hugging Face layout, or a .gguf file`,
  );
  await expect(load(`${url}nowhere.gguf`)).rejects.toThrow(
    `${url}nowhere.gguf: cannot be opened: the server answered 404 Not Found`,
  );
  await expect(load(url)).rejects.toThrow(`${url}tokenizer.json is missing`);
  (server as FileServer).spoil = (file, first) =>
    file === "model.safetensors" && first > 0 ? { cutAfter: 3 } : undefined;
  await expect(loadModel(ops, url)).rejects.toThrow(
    /model\.safetensors: cannot be read: the answer broke off at byte \d+ of \d+ \(rule: file\)$/,
  );
  (server as FileServer).spoil = () => ({ status: 200 });
  await expect(load(url)).rejects.toThrow(
    `${url}config.json: cannot be read: the server answered 200 to a request for a range, expected 206`,
  );
});
