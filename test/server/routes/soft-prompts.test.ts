// /soft_prompts: up, listed, down, away; used by name; and everything that must not happen to them.

import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { readSoftPrompt, writeSoftPrompt } from "../../../src/prompt/soft-prompt-file.ts";
import { keysOf } from "../../../src/server/access.ts";
import { openSoftPromptStore } from "../../../src/server/soft-prompt-store.ts";
import { encodeF32 } from "../../../weights/dtype.ts";
import { writeSafetensors } from "../../../weights/safetensors.ts";
import { noise } from "../../kernels/noise.ts";
import { errorOf } from "../start.ts";
import { api, type Json } from "./api.ts";

const folder = await mkdtemp(join(tmpdir(), "soft-prompts-"));
afterAll(() => rm(folder, { recursive: true }));
const softPrompts = await openSoftPromptStore(join(folder, "kept"));
const { url, ask, refused, served } = await api({ softPrompts });
const { dModel } = served.config;
const rowsOf = (n: number, seed: number) => noise(n * dModel, seed).map((x) => x * 0.1);
const tensor = (embeds: Float32Array) => ({
  shape: [embeds.length / dModel, dModel],
  dtype: "f32",
  data: Buffer.from(encodeF32("f32", embeds)).toString("base64"),
});

function put(name: string, body: object | Uint8Array, headers: Record<string, string> = {}, to = url) {
  const octets = body instanceof Uint8Array;
  return fetch(`${to}/v1/soft_prompts/${name}`, {
    method: "PUT",
    headers: { "content-type": octets ? "application/octet-stream" : "application/json", ...headers },
    body: octets ? Buffer.from(body) : JSON.stringify(body),
  });
}
const get = (path: string, accept = "application/json", headers = {}, from = url) =>
  fetch(`${from}/soft_prompts${path}`, { headers: { accept, ...headers } });

const json = async (response: Promise<Response>): Promise<Json> => (await response).json();

/** A safetensors file's bytes. */
async function file(tensors: Parameters<typeof writeSafetensors>[1], metadata?: Record<string, string>) {
  const path = join(folder, "made.safetensors");
  await writeSafetensors(path, tensors, metadata);
  return new Uint8Array(await readFile(path));
}
const adapter = (embeds: Float32Array, metadata?: Record<string, string>) =>
  file(
    [
      {
        name: "prompt_embeddings",
        dtype: "F32",
        shape: [embeds.length / dModel, dModel],
        data: encodeF32("f32", embeds),
      },
    ],
    metadata,
  );

test("JSON or a file in, JSON or a file out, listed, and gone", async () => {
  const rows = rowsOf(3, 1);
  const entry = { object: "soft_prompt", shape: [3, dModel], fingerprint: served.fingerprint, usable: true };
  expect(await json(put("as-json", { embeds: tensor(rows) }))).toMatchObject({ ...entry, name: "as-json" });
  expect(await json(put("as_file", await adapter(rows, { format: "pt" })))).toMatchObject(entry);
  const { data } = await json(get(""));
  expect(data.map(({ name }: { name: string }) => name)).toEqual(["as-json", "as_file"]);
  for (const name of ["as-json", "as_file"]) {
    expect((await json(get(`/${name}`))).embeds).toEqual(tensor(rows));
    const down = await get(`/${name}`, "application/octet-stream");
    expect(down.headers.get("content-type")).toBe("application/octet-stream");
    await writeFile(join(folder, "down"), new Uint8Array(await down.arrayBuffer()));
    const read = await readSoftPrompt(join(folder, "down"));
    expect(read).toEqual({ embeds: rows, shape: [3, dModel], fingerprint: served.fingerprint });
    const gone = await fetch(`${url}/soft_prompts/${name}`, { method: "DELETE" });
    expect(await gone.json()).toEqual({ object: "soft_prompt", name, deleted: true });
    expect((await get(`/${name}`)).status).toBe(404);
    expect((await fetch(`${url}/soft_prompts/${name}`, { method: "DELETE" })).status).toBe(404);
  }
  expect((await json(get(""))).data).toEqual([]);
});

test("by name it is the rows themselves: in text, chat, score and gradients", async () => {
  const rows = rowsOf(70, 2);
  await put("poet", { embeds: tensor(rows) });
  const text = { type: "text", text: "Once upon a time" };
  const both = [
    [{ type: "soft_prompt", name: "poet" }, text],
    [{ type: "embeds", embeds: tensor(rows) }, text],
  ];
  const options = { max_tokens: 8, temperature: 0 };
  const [named, sent] = await Promise.all(both.map((input) => ask("/completions_from_embeds", { input, ...options })));
  expect(named.choices).toEqual(sent.choices);
  // The named one's first page is in the prefix cache: again, and after other text.
  const again = await ask("/completions_from_embeds", { input: both[0], ...options });
  expect(again.usage.prompt_cache_hit_tokens).toBe(64);
  const other = await ask("/completions_from_embeds", {
    input: [both[0][0], { type: "text", text: "Yes" }],
    ...options,
  });
  expect(other.usage.prompt_cache_hit_tokens).toBe(64);

  const [a, b] = await Promise.all(both.map((input) => ask("/score", { input, targets: [" there"] })));
  expect(a.data).toEqual(b.data);
  const chats = await Promise.all(
    both.map(([first]) =>
      ask("/chat/completions", { messages: [{ role: "user", content: [first, text] }], ...options }),
    ),
  );
  expect(chats[0].choices).toEqual(chats[1].choices);
  expect(chats[0].usage.prompt_tokens_details.embed_tokens).toBe(70);

  // It stands still: gradients are of what was sent.
  const p = { type: "embeds", id: "p", embeds: tensor(rowsOf(2, 3)) };
  const [x, y] = await Promise.all(both.map(([first]) => ask("/gradients", { input: [first, p], targets: [[7]] })));
  expect(x.gradients).toEqual({ p: y.gradients.p });
  expect(x.loss).toBe(y.loss);
});

test("an unknown name and a path are refused by the field", async () => {
  const input = (name: string) => ({ input: [{ type: "soft_prompt", name }], max_tokens: 1 });
  expect(await refused("/completions_from_embeds", input("nobody"))).toMatchObject({
    status: 400,
    message: 'input[0].name: there is none named "nobody"',
    param: "input[0].name",
  });
  for (const name of ["../poet", "a/b", "", "x".repeat(65), "ä"]) {
    const { message } = await refused("/completions_from_embeds", input(name));
    expect(message).toContain("expected 1 to 64 letters, digits, underscores and hyphens");
  }
  for (const name of ["..%2Fpoet", "a%2Fb", "%00", "a.b", "x".repeat(65), "%5C"]) {
    for (const response of [await put(name, { embeds: tensor(rowsOf(1, 1)) }), await get(`/${name}`)])
      expect((await errorOf(response)).param).toBe("name");
    expect((await fetch(`${url}/soft_prompts/${name}`, { method: "DELETE" })).status).toBe(400);
  }
  expect((await readdir(folder)).sort()).toEqual(["down", "kept", "made.safetensors"]);
});

test("another model's is refused with both fingerprints: when it comes, and when it is used", async () => {
  const rows = rowsOf(2, 1);
  const theirs = "f".repeat(64);
  const both = `it belongs to the model with fingerprint ${theirs}, expected one of this model, ${served.fingerprint}`;
  for (const body of [{ embeds: tensor(rows), fingerprint: theirs }, await adapter(rows, { fingerprint: theirs })]) {
    const response = await put("stranger", body);
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ message: `fingerprint: ${both}`, param: "fingerprint" });
  }
  await softPrompts.put(undefined, "stranger", { embeds: rows, shape: [2, dModel], fingerprint: theirs });
  const { message } = await refused("/score", { input: [{ type: "soft_prompt", name: "stranger" }], targets: ["a"] });
  expect(message).toBe(`input[0].name: ${both}`);
  const { data } = await json(get(""));
  expect(data.find(({ name }: { name: string }) => name === "stranger")).toMatchObject({ usable: false });
});

test("bodies that are no soft prompt change nothing", async () => {
  await put("steady", { embeds: tensor(rowsOf(2, 4)) });
  const data = encodeF32("f32", new Float32Array(6));
  const cases: [object | Uint8Array, string][] = [
    [Buffer.from("no file"), "header"],
    [await file([{ name: "other", dtype: "F32", shape: [2, 3], data }]), "it holds other, expected prompt_embeddings"],
    [
      await file([{ name: "prompt_embeddings", dtype: "F32", shape: [2, 3], data }]),
      `rows 3 wide, expected the model's width of ${dModel}`,
    ],
    [await adapter(rowsOf(1, 1).fill(Number.NaN, 5, 6)), "row 0, column 5 is NaN, expected finite numbers"],
    [{ embeds: [[1, 2]] }, `the row has 2 numbers, expected the model's width of ${dModel}`],
    [{ embeds: "rows" }, "embeds"],
    [{}, "embeds"],
  ];
  for (const [body, message] of cases) {
    const response = await put("steady", body);
    const error = await errorOf(response);
    expect(response.status, message).toBe(400);
    expect(error.message).toContain(message);
    expect(error.message).not.toContain(folder);
  }
  expect((await put("steady", {}, { "content-type": "text/plain" })).status).toBe(415);
  expect((await json(get("/steady"))).embeds).toEqual(tensor(rowsOf(2, 4)));
  expect(await readdir(join(folder, "kept"))).toEqual(["open"]);
});

test("many uploads of one name at once: one wins whole", async () => {
  const all = Array.from({ length: 12 }, (_, i) => rowsOf(1 + i, i));
  const statuses = await Promise.all(
    all.map(async (rows, i) => (await put("busy", i % 2 ? { embeds: tensor(rows) } : await adapterOf(rows))).status),
  );
  expect(new Set(statuses)).toEqual(new Set([200]));
  const kept = (await json(get("/busy"))).embeds;
  expect(all.map(tensor)).toContainEqual(kept);
  expect((await readdir(join(folder, "kept", "open"))).filter((name) => name.startsWith("."))).toEqual([]);
});
/** A file of its own for each. */
async function adapterOf(embeds: Float32Array) {
  const path = join(folder, `own-${embeds.length}.safetensors`);
  await writeSoftPrompt(path, { embeds, shape: [embeds.length / dModel, dModel] });
  const bytes = new Uint8Array(await readFile(path));
  await rm(path);
  return bytes;
}

test("a disk that takes no more: told so, and what was there stays", async () => {
  // For real, in a process that may write files of 50 KiB only …
  const program = fileURLToPath(new URL("../full-disk.ts", import.meta.url));
  const args = [process.execPath, "--import", "tsx", program, join(folder, "small")];
  const { stdout } = await promisify(execFile)("sh", ["-c", 'ulimit -f 100; exec "$0" "$@"', ...args]);
  const { said, ...left } = JSON.parse(stdout);
  expect(said).toContain("cannot be written: EFBIG");
  expect(left).toEqual({ rows: 1, files: ["kept.safetensors"] });

  // … and what the route makes of it.
  const full = {
    ...softPrompts,
    put: async () => {
      throw new Error(said, { cause: Object.assign(new Error("no space"), { code: "ENOSPC" }) });
    },
  };
  const { url: there } = await api({ softPrompts: full });
  await put("steady", { embeds: tensor(rowsOf(2, 4)) });
  const response = await put("steady", { embeds: tensor(rowsOf(3, 5)) }, {}, there);
  expect(response.status).toBe(503);
  const { message } = await errorOf(response);
  expect(message).toContain("ENOSPC");
  expect(message).not.toContain(folder);
  expect((await json(get("/steady"))).embeds).toEqual(tensor(rowsOf(2, 4)));
});

test("keys see their own only, and have so many", async () => {
  const keys = keysOf("sk-alice-0001\nsk-bob-00002\n", "keys");
  const own = await openSoftPromptStore(join(folder, "tenants"));
  const limits = { maxSoftPrompts: 2 };
  const { url: there } = await api({ keys, softPrompts: own, limits });
  const [alice, bob] = ["sk-alice-0001", "sk-bob-00002"].map((key) => ({ authorization: `Bearer ${key}` }));
  expect((await put("mine", { embeds: tensor(rowsOf(1, 1)) }, alice, there)).status).toBe(200);
  expect((await get("/mine", undefined, bob, there)).status).toBe(404);
  expect((await json(get("", undefined, bob, there))).data).toEqual([]);
  const use = (headers: Record<string, string>) =>
    fetch(`${there}/completions_from_embeds`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ model: "plainformer", input: [{ type: "soft_prompt", name: "mine" }], max_tokens: 1 }),
    });
  expect((await use(bob)).status).toBe(400);
  expect((await use(alice)).status).toBe(200);
  expect((await put("second", { embeds: tensor(rowsOf(1, 1)) }, alice, there)).status).toBe(200);
  const third = await put("third", { embeds: tensor(rowsOf(1, 1)) }, alice, there);
  expect((await errorOf(third)).message).toBe("name: there are 2 soft prompts already, expected at most 2");
  expect((await put("second", { embeds: tensor(rowsOf(1, 2)) }, alice, there)).status).toBe(200);
  expect((await put("third", { embeds: tensor(rowsOf(1, 1)) }, bob, there)).status).toBe(200);
});

test("a server without a folder says so", async () => {
  const { url: there } = await api();
  const response = await get("", undefined, {}, there);
  expect(response.status).toBe(404);
  expect((await errorOf(response)).message).toContain("--soft-prompts");
});
