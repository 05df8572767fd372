// The families that there are. A new one is a file of its own and a name in this list.

import type { Json } from "../../../weights/folder.ts";
import { FieldError } from "../../field-error.ts";
import { deepseekV2, deepseekV3 } from "./deepseek.ts";
import type { Family } from "./family.ts";
import { gemma3 } from "./gemma.ts";
import { gpt2 } from "./gpt2.ts";
import { llama } from "./llama.ts";
import { mistral } from "./mistral.ts";
import { qwen2, qwen3, qwen3Moe } from "./qwen.ts";

const families: readonly Family[] = [llama, qwen2, qwen3, qwen3Moe, mistral, gemma3, gpt2, deepseekV2, deepseekV3];

/** Model types that cannot be had here, and why. */
const refused: Readonly<Record<string, string>> = {
  deepseek_v32: "its attention looks at the positions that an indexer chooses, which is not computed here",
  deepseek_v4: "its first experts are chosen by token id, so that rows of embeddings alone do not say what to compute",
  "deepseek_v4.1": "it looks up n-grams by token id, so that rows of embeddings alone do not say what to compute",
};

/** The family that `model_type` names. @throws if there is none; the error lists those that we know. */
export function familyOf(json: Json, where: string): Family {
  const type = String(json.model_type);
  const family = families.find((candidate) => candidate.modelTypes.includes(type));
  if (family) return family;
  const reason = refused[type] ?? (type.startsWith("deepseek_v4") ? refused["deepseek_v4.1"] : undefined);
  if (reason) throw new FieldError("model_type", `${JSON.stringify(type)} in ${where}: ${reason}`, "unsupported");
  const known = families.flatMap((candidate) => candidate.modelTypes).join(", ");
  throw new Error(`${where}: model_type is ${JSON.stringify(json.model_type)}, expected one of ${known}`);
}
