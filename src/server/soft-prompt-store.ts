// Soft prompts that callers upload, on disk: FOLDER/TENANT/NAME.safetensors, as PEFT writes them, each with the fingerprint of
// the model that it was made for. A file appears whole or not at all, so of two uploads of one name the later one is there.
// Tenants are folders: nobody sees another's.

import { mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { readSoftPrompt, writeSoftPrompt } from "../prompt/soft-prompt-file.ts";
import type { SoftPrompt } from "../prompt/soft-prompts.ts";

export type Tenant = string | undefined;

/** Names are checked by the caller. */
export interface SoftPromptStore {
  names(tenant: Tenant): Promise<string[]>;
  get(tenant: Tenant, name: string): Promise<SoftPrompt | undefined>;
  /** The file's bytes. */
  bytes(tenant: Tenant, name: string): Promise<Uint8Array | undefined>;
  /** Milliseconds since 1970. */
  savedAt(tenant: Tenant, name: string): Promise<number>;
  /** Keeps it in place of what had the name; what was there stays if that fails. */
  put(tenant: Tenant, name: string, softPrompt: SoftPrompt): Promise<void>;
  /** Whether there was one. */
  delete(tenant: Tenant, name: string): Promise<boolean>;
}

const ending = ".safetensors";

/** Opens a folder, made if need be; what broken uploads left behind is removed. */
export async function openSoftPromptStore(folder: string): Promise<SoftPromptStore> {
  await mkdir(folder, { recursive: true });
  for (const file of await readdir(folder, { recursive: true }))
    if (/(^|[\\/])\.[^\\/]*\.tmp$/.test(file)) await rm(join(folder, file), { force: true });

  const home = (tenant: Tenant) => join(folder, tenant ?? "open"); // a tenant is a hexadecimal hash
  const fileOf = (tenant: Tenant, name: string) => join(home(tenant), name + ending);
  return {
    async names(tenant) {
      const files = await readdir(home(tenant)).catch(unlessMissing<string[]>([]));
      const found = files.filter((file) => file.endsWith(ending) && !file.startsWith("."));
      return found.map((file) => file.slice(0, -ending.length)).sort();
    },
    async get(tenant, name) {
      const file = fileOf(tenant, name);
      return (await exists(file)) ? readSoftPrompt(file) : undefined;
    },
    bytes: (tenant, name) => readFile(fileOf(tenant, name)).catch(unlessMissing(undefined)),
    savedAt: async (tenant, name) => (await stat(fileOf(tenant, name))).mtimeMs,
    async put(tenant, name, softPrompt) {
      await mkdir(home(tenant), { recursive: true });
      await writeSoftPrompt(fileOf(tenant, name), softPrompt);
    },
    async delete(tenant, name) {
      const file = fileOf(tenant, name);
      const there = await exists(file);
      await rm(file, { force: true });
      return there;
    },
  };
}

async function exists(file: string): Promise<boolean> {
  return (await stat(file).catch(unlessMissing(undefined))) !== undefined;
}

/** Takes the place of a file that is not there; any other error goes on. */
function unlessMissing<Value>(value: Value): (error: NodeJS.ErrnoException) => Value {
  return (error) => {
    if (error.code === "ENOENT") return value;
    throw error;
  };
}
