// The families that there are. A new one is a file of its own and a name in this list.

import type { Json } from "../../../weights/folder.ts";
import type { Family } from "./family.ts";
import { gpt2 } from "./gpt2.ts";
import { llama } from "./llama.ts";
import { qwen2, qwen3 } from "./qwen.ts";

const families: readonly Family[] = [llama, qwen2, qwen3, gpt2];

/** The family that `model_type` names. @throws if there is none; the error lists those that we know. */
export function familyOf(json: Json, where: string): Family {
  const family = families.find((candidate) => candidate.modelTypes.includes(String(json.model_type)));
  if (family) return family;
  const known = families.flatMap((candidate) => candidate.modelTypes).join(", ");
  throw new Error(`${where}: model_type is ${JSON.stringify(json.model_type)}, expected one of ${known}`);
}
