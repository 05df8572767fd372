// Where a checkpoint keeps its chat template: a file of its own, a field of tokenizer_config.json, or GGUF metadata. The text
// is found here, not understood.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { GgufMetadata } from "../../weights/gguf-header.ts";

/**
 * The chat template of a model, or null where it has none. chat_template.jinja counts before tokenizer_config.json, as in
 * transformers; of several named templates it is the one called "default".
 * @throws if tokenizer_config.json has a chat_template that is neither a text nor a list of named texts with a default.
 */
export async function readChatTemplate(path: string, metadata?: GgufMetadata): Promise<string | null> {
  if (metadata) {
    const value = metadata.get("tokenizer.chat_template")?.value;
    return typeof value === "string" ? value : null;
  }
  const own = await readIfThere(join(path, "chat_template.jinja"));
  if (own !== undefined) return own;
  const file = join(path, "tokenizer_config.json");
  const template = JSON.parse((await readIfThere(file)) ?? "{}").chat_template ?? null;
  if (template === null || typeof template === "string") return template;
  const named: { name?: unknown; template?: unknown }[] = Array.isArray(template) ? template : [];
  const chosen = named.find((candidate) => candidate?.name === "default")?.template;
  if (typeof chosen !== "string")
    throw new TypeError(`${file}: chat_template is neither a text nor a list of named texts with a "default"`);
  return chosen;
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
