// Where a checkpoint keeps its chat template: a file of its own, a field of tokenizer_config.json, or GGUF metadata. The text
// is found here, not understood.

import { folderAt, readJson, readText } from "../../weights/folder.ts";
import type { GgufMetadata } from "../../weights/gguf-header.ts";

/**
 * The chat template of the model at a path or a URL, or null where it has none. chat_template.jinja counts before tokenizer_config.json, as in
 * transformers; of several named templates it is the one called "default".
 * @throws if tokenizer_config.json has a chat_template that is neither a text nor a list of named texts with a default.
 */
export async function readChatTemplate(place: string, metadata?: GgufMetadata): Promise<string | null> {
  if (metadata) {
    const value = metadata.get("tokenizer.chat_template")?.value;
    return typeof value === "string" ? value : null;
  }
  const folder = folderAt(place);
  const own = await readText(folder, "chat_template.jinja");
  if (own !== undefined) return own;
  const file = "tokenizer_config.json";
  const template = (await readJson(folder, file))?.chat_template ?? null;
  if (template === null || typeof template === "string") return template;
  const named: { name?: unknown; template?: unknown }[] = Array.isArray(template) ? template : [];
  const chosen = named.find((candidate) => candidate?.name === "default")?.template;
  if (typeof chosen !== "string")
    throw new TypeError(
      `${folder.placeOf(file)}: chat_template is neither a text nor a list of named texts with a "default"`,
    );
  return chosen;
}
